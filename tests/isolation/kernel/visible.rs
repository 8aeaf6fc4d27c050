//! What can be seen of the host and of everybody else: devices, processes, files, sockets.

use std::process::Command;

use spaces_tests::{Background, run};

use super::Cell;

/// The attack: make a device node for the host's disk, its memory, its network, and open it; or find one that was
/// left.
#[test]
fn no_device_of_the_host_can_be_made_or_opened() {
    const MAKE: &str = "
import os, stat
block = [(8, 0), (7, 0), (253, 0), (254, 0), (259, 0)]
character = [(1, 1), (1, 2), (1, 3), (1, 4), (1, 11), (5, 1), (10, 200), (10, 229), (10, 232), (10, 237)]
for kind, numbers in (stat.S_IFBLK, block), (stat.S_IFCHR, character):
    for major, minor in numbers:
        try:
            os.mknod('/root/node', kind | 0o600, os.makedev(major, minor))
            print('made', major, minor)
            os.remove('/root/node')
        except PermissionError: pass
known = {(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2)}
for folder, _, files in os.walk('/'):
    if folder.startswith(('/proc/', '/sys/')): continue
    for file in files:
        path = os.path.join(folder, file)
        try: status = os.lstat(path)
        except OSError: continue
        numbers = os.major(status.st_rdev), os.minor(status.st_rdev)
        terminal = stat.S_ISCHR(status.st_mode) and numbers[0] == 136
        device = stat.S_ISBLK(status.st_mode) or stat.S_ISCHR(status.st_mode) and numbers not in known
        if device and not terminal: print('found', path, numbers)
print('end')
";
    let cell = Cell::new();
    assert_eq!(cell.python(MAKE, &[]), "end\n");
    for name in ["sda", "vda", "mem", "kmsg", "fuse", "net/tun", "kvm", "loop-control", "console"] {
        assert_ne!(cell.mallory.ssh("lair", &[&format!("sudo head -c 1 /dev/{name}")]).status, 0, "{name}");
    }
    // The twin: the devices that programs use, a pipe with a name, a terminal of one's own.
    cell.assert_does(
        "head -c 4 /dev/zero | wc -c; head -c 4 /dev/urandom | wc -c; echo x > /dev/null",
        "4\n4\n",
    );
    cell.assert_does("mkfifo pipe && (echo through > pipe & cat pipe)", "through\n");
    let terminal = "python3 -c 'import os; a, b = os.openpty(); print(os.isatty(b))'";
    cell.assert_does(terminal, "True\n");
}

/// The attack: find processes that are not of this Space, send them signals, trace them, reach their files by way of
/// /proc; then, as root, send the signal that nobody survives to everybody.
#[test]
fn no_process_outside_is_seen_traced_or_signalled() {
    const LOOK: &str = "
import ctypes, errno, os, sys
libc = ctypes.CDLL(None, use_errno=True)
own = os.readlink('/proc/self/ns/pid')
for pid in filter(str.isdigit, os.listdir('/proc')):
    try:
        if os.readlink(f'/proc/{pid}/ns/pid') != own: print(pid, 'is of elsewhere')
    except OSError: pass
if sorted(os.listdir('/proc/1/root')) != sorted(os.listdir('/')): print('the first process sees more')
for pid in map(int, sys.argv[1:]):
    for name, act in ('seen', lambda: os.stat(f'/proc/{pid}')), ('signalled', lambda: os.kill(pid, 0)), \
                     ('opened', lambda: os.close(os.pidfd_open(pid))):
        try: act(); print(pid, name)
        except OSError: pass
    # PTRACE_SEIZE, which stops nobody.
    if libc.ptrace(0x4206, pid, None, None) == 0: print(pid, 'traced')
print('end')
";
    let cell = Cell::new();
    let (bob, _) = cell.platform.owner("bob@example.com", "den");
    let mut work = Background::start(bob.ssh_command().args(["den@127.0.0.1", "sleep 600"]));
    bob.ssh("den", &["until pgrep -x sleep; do :; done"]).ok();
    let outside = [std::process::id(), cell.platform.pid(), work.id()].map(|pid| pid.to_string());
    let outside: Vec<&str> = outside.iter().map(String::as_str).collect();
    assert_eq!(cell.python(LOOK, &outside), "end\n");
    let mut kill = cell.mallory.ssh_command();
    run(kill.args(["lair@127.0.0.1", "sudo kill -9 1; sudo kill -9 -1"]), b"");
    // Nobody else heard of it, and the Space's first process is not theirs to end.
    assert!(work.try_wait().expect("it is ours").is_none(), "the neighbour's program ended");
    assert_eq!(bob.ssh("den", &["pgrep -cx sleep"]).ok(), "1\n");
    let gateway = Command::new("kill").args(["-0", &cell.platform.pid().to_string()]).status();
    assert!(gateway.expect("kill runs").success(), "the gateway ended");
    // The twin: one's own programs are seen, traced, signalled.
    cell.assert_does("echo alive", "alive\n");
    let own =
        "sleep 60 & timeout 1 strace -qp $! 2>&1 | grep -c restart_syscall; pkill -x sleep && echo ended";
    assert!(cell.mallory.ssh("lair", &[own]).stdout.ends_with("ended\n"));
}

/// The attack: look for the engine's socket, for files of the host that were left in reach, for secrets of the
/// gateway in the environment of the first process.
#[test]
fn of_the_platform_there_is_one_folder_with_one_socket_and_one_program() {
    const FIND: &str = "
import os, stat
for folder, _, files in os.walk('/'):
    if folder.startswith(('/proc/', '/sys/')): continue
    for file in files:
        path = os.path.join(folder, file)
        try:
            if stat.S_ISSOCK(os.lstat(path).st_mode): print('socket', path)
        except OSError: pass
for line in open('/proc/self/mountinfo'):
    fields = line.split()
    kind = fields[fields.index('-') + 1]
    if fields[3] != '/' and not kind.startswith(('proc', 'cgroup', 'tmpfs')):
        print('of the host', fields[4], fields[5].split(',')[0])
print('in the folder', os.listdir('/.spaces/run'))
for line in list(open('/proc/net/unix'))[1:]:
    if len(line.split()) > 7 and line.split()[7].startswith('@'): print('abstract', line.split()[7])
for variable in sorted(open('/proc/1/environ').read().split('\\0')): print(variable.split('=')[0])
";
    let cell = Cell::new();
    // The engine makes those of /etc, for each container.
    let expected = [
        "socket /.spaces/run/gateway.sock",
        "of the host /.spaces/bin/spaces-guest ro",
        "of the host /.spaces/run ro",
        "of the host /etc/hostname rw",
        "of the host /etc/hosts rw",
        "of the host /etc/resolv.conf rw",
        "in the folder ['gateway.sock']",
        // Where programs of the Space ask process 1 for a hold.
        "abstract @spaces:/.spaces/run/gateway.sock",
    ];
    let answer = cell.python(FIND, &[]);
    let mut told: Vec<&str> = answer.lines().collect();
    told[1..6].sort_unstable();
    assert_eq!(told[..expected.len()], expected);
    assert_eq!(told[expected.len()..].join(" ").trim(), "HOME HOSTNAME LANG PATH");
    // The twin: a socket of one's own, by name and without one.
    let serve = "python3 -c \"
import socket
for name in '/tmp/own', '\\0own':
    server = socket.socket(socket.AF_UNIX); server.bind(name); server.listen()
    client = socket.socket(socket.AF_UNIX); client.connect(name); client.send(b'x')
    print(server.accept()[0].recv(1))\"";
    cell.assert_does(serve, "b'x'\nb'x'\n");
}
