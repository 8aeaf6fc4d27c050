//! What the kernel counts for each user of the machine, or for the machine as a whole: every Space has the same
//! users, so that one can take what is another's. These attacks succeed. The tests say what holds, and that the
//! neighbour is reached all the same; whoever gives each Space a share of its own has to change them.
//!
//! What is counted by user is taken as a user whom no other Space here has programs of: tests that run at the same
//! time go on undisturbed. What is counted for the whole machine is taken in part, and its use seen next door.

use std::process::Command;

use super::Siege;
use crate::apart::{PUBLIC, Town};
use crate::python;

/// Whom nobody is.
const NOBODY: &str = "54321";

/// Takes so many of something as this user, says how many it got, and keeps them until it is told to end.
const TAKE: &str = "
import ctypes, fcntl, os, platform, resource, sys, time
libc = ctypes.CDLL(None, use_errno=True)
what, most, user, patience = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
os.setresuid(user, user, user)
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
number = dict(mq_open=(240, 180), mq_unlink=(241, 181), timer_create=(222, 107), io_setup=(206, 0))
def call(name, *words):
    result = libc.syscall(ctypes.c_long(number[name][platform.machine() != 'x86_64']), *words)
    if result < 0: raise OSError(ctypes.get_errno(), name)
    return result
def inotify(at):
    if libc.inotify_init1(0) < 0: raise OSError(ctypes.get_errno(), 'inotify')
def queue(at):
    shape = (ctypes.c_long * 8)(0, 10, 8192)
    name = f'queue-{os.getpid()}-{at}'.encode()
    call('mq_open', name, os.O_CREAT | os.O_RDWR, 0o600, shape)
    call('mq_unlink', name)
def timer(at):
    call('timer_create', 1, None, ctypes.byref(ctypes.c_int()))
def pipe(at):
    # One of the usual size: beyond a number of pages there are small ones (F_GETPIPE_SZ).
    if fcntl.fcntl(os.pipe()[1], 1032) < 16 * resource.getpagesize(): raise OSError
def terminal(at): os.open('/dev/ptmx', os.O_RDWR | os.O_NOCTTY)
def file(at): os.open('/dev/null', os.O_RDONLY)
def request(at): call('io_setup', 1000, ctypes.byref(ctypes.c_ulong()))
# So much of the user's own limit as this test needs of it.
if what == 'timer': resource.setrlimit(resource.RLIMIT_SIGPENDING, (1000, 1000))
taken = 0
try:
    while taken < most: globals()[what](taken); taken += 1
except OSError: pass
print(taken, flush=True)
time.sleep(patience)
";

impl Siege {
    /// How many the neighbour gets of what may be had by this user.
    #[track_caller]
    fn left(&self, what: &str, user: &str) -> u32 {
        let told = python(&self.bob, "den", TAKE, &[what, "100000", user, "0"]).ok();
        told.trim().parse().expect("a number")
    }

    /// Has the attacker take all of it, or so many, and keep it.
    #[track_caller]
    fn take(&self, what: &str, most: u32) -> super::Attack {
        let most = most.to_string();
        self.attack_with(TAKE, &[what, &most, NOBODY, "600"], &most)
    }
}

/// The attack: take every inotify instance that a user may have (`fs.inotify.max_user_instances`, 128 by default), or
/// every message queue, or every timer, or the pages for pipes, beyond which a new pipe is a small one. The user of
/// the same number in every other Space has none left; root has the same number as root on the host.
#[test]
fn what_is_counted_by_user_is_one_for_all_spaces() {
    let siege = Siege::lay(&[]);
    for what in ["inotify", "queue", "timer", "pipe"] {
        let all = siege.left(what, NOBODY);
        assert!(all > 0, "{what}");
        let attack = siege.take(what, all);
        assert_eq!(siege.left(what, NOBODY), 0, "{what} are no longer one for all: say so here");
        siege.assert_neighbour_is_reached(what);
        // The twin: users of other numbers have theirs.
        assert_eq!(siege.left(what, "54322"), all, "{what}");
        drop(attack);
        siege.assert_it_can_be_ended();
        assert_eq!(siege.left(what, NOBODY), all, "{what}");
    }
}

/// The attack: open terminals, of which the machine has one number for all (`kernel.pty.max`, 4096 by default, of
/// which Spaces may have 3071); or ask for asynchronous input and output (`fs.aio-max-nr`, 65536 by default); or open
/// files (`fs.file-max`, which is next to no limit where systemd has lifted it; elsewhere a tenth of the memory in
/// KiB, and each takes some 220 bytes of what a Space may have). With all of them taken, which this test does not do,
/// `ssh -t` to a neighbour fails with "cannot make a terminal: No space left on device", their database does not
/// start, their programs open no file.
#[test]
fn terminals_asynchronous_requests_and_open_files_are_one_number_for_all_spaces() {
    let siege = Siege::lay(&[]);
    for (what, count, file, least) in [
        ("terminal", 500, "/proc/sys/kernel/pty/nr", 500),
        ("request", 20, "/proc/sys/fs/aio-nr", 20_000),
        ("file", 15_000, "/proc/sys/fs/file-nr", 15_000),
    ] {
        let attack = siege.take(what, count);
        let seen = siege.bob.ssh("den", &[&format!("cut -f 1 {file}")]).ok();
        let seen: u32 = seen.trim().parse().expect("a number");
        assert!(
            seen >= least,
            "{what}: the neighbour sees {seen}, and has a number of their own: say so here"
        );
        siege.assert_neighbour_is_reached(what);
        drop(attack);
        siege.assert_it_can_be_ended();
    }
    // The twin: there are enough for all as long as nobody takes them.
    let terminal = siege.bob.ssh_with(&["-tt"], "den", &["tty"], b"").ok();
    assert!(terminal.starts_with("/dev/pts/"), "{terminal}");
}

/// The attack: send a datagram each to very many ports of the world. The host remembers each as a connection, for
/// half a minute, in a table that is one for all Spaces and for the host itself (`net.netfilter.nf_conntrack_max`,
/// 262,144 by default); when it is full, which this test leaves to others, no new connection comes about, to the
/// gateway neither.
#[test]
fn connections_that_the_host_remembers_are_one_number_for_all_spaces() {
    const SEND: &str = "
import socket, sys
s = socket.socket(type=socket.SOCK_DGRAM)
for port in range(10000, 15000): s.sendto(b'x', (sys.argv[1], port))
";
    let town = Town::new(&[]);
    let (bob, _) = town.platform.owner("bob@example.com", "den");
    // By a program, whose network is this thread's.
    let remembered = || {
        let read = Command::new("cat").arg("/proc/sys/net/netfilter/nf_conntrack_count").output();
        let told = String::from_utf8(read.expect("cat runs").stdout).expect("text");
        told.trim().parse::<u32>().expect("a number")
    };
    let before = remembered();
    python(&town.mallory, "lair", SEND, &[PUBLIC]).ok();
    let of_hers = remembered().saturating_sub(before);
    assert!(of_hers >= 4900, "{of_hers}: what a Space may have of them has a limit now: say so here");
    // The twin: there is room for all as long as nobody fills it.
    assert_eq!(bob.ssh("den", &["echo alive"]).ok(), "alive\n");
    assert_eq!(crate::reached(&bob, "den", &[&format!("{PUBLIC} 80")]).len(), 1);
}
