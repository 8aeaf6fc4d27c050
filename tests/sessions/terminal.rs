//! Sessions with a terminal.

use std::io::Read as _;

use spaces_tests::{Background, Multiplex, Person, Platform, Terminal, eventually};

const MOTD: &str = "This is your Space: a private Debian machine. You are `space`, and `sudo` asks nothing.";

/// `ssh -t LOGIN@gateway WORDS` on a real terminal.
fn on_terminal(person: &Person, login: &str, words: &[&str]) -> Terminal {
    let mut command = person.ssh_without_deadline();
    command.args(["-t", &format!("{login}@127.0.0.1")]).args(words);
    Terminal::run(&command, 100, 30)
}

#[test]
fn a_terminal_has_the_clients_size_and_follows_it() {
    let platform = Platform::start();
    let (alice, _) = platform.owner("alice@example.com", "room");
    let script = "trap 'stty size' WINCH; sleep 1000 & stty size; echo $TERM; tty; while :; do wait; done";
    let terminal = on_terminal(&alice, "room", &[script]);
    let screen = terminal.wait_for_line("/dev/pts/0");
    assert_eq!(screen.trim_end(), "30 100\ntmux-256color\n/dev/pts/0");
    terminal.resize(90, 20);
    terminal.wait_for_line("20 90");
    terminal.resize(133, 43);
    terminal.wait_for_line("43 133");
}

#[test]
fn keys_reach_the_program_and_not_the_session() {
    let platform = Platform::start();
    let (alice, _) = platform.owner("alice@example.com", "room");
    let terminal = on_terminal(&alice, "room", &[]);
    terminal.wait_for_line("space@room:~$");
    assert_eq!(terminal.screen().lines().next(), Some(MOTD));
    terminal.line("sleep 1000");
    let running = |program: &str, count: &str| {
        let count_them = format!("pgrep -cx {program}; true");
        eventually(|| alice.ssh("room", &[&count_them]).ok(), |seen| seen.trim() == count)
    };
    running("sleep", "1");
    terminal.key("C-c");
    terminal.line("echo status $?");
    terminal.wait_for_line("status 130");
    terminal.line("sleep 1000");
    running("sleep", "1");
    terminal.key("C-z");
    terminal.line("jobs");
    terminal.wait_for_line("[1]+  Stopped                 sleep 1000");
    terminal.line("kill %1; PS1='$?> '; cat");
    running("cat", "1");
    // An end of input for the program, and the next one for the shell, whose status is the last command's.
    terminal.key("C-d");
    terminal.wait_for_line("0>");
    terminal.line("(exit 7)");
    terminal.wait_for_line("7>");
    terminal.key("C-d");
    terminal.wait_for_line("ended with 7");
    running("sleep", "0");
}

#[test]
fn a_terminal_gives_one_stream_and_the_exit_status() {
    let platform = Platform::start();
    let (alice, _) = platform.owner("alice@example.com", "room");
    let output = alice.ssh_with(&["-tt"], "room", &["echo out; echo err >&2; exit 5"], b"");
    assert_eq!((output.status, output.stdout.as_str(), output.stderr.as_str()), (5, "out\r\nerr\r\n", ""));
    let output = alice.ssh_with(&["-tt"], "room", &["kill -KILL $$"], b"");
    assert_eq!((output.status, output.stdout.as_str(), output.stderr.as_str()), (255, "", ""));
    // The message of the day is for a login shell on a terminal, as sshd has it, and can be silenced.
    let shell = alice.ssh_with(&["-tt"], "room", &[], b"touch .hushlogin; exit 3\r");
    assert_eq!((shell.status, shell.stdout.lines().next()), (3, Some(MOTD)));
    let shell = alice.ssh_with(&["-tt"], "room", &[], b"exit 3\r");
    assert_eq!((shell.status, shell.stdout.contains(MOTD)), (3, false));
}

/// A laptop that is closed: nothing says good-bye.
#[test]
fn a_client_that_vanishes_hangs_up_on_its_terminal() {
    let platform = Platform::start();
    let (alice, _) = platform.owner("alice@example.com", "room");
    let script = "trap 'echo hung up > note; exit' HUP; echo ready; read line";
    let mut client = alice.ssh_without_deadline();
    let mut client = Background::start(client.args(["-tt", "room@127.0.0.1", script]));
    let mut ready = [0; 7];
    client.stdout.as_mut().expect("it is piped").read_exact(&mut ready).expect("output");
    assert_eq!(&ready, b"ready\r\n");
    client.kill().expect("SIGKILL");
    // The one shell that is left is that of the question.
    let look = || alice.ssh("room", &["cat note; pgrep -cx bash; true"]).ok();
    eventually(look, |seen| seen == "hung up\n1\n");
}

#[test]
fn a_session_that_ends_leaves_its_connection_to_the_others() {
    let platform = Platform::start();
    let (alice, _) = platform.owner("alice@example.com", "room");
    let connection = Multiplex::connect(&alice, &[], "room");
    let mut vanishing = Background::start(&mut connection.command(&["-tt", "echo ready; exec sleep 1000"]));
    // ssh gives such a terminal no modes, so there is no carriage return.
    let mut ready = [0; 6];
    vanishing.stdout.as_mut().expect("it is piped").read_exact(&mut ready).expect("output");
    assert_eq!(&ready, b"ready\n");
    drop(vanishing);
    eventually(|| connection.ssh(&["pgrep -cx sleep; true"]).ok(), |seen| seen == "0\n");
}
