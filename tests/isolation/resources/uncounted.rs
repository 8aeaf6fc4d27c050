//! What a Space can use without its being counted against a limit of its own. These attacks succeed: the tests say
//! what holds, and whoever has it counted has to change them.

use std::path::Path;

use spaces_tests::{Person, eventually};

use super::Siege;

/// Keeps up to 120 MiB in the buffers of sockets that nobody reads, of this kind, in a Space that may have 96, and says
/// how many it kept.
const KEEP: &str = "
import socket, time
kept, bytes_kept, most = [], 0, 120 << 20
def tcp():
    server = socket.create_server(('127.0.0.1', 0))
    near = socket.create_connection(server.getsockname(), 2)
    near.settimeout(None)
    kept.extend((server, near, server.accept()[0]))
    return lambda: near.send(bytes(65536), socket.MSG_DONTWAIT)
def udp():
    near, far = (socket.socket(type=socket.SOCK_DGRAM) for _ in range(2))
    far.bind(('127.0.0.1', 0))
    kept.append(far)
    left = [0] * 6
    def send():
        if not left: raise BlockingIOError
        left.pop()
        return near.sendto(bytes(30000), far.getsockname())
    return send
def netlink():
    # NETLINK_USERSOCK, which carries what programs say to each other.
    own = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 2)
    own.bind((0, 0))
    kept.append(own)
    return lambda: own.sendto(bytes(60000), socket.MSG_DONTWAIT, (own.getsockname()[0], 0))
while bytes_kept < most:
    try: send = KIND()
    except OSError: break
    try:
        while bytes_kept < most: bytes_kept += send()
    except BlockingIOError: pass
print('kept', bytes_kept >> 20, sep='\\n', flush=True)
time.sleep(600)
";

/// The attack: send to sockets of one's own that nobody reads, of each kind whose buffers could be forgotten.
///
/// What lies in buffers of netlink is nobody's memory: that attack succeeds. That of TCP and UDP is counted by cgroups of
/// version 2. Version 1, which this test looks for, counts that of TCP alone, and only where it has a limit of its own, which
/// the gateway sets to a quarter of the memory: beyond that no connection comes about.
#[test]
fn what_lies_in_buffers_of_the_network_is_counted_for_tcp_and_where_the_kernel_can_for_udp() {
    let two = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    let siege = Siege::lay(&[("SPACE__MEMORY_MIB", "96")]);
    for kind in ["netlink", "tcp", "udp"] {
        let script = KEEP.replace("KIND", kind);
        if two && kind != "netlink" {
            let sudo = &["sudo python3 -u -"];
            assert_eq!(siege.mallory.ssh_with(&[], "lair", sudo, script.as_bytes()).stdout, "", "{kind}");
        } else {
            let mut attack = siege.attack(&script, "kept");
            siege.assert_neighbour_is_reached(kind);
            let kept: u64 = attack.line().parse().expect("a number");
            // What is under way when the limit is reached comes on top of it.
            let expected = if kind == "tcp" { 0..=72 } else { 120..=120 };
            assert!(expected.contains(&kept), "{kind}: {kept} MiB");
        }
        siege.assert_it_can_be_ended();
    }
}

/// Megabytes on the disk and how many may be, as `list` shows them.
fn disk(person: &Person) -> String {
    let list = person.ssh("spaces", &["list"]).ok();
    list.lines().nth(1).and_then(|row| row.split_whitespace().nth(6)).expect("a row").to_owned()
}

/// The attack: write into the files that the engine puts into each container from a folder of its own, which is on the
/// host's disk and in no container's layer.
#[test]
fn the_engines_own_files_are_part_of_the_disk_and_are_refused_like_others() {
    let settings =
        [("METERING__EVERY", "300ms"), ("METERING__DISK_EVERY", "300ms"), ("SPACE__DISK_MB", "20")];
    let siege = Siege::lay(&settings);
    let sh = |script: &str| siege.mallory.ssh("lair", &[script]);
    let fill = |file: &str| format!("head -c 10000000 /dev/zero | sudo tee -a {file} > /dev/null");
    for file in ["/etc/hosts", "/etc/resolv.conf", "/etc/hostname"] {
        eventually(|| sh(&fill(file)), |output| output.stderr.contains("File too large"));
        siege.assert_neighbour_is_reached(file);
        assert_ne!(sh("echo more > more").status, 0, "{file}");
        sh(&format!("sudo truncate -s 0 {file}")).ok();
        eventually(|| sh("echo more > more; cat more"), |output| output.stdout == "more\n");
    }
}

/// The attack: write into a file that has no name any more, which no walk finds.
#[test]
fn a_file_without_a_name_is_part_of_the_disk_and_is_refused_like_others() {
    const HIDE: &str = "
import os, time
file = open('/root/nameless', 'wb', buffering=0)
os.remove('/root/nameless')
print('begun', flush=True)
try:
    while True:
        file.write(os.urandom(1_000_000))
        time.sleep(0.1)
except OSError as refused: print(refused.strerror, flush=True)
file.close()
print('closed', flush=True)
time.sleep(600)
";
    let settings =
        [("METERING__EVERY", "300ms"), ("METERING__DISK_EVERY", "300ms"), ("SPACE__DISK_MB", "20")];
    let siege = Siege::lay(&settings);
    let mut attack = siege.attack(HIDE, "begun");
    assert_eq!(attack.line(), "File too large");
    siege.assert_neighbour_is_reached("a file without a name");
    // Once it is closed, its room is free again.
    attack.wait_for("closed");
    let more = || siege.mallory.ssh("lair", &["echo more > more; cat more"]);
    eventually(more, |output| output.stdout == "more\n");
}

/// The attack: write nothing into a great many files, since a million of them take a million inodes of the host's and no byte.
#[test]
fn files_without_content_are_not_measured() {
    const HIDE: &str = "
import os, time
os.mkdir('/empty')
for name in range(500): os.close(os.open(f'/empty/{name}', os.O_CREAT))
print('written', flush=True)
time.sleep(600)
";
    let settings =
        [("METERING__EVERY", "300ms"), ("METERING__DISK_EVERY", "300ms"), ("SPACE__DISK_MB", "20")];
    let siege = Siege::lay(&settings);
    let sh = |script: &str| siege.mallory.ssh("lair", &[script]);
    let _attack = siege.attack(HIDE, "written");
    // What is measured after it is this alone.
    sh("head -c 5000000 /dev/urandom > plain").ok();
    eventually(|| disk(&siege.mallory), |disk| disk == "5/~20");
    assert_eq!(sh("echo more > more; cat more").ok(), "more\n");
    siege.assert_neighbour_is_reached("files that are not measured");
    // The twin: what has a name and content is measured.
    sh("head -c 20000000 /dev/urandom > plain").ok();
    eventually(|| sh("echo more > more"), |output| output.status != 0);
}
