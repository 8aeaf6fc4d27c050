//! What runs in a Space behaves as after a login by sshd: bytes, exit, environment, terminal, hang-up.

mod as_sshd;
mod bare;
mod connect;
mod keepalive;
mod many;
mod shared;
mod terminal;

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;

use spaces_tests::{Background, Platform, run};

#[test]
fn bytes_streams_and_exit_arrive_as_they_are() {
    let platform = Platform::start();
    let (alice, _) = platform.owner("alice@example.com", "room");
    let all: Vec<u8> = (0..=u8::MAX).cycle().take(256 * 1000).collect();
    let echoed = alice.ssh_with(&[], "room", &["cat"], &all);
    assert_eq!((echoed.status, echoed.bytes == all, echoed.stderr.as_str()), (0, true, ""));
    // A command is bytes, too, though no text.
    let mut raw = alice.ssh_command();
    raw.arg("room@127.0.0.1").arg(OsStr::from_bytes(b"printf %s \xff | od -An -tx1"));
    assert_eq!(run(&mut raw, b"").ok(), " ff\n");
    let apart = alice.ssh("room", &["echo out; echo err >&2; exit 7"]);
    assert_eq!((apart.status, apart.stdout.as_str(), apart.stderr.as_str()), (7, "out\n", "err\n"));
    // ssh has no status for a signal but 255; what it was told is in its debug messages.
    for signal in ["KILL", "TERM", "SEGV"] {
        let killed = alice.ssh_with(&["-v"], "room", &[&format!("kill -{signal} $$")], b"");
        assert!(killed.fails(255).contains("rtype exit-signal reply 0"));
        let silent = alice.ssh("room", &[&format!("kill -{signal} $$")]);
        assert_eq!((silent.status, silent.stdout.as_str(), silent.stderr.as_str()), (255, "", ""));
    }
    let missing = alice.ssh("room", &["no-such-program"]);
    assert_eq!(missing.fails(127), "bash: line 1: no-such-program: command not found\n");
}

#[test]
fn standard_input_ends_where_the_clients_ends() {
    let platform = Platform::start();
    let (alice, _) = platform.owner("alice@example.com", "room");
    assert_eq!(alice.ssh("room", &["cat; echo ended"]).ok(), "ended\n");
    let script = b"echo \"$#\"; exit 3\necho never\n";
    let output = alice.ssh_with(&[], "room", &["bash -s one two"], script);
    assert_eq!((output.status, output.stdout.as_str()), (3, "2\n"));
    // Input that never ends holds back no program that does not read it.
    let mut endless = alice.ssh_command();
    endless.args(["room@127.0.0.1", "echo done"]).stdin(File::open("/dev/zero").expect("zeros"));
    assert_eq!(String::from_utf8_lossy(&endless.output().expect("ssh runs").stdout), "done\n");
    // A program that closes its input goes on.
    let output = alice.ssh_with(&[], "room", &["exec <&-; echo closed"], &vec![0; 10_000_000]);
    assert_eq!(output.ok(), "closed\n");
}

#[test]
fn a_login_finds_the_environment_that_sshd_gives() {
    let platform = Platform::start();
    let (alice, _) = platform.owner("alice@example.com", "room");
    let wishes = "SetEnv=LANG=de_DE.UTF-8 LC_TIME=C LD_PRELOAD=/evil SECRET=1 TERM=vt52";
    let command = "env | sort; id; pwd; sudo -n id -u; umask; tty";
    let output = alice.ssh_with(&["-o", wishes], "room", &[command], b"");
    assert_eq!((output.status, output.stderr.as_str()), (1, ""));
    let port = platform.port().to_string();
    let ours = output.stdout.lines().find_map(|line| line.strip_prefix("SSH_CLIENT=127.0.0.1 "));
    let ours = ours.and_then(|rest| rest.split_once(' ')).expect("two ports").0;
    let expected = [
        "HOME=/home/space",
        "HOSTNAME=room",
        "LANG=de_DE.UTF-8",
        "LC_TIME=C",
        "LOGNAME=space",
        "PATH=/usr/local/bin:/usr/bin:/bin:/usr/games",
        "PWD=/home/space",
        "SHELL=/bin/bash",
        "SHLVL=1",
        &format!("SSH_CLIENT=127.0.0.1 {ours} {port}"),
        &format!("SSH_CONNECTION=127.0.0.1 {ours} 127.0.0.1 {port}"),
        "USER=space",
        "_=/usr/bin/env",
        "uid=1000(space) gid=1000(space) groups=1000(space)",
        "/home/space",
        "0",
        "0022",
        "not a tty",
    ];
    assert_eq!(output.stdout.lines().collect::<Vec<_>>(), expected);
    let shell = alice.ssh_with(&[], "room", &[], b"echo $0; shopt login_shell; exit 4\n");
    assert_eq!(
        (shell.status, shell.stdout.as_str(), shell.stderr.as_str()),
        (4, "-bash\nlogin_shell    \ton\n", "")
    );
}

#[test]
fn what_a_program_leaves_running_is_waited_for_as_long_as_it_holds_the_output() {
    let platform = Platform::start();
    let (alice, _) = platform.owner("alice@example.com", "room");
    let command = "mkfifo gate; (read line < gate; echo late) & echo early; exit 5";
    let mut held = Background::start(alice.ssh_command().args(["room@127.0.0.1", command]));
    let mut early = [0; 6];
    held.stdout.as_mut().expect("it is piped").read_exact(&mut early).expect("output");
    assert_eq!(&early, b"early\n");
    // By now the program may have ended; its child has not, and the session is still there.
    assert_eq!(alice.ssh("room", &["echo go > gate"]).ok(), "");
    let mut late = String::new();
    held.stdout.as_mut().expect("it is piped").read_to_string(&mut late).expect("output");
    assert_eq!((late.as_str(), held.end().code()), ("late\n", Some(5)));
    // Nothing is waited for that holds no output, and nothing where the terminal went with the program.
    let detached = "sleep 1000 > /dev/null 2>&1 & echo done";
    assert_eq!(alice.ssh("room", &[detached]).ok(), "done\n");
    assert_eq!(alice.ssh_with(&["-tt"], "room", &["sleep 2000 & echo done"], b"").ok(), "done\r\n");
    assert_eq!(alice.ssh("room", &["pgrep -ax sleep | cut -d' ' -f2-"]).ok(), "sleep 1000\n");
}
