//! A Space made of an image that knows nothing of us, of OpenSSH or of users: one program and a link to it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;

use spaces_tests::{Background, Person, Platform, eventually, free_port, run, timeout_command};

#[test]
fn an_image_with_a_shell_and_nothing_else_is_a_space_of_root() {
    let (_built, platform) = platform_of_a_shell();
    let (alice, _) = platform.owner("alice@example.com", "room");
    let command = "echo $0 $HOME $SHELL $USER; pwd; busybox id -u; busybox ps -o args | busybox head -n 2";
    let expected = "sh / /bin/sh root\n/\n0\nCOMMAND\n/.spaces/bin/spaces-guest\n";
    assert_eq!(alice.ssh("room", &[command]).ok(), expected);
    let terminal = alice.ssh_with(&["-tt"], "room", &["busybox tty; exit 6"], b"");
    assert_eq!((terminal.status, terminal.stdout.as_str()), (6, "/dev/pts/0\r\n"));
    let shell = alice.ssh_with(&[], "room", &[], b"echo $0; exit 4\n");
    assert_eq!((shell.status, shell.stdout.as_str()), (4, "-sh\n"));
    let killed = alice.ssh("room", &["echo out; echo err >&2; kill -KILL $$"]);
    assert_eq!((killed.status, killed.stdout.as_str(), killed.stderr.as_str()), (255, "out\n", "err\n"));
}

#[test]
fn files_come_into_such_a_space_and_out_of_it() {
    let (_built, platform) = platform_of_a_shell();
    let (alice, _) = platform.owner("alice@example.com", "room");
    let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(3_000_000).collect();
    std::fs::write(alice.home.join("file"), &bytes).expect("a file");
    let mut sftp = alice.files_command("sftp");
    sftp.args(["-q", "-b", "-", "room@127.0.0.1"]).current_dir(&alice.home);
    let told = run(&mut sftp, b"pwd\nput file\nrename file other\nget other back\nls -ln other\n").ok();
    assert!(told.contains("Remote working directory: /\n") && told.contains(" 0 "), "{told}");
    assert!(std::fs::read(alice.home.join("back")).expect("it came") == bytes);
    let mut scp = alice.files_command("scp");
    run(scp.args(["-q", "file", "room@127.0.0.1:/bin/tool"]).current_dir(&alice.home), b"").ok();
    let sums = alice.ssh("room", &["busybox sha256sum < /other; busybox sha256sum < /bin/tool"]).ok();
    let (first, second) = sums.trim().split_once('\n').expect("two sums");
    assert_eq!(first, second);
}

#[test]
fn forwards_and_an_agent_reach_such_a_space() {
    let (_built, platform) = platform_of_a_shell();
    let (alice, _) = platform.owner("alice@example.com", "room");
    let socket = alice.home.join("agent.sock").display().to_string();
    let _agent = Background::start(Command::new("ssh-agent").args(["-D", "-a", &socket]));
    eventually(|| std::path::Path::new(&socket).exists(), |there| *there);
    run(Command::new("ssh-add").arg("-q").arg(alice.key()).env("SSH_AUTH_SOCK", &socket), b"").ok();
    // A server in the Space, whose client is outside; and the other way round.
    let (port, listener) = (free_port(), TcpListener::bind("127.0.0.1:0").expect("a port"));
    let outside = listener.local_addr().expect("an address").port();
    let script = "echo $SSH_AUTH_SOCK; busybox nc -ll -p 7000 -e /bin/busybox cat & \
                  until busybox netstat -ltn | busybox grep -q :7000; do :; done; echo ready; exec busybox cat";
    let mut session = alice.ssh_command();
    session.env("SSH_AUTH_SOCK", &socket).arg("-A").args(["-L", &format!("{port}:127.0.0.1:7000")]);
    session.args(["-R", &format!("7001:127.0.0.1:{outside}"), "room@127.0.0.1", script]);
    let mut session = Background::start(&mut session);
    let mut lines = BufReader::new(session.stdout.take().expect("it is piped")).lines();
    let agent = lines.next().expect("a line").expect("text");
    assert_eq!(lines.next().expect("a line").expect("text"), "ready");
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it is open");
    stream.write_all(b"there and back").and_then(|()| stream.shutdown(Shutdown::Write)).expect("it is taken");
    let mut back = String::new();
    stream.read_to_string(&mut back).expect("text");
    assert_eq!(back, "there and back");
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody comes");
        stream.write_all(b"from outside\n").expect("it is taken");
    });
    assert_eq!(alice.ssh("room", &["busybox nc 127.0.0.1 7001 < /dev/null"]).ok(), "from outside\n");
    server.join().expect("it does not panic");
    assert_eq!(keys_of(&alice, &agent), keys_at(&socket));
}

/// What the agent says that listens at this path of the Space, where no program could ask it: it is asked from here.
fn keys_of(person: &Person, path: &str) -> String {
    let local = person.home.join("lent.sock").display().to_string();
    let forward = format!("{local}:{path}");
    let _way = Background::start(person.ssh_command().args(["-N", "-L", &forward, "room@127.0.0.1"]));
    eventually(|| std::path::Path::new(&local).exists(), |there| *there);
    keys_at(&local)
}

fn keys_at(socket: &str) -> String {
    run(Command::new("ssh-add").arg("-l").env("SSH_AUTH_SOCK", socket), b"").ok()
}

fn platform_of_a_shell() -> (Image, Platform) {
    static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let image = Image::with_a_shell(&format!("spaces-test-shell:{}-{number}", std::process::id()));
    let platform = Platform::start_with(&[("SPACE__IMAGE", &image.0)]);
    (image, platform)
}

/// An image of a test's own.
struct Image(String);

impl Image {
    fn with_a_shell(name: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let script = "set -e; mkdir -p bin; cp \"$(command -v busybox)\" bin/busybox; ln -s busybox bin/sh\n\
            ! ldd bin/busybox >/dev/null 2>&1 || { echo 'install busybox-static' >&2; exit 1; }\n\
            tar -c bin | docker import - \"$0\" >/dev/null";
        let mut build = timeout_command("sh", 60);
        build.args(["-c", script, name]).current_dir(folder.path());
        run(&mut build, b"").ok();
        Self(name.to_owned())
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let removed = Command::new("docker").args(["rmi", &self.0]).stdout(Stdio::null()).status();
        drop(removed);
    }
}
