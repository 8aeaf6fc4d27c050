//! What a Space has of the platform: one folder with one socket, and the guest's program, both read-only. Guests that
//! lie are in `tests/rogue_guest`, with the real one held still; here the real one goes on.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::process::ChildStdout;

use spaces_tests::{Background, Person, Platform, bin, eventually, guest_greeting};

use crate::python;

/// Two people, a Space each.
struct Setting {
    platform: Platform,
    mallory: Person,
    lair: String,
    bob: Person,
}

impl Setting {
    fn new() -> Self {
        let platform = Platform::start();
        let (mallory, lair) = platform.owner("mallory@example.com", "lair");
        let (bob, _) = platform.owner("bob@example.com", "den");
        Self { platform, mallory, lair, bob }
    }

    #[track_caller]
    fn assert_neighbour_unharmed(&self) {
        assert_eq!(self.bob.ssh("den", &["echo alive"]).ok(), "alive\n");
    }

    /// `space WORD` of the attacker's own.
    #[track_caller]
    fn space(&self, word: &str) -> String {
        self.mallory.ssh("spaces", &["space", word, "--space", "lair"]).ok()
    }
}

/// The attack: as root, put a socket, a link or a program of one's own into the place of the platform's. The user
/// cannot even see what is in the folder, nor speak to the gateway past the guest.
#[test]
fn nothing_of_the_platforms_in_a_space_can_be_removed_replaced_or_moved() {
    const CHANGE: &str = "\
socket=/.spaces/run/gateway.sock guest=/.spaces/bin/spaces-guest
attempt() { if \"$@\" 2>/dev/null; then echo \"$@\"; fi; }
for path in $socket $guest /.spaces/run; do
    attempt mv $path /own
    attempt rm -rf $path
    attempt chmod 0777 $path
    attempt chown space $path
    attempt touch $path
    attempt ln $path /linked
done
for path in $socket $guest; do
    attempt ln -sfn /tmp/own $path
    attempt cp --remove-destination /bin/true $path
    attempt truncate -s 0 $path
done
attempt dd if=/bin/true of=$guest conv=notrunc status=none
attempt mkdir /.spaces/run/own
attempt rmdir /.spaces/run
attempt python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"/.spaces/run/own\")'
ls -A /.spaces /.spaces/run
";
    const DIAL: &str = "import socket; socket.socket(socket.AF_UNIX).connect('/.spaces/run/gateway.sock')";
    /// `capset` with nothing left, which a change of the number brings along but for 0.
    const DIAL_AS: &str = "
import ctypes, os, socket, sys
def dial(who):
    try: socket.socket(socket.AF_UNIX).connect('/.spaces/run/gateway.sock')
    except OSError as error: print(who + ':', error.strerror)
    else: print(who + ': connected')
dial('as 0')
number = int(sys.argv[1])
os.setgroups([]); os.setresuid(number, number, number)
ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())
os.listdir('/.spaces/run')
dial('without a capability')
";
    let setting = Setting::new();
    let program = std::fs::read(bin("spaces-guest")).expect("the guest's program");
    let answer = setting.mallory.ssh_with(&[], "lair", &["sudo bash -s"], CHANGE.as_bytes()).ok();
    assert_eq!(answer, "/.spaces:\nbin\nrun\n\n/.spaces/run:\ngateway.sock\n");
    assert!(
        std::fs::read(bin("spaces-guest")).is_ok_and(|now| now == program),
        "the guest's program changed"
    );
    for refused in ["ls /.spaces/run", &format!("python3 -c \"{DIAL}\"")] {
        let told = setting.mallory.ssh("lair", &[refused]);
        assert!(told.status != 0 && told.stderr.contains("Permission denied"), "{refused}: {told:?}");
    }
    // Nor can a user with the number of the gateway's own, whose folder that is; root, who need not ask, can.
    let own = std::fs::metadata(setting.platform.state()).expect("the state").uid().to_string();
    let told = python(&setting.mallory, "lair", DIAL_AS, &[&own]).ok();
    assert_eq!(told, "as 0: connected\nwithout a capability: Permission denied\n");
    setting.assert_neighbour_unharmed();
    // The twin: folders of one's own beside them, and the Space is reached.
    let own = "sudo mkdir /.own && sudo mv /.own /own-room && sudo touch /own-room/x && ls /own-room";
    assert_eq!(setting.mallory.ssh("lair", &[own]).ok(), "x\n");
}

/// The attack: the folder above what is mounted is the Space's own and can be moved away. So move it, put a socket of
/// one's own where the guest dials, and, for the next start, a link to a folder of the host's where the engine mounts.
#[test]
fn who_moves_the_platforms_folder_away_shuts_out_themselves_alone() {
    const MOVE: &str = "
import os, socket
os.rename('/.spaces', '/moved')
os.makedirs('/.spaces/run')
server = socket.socket(socket.AF_UNIX)
server.bind('/.spaces/run/gateway.sock')
";
    let setting = Setting::new();
    let bait = setting.platform.folder().join("bait");
    std::fs::create_dir(&bait).expect("a folder");
    python(&setting.mallory, "lair", MOVE, &[]).ok();
    let told = eventually(|| setting.mallory.ssh("lair", &["true"]), |output| output.status != 0);
    let hint = "hint: `space down --space lair`, then `space up`, starts it anew\n";
    assert_eq!((told.status, told.stderr), (75, format!("error: space `lair` does not answer\n{hint}")));
    setting.assert_neighbour_unharmed();
    // The twin: the way forward is what the hint says.
    setting.space("down");
    setting.space("up");
    assert_eq!(setting.mallory.ssh("lair", &["echo alive"]).ok(), "alive\n");
    let bait = bait.display().to_string();
    for (number, target) in [bait.clone(), format!("../../../../../..{bait}")].iter().enumerate() {
        let link = format!("sudo sh -c 'mv /.spaces /moved-{number} && ln -s {target} /.spaces'");
        setting.mallory.ssh("lair", &[&link]).ok();
        setting.space("down");
        setting.space("up");
        assert_eq!(setting.mallory.ssh("lair", &["echo alive"]).ok(), "alive\n");
        assert_eq!(
            std::fs::read_dir(&bait).expect("a folder").count(),
            0,
            "the engine went out of the Space"
        );
    }
    setting.assert_neighbour_unharmed();
}

/// Dials as a guest does, again whenever it is put out, and tells how much it was told of others.
const BESIDE: &str = "
import socket, sys
hello = bytes.fromhex(sys.argv[1])
while True:
    line = socket.socket(socket.AF_UNIX)
    line.connect('/.spaces/run/gateway.sock')
    line.sendall(hello)
    print('in place', flush=True)
    heard = 0
    while True:
        try: more = line.recv(4096)
        except OSError: break
        if not more: break
        heard += len(more)
    print('put out having heard', heard, flush=True)
";

/// A second guest, and what it says.
struct Beside {
    _program: Background,
    says: BufReader<ChildStdout>,
}

impl Beside {
    fn start(mallory: &Person) -> Self {
        let words = format!("sudo python3 -u - {}", guest_greeting());
        let mut program = Background::start(mallory.ssh_command().args(["lair@127.0.0.1", &words]));
        let mut stdin = program.stdin.take().expect("stdin is piped");
        stdin.write_all(BESIDE.as_bytes()).expect("it reads");
        let says = BufReader::new(program.stdout.take().expect("stdout is piped"));
        Self { _program: program, says }
    }

    /// Its next line.
    #[track_caller]
    fn line(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.says.read_line(&mut line).expect("it says something"), 0, "it ended");
        line.trim_end().to_owned()
    }
}

/// The attack: a second guest beside the real one, in its place again whenever that one comes back, to be given what
/// is asked of other Spaces.
#[test]
fn a_second_guest_beside_the_real_one_hears_nothing_of_others_and_is_gone_with_the_next_start() {
    let setting = Setting::new();
    let mut beside = Beside::start(&setting.mallory);
    for _times in 0..10 {
        assert_eq!(beside.line(), "in place");
        setting.assert_neighbour_unharmed();
        // The real one comes back at once, and its coming puts this one out.
        assert_eq!(beside.line(), "put out having heard 0");
    }
    // The twin: its own people can stop it, and find the Space as it was.
    setting.space("down");
    setting.space("up");
    let alive = || setting.mallory.ssh("lair", &["pgrep -x python3 || echo alone"]);
    assert_eq!(eventually(alive, |output| output.status == 0).ok(), "alone\n");
    setting.assert_neighbour_unharmed();
}

/// The attack: greet as a guest as fast as can be, to fill the gateway's log and its processor. Each greeting that comes
/// to nothing holds the next ones up.
#[test]
fn a_flood_of_greetings_waits_for_itself_and_leaves_few_lines_in_the_log() {
    const GREET: &str = "
import socket, sys, time
end = time.monotonic() + 5
while time.monotonic() < end:
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(max(0.01, end - time.monotonic()))
        try:
            line.connect('/.spaces/run/gateway.sock')
            line.sendall(bytes.fromhex(sys.argv[1]))
            while line.recv(4096): pass
        except OSError: pass
";
    let setting = Setting::new();
    let logged = || {
        let log = setting.platform.log();
        let of_lair = |line: &String| line.contains(&format!("space={}", setting.lair));
        log.into_iter().filter(|line| of_lair(line) && !line.contains(" DEBUG ")).collect::<Vec<_>>()
    };
    let before = logged().len();
    for _one_of in 0..2 {
        python(&setting.mallory, "lair", GREET, &[&guest_greeting()]).ok();
    }
    setting.assert_neighbour_unharmed();
    let lines = logged().split_off(before);
    assert!(lines.len() <= 30, "{lines:#?}");
    // The twin: the real guest is back, and serves.
    let alive = || setting.mallory.ssh("lair", &["echo alive"]);
    assert_eq!(eventually(alive, |output| output.status == 0).ok(), "alive\n");
}

/// Programs that mean to stay: one that ignores every signal it can, one that is never the same process for long, and
/// one that does not run at all. Each is a daemon: of a session of its own, and nobody's child.
const DAEMONS: &str = "
import os, signal, sys, time
def daemon(live):
    if os.fork(): return
    os.setsid()
    if os.fork(): os._exit(0)
    for number in range(3): os.dup2(os.open('/dev/null', os.O_RDWR), number)
    for number in set(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
        try: signal.signal(number, signal.SIG_IGN)
        except OSError: pass
    live()
def beat(name):
    with open('/home/space/' + name, 'a') as file: file.write('.')
def stubborn():
    while True: beat('stubborn'); time.sleep(0.01)
def elusive():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        beat('elusive')
        time.sleep(0.01)
        if os.fork(): os._exit(0)
def still():
    beat('still')
    os.kill(os.getpid(), signal.SIGSTOP)
for live in stubborn, elusive, still: daemon(live)
";

/// Processes on the host that run the script above with this mark.
fn survivors(mark: &str) -> usize {
    let runs = |entry: &std::fs::DirEntry| {
        let line = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        line.starts_with("python3\0") && line.contains(mark)
    };
    std::fs::read_dir("/proc").expect("/proc").flatten().filter(runs).count()
}

/// The attack: programs that go on after `space down`, to use what is not counted any more, or to be there before
/// everybody else after `space up`.
#[test]
fn a_program_that_will_not_end_is_gone_after_space_down_and_does_not_come_back() {
    let setting = Setting::new();
    let mark = format!("stay-{}", setting.platform.installation());
    python(&setting.mallory, "lair", DAEMONS, &[&mark]).ok();
    let beats = || setting.mallory.ssh("lair", &["cat stubborn elusive still | wc -c"]).stdout;
    eventually(beats, |beats| beats.trim().parse::<usize>().is_ok_and(|beats| beats > 20));
    // Of the elusive one there may be two, or none while one takes the other's place.
    eventually(|| survivors(&mark), |running| *running >= 3);
    assert_eq!(setting.space("down"), format!("space {} is stopped\n", setting.lair));
    assert_eq!(survivors(&mark), 0);
    assert_eq!(setting.space("up"), format!("space {} is running\n", setting.lair));
    assert_eq!(
        setting.mallory.ssh("lair", &["pgrep -cx python3; ls"]).stdout,
        "0\nelusive\nstill\nstubborn\n"
    );
    assert_eq!(survivors(&mark), 0);
    // The twin: what was written stays, and what is started now runs.
    assert_ne!(beats(), "0\n");
    assert_eq!(beats(), beats());
    python(&setting.mallory, "lair", DAEMONS, &[&mark]).ok();
    eventually(|| survivors(&mark), |running| *running >= 3);
    setting.assert_neighbour_unharmed();
}
