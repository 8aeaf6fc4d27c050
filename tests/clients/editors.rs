//! What editors do with `ssh`: they bring a server along, start it so that it stays, and speak with it through a
//! forward on the same connection.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use spaces_tests::{Background, Multiplex, Pattern, eventually, free_port, run};

use crate::Setting;

/// A server as an editor has one: says where it listens, serves its first client and each later one, and stays.
const SERVER: &str = r#"import os, socket, sys, threading
port = socket.create_server(("127.0.0.1", 0))
path = os.path.expanduser("~/.editor/socket")
if os.path.exists(path): os.unlink(path)
local = socket.socket(socket.AF_UNIX); local.bind(path); local.listen(50)
def answer(connection):
    connection.sendall(b"%d:" % os.getpid() + connection.makefile("rb").read().upper()); connection.close()
def serve(listener):
    while True:
        threading.Thread(target=answer, args=(listener.accept()[0],)).start()
threading.Thread(target=serve, args=(local,)).start()
with open(os.path.expanduser("~/.editor/port"), "w") as file: file.write(str(port.getsockname()[1]))
serve(port)
"#;

/// As Remote-SSH has it: one script by standard input, the archive within it, marks around what it has to tell.
/// Started again, it finds the server that runs.
fn install(archive: &str) -> String {
    format!(
        r#"set -e
mkdir -p ~/.editor && cd ~/.editor
if ! [ -f pid ] || ! kill -0 "$(cat pid)" 2>/dev/null; then
    rm -f port
    base64 -d <<'ARCHIVE' | tar -xz
{archive}
ARCHIVE
    setsid nohup python3 server.py > log 2>&1 < /dev/null &
    echo $! > pid
    until [ -s port ]; do sleep 0.1; done
fi
echo start-of-answer
echo "listeningOn==$(cat port)=="
echo "pid==$(cat pid)=="
echo end-of-answer
# The window's own life line: ends with its standard input.
exec cat > /dev/null
"#
    )
}

/// A window: `ssh -T -D port host bash -s`, which stays.
struct Window {
    ssh: Background,
    socks: u16,
    server: u16,
    pid: String,
}

impl Window {
    fn open(setting: &Setting, archive: &str) -> Self {
        let socks = free_port();
        let mut command = setting.person.ssh_command();
        command.args([
            "-T",
            "-D",
            &socks.to_string(),
            "-o",
            "ConnectTimeout=15",
            "room@127.0.0.1",
            "bash -s",
        ]);
        let mut ssh = Background::start(&mut command);
        let stdin = ssh.stdin.as_mut().expect("it is piped");
        stdin.write_all(install(archive).as_bytes()).and_then(|()| stdin.flush()).expect("it is read");
        let mut told = String::new();
        while !told.ends_with("end-of-answer\n") {
            let mut byte = [0];
            ssh.stdout.as_mut().expect("it is piped").read_exact(&mut byte).expect("an answer");
            told.push(char::from(byte[0]));
        }
        let value = |name: &str| {
            let start = told.split_once(&format!("{name}==")).expect("the value").1;
            start.split_once("==").expect("its end").0.to_owned()
        };
        Self { ssh, socks, server: value("listeningOn").parse().expect("a port"), pid: value("pid") }
    }

    /// Speaks with the server through the window's own connection.
    fn ask(&self, text: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.socks)).expect("it is open");
        let mut request = vec![5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1];
        request.extend(self.server.to_be_bytes());
        stream.write_all(&request).expect("it is read");
        stream.read_exact(&mut [0; 12]).expect("a way");
        stream
            .write_all(text.as_bytes())
            .and_then(|()| stream.shutdown(Shutdown::Write))
            .expect("it is taken");
        let mut back = String::new();
        stream.read_to_string(&mut back).expect("text");
        back
    }
}

#[test]
fn an_editors_server_is_installed_by_a_script_and_found_again_by_a_second_window() {
    let setting = Setting::new();
    std::fs::write(setting.folder.join("server.py"), SERVER).expect("a file");
    // A few megabytes of what a server brings along.
    let mut file = std::fs::File::create(setting.folder.join("node")).expect("a file");
    assert_eq!(Pattern::new(4).write_to(&mut file, 3), 3);
    let archive = setting.shell("tar -cz server.py node | base64").ok();
    let first = Window::open(&setting, &archive);
    let expected = |text: &str| format!("{}:{text}", first.pid);
    for round in 0..30 {
        assert_eq!(first.ask(&format!("round {round}")), expected(&format!("ROUND {round}")));
    }
    // A second window, with the first still open and after it: the same server.
    let second = Window::open(&setting, &archive);
    assert_eq!(second.ask("from the second"), expected("FROM THE SECOND"));
    let pid = first.pid.clone();
    assert!(first.ssh.end().success(), "it ends with its window");
    assert_eq!(second.ask("alone"), format!("{pid}:ALONE"));
    drop(second);
    let third = Window::open(&setting, "");
    assert_eq!((third.pid.as_str(), third.ask("again")), (pid.as_str(), format!("{pid}:AGAIN")));
    assert_eq!(
        setting.inside("sha256sum < ~/.editor/node").trim(),
        setting.shell("sha256sum < node").ok().trim()
    );
}

#[test]
fn a_gateway_of_an_ide_probes_uploads_launches_and_forwards() {
    let setting = Setting::new();
    std::fs::write(setting.folder.join("server.py"), SERVER).expect("a file");
    let mut file = std::fs::File::create(setting.folder.join("backend")).expect("a file");
    assert_eq!(Pattern::new(4).write_to(&mut file, 200), 200);
    setting.shell("tar -cf backend.tar server.py backend").ok();
    let connection = Multiplex::connect(&setting.person, &[], "room");
    for (probe, answer) in [
        ("uname -sm", "Linux x86_64\n"),
        ("echo $SHELL; id -u", "/bin/bash\n1000\n"),
        ("command -v java >/dev/null || echo none", "none\n"),
        ("df -Pk . | tail -1 | awk '{ print ($4 > 0) }'", "1\n"),
        ("test -d ~/.cache/ide; echo $?", "1\n"),
    ] {
        assert_eq!(connection.ssh(&[probe]).ok(), answer, "{probe}");
    }
    let mut sftp = setting.person.files_command("sftp");
    sftp.args(["-q", "-b", "-", "room@127.0.0.1"]).current_dir(&setting.folder);
    let lines = "mkdir .cache\nmkdir .cache/ide\nput backend.tar .cache/ide/part\nrename .cache/ide/part .cache/ide/backend.tar\n";
    run(&mut sftp, lines.as_bytes()).ok();
    let launch = "cd ~/.cache/ide && mkdir -p ~/.editor && tar -xf backend.tar && \
                  (setsid python3 server.py > log 2>&1 < /dev/null & echo $! > pid) && \
                  until [ -s ~/.editor/port ]; do sleep 0.1; done; cat pid ~/.editor/port";
    let told = connection.ssh(&[launch]).ok();
    let (pid, remote) = told.trim().split_once('\n').expect("two lines");
    // On the connection that is there, added and taken away again; by a port and by a path.
    let port = free_port();
    let local = setting.folder.join("local.sock").display().to_string();
    for forward in [format!("{port}:127.0.0.1:{remote}"), format!("{local}:/home/space/.editor/socket")] {
        run(&mut connection.control("forward", &["-L", &forward]), b"").ok();
    }
    let ask = |mut stream: TcpStream| {
        stream.write_all(b"hello").and_then(|()| stream.shutdown(Shutdown::Write)).expect("it is taken");
        let mut back = String::new();
        stream.read_to_string(&mut back).expect("text");
        back
    };
    let expected = format!("{pid}:HELLO");
    assert_eq!(ask(TcpStream::connect(("127.0.0.1", port)).expect("it is open")), expected);
    let line = format!(
        "printf hello | timeout 20 python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX); s.connect(\"{local}\"); s.sendall(b\"hello\"); s.shutdown(socket.SHUT_WR)
print(s.makefile().read(), end=\"\")'"
    );
    assert_eq!(setting.shell(&line).ok(), expected);
    run(&mut connection.control("cancel", &["-L", &format!("{port}:127.0.0.1:{remote}")]), b"").ok();
    eventually(|| TcpStream::connect(("127.0.0.1", port)).is_err(), |gone| *gone);
    let direct = format!("127.0.0.1:{remote}");
    assert_eq!(setting.person.ssh_with(&["-W", &direct], "room", &[], b"hello").ok(), expected);
    drop(connection);
    assert_eq!(setting.person.ssh_with(&["-W", &direct], "room", &[], b"hello").ok(), expected, "it stays");
}
