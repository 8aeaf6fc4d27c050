//! Using up what a Space has, so that others go short. While each attack goes on, a neighbour is reached and runs
//! programs, as often as it tries. How long that takes is told on standard error and not asserted: a test that
//! measures time fails for what else a machine does.

mod shared;
mod uncounted;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::ChildStdout;
use std::time::{Duration, Instant};

use spaces_tests::{Background, Person, Platform, run};

/// How often the neighbour is visited. Of so few visits the slowest is what p99 tells.
const VISITS: usize = 20;

/// The attacker's Space, and a neighbour who has been visited in quiet.
struct Siege {
    platform: Platform,
    mallory: Person,
    bob: Person,
    quiet: Duration,
}

/// A program in the attacker's Space that goes on, and what it says.
struct Attack {
    _program: Background,
    says: BufReader<ChildStdout>,
}

impl Siege {
    fn lay(settings: &[(&str, &str)]) -> Self {
        let platform = Platform::start_with(settings);
        let (mallory, _) = platform.owner("mallory@example.com", "lair");
        let (bob, _) = platform.owner("bob@example.com", "den");
        let quiet = slowest_visit(&bob);
        Self { platform, mallory, bob, quiet }
    }

    /// Starts this Python text as root, and waits until it says this.
    #[track_caller]
    fn attack(&self, script: &str, first: &str) -> Attack {
        self.attack_with(script, &[], first)
    }

    /// The same with arguments.
    #[track_caller]
    fn attack_with(&self, script: &str, arguments: &[&str], first: &str) -> Attack {
        let words = format!("sudo python3 -u - {}", arguments.join(" "));
        let mut program = Background::start(self.mallory.ssh_command().args(["lair@127.0.0.1", &words]));
        let mut stdin = program.stdin.take().expect("stdin is piped");
        stdin.write_all(script.as_bytes()).expect("it reads");
        // Python runs what it has read to the end.
        drop(stdin);
        let says = BufReader::new(program.stdout.take().expect("stdout is piped"));
        let mut attack = Attack { _program: program, says };
        attack.wait_for(first);
        attack
    }

    /// Visits the neighbour, who must be there each time, and the gateway, which answers.
    #[track_caller]
    fn assert_neighbour_is_reached(&self, during: &str) {
        let attacked = slowest_visit(&self.bob);
        let (quiet, attacked) = (self.quiet.as_millis(), attacked.as_millis());
        eprintln!("{during}: slowest of {VISITS} visits {attacked} ms, in quiet {quiet} ms");
        assert_eq!(self.bob.ssh("den", &["echo more > more && cat more"]).ok(), "more\n");
        assert!(self.bob.ssh("spaces", &["list"]).ok().contains(" running "));
    }

    /// The attacker's people can put an end to it, and find the Space as it was before.
    #[track_caller]
    fn assert_it_can_be_ended(&self) {
        for word in ["down", "up"] {
            self.mallory.ssh("spaces", &["space", word, "--space", "lair"]).ok();
        }
        assert_eq!(self.mallory.ssh("lair", &["echo alive"]).ok(), "alive\n");
    }
}

impl Attack {
    /// Reads on to this line.
    #[track_caller]
    fn wait_for(&mut self, line: &str) {
        while self.line() != line {}
    }

    /// Its next line.
    #[track_caller]
    fn line(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.says.read_line(&mut line).expect("text"), 0, "it ended");
        line.trim_end().to_owned()
    }
}

#[track_caller]
fn slowest_visit(person: &Person) -> Duration {
    let visit = || {
        let start = Instant::now();
        person.ssh("den", &["true"]).ok();
        start.elapsed()
    };
    (0..VISITS).map(|_| visit()).max().unwrap_or_default()
}

/// The attack: processes that do nothing but make more of themselves.
#[test]
fn a_fork_bomb_fills_its_own_space_alone() {
    const BOMB: &str = "
import os
first = os.getpid()
told = False
while True:
    try: os.fork()
    except OSError:
        if os.getpid() == first and not told: print('full', flush=True); told = True
";
    let siege = Siege::lay(&[("SPACE__PIDS", "100")]);
    let _attack = siege.attack(BOMB, "full");
    siege.assert_neighbour_is_reached("fork bomb");
    // Its own people are told why.
    let told = siege.mallory.ssh("lair", &["true"]).fails(1);
    assert!(told.starts_with("error: nothing was started: ") && told.contains("Try again"), "{told}");
    assert!(told.ends_with("hint: `space why --space lair` says whether a limit holds it back\n"), "{told}");
    siege.assert_it_can_be_ended();
}

/// The engine waits ten seconds for killed programs to be gone, which is not enough for so many with so little.
#[test]
fn a_space_full_of_processes_is_stopped_however_long_they_take_to_be_gone() {
    const CROWD: &str = "
import os, time
for _ in range(2000):
    if os.fork() == 0: time.sleep(1000)
print('full', flush=True)
time.sleep(1000)
";
    let siege = Siege::lay(&[("SPACE__STOP_GRACE", "1s")]);
    let container = siege.platform.container("sp_1");
    let admin_gives = |cpu| {
        let words = ["admin", "set-budget", "--space", "sp_1", "--cpu", cpu];
        siege.platform.admin().ssh("spaces", &words).ok();
    };
    for word in ["down", "delete"] {
        siege.mallory.ssh("spaces", &["space", "up", "--space", "lair"]).ok();
        admin_gives("2000");
        let _attack = siege.attack(CROWD, "full");
        // So little that no host is quick enough.
        admin_gives("10");
        let said = siege.platform.log().len();
        let words = ["spaces@127.0.0.1", "space", word, "--space", "lair"];
        let stopping = Background::start(siege.mallory.ssh_command().args(words));
        siege.platform.wait_for_log_after(said, "killed and take long to be gone");
        run(siege.platform.docker().args(["update", "--cpus", "2", &container]), b"").ok();
        assert!(stopping.end().success(), "{word}");
    }
    assert!(!siege.mallory.ssh("spaces", &["list"]).ok().contains("lair"));
}

/// What such a Space does is felt next door, until it comes after all others: at once, and for as long as it tries.
#[test]
fn who_is_refused_processes_comes_after_all_others_until_they_have_not_tried_for_a_while() {
    const BOMB: &str = "
import os, time
print('going', flush=True)
while True:
    try:
        if os.fork() == 0: time.sleep(1000)
    except OSError: time.sleep(0.01)
";
    let mut siege = Siege::lay(&[("SPACE__PIDS", "100")]);
    let _attack = siege.attack(BOMB, "going");
    let shares = |siege: &Siege, space: &str| {
        let container = siege.platform.container(space);
        let asked = ["inspect", "-f", "{{.HostConfig.CpuShares}}", &container];
        run(siege.platform.docker().args(asked), b"").ok()
    };
    let becomes = |siege: &Siege, weight| {
        spaces_tests::eventually(|| shares(siege, "sp_1"), |shares| shares == weight);
    };
    becomes(&siege, "2\n");
    assert_eq!(shares(&siege, "sp_2"), "1024\n");
    let why = ["space", "why", "--space", "lair"];
    assert!(siege.mallory.ssh("spaces", &why).ok().contains("comes after all others"));
    // Neither new limits nor a new gateway make it forget.
    siege.platform.admin().ssh("spaces", &["admin", "set-budget", "--space", "sp_1", "--cpu", "900"]).ok();
    assert_eq!(shares(&siege, "sp_1"), "2\n");
    siege.platform.kill();
    siege.platform.serve();
    siege.platform.wait_for_log("store and engine agree");
    let says = || siege.mallory.ssh("spaces", &why).ok();
    spaces_tests::eventually(says, |says| says.contains("comes after all others"));
    becomes(&siege, "2\n");
    // It begins anew as everybody does.
    siege.assert_it_can_be_ended();
    becomes(&siege, "1024\n");
    assert!(!says().contains("comes after all others"));
}

/// The attack: take memory without end, and again when the kernel has put an end to it.
#[test]
fn a_memory_hog_is_killed_at_its_limit_again_and_again() {
    const HOG: &str = "
import subprocess
hog = 'x = []\\nwhile True: x.append(bytearray(1 << 20))'
while True: print('killed' if subprocess.run(['python3', '-c', hog]).returncode == -9 else 'not killed')
";
    let siege = Siege::lay(&[("SPACE__MEMORY_MIB", "128")]);
    let mut attack = siege.attack(HOG, "killed");
    siege.assert_neighbour_is_reached("memory hog");
    attack.wait_for("killed");
    // The twin: what is below the limit is given, beside the hog's next victim.
    assert_eq!(siege.bob.ssh("den", &["python3 -c 'print(len(bytearray(50 << 20)) >> 20)'"]).ok(), "50\n");
    siege.assert_it_can_be_ended();
}

/// The attack: so many processes that there is no memory for all of them. Those are ended, and not what makes the Space
/// a machine, although that is no larger than any of them.
#[test]
fn a_fork_bomb_that_takes_all_memory_ends_itself_and_not_its_space() {
    const BOMB: &str = "
import subprocess, sys
print('going', flush=True)
while True: subprocess.run(['bash', '-c', 'bomb() { bomb | bomb & }; bomb 2>/dev/null; sleep 1000'])
";
    let siege = Siege::lay(&[("SPACE__MEMORY_MIB", "128"), ("SPACE__PIDS", "2000")]);
    let _attack = siege.attack(BOMB, "going");
    let why = || siege.mallory.ssh("spaces", &["space", "why", "--space", "lair"]).ok();
    spaces_tests::eventually(why, |why| why.contains("its memory limit has ended processes"));
    for _again in 0..10 {
        siege.assert_neighbour_is_reached("fork bomb that takes all memory");
        assert!(why().starts_with("space sp_1 is running: "), "{}", why());
    }
    siege.assert_it_can_be_ended();
}

/// The attack: keep bytes in files that lie in memory, where no process is to blame for them: in /dev/shm, in whatever
/// else in memory root may write to, in a file without a name.
#[test]
fn what_lies_in_files_in_memory_counts_as_memory() {
    const FILL: &str = "
import os, time
def used():
    one, two = '/sys/fs/cgroup/memory/memory.usage_in_bytes', '/sys/fs/cgroup/memory.current'
    return int(open(one if os.path.exists(one) else two).read())
def fill(file, most):
    try:
        for _ in range(most): os.write(file, bytes(1 << 20))
    except OSError: pass
before = used()
fill(os.open('/dev/shm/fill', os.O_CREAT | os.O_WRONLY), 50)
print('counted' if used() - before > 45 << 20 else 'not counted', flush=True)
child = os.fork()
if child == 0:
    with open('/proc/self/oom_score_adj', 'w') as file: file.write('1000')
    for place in '/dev', '/sys/fs/cgroup':
        if os.access(place, os.W_OK): fill(os.open(place + '/fill', os.O_CREAT | os.O_WRONLY), 200)
    fill(os.memfd_create('fill'), 200)
    os._exit(0)
print('killed' if os.waitpid(child, 0)[1] == 9 else 'not killed', flush=True)
time.sleep(600)
";
    let siege = Siege::lay(&[("SPACE__MEMORY_MIB", "128")]);
    let mut attack = siege.attack(FILL, "counted");
    attack.wait_for("killed");
    siege.assert_neighbour_is_reached("files in memory");
    siege.assert_it_can_be_ended();
    // The twin: all of it is free again, and a part of it can be had.
    let fill = "head -c 40000000 /dev/zero > /dev/shm/fill && stat -c %s /dev/shm/fill";
    assert_eq!(siege.mallory.ssh("lair", &[fill]).ok(), "40000000\n");
}

/// The attack: keep bytes where no file is: in pipes and in unix sockets that nobody reads. What a process
/// keeps there and what it has by itself are too much together.
#[test]
fn what_lies_in_pipes_and_unix_sockets_counts_as_memory() {
    const FILL: &str = "
import os, resource, socket
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
def used():
    one, two = '/sys/fs/cgroup/memory/memory.usage_in_bytes', '/sys/fs/cgroup/memory.current'
    return int(open(one if os.path.exists(one) else two).read())
def pipes(): return os.pipe()
def sockets(): return [end.detach() for end in socket.socketpair()]
def fill(make, most):
    held, kept = 0, []
    while held < most:
        ends = make()
        kept.extend(ends)
        os.set_blocking(ends[1], False)
        try:
            while held < most: held += os.write(ends[1], bytes(4096))
        except BlockingIOError: pass
    return kept
for make in pipes, sockets:
    before = used()
    kept = fill(make, 40 << 20)
    print(make.__name__, 'counted' if used() - before > 35 << 20 else 'not counted', flush=True)
    for end in kept: os.close(end)
while True:
    child = os.fork()
    if child == 0:
        with open('/proc/self/oom_score_adj', 'w') as file: file.write('1000')
        kept = fill(sockets, 80 << 20)
        more = bytearray(80 << 20)
        os._exit(0)
    print('killed' if os.waitpid(child, 0)[1] == 9 else 'not killed', flush=True)
";
    let siege = Siege::lay(&[("SPACE__MEMORY_MIB", "128")]);
    let mut attack = siege.attack(FILL, "pipes counted");
    attack.wait_for("sockets counted");
    attack.wait_for("killed");
    siege.assert_neighbour_is_reached("pipes and sockets");
    attack.wait_for("killed");
    // The twin: a pipe is as large as ever next door.
    let pipe = "head -c 3000000 /dev/zero | cat | wc -c";
    assert_eq!(siege.bob.ssh("den", &[pipe]).ok(), "3000000\n");
    siege.assert_it_can_be_ended();
}

/// The attack: open files in many processes at once, each as many as it may, after having asked for more.
#[test]
fn open_files_run_out_for_each_process_by_itself() {
    const OPEN: &str = "
import os, resource, time
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
try: resource.setrlimit(resource.RLIMIT_NOFILE, (most + 1, most + 1))
except (OSError, ValueError): print('no more', flush=True)
# sudo lowers the soft one.
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
def take():
    count = 0
    try:
        while True: os.open('/dev/null', os.O_RDONLY); count += 1
    except OSError: return count
ready, done = os.pipe()
for _ in range(8):
    if os.fork() == 0:
        os.write(done, b'x' if take() > 16000 else b'-')
        time.sleep(600)
told = b''
while len(told) < 8: told += os.read(ready, 8)
print(told.decode(), flush=True)
time.sleep(600)
";
    let siege = Siege::lay(&[("SPACE__MEMORY_MIB", "256"), ("SPACE__PIDS", "100")]);
    let mut attack = siege.attack(OPEN, "no more");
    attack.wait_for("xxxxxxxx");
    siege.assert_neighbour_is_reached("open files");
    // The twin: as many as a database wants, next door and beside the attack.
    let open = "python3 -c 'print(len([open(\"/dev/null\") for _ in range(10000)]))'";
    assert_eq!(siege.bob.ssh("den", &[open]).ok(), "10000\n");
    assert_eq!(siege.mallory.ssh("lair", &[open]).ok(), "10000\n");
    siege.assert_it_can_be_ended();
}

/// The attack: fill the key rings, of which each user of the machine has one quota, whichever Space they are in. The
/// engine's filter refuses the calls.
#[test]
fn key_rings_cannot_be_filled() {
    const ADD: &str = "
import ctypes, errno, platform
libc = ctypes.CDLL(None, use_errno=True)
number = 248 if platform.machine() == 'x86_64' else 217
added = [libc.syscall(number, b'user', b'key%d' % at, b'x' * 100, 100, -4) for at in range(300)]
print('none' if set(added) == {-1} and ctypes.get_errno() == errno.EPERM else 'some', flush=True)
";
    let siege = Siege::lay(&[]);
    let users = || siege.bob.ssh("den", &["grep -c '^ *1000:' /proc/key-users"]).stdout;
    let before = users();
    let _attack = siege.attack(ADD, "none");
    assert_eq!(siege.mallory.ssh_with(&[], "lair", &["python3 -"], ADD.as_bytes()).ok(), "none\n");
    assert_eq!(users(), before);
    siege.assert_neighbour_is_reached("key rings");
    // The twin: what people keep keys in.
    let agent = "ssh-keygen -q -t ed25519 -N '' -f key && eval $(ssh-agent) >&2 && ssh-add -q key && \
                 ssh-add -l | wc -l";
    assert_eq!(siege.mallory.ssh("lair", &[agent]).ok(), "1\n");
}

/// The attack: very many small files, to slow down whatever walks them; a gateway that measures the disk three times a
/// second does. Twenty thousand of them take the storage of this machine's engine five seconds; a million would take
/// minutes, and do the same for longer.
#[test]
fn very_many_small_files_hold_up_nobody() {
    const SPREAD: &str = "
import os
os.mkdir('/many')
for folder in range(100):
    os.mkdir(f'/many/{folder}')
    for file in range(200): os.close(os.open(f'/many/{folder}/{file}', os.O_CREAT | os.O_WRONLY))
    if folder == 10: print('under way', flush=True)
print('done', flush=True)
";
    let settings = [("METERING__EVERY", "300ms"), ("METERING__DISK_EVERY", "300ms")];
    let siege = Siege::lay(&settings);
    let mut attack = siege.attack(SPREAD, "under way");
    siege.assert_neighbour_is_reached("small files");
    attack.wait_for("done");
    // The twin: files of one's own, next door and beside them, and a Space that goes away with all that it has.
    let own = "mkdir -p own && touch own/1 own/2 && ls own | wc -l";
    assert_eq!(siege.bob.ssh("den", &[own]).ok(), "2\n");
    assert_eq!(siege.mallory.ssh("lair", &[own]).ok(), "2\n");
    siege.mallory.ssh("spaces", &["space", "delete", "--space", "lair"]).ok();
    assert_eq!(siege.platform.engine_holds(&["ps", "-a"]).len(), 1);
}
