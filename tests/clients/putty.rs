//! `PuTTY`'s command line: `plink` and `pscp`. (tests/files has `psftp`.)

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::process::Command;

use spaces_tests::{Background, Output, Pattern, eventually, free_port, run, timeout_command};

use crate::Setting;

/// What `PuTTY` needs of a person: a key in its own format, and the fingerprint of the host.
struct Putty<'a> {
    setting: &'a Setting,
    fingerprint: String,
}

impl<'a> Putty<'a> {
    fn new(setting: &'a Setting) -> Self {
        let mut convert = timeout_command("puttygen", 20);
        convert.arg(setting.person.key()).args(["-O", "private", "-o"]).arg(setting.folder.join("id.ppk"));
        run(&mut convert, b"").ok();
        let line = format!("ssh-keygen -lf {}", setting.platform.known_hosts().display());
        let told = setting.shell(&line).ok();
        Self { setting, fingerprint: told.split_whitespace().nth(1).expect("a fingerprint").to_owned() }
    }

    fn command(&self, program: &str, words: &[&str]) -> Command {
        let mut command = timeout_command(program, 60);
        command.args([
            "-batch",
            "-hostkey",
            &self.fingerprint,
            "-P",
            &self.setting.person.port().to_string(),
        ]);
        command.args(["-i", "id.ppk"]).args(words).current_dir(&self.setting.folder);
        command
    }

    fn plink(&self, words: &[&str], input: &[u8]) -> Output {
        run(&mut self.command("plink", words), input)
    }
}

#[test]
fn plink_runs_programs_and_shells() {
    let setting = Setting::new();
    let putty = Putty::new(&setting);
    let apart = putty.plink(&["room@127.0.0.1", "echo out; echo err >&2; exit 7"], b"");
    assert_eq!((apart.status, apart.stdout.as_str(), apart.stderr.as_str()), (7, "out\n", "err\n"));
    let much = vec![b'x'; 5_000_000];
    let back = putty.plink(&["room@127.0.0.1", "cat; exit 3"], &much);
    assert_eq!((back.status, back.bytes == much), (3, true));
    assert_eq!(putty.plink(&["room@127.0.0.1", "bash -s a b"], b"echo $#; exit 2\n").stdout, "2\n");
    // A shell on a terminal of plink's own making.
    let shell = putty.plink(&["-t", "room@127.0.0.1"], b"tty; echo $((40+2)); exit 4\n");
    assert_eq!(shell.status, 4, "{}", shell.stdout);
    assert!(shell.stdout.contains("/dev/pts/0\r\n") && shell.stdout.contains("42\r\n"), "{}", shell.stdout);
    let none = putty.plink(&["-T", "room@127.0.0.1"], b"tty; exit 5\n");
    assert_eq!((none.status, none.stdout.as_str()), (5, "not a tty\n"));
    let subsystem = putty.plink(&["-s", "room@127.0.0.1", "sftp"], &[0, 0, 0, 5, 1, 0, 0, 0, 3]);
    assert_eq!((subsystem.status, subsystem.bytes.get(4)), (0, Some(&2)), "{}", subsystem.stderr);
}

#[test]
fn plink_forwards_a_port_and_its_own_streams() {
    let setting = Setting::new();
    let putty = Putty::new(&setting);
    let server =
        "python3 -uc 'import socket; s = socket.create_server((\"127.0.0.1\", 7500)); print(\"ready\")
while True:
    c, _ = s.accept(); c.sendall(c.makefile(\"rb\").read().upper()); c.close()'";
    let port = free_port();
    let forward = format!("{port}:localhost:7500");
    let mut plink =
        Background::start(&mut putty.command("plink", &["-L", &forward, "room@127.0.0.1", server]));
    let mut ready = [0; 6];
    plink.stdout.as_mut().expect("it is piped").read_exact(&mut ready).expect("it starts");
    assert_eq!(&ready, b"ready\n");
    for round in 0..50 {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it is open");
        write!(stream, "round {round}").and_then(|()| stream.shutdown(Shutdown::Write)).expect("it is taken");
        let mut back = String::new();
        stream.read_to_string(&mut back).expect("text");
        assert_eq!(back, format!("ROUND {round}"));
    }
    let straight = putty.plink(&["-nc", "localhost:7500", "room@127.0.0.1"], b"straight");
    assert_eq!(straight.stdout, "STRAIGHT");
    drop(plink);
    eventually(|| TcpStream::connect(("127.0.0.1", port)).is_err(), |gone| *gone);
}

#[test]
fn pscp_carries_files_and_folders_by_either_protocol() {
    let setting = Setting::new();
    let putty = Putty::new(&setting);
    let local = setting.folder.join("tree");
    std::fs::create_dir_all(local.join("sub")).expect("a folder");
    let mut file = std::fs::File::create(local.join("sub/big")).expect("a file");
    assert_eq!(Pattern::new(9).write_to(&mut file, 20), 20);
    std::fs::write(local.join("with blanks"), "text").expect("a file");
    for protocol in ["-sftp", "-scp"] {
        run(&mut putty.command("pscp", &[protocol, "-r", "tree", "room@127.0.0.1:"]), b"").ok();
        assert_eq!(setting.inside("cat 'tree/with blanks'; stat -c ' %s' tree/sub/big"), "text 20000000\n");
        let words = [protocol, "-r", "room@127.0.0.1:tree", "back"];
        std::fs::create_dir(setting.folder.join("back")).expect("a folder");
        run(&mut putty.command("pscp", &words), b"").ok();
        setting.shell("diff -r tree back/tree; rm -r back").ok();
        setting.inside("rm -r tree");
    }
}
