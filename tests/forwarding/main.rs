//! Forwards with stock OpenSSH: out of the client into a Space, out of the Space to the client, sockets of both
//! kinds, the agent, X11. What is dialled and what listens is inside the Space, as its person.

mod client;
mod denial;
mod display;

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::thread;

use spaces_tests::{Background, Multiplex, Pattern, Person, Platform, eventually, free_port, run};

/// A server in the Space that answers each connection with all that it got, once that has ended.
const ECHO: &str = "import socketserver
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        got = bytearray()
        while piece := self.request.recv(65536):
            got += piece
        self.request.sendall(got)
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    request_queue_size = 500
class Local(socketserver.ThreadingUnixStreamServer):
    request_queue_size = 500
import threading
server = Server(('127.0.0.1', 7000), Echo)
local = Local('/home/space/echo.sock', Echo)
threading.Thread(target=local.serve_forever, daemon=True).start()
print('ready', flush=True)
server.serve_forever()
";

struct Setting {
    platform: Platform,
    person: Person,
    _server: Background,
}

impl Setting {
    /// A Space in which the echo server runs.
    fn new() -> Self {
        Self::with(&[])
    }

    /// The same on a platform with these settings.
    fn with(settings: &[(&str, &str)]) -> Self {
        let platform = Platform::start_with(settings);
        let (person, _space) = platform.owner("alice@example.com", "room");
        let mut server = Background::start(person.ssh_command().args(["room@127.0.0.1", "python3 -"]));
        server.stdin.take().expect("it is piped").write_all(ECHO.as_bytes()).expect("it is read");
        let mut line = [0; 6];
        server.stdout.as_mut().expect("it is piped").read_exact(&mut line).expect("it starts");
        assert_eq!(&line, b"ready\n");
        Self { platform, person, _server: server }
    }

    /// An `ssh` without a command that forwards, once it says that it does.
    fn forward(&self, options: &[&str]) -> Background {
        let marker = self.platform.folder().join("forwarding");
        drop(std::fs::remove_file(&marker));
        let mut command = self.person.ssh_command();
        command.args(["-N", "-o", "ExitOnForwardFailure=yes", "-o", "PermitLocalCommand=yes", "-o"]);
        command.arg(format!("LocalCommand=touch {}", marker.display())).args(options).arg("room@127.0.0.1");
        let forward = Background::start(&mut command);
        eventually(|| marker.exists(), |there| *there);
        forward
    }

    fn path(&self, name: &str) -> String {
        self.platform.folder().join(name).to_string_lossy().into_owned()
    }
}

/// Sends, says that it was all, and reads what comes back until its end: each direction ends apart.
fn exchange(mut stream: TcpStream, text: &[u8]) -> Vec<u8> {
    stream.write_all(text).expect("it is taken");
    stream.shutdown(Shutdown::Write).expect("half of it closes");
    let mut back = Vec::new();
    stream.read_to_end(&mut back).expect("its end");
    back
}

#[test]
fn a_local_port_leads_into_the_space_thousands_of_times_and_hundreds_at_once() {
    let setting = Setting::new();
    let port = free_port();
    let _forward = setting.forward(&["-L", &format!("{port}:localhost:7000")]);
    let connect = || TcpStream::connect(("127.0.0.1", port)).expect("it is open");
    for round in 0..1000_u32 {
        let text = round.to_string();
        assert_eq!(exchange(connect(), text.as_bytes()), text.as_bytes());
    }
    let held: Vec<_> = (0..200).map(|_| connect()).collect();
    for (number, stream) in held.into_iter().enumerate() {
        let text = number.to_string();
        assert_eq!(exchange(stream, text.as_bytes()), text.as_bytes());
    }
}

#[test]
fn bulk_goes_through_whole() {
    let setting = Setting::new();
    let port = free_port();
    let _forward = setting.forward(&["-L", &format!("{port}:127.0.0.1:7000")]);
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it is open");
    assert_eq!(Pattern::new(5).write_to(&mut stream, 100), 100);
    stream.shutdown(Shutdown::Write).expect("half of it closes");
    Pattern::new(5).expect_from(&mut stream, 100);
    assert_eq!(stream.read(&mut [0]).expect("its end"), 0);
}

#[test]
fn unix_sockets_lead_both_ways() {
    let setting = Setting::new();
    let local = setting.path("local.sock");
    let mine = setting.path("mine.sock");
    let listener = UnixListener::bind(&mine).expect("a socket");
    let _forward = setting.forward(&[
        "-L",
        &format!("{local}:/home/space/echo.sock"),
        "-R",
        &format!("/home/space/remote.sock:{mine}"),
    ]);
    let mut stream = UnixStream::connect(&local).expect("it is open");
    stream.write_all(b"over a path").expect("it is taken");
    stream.shutdown(Shutdown::Write).expect("half of it closes");
    let mut back = String::new();
    stream.read_to_string(&mut back).expect("text");
    assert_eq!(back, "over a path");
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody comes");
        stream.write_all(b"from the client").expect("it is taken");
    });
    let script = "import socket; s = socket.socket(socket.AF_UNIX); s.connect('/home/space/remote.sock'); \
                  print(s.makefile().read())";
    let told = setting.person.ssh("room", &[&format!("stat -c %a:%U remote.sock; python3 -c \"{script}\"")]);
    assert_eq!(told.ok(), "600:space\nfrom the client\n");
    server.join().expect("it does not panic");
}

#[test]
fn a_port_of_the_space_leads_to_the_client_until_the_connection_ends() {
    let setting = Setting::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let target = listener.local_addr().expect("an address").port();
    let server = thread::spawn(move || {
        for _ in 0..20 {
            let (mut stream, _) = listener.accept().expect("somebody comes");
            let mut got = String::new();
            stream.read_to_string(&mut got).expect("text");
            stream.write_all(got.to_uppercase().as_bytes()).expect("it is taken");
        }
    });
    let forward = setting.forward(&["-R", &format!("7100:127.0.0.1:{target}")]);
    let script = "import socket
for i in range(20):
    s = socket.create_connection(('localhost', 7100)); s.sendall(b'call %d' % i); s.shutdown(socket.SHUT_WR)
    print(s.makefile().read())
";
    let told = setting.person.ssh_with(&[], "room", &["python3 -"], script.as_bytes()).ok();
    assert_eq!(told.lines().last(), Some("CALL 19"));
    assert_eq!(told.lines().count(), 20);
    server.join().expect("it does not panic");
    drop(forward);
    let gone = || setting.person.ssh("room", &["ss -Hltn 'sport = :7100' | wc -l"]).ok();
    eventually(gone, |lines| lines == "0\n");
}

#[test]
fn a_port_that_was_left_open_is_told_and_one_that_is_taken_refused() {
    let setting = Setting::new();
    let mut ssh = setting.person.ssh_command();
    ssh.args(["-v", "-R", "0:127.0.0.1:9", "room@127.0.0.1"]);
    let output = run(ssh.arg("ss -Hltn 'src 127.0.0.1' | grep -o ':[0-9]*'"), b"");
    let told = output.stderr.lines().find_map(|line| line.trim_end().strip_prefix("Allocated port "));
    let told = told.unwrap_or_else(|| panic!("no port: {}", output.stderr));
    let port = told.strip_suffix(" for remote forward to 127.0.0.1:9").expect("what for").to_owned();
    let listening = output.ok();
    assert!(listening.lines().any(|line| line == format!(":{port}")), "{port} is not among {listening}");
    let mut ssh = setting.person.ssh_command();
    ssh.args([
        "-o",
        "ExitOnForwardFailure=yes",
        "-R",
        "127.0.0.1:7000:127.0.0.1:9",
        "room@127.0.0.1",
        "true",
    ]);
    let refused = run(&mut ssh, b"").fails(255);
    assert!(refused.contains("remote port forwarding failed"), "{refused}");
}

#[test]
fn a_jump_and_a_proxy_go_through_the_space() {
    let setting = Setting::new();
    // -W, as ProxyJump uses it.
    let direct = setting.person.ssh_with(&["-W", "localhost:7000"], "room", &[], b"straight").ok();
    assert_eq!(direct, "straight");
    let port = free_port();
    let _forward = setting.forward(&["-D", &port.to_string()]);
    let mut curl = Command::new("timeout");
    curl.args(["20", "curl", "-s", "--http0.9", "-m", "10", "--socks5-hostname"]);
    let script = "import socket; s = socket.create_server(('127.0.0.1', 7200)); c, _ = s.accept(); c.recv(9999); \
                  c.sendall(b'HTTP/1.0 200 OK\\r\\n\\r\\nhello from inside\\n'); c.close()";
    let web = Background::start(
        setting.person.ssh_command().args(["room@127.0.0.1", &format!("python3 -c \"{script}\"")]),
    );
    eventually(
        || setting.person.ssh("room", &["ss -Hltn 'sport = :7200' | wc -l"]).ok(),
        |lines| lines == "1\n",
    );
    curl.arg(format!("127.0.0.1:{port}")).arg("http://localhost:7200/");
    assert_eq!(run(&mut curl, b"").ok(), "hello from inside\n");
    assert!(web.end().success());
}

#[test]
fn an_agent_is_lent_to_programs_in_the_space_and_taken_back() {
    let setting = Setting::new();
    let socket = setting.path("agent.sock");
    let mut agent = Background::start(Command::new("ssh-agent").args(["-D", "-a", &socket]));
    eventually(|| Path::new(&socket).exists(), |there| *there);
    let added =
        Command::new("ssh-add").arg("-q").arg(setting.person.key()).env("SSH_AUTH_SOCK", &socket).status();
    assert!(added.expect("ssh-add runs").success());
    let mut ssh = setting.person.ssh_command();
    ssh.env("SSH_AUTH_SOCK", &socket).args(["-A", "room@127.0.0.1"]);
    ssh.arg(
        "ssh-add -l | cut -d' ' -f2; stat -c '%a %U' $(dirname $SSH_AUTH_SOCK); \
         for i in $(seq 32); do ssh-add -l >/dev/null || echo failed & done; wait; echo $SSH_AUTH_SOCK",
    );
    let told = run(&mut ssh, b"").ok();
    let lines: Vec<_> = told.lines().collect();
    assert!(lines[0].starts_with("SHA256:"), "{told}");
    assert_eq!((lines[1], lines.len()), ("700 space", 3), "{told}");
    let gone = || setting.person.ssh("room", &[&format!("ls {} 2>/dev/null | wc -l", lines[2])]).ok();
    eventually(gone, |lines| lines == "0\n");
    let without = setting.person.ssh("room", &["echo ${SSH_AUTH_SOCK-none}"]).ok();
    assert_eq!(without, "none\n");
    drop(agent.kill());
}

/// The attack: a forward through the console, or into a Space of somebody else, or to where nobody listens.
#[test]
fn what_leads_nowhere_is_refused_and_harms_nothing_else() {
    let setting = Setting::new();
    let refused = setting.person.ssh_with(&["-v", "-W", "localhost:7000"], "spaces", &[], b"").fails(255);
    assert!(refused.contains("administratively prohibited"), "{refused}");
    let (mallory, _) = setting.platform.owner("mallory@example.com", "hers");
    let refused = mallory.ssh_with(&["-v", "-W", "localhost:7000"], "room", &[], b"").fails(255);
    assert!(refused.contains("connect failed"), "{refused}");
    let trail = || setting.platform.admin().ssh("spaces", &["admin", "audit"]).ok();
    let tried =
        |line: &str| line.contains("mallory@") && line.contains("space.enter") && line.contains("refused");
    eventually(trail, |trail| trail.lines().any(tried));
    for nowhere in ["localhost:7999", "no-such-host.invalid:80"] {
        let refused = setting.person.ssh_with(&["-v", "-W", nowhere], "room", &[], b"").fails(255);
        assert!(refused.contains("connect failed"), "{refused}");
    }
    assert_eq!(setting.person.ssh_with(&["-W", "localhost:7000"], "room", &[], b"alive").ok(), "alive");
}

/// The attack, or a server that ignores that its client has gone: it keeps its end open and says nothing. What
/// carries it must not be kept with it, or the Space has no room for programs one day.
#[test]
fn a_socket_that_stays_open_and_quiet_does_not_outlive_its_client() {
    let setting = Setting::new();
    let script = "import socket, time
server = socket.create_server(('127.0.0.1', 7300), backlog=100)
print('ready', flush=True)
held = [server.accept() for _ in range(30)]
time.sleep(1000)
";
    let mut server = Background::start(setting.person.ssh_command().args(["room@127.0.0.1", "python3 -u -"]));
    server.stdin.take().expect("it is piped").write_all(script.as_bytes()).expect("it is read");
    server.stdout.as_mut().expect("it is piped").read_exact(&mut [0; 6]).expect("it starts");
    let descriptors = || -> usize {
        setting.person.ssh("room", &["sudo ls /proc/1/fd | wc -l"]).ok().trim().parse().expect("a number")
    };
    let before = descriptors();
    let port = free_port();
    let forward = setting.forward(&["-L", &format!("{port}:localhost:7300")]);
    let held: Vec<_> = (0..30)
        .map(|_| {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it is open");
            stream.write_all(b"hello").expect("it is taken");
            stream
        })
        .collect();
    eventually(descriptors, |now| *now >= before + 30);
    // Merely closing the sockets tells nobody: over SSH it is a half-close, with sshd as here.
    drop((held, forward));
    eventually(descriptors, |now| *now < before + 5);
}

#[test]
fn a_platform_that_allows_no_forwards_refuses_them_all() {
    let platform = Platform::start_with(&[("FORWARDING__ALLOWED", "false")]);
    let (alice, _) = platform.owner("alice@example.com", "room");
    let refused = alice.ssh_with(&["-v", "-W", "localhost:22"], "room", &[], b"").fails(255);
    let why = "forwarding is denied by the platform's configuration";
    assert!(refused.contains(&format!("open failed: administratively prohibited: {why}")), "{refused}");
    platform.wait_for_log(why);
    let options = ["-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:9"];
    let options = [&options[..], &["-v"]].concat();
    let refused = alice.ssh_with(&options, "room", &["true"], b"").fails(255);
    assert!(refused.contains("remote port forwarding failed"), "{refused}");
    assert!(refused.contains(&format!("Remote: remote forwarding refused: {why}")), "{refused}");
}

/// Sessions and forwards of one connection share one number.
#[test]
fn a_connection_has_so_many_channels_of_all_kinds_and_no_more() {
    let setting = Setting::with(&[("LIMITS__CHANNELS_PER_CONNECTION", "4")]);
    let port = free_port();
    let forward = format!("{port}:localhost:7000");
    let connection = Multiplex::connect(&setting.person, &["-L", &forward], "room");
    // A refusal may come as a reset: what was sent has not been read then.
    let connect = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it is open");
        drop(stream.write_all(b"through").and_then(|()| stream.shutdown(Shutdown::Write)));
        let mut back = Vec::new();
        drop(stream.read_to_end(&mut back));
        back
    };
    let mut sessions: Vec<_> = (0..4)
        .map(|_| {
            let mut session = Background::start(&mut connection.command(&["echo; exec cat"]));
            session.stdout.as_mut().expect("it is piped").read_exact(&mut [0]).expect("it starts");
            session
        })
        .collect();
    assert_eq!(connect(), b"");
    connection.ssh(&["true"]).fails(255);
    assert!(sessions.pop().expect("four").end().success());
    eventually(connect, |told| told == b"through");
    // Each that ended makes room, however many there were.
    for _session in 0..8 {
        eventually(|| connection.ssh(&["echo again"]).stdout, |told| told == "again\n");
    }
}
