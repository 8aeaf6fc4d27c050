//! The guest against a gateway that these tests play: the built program, a socket in a temporary folder, frames.
//!
//! Run as root, as the guest runs in a Space: it changes to the user of each program.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of tests are tests too"
)]

mod gateway;

use std::time::Duration;

use gateway::{Gateway, command, shell_with_terminal};
use spaces_protocol::frame::{Exit, FromGuest, Program, Signal, Start, ToGuest, WindowSize};

#[test]
fn a_command_gives_back_its_exact_bytes_and_its_status() {
    let gateway = Gateway::start();
    let mut channel = gateway.run(command(r"printf 'a\0b\377\r\n'"));
    let end = channel.finish();
    assert_eq!((end.stdout.as_slice(), end.stderr.as_slice()), (&b"a\0b\xff\r\n"[..], &b""[..]));
    assert_eq!(end.exit, Some(Exit::Status(0)));
}

#[test]
fn standard_error_comes_apart_from_standard_output() {
    let gateway = Gateway::start();
    let end = gateway.run(command("echo out; echo err >&2; exit 7")).finish();
    assert_eq!((end.stdout.as_slice(), end.stderr.as_slice()), (&b"out\n"[..], &b"err\n"[..]));
    assert_eq!(end.exit, Some(Exit::Status(7)));
}

#[test]
fn a_program_that_a_signal_ended_says_which() {
    let gateway = Gateway::start();
    let end = gateway.run(command("kill -SEGV $$")).finish();
    let Some(Exit::Signal { signal, core_dumped: _ }) = end.exit else { panic!("{:?}", end.exit) };
    assert_eq!(signal, Signal::Segv);
    // nix's waitpid would have lost this one.
    let end = gateway.run(command("kill -40 $$")).finish();
    assert_eq!(end.exit, Some(Exit::Signal { signal: Signal::Other(40), core_dumped: false }));
}

#[test]
fn a_signal_reaches_the_whole_group_of_a_program() {
    let gateway = Gateway::start();
    let mut channel = gateway.run(command("sleep 1000 & echo ready; wait"));
    channel.expect_output(b"ready\n");
    channel.send(ToGuest::Signal(Signal::Term));
    // The end of output says that the child is gone too: it held the pipes.
    assert_eq!(channel.finish().exit, Some(Exit::Signal { signal: Signal::Term, core_dumped: false }));
}

#[test]
fn the_end_of_input_ends_a_reader() {
    let gateway = Gateway::start();
    let mut channel = gateway.run(command("cat; echo done"));
    channel.stdin(b"some text");
    channel.send(ToGuest::StdinEof);
    let end = channel.finish();
    assert_eq!(end.stdout, b"some textdone\n");
    assert_eq!(end.exit, Some(Exit::Status(0)));
}

#[test]
fn input_that_a_program_does_not_read_is_no_error() {
    let gateway = Gateway::start();
    let mut channel =
        gateway.run(command("exec 0<&-; echo closed; read line <&1 2>/dev/null; sleep 0.2; exit 3"));
    channel.expect_output(b"closed\n");
    for _ in 0..64 {
        channel.stdin(&vec![b'x'; 60_000]);
    }
    channel.send(ToGuest::StdinEof);
    assert_eq!(channel.finish().exit, Some(Exit::Status(3)));
}

#[test]
fn twenty_megabytes_go_through_a_program_both_ways_at_once() {
    const PIECE: usize = 64 * 1024;
    const PIECES: usize = 320;
    let gateway = Gateway::start();
    let mut channel = gateway.run(command("cat"));
    let mut writer = channel.writer();
    let sender = std::thread::spawn(move || {
        for number in 0..PIECES {
            writer.stdin(&vec![u8::try_from(number % 251).unwrap(); PIECE]);
        }
        writer.send(ToGuest::StdinEof);
    });
    let end = channel.finish();
    sender.join().unwrap();
    assert_eq!(end.stdout.len(), PIECE * PIECES);
    assert!(
        end.stdout
            .chunks(PIECE)
            .enumerate()
            .all(|(number, piece)| { piece.iter().all(|byte| usize::from(*byte) == number % 251) })
    );
    assert_eq!(end.exit, Some(Exit::Status(0)));
}

#[test]
fn a_signal_is_found_behind_input_that_the_program_does_not_read() {
    let gateway = Gateway::start();
    let mut channel = gateway.run(command("echo ready; exec sleep 1000"));
    channel.expect_output(b"ready\n");
    // More than a pipe holds, less than the guest reads ahead.
    for _ in 0..3 {
        channel.stdin(&vec![0; 60_000]);
    }
    channel.send(ToGuest::Signal(Signal::Kill));
    assert_eq!(channel.finish().exit, Some(Exit::Signal { signal: Signal::Kill, core_dumped: false }));
}

#[test]
fn a_gateway_that_leaves_hangs_up_on_a_terminal_whose_input_is_stuck() {
    let gateway = Gateway::start();
    let mut start = shell_with_terminal();
    // Raw, so that the kernel holds input back instead of dropping it.
    start.program = Program::Command(b"stty raw -echo; printf pid=$$.; exec sleep 1000".to_vec());
    let mut channel = gateway.run(start);
    let text = channel.expect_until(b".");
    let pid = text.split("pid=").nth(1).unwrap().trim_end_matches('.').to_owned();
    channel.write_until_stuck(&vec![0; 60_000]);
    drop(channel);
    gateway::wait_until_gone(&pid);
}

#[test]
fn a_status_does_not_wait_for_a_child_that_was_left_behind() {
    let gateway = Gateway::start();
    let mut channel = gateway.run(command("(read line; echo late) <&0 & echo early; exit 5"));
    // `&` takes standard input away from a child, hence the explicit one.
    let (output, exit) = channel.until_exit();
    assert_eq!(output, b"early\n");
    assert_eq!(exit, Exit::Status(5));
    channel.stdin(b"go\n");
    assert_eq!(channel.finish().stdout, b"late\n");
}

#[test]
fn a_child_that_never_stops_writing_does_not_hold_the_status_back() {
    let gateway = Gateway::start();
    let mut channel = gateway.run(command("yes & echo $! >&2; exit 5"));
    let (_, exit) = channel.until_exit();
    assert_eq!(exit, Exit::Status(5));
    let pid = String::from_utf8(channel.stderr.clone()).unwrap();
    drop(channel);
    gateway::wait_until_gone(pid.trim());
}

#[test]
fn a_client_that_reads_no_more_ends_what_writes_and_still_hears_errors() {
    let gateway = Gateway::start();
    let mut channel = gateway.run(command("yes; echo \"ended by $?\" >&2; exit 2"));
    channel.expect_output_begins(b"y\ny\n");
    channel.send(ToGuest::OutputClosed);
    let end = channel.finish();
    // 128 and the number of SIGPIPE.
    assert_eq!(String::from_utf8_lossy(&end.stderr), "ended by 141\n");
    assert_eq!(end.exit, Some(Exit::Status(2)));
}

#[test]
fn a_client_that_reads_no_more_hangs_up_on_its_terminal() {
    let gateway = Gateway::start();
    let mut channel = gateway.run(shell_with_terminal_running("exec yes"));
    channel.expect_output_begins(b"y\r\ny\r\n");
    channel.send(ToGuest::OutputClosed);
    assert_eq!(channel.finish().exit, Some(Exit::Signal { signal: Signal::Hup, core_dumped: false }));
}

#[test]
fn a_login_shell_has_a_terminal_of_the_size_that_the_client_gives() {
    let gateway = Gateway::start();
    let mut channel = gateway.run(shell_with_terminal());
    channel.stdin(b"PS1=; stty size; tty; echo \"$TERM $SSH_TTY $0\"; echo e\"\"nd\n");
    let text = channel.expect_until(b"end\r\n");
    assert!(text.contains("24 80\r\n"), "{text:?}");
    assert!(text.contains("/dev/pts/"), "{text:?}");
    assert!(text.contains("xterm-spaces /dev/pts/"), "{text:?}");
    channel.send(ToGuest::Resize(WindowSize { columns: 132, rows: 43, ..WindowSize::default() }));
    channel.stdin(b"stty size; echo e\"\"nd; exit 9\n");
    let end = channel.finish();
    let text = String::from_utf8_lossy(&end.stdout).into_owned();
    assert!(text.contains("43 132\r\n"), "{text:?}");
    assert_eq!(end.exit, Some(Exit::Status(9)));
}

#[test]
fn control_c_reaches_the_foreground_program() {
    let gateway = Gateway::start();
    let mut start = shell_with_terminal();
    start.program = Program::Command(
        b"trap 'echo caught; exit 4' INT; echo ready; while :; do sleep 0.05; done".to_vec(),
    );
    let mut channel = gateway.run(start);
    channel.expect_until(b"ready\r\n");
    channel.stdin(&[3]);
    let end = channel.finish();
    assert!(end.stdout.ends_with(b"caught\r\n"), "{:?}", String::from_utf8_lossy(&end.stdout));
    assert_eq!(end.exit, Some(Exit::Status(4)));
}

#[test]
fn modes_of_the_client_are_the_terminals() {
    let gateway = Gateway::start();
    let mut start = shell_with_terminal();
    start.program = Program::Command(b"stty -a".to_vec());
    // ECHO off, VINTR ^G.
    start.terminal.as_mut().unwrap().modes = vec![(53, 0), (1, 7), (128, 38400)];
    let end = gateway.run(start).finish();
    let text = String::from_utf8_lossy(&end.stdout).into_owned();
    assert!(text.contains("intr = ^G") && text.contains(" -echo "), "{text}");
}

#[test]
fn all_that_a_terminal_was_given_arrives_before_the_status() {
    let gateway = Gateway::start();
    let mut start = shell_with_terminal();
    start.program = Program::Command(b"seq 1 20000; exec printf last".to_vec());
    for _ in 0..5 {
        let (output, exit) = gateway.run(start.clone()).until_exit();
        assert!(
            output.ends_with(b"20000\r\nlast"),
            "{:?}",
            String::from_utf8_lossy(&output[output.len() - 40..])
        );
        assert_eq!(exit, Exit::Status(0));
    }
}

#[test]
fn a_program_starts_as_after_a_login() {
    let gateway = Gateway::start();
    let mut start = command(
        "id -u; id -G; pwd; umask; echo $HOME $USER $LOGNAME $SHELL $GREETING; ls /proc/self/fd | xargs;\
         ps -o sid= -p $$ | tr -d ' '; echo $$; grep -E 'Sig(Blk|Ign)' /proc/self/status",
    );
    start.environment = vec![("GREETING".to_owned(), "hello".to_owned())];
    let end = gateway.run(start).finish();
    let text = String::from_utf8(end.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let expected = ["0", "0", "/root", "0022", "/root root root /bin/bash hello", "0 1 2 3"];
    assert_eq!(lines[..6], expected, "{text}");
    assert_eq!(lines[6], lines[7], "leads its session");
    // 32 and 33 are the C library's own: it lets nobody change them.
    let signals = |line: &str| {
        u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap() & !0x1_8000_0000
    };
    // SIGXFSZ alone is ignored: a full disk is an error to a program, and not its end.
    assert_eq!((signals(lines[8]), signals(lines[9])), (0, 1 << 24), "{text}");
}

#[test]
fn the_shell_that_passwd_names_is_the_one_that_decides() {
    let gateway = Gateway::start();
    // Its shell is nologin, which refuses whatever it is given.
    let start = Start { user: "games".to_owned(), ..command("echo entered") };
    let end = gateway.run(start).finish();
    assert_eq!((end.exit, end.stdout.starts_with(b"entered")), (Some(Exit::Status(1)), false));
}

#[test]
fn a_user_that_the_image_does_not_know_is_root() {
    let gateway = Gateway::start();
    let start = Start { user: "no-such-user".to_owned(), ..command("id -u; echo $USER $HOME $SHELL") };
    assert_eq!(gateway.run(start).finish().stdout, b"0\nroot /root /bin/sh\n");
}

#[test]
fn a_command_with_a_nul_is_refused_with_a_reason() {
    let gateway = Gateway::start();
    let mut start = command("");
    start.program = Program::Command(b"echo\0x".to_vec());
    assert_eq!(gateway.refused(start), "the command contains a NUL byte");
}

#[test]
fn what_a_program_leaves_behind_is_no_zombie() {
    let gateway = Gateway::start();
    for _ in 0..20 {
        gateway.run(command("true & false & exit 0")).finish();
    }
    assert_eq!(gateway.children(), Vec::<String>::new());
}

#[test]
fn descriptors_do_not_grow_with_channels() {
    let gateway = Gateway::start();
    gateway.run(command("true")).finish();
    gateway.run(shell_with_terminal_running("true")).finish();
    let before = gateway.settled_descriptors(0);
    for _ in 0..20 {
        gateway.run(command("echo x; echo y >&2")).finish();
        gateway.run(shell_with_terminal_running("echo x")).finish();
        drop(gateway.run(command("cat")));
    }
    assert_eq!(gateway.settled_descriptors(before), before);
}

#[test]
fn a_gateway_that_comes_back_is_found_and_channels_outlive_its_absence() {
    let mut gateway = Gateway::start();
    let mut channel = gateway.run(command("cat"));
    gateway.restart();
    let end = gateway.run(command("echo again")).finish();
    assert_eq!(end.stdout, b"again\n");
    channel.stdin(b"still here");
    channel.send(ToGuest::StdinEof);
    assert_eq!(channel.finish().stdout, b"still here");
}

#[test]
fn a_connection_that_is_kept_ready_serves_a_channel_and_is_replaced() {
    let gateway = Gateway::start();
    for _ in 0..5 {
        let end = gateway.open_spare(command("cat; echo out; exit 3")).finish_without_input();
        assert_eq!((end.stdout, end.exit), (b"out\n".to_vec(), Some(Exit::Status(3))));
    }
    gateway.refuse_spares();
    assert_eq!(gateway.open_spare(command("echo again")).finish_without_input().stdout, b"again\n");
    assert_eq!(gateway.run(command("echo asked for")).finish().stdout, b"asked for\n");
}

#[test]
fn a_stop_asks_programs_to_end_and_says_how_they_did() {
    let mut gateway = Gateway::start();
    let mut channel =
        gateway.run(command("trap 'echo bye; exit 6' HUP TERM; echo ready; while :; do sleep 0.05; done"));
    channel.expect_output(b"ready\n");
    gateway.terminate();
    let end = channel.finish();
    assert_eq!((end.stdout.as_slice(), end.exit), (&b"bye\n"[..], Some(Exit::Status(6))));
    assert!(gateway.wait().success());
}

#[test]
fn a_stop_does_not_wait_for_ever() {
    let mut gateway = Gateway::start();
    let mut channel = gateway.run(command("trap '' TERM HUP; echo ready; while :; do sleep 0.05; done"));
    channel.expect_output(b"ready\n");
    let since = std::time::Instant::now();
    gateway.terminate();
    assert_eq!(channel.finish().exit, Some(Exit::Signal { signal: Signal::Kill, core_dumped: false }));
    assert!(gateway.wait().success());
    assert!(since.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_thousand_channels_run_and_no_more() {
    let gateway = Gateway::start();
    let channels: Vec<_> = (0..1024).map(|_| gateway.run(command("exec cat"))).collect();
    assert_eq!(gateway.refused(command("true")), "too many programs at once in this Space");
    drop(channels);
}

fn shell_with_terminal_running(text: &str) -> Start {
    Start { program: Program::Command(text.as_bytes().to_vec()), ..shell_with_terminal() }
}

#[test]
fn a_program_is_announced_before_it_speaks() {
    let gateway = Gateway::start();
    let mut channel = gateway.open(command("echo x"));
    assert_eq!(channel.message(), FromGuest::Started);
}
