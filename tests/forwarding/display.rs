//! X11: programs in a Space that use the display of whoever is there by `ssh -X` or `ssh -Y`.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::thread;

use spaces_tests::{Background, Person, Platform, eventually, run};

/// An X program as far as a connection goes: finds display and cookie as libX11 does, begins as it does (the
/// cookie in a request of 48 bytes), says what it got, and says something more.
const PROGRAM: &str = "import os, socket, struct, sys
name, number = os.environ['DISPLAY'].split(':')
number = number.split('.')[0]
def entries(file):
    while family := file.read(2):
        texts = [file.read(struct.unpack('>H', file.read(2))[0]) for _ in range(4)]
        yield struct.unpack('>H', family)[0], *texts
local = socket.gethostname().encode()
cookies = [(protocol, cookie) for family, address, display, protocol, cookie
           in entries(open(os.environ['XAUTHORITY'], 'rb'))
           if (family, address) in [(256, local), (65535, b'')] and display.decode() == number]
assert len(set(cookies)) == 1 and len(cookies) == 2, cookies
protocol, cookie = cookies[0]
if len(sys.argv) > 1:
    cookie = bytes(16)
server = socket.create_connection((name, 6000 + int(number)))
head = struct.pack('<BxHHHHxx', ord('l'), 11, 0, len(protocol), len(cookie))
server.sendall(head + protocol + bytes(-len(protocol) % 4) + cookie)
got = server.recv(7)
server.sendall(b'draw')
print(os.environ['DISPLAY'], got.decode(), server.recv(4).decode())
";

/// The cookie that the stand-in for an X server wants.
const COOKIE: &str = "0123456789abcdef0123456789abcdef";

/// A person at a screen: a stand-in for their X server, which their `ssh` finds.
struct Setting {
    platform: Platform,
    person: Person,
    display: String,
}

impl Setting {
    fn new() -> Self {
        let platform = Platform::start();
        let (person, _space) = platform.owner("alice@example.com", "room");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let number = listener.local_addr().expect("an address").port() - 6000;
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                thread::spawn(|| draw(stream));
            }
        });
        let display = format!("127.0.0.1:{number}.0");
        let setting = Self { platform, person, display };
        let mut xauth = Command::new("xauth");
        xauth.args(["-q", "-f"]).arg(setting.authority());
        let added = xauth.args(["add", &setting.display, "MIT-MAGIC-COOKIE-1", COOKIE]).status();
        assert!(added.expect("xauth runs: `scripts/setup test` installs it").success());
        std::fs::write(setting.person.home.join("program.py"), PROGRAM).expect("a program");
        setting
    }

    fn authority(&self) -> std::path::PathBuf {
        self.person.home.join("Xauthority")
    }

    /// `ssh` as somebody types it who sits at that screen.
    fn ssh(&self, options: &[&str], line: &str) -> Command {
        let mut command = self.person.ssh_command();
        command.env("DISPLAY", &self.display).env("XAUTHORITY", self.authority());
        command.args(options).args(["room@127.0.0.1", line]);
        command
    }
}

/// The X server's side of a connection: takes the right cookie alone, answers, and tells what else it was sent.
fn draw(mut stream: TcpStream) -> Option<()> {
    let mut request = [0; 48];
    stream.read_exact(&mut request).ok()?;
    let cookie = u128::from_be_bytes(request[32..].try_into().ok()?);
    let welcome: &[u8] = if format!("{cookie:032x}") == COOKIE { b"welcome" } else { b"strange" };
    stream.write_all(welcome).ok()?;
    let mut drawn = [0; 4];
    stream.read_exact(&mut drawn).ok()?;
    stream.write_all(&drawn.to_ascii_uppercase()).ok()
}

#[test]
fn programs_reach_the_clients_display_with_the_cookie_that_they_find() {
    let setting = Setting::new();
    let line = "cat > program.py; stat -c '%a %U' $XAUTHORITY $(dirname $XAUTHORITY)
        for i in $(seq 8); do python3 program.py & done; wait; sudo python3 program.py; echo $XAUTHORITY";
    let told = run(&mut setting.ssh(&["-Y"], line), PROGRAM.as_bytes()).ok();
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(lines[..2], ["600 space", "700 space"], "{told}");
    // Root uses it too, as people expect of sudo.
    assert_eq!(lines[2..11], ["localhost:10.0 welcome DRAW"; 9], "{told}");
    let gone = format!("ls {} 2>&1 | wc -l; ss -Hltn 'sport = :6010' | wc -l", lines[11]);
    let left = || setting.person.ssh("room", &[&gone.replace("2>&1", "2>/dev/null")]).ok();
    eventually(left, |left| left == "0\n0\n");
}

#[test]
fn a_display_is_lent_to_programs_that_are_not_trusted() {
    let setting = Setting::new();
    // Makes the cookie that ssh would ask an X server with the extension SECURITY for.
    let script = setting.person.private_file(
        "xauth",
        &format!("#!/bin/sh\n[ $3 = generate ] || echo x MIT-MAGIC-COOKIE-1 {COOKIE}\n"),
    );
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).expect("its mode");
    let location = format!("XAuthLocation={}", script.display());
    let mut ssh = setting.ssh(&["-X", "-o", &location], "python3 -");
    assert_eq!(run(&mut ssh, PROGRAM.as_bytes()).ok(), "localhost:10.0 welcome DRAW\n");
}

#[test]
fn the_file_of_the_cookie_is_what_xauth_reads() {
    let setting = Setting::new();
    let told = run(&mut setting.ssh(&["-Y"], "hostname >&2; cat $XAUTHORITY"), b"");
    let host = told.stderr.lines().last().expect("its name").to_owned();
    let copy = setting.person.home.join("copy");
    std::fs::write(&copy, &told.bytes).expect("a file");
    let listed = run(Command::new("xauth").arg("-f").arg(&copy).arg("list"), b"").ok();
    let start = format!("{host}/unix:10  MIT-MAGIC-COOKIE-1  ");
    assert!(listed.lines().any(|line| line.starts_with(&start)), "{listed}");
    assert!(!listed.contains(COOKIE), "the client's own cookie never leaves its machine: {listed}");
}

#[test]
fn each_session_has_a_display_of_its_own_and_one_that_did_not_ask_has_none() {
    let setting = Setting::new();
    // The display of a shared connection is that of whoever made it.
    let shared = format!("ControlPath={}", setting.person.home.join("shared").display());
    let master = Background::start(&mut setting.ssh(&["-Y", "-M", "-o", &shared], "exec cat"));
    eventually(|| setting.person.home.join("shared").exists(), |there| *there);
    let session = |options: &[&str], line: &str| {
        let options = [&["-o", &shared, "-o", "ProxyCommand=false"], options].concat();
        setting.ssh(&options, line)
    };
    let mut first = Background::start(&mut session(&["-Y"], "echo $DISPLAY; exec cat"));
    let mut line = [0; 15];
    first.stdout.as_mut().expect("it is piped").read_exact(&mut line).expect("it starts");
    assert_eq!(&line, b"localhost:11.0\n");
    let second = run(&mut session(&["-Y"], "python3 -"), PROGRAM.as_bytes()).ok();
    assert_eq!(second, "localhost:12.0 welcome DRAW\n");
    let third = run(&mut session(&["-x"], "echo ${DISPLAY-none} ${XAUTHORITY-none}"), b"").ok();
    assert_eq!(third, "none none\n");
    assert!(first.end().success() && master.end().success());
}

/// The attack: a program in the Space that knows the port, and not the cookie.
#[test]
fn a_program_without_the_cookie_gets_nowhere() {
    let setting = Setting::new();
    let refused = run(&mut setting.ssh(&["-v", "-Y"], "python3 - without"), PROGRAM.as_bytes());
    assert_eq!(refused.stdout, "localhost:10.0  \n");
    assert!(refused.stderr.contains("wrong authentication"), "{}", refused.stderr);
}

#[test]
fn a_platform_that_allows_no_forwards_lends_no_display() {
    let mut setting = Setting::new();
    assert!(setting.platform.stop());
    setting.platform.set("FORWARDING__ALLOWED", "false");
    setting.platform.serve();
    let refused = run(&mut setting.ssh(&["-Y"], "echo ${DISPLAY-none}"), b"");
    assert_eq!(refused.stdout, "none\n");
    assert!(refused.stderr.contains("X11 forwarding request failed on channel 0"), "{}", refused.stderr);
}
