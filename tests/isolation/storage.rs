//! The disk limit where the engine's storage has quotas: btrfs, on an engine of the test's own.

use std::process::Command;

use serde_json::Value;
use spaces_tests::{Engine, Person, Platform, eventually, run};

use crate::python;

/// Makes a subvolume, which btrfs lets any user do, writes so many megabytes into it, and has the files above share them,
/// so that they are neither one's own.
const SUBVOLUME: &str = "
import fcntl, os, struct, sys
home = os.open('/home/space', os.O_RDONLY)
fcntl.ioctl(home, 0x5000940e, bytearray(struct.pack('q4088s', 0, b'inner')), True)
written = 0
with open('/home/space/inner/filler', 'wb', buffering=0) as filler:
    for _ in range(int(sys.argv[1])):
        written += filler.write(bytes(1000000))
    with open('/home/space/shared', 'wb') as shared:
        fcntl.ioctl(shared, 0x40049409, os.open(filler.name, os.O_RDONLY))
print(written)
";

struct Setting {
    // Dropped first: its Spaces are on that engine.
    platform: Platform,
    engine: Engine,
    mallory: Person,
}

impl Setting {
    fn new() -> Self {
        let engine = Engine::start_on_btrfs();
        let socket = engine.socket().display().to_string();
        let platform = Platform::start_with(&[
            ("ENGINE__SOCKET", socket.as_str()),
            // Its network is not this host's.
            ("ISOLATION__FIREWALL", "external"),
            ("SPACE__DISK_MB", "40"),
            ("METERING__EVERY", "300ms"),
            ("METERING__DISK_EVERY", "300ms"),
        ]);
        let (mallory, _) = platform.owner("mallory@example.com", "lair");
        Self { platform, engine, mallory }
    }

    /// Writes so many bytes into a file, and says how many got there, and what was said.
    fn fill(&self, file: &str, megabytes: u32) -> (u64, String) {
        let line = format!("head -c {megabytes}000000 /dev/zero > {file}; stat -c %s {file}");
        let output = self.mallory.ssh("lair", &[&line]);
        (output.stdout.trim().parse().expect("a size"), output.stderr)
    }

    fn set_disk(&self, megabytes: &str) {
        let words = ["admin", "set-budget", "--space", "lair", "--disk", megabytes];
        self.platform.admin().ssh("spaces", &words).ok();
    }

    /// Of `list`.
    fn disk(&self) -> String {
        let list = self.mallory.ssh("spaces", &["list"]).ok();
        list.lines().nth(1).and_then(|row| row.split_whitespace().nth(6)).expect("a row").to_owned()
    }
}

/// The attack: fill the disk as fast as can be; then, since the quota does not know them, within a subvolume of one's own.
#[test]
fn a_disk_limit_of_the_storage_is_where_writes_stop() {
    let mut setting = Setting::new();
    let (written, said) = setting.fill("filler", 60);
    assert!((36_000_000..=40_000_000).contains(&written), "{written}");
    assert!(said.contains("Disk quota exceeded"), "{said}");
    eventually(|| setting.disk(), |disk| disk == "39/40" || disk == "40/40");
    // Reading and deleting go on, and what was deleted can be written again.
    assert_eq!(
        setting
            .mallory
            .ssh("lair", &["head -c 3 filler | wc -c; rm filler; echo more > more; cat more"])
            .ok(),
        "3\nmore\n"
    );
    // A larger limit holds at once, and a smaller one.
    setting.set_disk("80");
    assert_eq!(setting.fill("filler", 60).0, 60_000_000);
    setting.mallory.ssh("lair", &["rm filler"]).ok();
    setting.set_disk("20");
    assert!((17_000_000..=20_000_000).contains(&setting.fill("filler", 30).0));
    setting.mallory.ssh("lair", &["rm filler"]).ok();
    // Somebody turned quotas off while the engine was stopped.
    setting.engine.stop();
    let off = run(Command::new("btrfs").args(["quota", "disable"]).arg(setting.engine.data()), b"");
    assert_eq!(off.status, 0, "{off:?}");
    let seen = setting.platform.log().len();
    setting.engine.start_again();
    setting.platform.wait_for_log_after(seen, "a disk quota is set");
    eventually(|| setting.mallory.ssh("lair", &["true"]), |output| output.status == 0);
    let filled = setting.fill("filler", 30);
    assert!((17_000_000..=20_000_000).contains(&filled.0), "{filled:?}");
    setting.mallory.ssh("lair", &["rm filler"]).ok();
    // Beyond the quota: what is measured counts it, and writes are refused as where there is none.
    let probe = || setting.mallory.ssh("lair", &["echo more > another"]);
    eventually(probe, |output| output.status == 0);
    python(&setting.mallory, "lair", SUBVOLUME, &["30"]);
    let refused = || setting.mallory.ssh("lair", &["echo more > another"]);
    let refused = eventually(refused, |output| output.status != 0);
    assert!(refused.stderr.contains("File too large"), "{refused:?}");
    setting.mallory.ssh("spaces", &["space", "delete", "--space", "lair", "--yes"]).ok();
}

#[test]
fn the_doctor_finds_that_the_storage_holds_the_disk_limit() {
    let setting = Setting::new();
    let output = run(&mut setting.platform.gateway_command(&["doctor", "--json"]), b"");
    let findings: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    let findings = findings.as_array().expect("findings");
    let disk = findings.iter().find(|finding| finding["promise"] == "the disk limit stops writes");
    assert_eq!(disk.expect("that promise")["holds"], "yes", "{findings:#?}");
}
