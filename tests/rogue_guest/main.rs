//! Guests that lie. Whoever is root in a Space can put a program of theirs in the guest's place: it harms nobody but
//! that Space, whose people get an error. Each attack ends alone, its neighbours never notice.

mod rogue;
mod silence;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt as _;

use rogue::{Line, Rogue};
use spaces_protocol::frame::{Exit, FromGuest, Hello, Listening, MAX_FRAME, Task, ToGuest, VERSION};
use spaces_tests::{Background, Person, Platform, eventually};

/// More than the gateway needs, far less than what these attacks would have it keep.
const MOST_KIB: u64 = 80 * 1024;

/// More than a socket holds, less than a channel's window.
const PIECE: usize = 1 << 19;

/// A Space whose guest lies, and a neighbour.
struct Setting {
    platform: Platform,
    mallory: Person,
    bob: Person,
    rogue: Rogue,
}

impl Setting {
    fn new() -> Self {
        let platform = Platform::start();
        let (mallory, space) = platform.owner("mallory@example.com", "lair");
        let (bob, _) = platform.owner("bob@example.com", "den");
        let rogue = Rogue::replace(&platform, &space);
        Self { platform, mallory, bob, rogue }
    }

    /// Their `ssh`, in the background.
    fn ssh(&self, options: &[&str], words: &[&str]) -> Background {
        let mut command = self.mallory.ssh_command();
        Background::start(command.args(options).arg("lair@127.0.0.1").args(words))
    }

    /// `ssh -W` into the Space.
    fn dial(&self) -> Background {
        self.ssh(&["-v", "-W", "localhost:80"], &[])
    }

    /// The gateway and the neighbour are as ever.
    #[track_caller]
    fn assert_unharmed(&self) {
        assert_eq!(self.bob.ssh("den", &["echo alive"]).ok(), "alive\n");
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.platform.pid()));
        let status = status.expect("the gateway runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        assert!(kib < MOST_KIB, "the gateway holds {kib} KiB");
    }

    /// The log has this text so often, and comes to have it no more often.
    #[track_caller]
    fn assert_logged(&self, text: &str, times: usize) {
        let count = || self.platform.log().iter().filter(|line| line.contains(text)).count();
        assert_eq!(eventually(count, |count| *count >= times), times);
    }
}

/// Everything that a program said on standard error, and how it ended.
fn told(mut program: Background) -> (Option<i32>, String) {
    let mut text = String::new();
    program.stderr.as_mut().expect("it is piped").read_to_string(&mut text).expect("text");
    let status = program.end();
    (status.code().or(status.signal()), text)
}

const NO_ANSWER: &str = "open failed: connect failed: the space does not answer";

/// The attack: lengths and bytes that are no frames, where an answer is due.
#[test]
fn what_is_no_frame_ends_that_channel_alone() {
    let mut setting = Setting::new();
    let empty = [0; 4];
    let strange = [0, 0, 0, 2, 9, 9];
    let malformed = [0, 0, 0, 3, 0, 0xff, 0xff];
    // A message that says it holds a string of 4 GiB.
    let boastful = [0, 0, 0, 7, 0, 2, 0xff, 0xff, 0xff, 0xff, 0x0f];
    let too_long = u32::try_from(MAX_FRAME + 1).expect("it is short").to_be_bytes();
    for lie in [&[0xff; 64][..], &empty, &strange, &malformed, &boastful, &too_long] {
        let client = setting.dial();
        let (mut line, task) = setting.rogue.channel();
        assert!(matches!(task, Task::Dial { .. }), "{task:?}");
        line.send_bytes(lie).expect("it is taken");
        line.expect_end();
        let (status, told) = told(client);
        assert!(status == Some(255) && told.contains(NO_ANSWER), "{lie:?}: {told}");
    }
    setting.assert_unharmed();
}

/// The attack: frames of the right form at the wrong time, to a dial, to a listener, to a program.
#[test]
fn answers_out_of_turn_are_refused_and_logged_once() {
    let mut setting = Setting::new();
    let strange = || {
        [
            FromGuest::Hello(Hello::Control { version: VERSION }),
            FromGuest::Listening(Listening::Port(80)),
            FromGuest::Accepted { connection: 1, from: None },
            FromGuest::StdoutEof,
            FromGuest::Exited(Exit::Status(0)),
        ]
    };
    for (count, lie) in strange().into_iter().enumerate() {
        let client = setting.dial();
        setting.rogue.channel().0.say(lie);
        assert!(told(client).1.contains(NO_ANSWER));
        setting.assert_logged("a guest answered out of turn", count + 1);
    }
    let client = setting.ssh(&["-v", "-N", "-o", "ExitOnForwardFailure=yes", "-R", "7000:localhost:9"], &[]);
    let (mut line, _task) = setting.rogue.channel();
    line.say(FromGuest::Listening(Listening::Port(7001)));
    let (status, text) = told(client);
    assert!(status == Some(255) && text.contains("the space listens elsewhere"), "{text}");
    for lie in strange().into_iter().take(4) {
        let client = setting.ssh(&[], &["true"]);
        let (mut line, _task) = setting.rogue.channel();
        line.say(FromGuest::Started);
        line.say(lie);
        assert_eq!(
            told(client),
            (
                Some(75),
                "error: space `lair` went away\nhint: `space why --space lair` says what it is doing\n"
                    .into()
            )
        );
    }
    setting.assert_unharmed();
}

/// The attack: tickets that were never given, or were used up; a control connection that talks.
#[test]
fn a_ticket_opens_one_channel_and_a_guess_none() {
    let mut setting = Setting::new();
    let client = setting.dial();
    let ticket = setting.rogue.ticket();
    let hello = |ticket| FromGuest::Hello(Hello::Channel { ticket });
    for guess in [0, 1, ticket.wrapping_add(1), u64::MAX] {
        let mut line = setting.rogue.dial();
        line.say(hello(guess));
        line.expect_end();
    }
    let mut line = setting.rogue.dial();
    line.say(hello(ticket));
    let mut again = setting.rogue.dial();
    again.say(hello(ticket));
    again.expect_end();
    assert!(line.hear().is_some(), "the first one serves");
    line.say(FromGuest::Failed("no such thing\u{1b}[2J here ".to_owned() + &"x".repeat(200_000)));
    let (_status, text) = told(client);
    let said = text.lines().find(|line| line.contains("open failed")).expect("a refusal");
    assert!(said.contains("connect failed: no such thing\\") && said.len() < 400, "{said}");
    setting.rogue.control.say(FromGuest::Started);
    setting.rogue.control.expect_end();
    setting.assert_unharmed();
    setting.assert_logged("a guest spoke on its control connection", 1);
}

/// The attack: a ticket that was given to another Space's guest.
#[test]
fn a_ticket_opens_nothing_at_another_spaces_socket() {
    let mut setting = Setting::new();
    let (_carol, space) = setting.platform.owner("carol@example.com", "attic");
    let accomplice = Rogue::replace(&setting.platform, &space);
    let client = setting.dial();
    let hello = FromGuest::Hello(Hello::Channel { ticket: setting.rogue.ticket() });
    let mut line = accomplice.dial();
    line.say(hello.clone());
    line.expect_end();
    let mut line = setting.rogue.dial();
    line.say(hello);
    assert!(line.hear().is_some(), "where it was given it is good still");
    line.say(FromGuest::Failed("as ever".to_owned()));
    assert!(told(client).1.contains("connect failed: as ever"));
    setting.assert_unharmed();
}

/// The attack: connections kept ready that lead nowhere: some are closed, some have spoken, and there are many of them.
#[test]
fn a_spare_connection_serves_if_it_is_there_and_quiet() {
    let mut setting = Setting::new();
    let mut kept: Vec<_> = (0..20).map(|_| setting.rogue.spare()).collect();
    let left = |kept: &mut Vec<Line>| {
        kept.retain_mut(|line| !line.has_ended());
        kept.len()
    };
    assert_eq!(eventually(|| left(&mut kept), |left| *left <= 4), 4);
    let mut used = kept.pop().expect("four are kept");
    kept.pop();
    for line in &mut kept {
        line.say(FromGuest::Started);
    }
    let client = setting.dial();
    assert!(matches!(used.hear(), Some(ToGuest::Begin(Task::Dial { .. }))));
    used.say(FromGuest::Failed("a spare one".to_owned()));
    assert!(told(client).1.contains("connect failed: a spare one"));
    let client = setting.dial();
    setting.rogue.channel().0.say(FromGuest::Failed("none is left".to_owned()));
    assert!(told(client).1.contains("connect failed: none is left"));
    setting.assert_unharmed();
}

/// The attack: connections to a listener that nobody made, as many as can be sent.
#[test]
fn a_flood_of_accepted_connections_is_held_back_and_leaves_room_for_sessions() {
    let mut setting = Setting::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let target = listener.local_addr().expect("an address").port();
    let forward = format!("7000:127.0.0.1:{target}");
    let _client = setting.ssh(&["-N", "-R", &forward], &[]);
    let (mut line, _task) = setting.rogue.channel();
    line.say(FromGuest::Listening(Listening::Port(7000)));
    line.give_up_after(std::time::Duration::from_secs(2));
    let sent = (0..1_000_000).take_while(|connection| {
        line.try_say(FromGuest::Accepted { connection: *connection, from: None }).is_ok()
    });
    let sent = sent.count();
    assert!(sent < 100_000, "{sent} were taken");
    setting.assert_unharmed();
    drop(listener);
}

/// The attack: greetings that never come, to keep everybody else's out.
#[test]
fn connections_that_say_nothing_are_this_spaces_own_trouble() {
    let mut setting = Setting::new();
    let quiet: Vec<_> = (0..100).map(|_| setting.rogue.dial()).collect();
    setting.assert_unharmed();
    for mut line in quiet {
        line.expect_end();
    }
    let client = setting.dial();
    setting.rogue.channel().0.say(FromGuest::Failed("as ever".to_owned()));
    assert!(told(client).1.contains("connect failed: as ever"));
}

/// The attack: clients that leave what they sent with a guest that takes none of it.
#[test]
fn what_clients_leave_behind_is_bounded() {
    const MOST: usize = 64;
    let mut setting = Setting::new();
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let client = setting.ssh(&["-N", "-L", &format!("{port}:localhost:80")], &[]);
    let mut connect = || {
        let dialled = || TcpStream::connect(("127.0.0.1", port));
        let mut stream = eventually(dialled, Result::is_ok).expect("it is open");
        let (mut line, _task) = setting.rogue.channel();
        line.say(FromGuest::Started);
        stream.write_all(&vec![7; PIECE]).expect("it is taken");
        (stream, line)
    };
    let (near, mut far): (Vec<_>, Vec<_>) = (0..MOST + 6).map(|_| connect()).unzip();
    // ssh sends a piece of each in turn: once this last one is through, the others are with the gateway.
    let (mut stream, mut line) = connect();
    line.hear_data(PIECE);
    drop(line);
    assert_eq!(stream.read(&mut [0]).expect("its end"), 0);
    drop((near, client));
    let closed =
        |far: &mut Vec<Line>| far.iter_mut().filter_map(|line| line.is_closed().then_some(())).count();
    eventually(|| closed(&mut far), |closed| *closed >= 6);
    setting.assert_unharmed();
    assert_eq!(closed(&mut far), 6, "more ended than had no room");
}
