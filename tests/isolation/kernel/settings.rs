//! What can be set: the kernel's own settings, and the limits of a Space.

use super::Cell;

/// The attack: as root, set what holds for the whole machine: the program that is started for each core dump (on the
/// host, as root there), the caches, the key that reboots. Every file under /proc and /sys is opened to be written,
/// and none of it is.
#[test]
fn no_setting_of_the_kernel_can_be_opened_to_be_written() {
    const OPEN: &str = "
import os
tried, opened = 0, []
own = {'/proc/keys', '/proc/timer_list', '/proc/latency_stats', '/proc/sched_debug', '/proc/interrupts'}
def look(path):
    global tried
    if os.path.islink(path): return
    tried += 1
    try: os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
    except OSError: return
    opened.append(path)
for top in '/proc/sys', '/proc/bus', '/proc/fs', '/proc/irq', '/sys':
    for folder, _, files in os.walk(top):
        for file in files: look(os.path.join(folder, file))
for name in 'sysrq-trigger', 'kmsg', 'kcore', 'mtrr', 'acpi/wakeup': look('/proc/' + name)
for name in opened: print(name)
print('none of', tried)
for name in 'kernel/core_pattern', 'vm/drop_caches', 'kernel/pty/max', 'fs/inotify/max_user_instances':
    print(os.path.exists('/proc/sys/' + name))
";
    let cell = Cell::new();
    let answer = cell.python(OPEN, &[]);
    let tried: Vec<&str> = answer.lines().collect();
    let count = tried.first().and_then(|line| line.strip_prefix("none of ")?.parse().ok()).unwrap_or(0);
    assert!(count > 500, "{answer}");
    assert_eq!(tried[1..], ["True"; 4], "{answer}");
    for words in ["sysctl -w kernel.core_pattern=x", "sh -c 'echo b > /proc/sysrq-trigger'"] {
        assert_ne!(cell.mallory.ssh("lair", &[&format!("sudo {words}")]).status, 0, "{words}");
    }
    // The twin: what is open to all can be read, and what the Space was made with holds.
    cell.assert_does("cat /proc/sys/net/ipv4/ping_group_range | tr '\\t' ' '", "0 2147483647\n");
    cell.assert_does("cat /proc/sys/kernel/ostype && test $(nproc) -gt 0 && echo read", "Linux\nread\n");
}

/// The attack: read what the kernel knows of the whole machine: its memory, where its code is, its keys, its firmware.
#[test]
fn the_memory_of_the_kernel_and_of_the_host_cannot_be_read() {
    const READ: &str = "
import os
def read(path):
    try:
        with open(path, 'rb') as file: return file.read(65536)
    except OSError as e: return b''
for path in '/proc/kcore', '/proc/kmsg', '/proc/keys', '/proc/timer_list', '/dev/mem', '/dev/kmsg', '/dev/port':
    if read(path): print(path, 'is read')
if any(line.split()[0].strip(b'0') for line in read('/proc/kallsyms').splitlines()[:-1]): print('addresses are told')
for folder in '/sys/firmware', '/sys/kernel/debug', '/sys/kernel/tracing', '/sys/fs/bpf', '/proc/acpi':
    if os.path.isdir(folder) and os.listdir(folder): print(folder, 'is not empty')
print('end')
";
    let cell = Cell::new();
    assert_eq!(cell.python(READ, &[]), "end\n");
    // The twin: one's own memory, and how much there is.
    cell.assert_does("grep -c stack /proc/self/maps && grep -c MemTotal /proc/meminfo", "1\n1\n");
}

/// The attack: raise one's own limits from inside, by the files of the cgroups, by a cgroup of one's own, by the
/// program that version 1 starts on the host when a cgroup empties (`release_agent`), and by the limits of a process.
#[test]
fn no_limit_of_a_space_can_be_raised_from_inside() {
    const RAISE: &str = "
import glob, os, resource
groups = glob.glob('/sys/fs/cgroup/*/') + ['/sys/fs/cgroup/']
limits = [path for group in groups for path in glob.glob(group + '*')
          if path.endswith(('limit_in_bytes', '.max', '.high', 'cfs_quota_us', '.allow', 'cgroup.procs'))]
print('limits are there' if limits else 'none found')
agents = [group + name for group in groups for name in ('release_agent', 'notify_on_release')]
for path in limits + agents:
    try:
        file = os.open(path, os.O_WRONLY)
        os.write(file, b'1')
        print(path, 'was written')
    except OSError: pass
for group in glob.glob('/sys/fs/cgroup/*/'):
    try:
        os.mkdir(group + 'mine')
        print('a cgroup in', group)
    except OSError: pass
def attempt(name, act):
    try: act(); print(name, 'done')
    except (OSError, ValueError) as e: print(name, 'refused')
attempt('files', lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1 << 20, 1 << 20)))
attempt('nice', lambda: os.setpriority(os.PRIO_PROCESS, 0, -5))
attempt('real time', lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10)))
def spare_me():
    with open('/proc/self/oom_score_adj', 'w') as file: file.write('-500')
attempt('spared', spare_me)
";
    // The right to be first at the disk.
    const FIRST: &str = "\nattempt('ioprio_set', (251, 30), 1, 0, 1 << 13)\n";
    let cell = Cell::new();
    let refused = ["files", "nice", "real time", "spared"].map(|name| format!("{name} refused\n")).concat();
    assert_eq!(cell.python(RAISE, &[]), format!("limits are there\n{refused}"));
    cell.assert_calls(FIRST, " EPERM");
    // The twin: limits can be read, and lowered.
    let lower =
        "ulimit -n 100 && ulimit -n && nice -n 5 nice && echo 500 > /proc/self/oom_score_adj && echo lowered";
    cell.assert_does(lower, "100\n5\nlowered\n");
    let read = "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null; :";
    cell.assert_does(read, &format!("{}\n", 4096u64 << 20));
}
