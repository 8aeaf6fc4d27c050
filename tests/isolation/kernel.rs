//! Reaching the kernel that all Spaces share, as root in one of them.
//!
//! Where the engine's own filter of system calls decides, only what it refuses in each of its versions is told here:
//! an engine before 25 lets `io_uring_setup` pass, one before 23 sockets of `AF_VSOCK`.

mod settings;
mod visible;

use spaces_tests::{Person, Platform};

use crate::python;

/// What a Space's root may do (provisioner/src/docker/specification.rs), by the kernel's numbers for it.
const CAPABILITIES: [(&str, u32); 11] = [
    ("CHOWN", 0),
    ("DAC_OVERRIDE", 1),
    ("FOWNER", 3),
    ("FSETID", 4),
    ("KILL", 5),
    ("SETGID", 6),
    ("SETUID", 7),
    ("NET_BIND_SERVICE", 10),
    ("SYS_CHROOT", 18),
    ("AUDIT_WRITE", 29),
    ("SETFCAP", 31),
];

/// Makes each of these system calls in a process of its own, and tells what came of it. The numbers are those of
/// x86-64 and those that other machines share.
const CALLS: &str = "
import ctypes, errno, os, platform, struct
libc = ctypes.CDLL(None, use_errno=True)
shared = platform.machine() != 'x86_64'
def call(numbers, *words):
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in words]
    failed = libc.syscall(ctypes.c_long(numbers[shared]), *words) < 0
    return errno.errorcode[ctypes.get_errno()] if failed else 'done'
def attempt(name, numbers, *words):
    pid = os.fork()
    if pid == 0:
        print(name, call(numbers, *words), flush=True)
        os._exit(0)
    os.waitpid(pid, 0)
buffer = ctypes.create_string_buffer(256)
HERE = -100
";

/// Somebody and their Space.
struct Cell {
    platform: Platform,
    mallory: Person,
}

impl Cell {
    fn new() -> Self {
        let platform = Platform::start();
        let (mallory, _) = platform.owner("mallory@example.com", "lair");
        Self { platform, mallory }
    }

    /// What Python says, as root in the Space.
    #[track_caller]
    fn python(&self, script: &str, arguments: &[&str]) -> String {
        python(&self.mallory, "lair", script, arguments).ok()
    }

    /// Makes system calls, each of which must end with this.
    #[track_caller]
    fn assert_calls(&self, script: &str, ending: &str) {
        let answer = self.python(&format!("{CALLS}{script}"), &[]);
        let others: Vec<&str> = answer.lines().filter(|line| !line.ends_with(ending)).collect();
        assert_eq!(others, [""; 0], "of:\n{answer}");
        assert!(answer.lines().count() >= script.matches("\nattempt(").count(), "{answer}");
    }

    /// The twin: what an honest person does.
    #[track_caller]
    fn assert_does(&self, script: &str, answer: &str) {
        assert_eq!(self.mallory.ssh("lair", &[script]).ok(), answer, "{script}");
    }
}

/// The attack: be root by `sudo`, look for a right that was left over, and for a program without the filter of system
/// calls. Then write the right to be the host's administrator onto a program of one's own, which root may do, and run
/// it.
#[test]
fn root_has_the_capabilities_that_a_space_is_made_with_and_cannot_come_by_more() {
    const STATUS: &str = "
for process in 'self', '1':
    for line in open(f'/proc/{process}/status'):
        name, value = line.split(':')
        if name.startswith('Cap') or name in ('Seccomp',): print(process, name, value.strip())
";
    const WRITE: &str = "
import os, shutil, struct, subprocess
shutil.copy('/bin/true', '/usr/local/bin/grand')
rights = struct.pack('<IIIII', 0x02000001, 1 << 21, 0, 0, 0)
os.setxattr('/usr/local/bin/grand', 'security.capability', rights)
try: print(subprocess.run(['/usr/local/bin/grand']).returncode)
except OSError as e: print(e.strerror)
";
    let cell = Cell::new();
    let given = CAPABILITIES.iter().fold(0u64, |given, (_name, number)| given | (1 << number));
    let status = cell.python(STATUS, &[]);
    for process in ["self", "1"] {
        for (set, expected) in
            [("CapBnd", given), ("CapPrm", given), ("CapEff", given), ("CapInh", 0), ("CapAmb", 0)]
        {
            assert!(status.contains(&format!("{process} {set} {expected:016x}\n")), "{set}: {status}");
        }
        assert!(status.contains(&format!("{process} Seccomp 2\n")), "no filter: {status}");
    }
    assert_eq!(cell.python(WRITE, &[]), "Operation not permitted\n");
    // The twin: what root is for.
    cell.assert_does("touch mine && sudo chown 33:33 mine && stat -c %u:%g mine", "33:33\n");
    cell.assert_does("sudo -u www-data id -un && sudo chroot / id -u", "www-data\n0\n");
    cell.assert_does("sleep 60 & sudo kill $! && wait $!; echo $?", "143\n");
}

/// The attack: in a namespace of one's own root may do what it must not outside. So make one of each kind, by each
/// call that makes them, as root and as the user, for whom the kernel has user namespaces; then enter one that is
/// there.
#[test]
fn no_namespace_can_be_made_or_entered() {
    const MAKE: &str = "
kinds = dict(time=0x80, mount=0x20000, cgroup=0x2000000, uts=0x4000000, ipc=0x8000000, user=0x10000000,
             pid=0x20000000, net=0x40000000)
for kind, flag in kinds.items():
    attempt('unshare ' + kind, (272, 97), flag)
    if kind != 'time': attempt('clone ' + kind, (56, 220), flag | 17, 0, 0, 0, 0)
attempt('unshare user and mount', (272, 97), 0x10020000)
for kind in 'mnt', 'net', 'uts', 'ipc', 'pid', 'cgroup':
    try: attempt('setns ' + kind, (308, 268), os.open('/proc/1/ns/' + kind, os.O_RDONLY), 0)
    except PermissionError: pass
";
    // Refused as if the kernel had none: its flags are out of a filter's sight, and programs then use the older call.
    const MAKE_OTHERWISE: &str = "
arguments = ctypes.create_string_buffer(struct.pack('8Q', 0x10000000, 0, 0, 0, 17, 0, 0, 0))
attempt('clone3', (435, 435), arguments, 64)
";
    let cell = Cell::new();
    cell.assert_calls(MAKE, " EPERM");
    cell.assert_calls(MAKE_OTHERWISE, " ENOSYS");
    let as_user =
        cell.mallory.ssh_with(&[], "lair", &["python3 -"], format!("{CALLS}{MAKE}").as_bytes()).ok();
    assert!(as_user.lines().all(|line| line.ends_with(" EPERM")), "{as_user}");
    assert!(as_user.contains("unshare user EPERM"), "{as_user}");
    for words in ["unshare --user --map-root-user true", "sudo nsenter --target 1 --mount true"] {
        assert_ne!(cell.mallory.ssh("lair", &[words]).status, 0, "{words}");
    }
    // The twin: processes, threads and sessions.
    cell.assert_does("setsid -w sh -c 'echo apart' | cat", "apart\n");
    cell.assert_does(
        "python3 -c 'import threading as t; a = t.Thread(target=print); a.start(); a.join()'",
        "\n",
    );
}

/// The attack: mount the host's disk or a file system that tells more than one's own, take the cover off what is
/// hidden, and make what is mounted read-only writable: the socket folder, the guest's program, the kernel's
/// settings. By the old calls and by the new ones.
#[test]
fn nothing_can_be_mounted_or_unmounted_and_what_is_read_only_stays_so() {
    const MOUNT: &str = "
guest, sockets = b'/.spaces/bin/spaces-guest', b'/.spaces/run'
def mount(source, target, kind, flags, data=None):
    attempt(f'mount {source} {target} {kind} {flags:x}', (165, 40), source, target, kind, flags, data)
for kind in b'tmpfs', b'proc', b'sysfs', b'devtmpfs', b'cgroup2', b'debugfs', b'securityfs', b'devpts', b'mqueue':
    mount(b'none', b'/mnt', kind, 0)
mount(b'none', b'/mnt', b'cgroup', 0, b'memory')
mount(b'none', b'/mnt', b'overlay', 0, b'lowerdir=/,upperdir=/tmp,workdir=/var/tmp')
for source in b'/', sockets, b'/proc/1/root': mount(source, b'/mnt', None, 0x1000)
for target in b'/', guest, sockets, b'/sys', b'/proc/sys', b'/proc/bus', b'/sys/fs/cgroup':
    mount(None, target, None, 0x1020)
    mount(None, target, None, 0x20)
mount(None, b'/', None, 1 << 20)
mount(sockets, b'/mnt', None, 0x2000)
for target in guest, sockets, b'/proc/sys', b'/proc/keys', b'/sys/firmware', b'/etc/hosts':
    attempt(f'umount {target}', (166, 39), target, 2)
attempt('pivot_root', (155, 41), b'/', b'/mnt')
attempt('fsopen', (430, 430), b'tmpfs', 0)
attempt('fspick', (433, 433), HERE, sockets, 0)
attempt('open_tree', (428, 428), HERE, b'/', 1)
attempt('move_mount', (429, 429), HERE, sockets, HERE, b'/mnt', 0)
writable = ctypes.create_string_buffer(struct.pack('4Q', 0, 1, 0, 0))
attempt('mount_setattr', (442, 442), HERE, sockets, 0, writable, 32)
";
    let cell = Cell::new();
    let mounts = || cell.mallory.ssh("lair", &["cat /proc/mounts"]).ok();
    let before = mounts();
    cell.assert_calls(MOUNT, " EPERM");
    for words in ["mount -t tmpfs none /mnt", "mount -o remount,rw /.spaces/run", "umount /proc/sys"] {
        assert_ne!(cell.mallory.ssh("lair", &[&format!("sudo {words}")]).status, 0, "{words}");
    }
    assert_eq!(mounts(), before);
    // The twin: places in memory and on the disk are there, and tell their size.
    cell.assert_does(
        "for at in /tmp /dev/shm ~; do echo kept > $at/x && cat $at/x; done",
        "kept\nkept\nkept\n",
    );
    cell.assert_does("df --output=target / /dev/shm | tail -n +2", "/\n/dev/shm\n");
}

/// The attack: the calls that are for the machine as a whole. Load a module, another kernel; read the kernel's log,
/// watch it with its own means (bpf, perf); stop in the middle of its work (userfaultfd); go through its key rings,
/// where the host's keys are; open files by their number on the disk, which passes by all folders; set the clock.
#[test]
fn system_calls_for_the_machine_as_a_whole_are_refused() {
    const CALL: &str = "
attempt('init_module', (175, 105), buffer, 8, b'')
attempt('finit_module', (313, 273), 0, b'', 0)
attempt('delete_module', (176, 106), b'no-such-module', 0)
attempt('kexec_load', (246, 104), 0, 0, 0, 0xffff)
attempt('reboot', (169, 142), 0xfee1dead, 672274793, 0, 0)
attempt('syslog', (103, 116), 3, buffer, 100)
attempt('bpf', (321, 280), 0, buffer, 72)
attempt('perf_event_open', (298, 241), buffer, 0, -1, -1, 0)
attempt('userfaultfd', (323, 282), 0)
attempt('fanotify_init', (300, 262), 0, 0)
attempt('keyctl', (250, 219), 0, -3, 0, 0, 0)
attempt('add_key', (248, 217), b'user', b'name', b'secret', 6, -3)
attempt('request_key', (249, 218), b'user', b'name', 0, -3)
attempt('open_by_handle_at', (304, 265), HERE, buffer, 0)
attempt('swapon', (167, 224), b'/no-such-file', 0)
attempt('acct', (163, 89), b'/no-such-file')
attempt('quotactl', (179, 60), 0x800001 << 8, 0, 0, 0)
attempt('settimeofday', (164, 170), 0, 0)
attempt('clock_settime', (227, 112), 0, 0)
attempt('sethostname', (170, 161), b'x', 1)
";
    let cell = Cell::new();
    cell.assert_calls(CALL, " EPERM");
    for words in ["dmesg", "date -s 2030-01-01", "hostname x"] {
        assert_ne!(cell.mallory.ssh("lair", &[&format!("sudo {words}")]).status, 0, "{words}");
    }
    // The twin: one's own programs can be watched, and the time be told.
    cell.assert_does("strace -f -e trace=execve -o trail true && grep -c execve trail", "1\n");
    cell.assert_does("hostname; test $(date +%Y) -gt 2000 && echo now", "lair\nnow\n");
}
