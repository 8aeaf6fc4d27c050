//! What people know: OpenSSH's sshd, in a container of the base image.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::child::{run, timeout_command};
use crate::person::Person;
use crate::platform::Platform;

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// The files of a Space and Debian's sshd. Without a message of the day: PAM shows it to shells without a terminal
/// too, and so to scripts that do not expect it, which is nothing to equal.
const RECIPE: &str = "FROM spaces-base:latest
RUN apt-get update -qq && \
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends openssh-server && mkdir -p /run/sshd && \
rm -rf /etc/motd /etc/update-motd.d
";

/// Keys are looked for in one file that root owns; otherwise the configuration is Debian's.
const START: &str = "printf '%s\\n' \"$KEY\" > /etc/ssh/authorized_keys; \
                     exec /usr/sbin/sshd -D -e -o AuthorizedKeysFile=/etc/ssh/authorized_keys -o UseDNS=no";

/// A running sshd; gone, with its image, when dropped.
pub struct Sshd {
    name: String,
    known_hosts: PathBuf,
    port: u16,
}

impl Sshd {
    /// Starts one that lets this person in as `space`, with this name of its host.
    #[track_caller]
    pub fn start(platform: &Platform, person: &Person, host: &str) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("spaces-test-sshd-{}-{number}", std::process::id());
        let known_hosts = platform.folder().join(&name);
        let mut sshd = Self { name, known_hosts, port: 0 };
        run(timeout_command("docker", 200).args(["build", "-q", "-t", &sshd.name, "-"]), RECIPE.as_bytes())
            .ok();
        let key = std::fs::read_to_string(person.key().with_extension("pub")).expect("a public key");
        let mut start =
            docker(&["run", "-d", "--name", &sshd.name, "--hostname", host, "-p", "127.0.0.1::22"]);
        start.args(["-e", &format!("KEY={}", key.trim()), &sshd.name, "sh", "-c", START]);
        run(&mut start, b"").ok();
        let address = run(&mut docker(&["port", &sshd.name, "22"]), b"").ok();
        sshd.port = address.trim().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        let public = "cat /etc/ssh/ssh_host_ed25519_key.pub";
        let public = run(&mut docker(&["exec", &sshd.name, "sh", "-c", public]), b"").ok();
        std::fs::write(&sshd.known_hosts, format!("[127.0.0.1]:{} {public}", sshd.port))
            .expect("known hosts");
        let patient = ["-o", "ConnectionAttempts=30"];
        sshd.visitor(person).ssh_with(&patient, "space", &["true"], b"").ok();
        sshd
    }

    /// The same person, whose way leads here instead of to the gateway.
    pub fn visitor(&self, person: &Person) -> Person {
        person.at(self.port, self.known_hosts.clone())
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        drop(docker(&["rm", "-f", "-v", &self.name]).output());
        drop(docker(&["rmi", &self.name]).output());
    }
}

fn docker(words: &[&str]) -> Command {
    let mut command = timeout_command("docker", 60);
    command.args(words);
    command
}
