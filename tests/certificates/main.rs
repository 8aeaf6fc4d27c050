//! Certificates, made by the platform and by stock ssh-keygen, shown by stock ssh.

#[path = "../client.rs"]
mod client;
mod console;
mod gateways;
mod limited;
mod refused;
mod revoked;
mod usable;

use std::path::PathBuf;
use std::process::Command;

use spaces_tests::{Person, Platform, run};

/// Somebody with a Space, and a machine whose key nobody registered.
struct Setting {
    platform: Platform,
    alice: Person,
    robot: Person,
    space: String,
}

impl Setting {
    fn new() -> Self {
        let platform = Platform::start();
        let (alice, space) = platform.owner("alice@example.com", "room");
        let robot = platform.stranger("robot@example.com");
        Self { platform, alice, robot, space }
    }

    /// Alice certifies the robot's key; gives the serial.
    #[track_caller]
    fn issue(&self, words: &[&str]) -> String {
        issue(&self.alice, &self.robot, words)
    }

    /// Makes a certificate of the robot's key with stock ssh-keygen and the platform's own CA key.
    #[track_caller]
    fn forge(&self, arguments: &[&str]) {
        let ca = self.platform.state().join("user_ca_key");
        sign(&self.robot, &ca, arguments);
    }

    /// What the log says of certificates that were refused, in order: why, each.
    fn refusals(&self) -> Vec<String> {
        let log = self.platform.log();
        let lines = log.iter().filter(|line| line.contains("a certificate was refused"));
        lines.map(|line| line.split("reason=").nth(1).expect("a reason").to_owned()).collect()
    }

    /// The rows of the audit trail whose action is this, newest first, as `target | outcome | detail`.
    fn trail(&self, action: &str) -> Vec<String> {
        let json = self.platform.admin().ssh("spaces", &["admin", "audit", "--json"]).ok();
        let rows: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        let rows = rows.as_array().expect("rows").iter().filter(|row| row["action"] == action);
        let cell = |row: &serde_json::Value, name: &str| row[name].as_str().unwrap_or("-").to_owned();
        rows.map(|row| {
            format!("{} | {} | {}", cell(row, "target"), cell(row, "outcome"), cell(row, "detail"))
        })
        .collect()
    }
}

/// One certifies the other's key, beside which the certificate is put; gives the serial.
#[track_caller]
fn issue(by: &Person, of: &Person, words: &[&str]) -> String {
    let key = std::fs::read(of.home.join("id.pub")).expect("a key");
    let issued = by.ssh_with(&[], "spaces", &[&["issue-cert"], words].concat(), &key);
    let news = issued.stderr.clone();
    std::fs::write(certificate(of), issued.ok()).expect("a file");
    news.split_whitespace().nth(1).expect("a serial").to_owned()
}

/// Has ssh show the certificate beside a key, and not the key itself, which it tries first.
const CERTIFICATE_ALONE: [&str; 2] = ["-o", "PubkeyAcceptedAlgorithms=*-cert-v01@openssh.com"];

/// Where ssh looks for the certificate of a person's key.
fn certificate(person: &Person) -> PathBuf {
    person.home.join("id-cert.pub")
}

/// `ssh-keygen -s`: a certificate beside a person's key.
#[track_caller]
fn sign(person: &Person, ca: &std::path::Path, arguments: &[&str]) {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-I", "forged", "-s"]).arg(ca).args(arguments).arg(person.home.join("id.pub"));
    run(&mut command, b"").ok();
}

/// What `ssh-keygen -L` shows of the certificate beside a person's key.
#[track_caller]
fn shown(person: &Person) -> String {
    run(Command::new("ssh-keygen").args(["-L", "-f"]).arg(certificate(person)), b"").ok()
}

/// The fingerprint of a person's key.
#[track_caller]
fn fingerprint(person: &Person) -> String {
    let text = run(Command::new("ssh-keygen").args(["-l", "-f"]).arg(person.home.join("id.pub")), b"").ok();
    text.split_whitespace().nth(1).expect("a fingerprint").to_owned()
}

/// What ssh says of a login at a Space that was refused.
fn denied(login: &str) -> String {
    format!("{login}@127.0.0.1: Permission denied (publickey).\r\n")
}

/// What ssh says of a login at the console that was refused.
const DENIED_AT_THE_CONSOLE: &str =
    "spaces@127.0.0.1: Permission denied (publickey,keyboard-interactive).\r\n";
