//! Many Spaces on one machine: what each costs, whether the last is as quick as the first, how soon a gateway that starts
//! anew reaches all of them, and lists over thousands of them.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use spaces_tests::Platform;

use crate::lab::Lab;
use crate::machine::available_bytes;
use crate::process::{run, say};
use crate::row::{Bar, Row, Unit};
use crate::samples::Samples;

/// How many of the first and of the last make a figure.
const SOME: usize = 10;

/// How long a gateway with nothing to do is watched.
const QUIET: Duration = Duration::from_secs(30);

/// Longest that guests may take to come back.
const PATIENCE: Duration = Duration::from_mins(1);

/// Spaces in the store for the lists, and how many of them are one person's.
const STORED: u32 = 10_000;
const OWN: u32 = 50;

/// Whose they are.
const OWNER: &str = "scale@example.com";

const SETTINGS: [(&str, &str); 3] = [
    ("LOG__FILTER", "info"),
    ("METRICS__LISTEN", "127.0.0.1:0"),
    ("LIMITS__CONNECTIONS_PER_ADDRESS", "4096"),
];

pub(crate) fn measure(lab: &Lab) -> anyhow::Result<Vec<Row>> {
    let mut platform = Platform::start_with(&SETTINGS);
    let mut rows = many(lab, &mut platform)?;
    drop(platform);
    rows.extend(lists(lab)?);
    Ok(rows)
}

fn row(what: String, unit: Unit, ours: impl Into<crate::samples::Summary>, bar: Bar) -> Row {
    Row { what, against: "-", unit, ours: ours.into(), theirs: None, bar }
}

fn many(lab: &Lab, platform: &mut Platform) -> anyhow::Result<Vec<Row>> {
    let count = usize::try_from(lab.sizes.spaces)?;
    let before = available_bytes()?;
    let mut took = Vec::with_capacity(count);
    say(&format!("bringing {count} Spaces up"));
    for number in 0..count {
        lab.check()?;
        let start = Instant::now();
        platform.create_space(OWNER, &format!("space-{number}"));
        took.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let kilobytes = before.saturating_sub(available_bytes()?) / u64::from(lab.sizes.spaces) / 1000;
    let each = f64::from(u32::try_from(kilobytes)?) / 1e3;
    let first: Samples = took.iter().copied().take(SOME).collect();
    let last: Samples = took.iter().rev().copied().take(SOME).collect();
    let mut rows = vec![
        row(
            format!("memory a Space, {count} idle"),
            Unit::Megabytes,
            each,
            Bar::AtMost(6.0, Unit::Megabytes),
        ),
        Row {
            what: format!("up, the last of {count}"),
            against: "the first ones",
            unit: Unit::Milliseconds,
            ours: last.summary(),
            theirs: Some(first.summary()),
            bar: Bar::RatioAtMost(1.5),
        },
    ];
    rows.push(quiet(platform, count)?);
    rows.push(restart(lab, platform, count)?);
    Ok(rows)
}

/// Processor time of the gateway, and of the programs that it runs, while nobody does anything.
fn quiet(platform: &Platform, count: usize) -> anyhow::Result<Row> {
    let before = cpu(platform.pid())?;
    std::thread::sleep(QUIET);
    let used = cpu(platform.pid())?.saturating_sub(before);
    let share = used.as_secs_f64() / QUIET.as_secs_f64() * 100.0;
    let bar = Bar::AtMost(1.0, Unit::Percent);
    Ok(row(format!("metering and rest, {count} idle"), Unit::Percent, share, bar))
}

/// From `utime` to `cstime` of `/proc/PID/stat`, in hundredths of a second.
fn cpu(pid: u32) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_name, fields) = stat.rsplit_once(')').context("its fields")?;
    let ticks = fields.split_whitespace().skip(11).take(4).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 10))
}

/// From the start of a gateway until the guest of each Space that runs is with it; then each is entered once.
fn restart(lab: &Lab, platform: &mut Platform, count: usize) -> anyhow::Result<Row> {
    platform.kill();
    let start = Instant::now();
    platform.serve();
    let back = || platform.log().iter().filter(|line| line.contains("guest connected")).count();
    while back() < count {
        anyhow::ensure!(start.elapsed() < PATIENCE, "{} of {count} guests came back", back());
        std::thread::park_timeout(Duration::from_millis(5));
    }
    let took = start.elapsed().as_secs_f64() * 1e3;
    say("entering each");
    let owner = platform.person(OWNER);
    for number in 0..count {
        lab.check()?;
        let entered = owner.ssh(&format!("space-{number}"), &["true"]);
        anyhow::ensure!(entered.status == 0, "space-{number}: {}", entered.stderr.trim());
    }
    let bar = Bar::AtMost(3000.0, Unit::Milliseconds);
    Ok(row(format!("restart, {count} reachable again"), Unit::Milliseconds, took, bar))
}

/// Lists of a platform with very many Spaces, in time within the gateway, as its own metrics tell it.
fn lists(lab: &Lab) -> anyhow::Result<Vec<Row>> {
    let mut platform = Platform::start_with(&[&SETTINGS[..], &[("ENGINE__RECONCILE_EVERY", "1h")]].concat());
    let owner = platform.person(OWNER);
    platform.stop();
    fill(&platform)?;
    platform.serve();
    let timed = |name: &str, list: &dyn Fn() -> anyhow::Result<()>| {
        let mut samples = Samples::default();
        list()?;
        for round in lab.rounds(name) {
            round?;
            let before = within(&platform, name)?;
            list()?;
            samples.add((within(&platform, name)? - before) * 1e3);
        }
        anyhow::Ok(samples.summary())
    };
    let one = timed("list", &|| run(&mut ssh(&owner, &["list"])).map(drop))?;
    let all = timed("admin spaces", &|| run(&mut ssh(platform.admin(), &["admin", "spaces"])).map(drop))?;
    Ok(vec![
        row(
            format!("list of {OWN} among {STORED}"),
            Unit::Milliseconds,
            one,
            Bar::AtMost(5.0, Unit::Milliseconds),
        ),
        row(
            format!("admin spaces, {STORED}"),
            Unit::Milliseconds,
            all,
            Bar::AtMost(60.0, Unit::Milliseconds),
        ),
    ])
}

fn ssh(person: &spaces_tests::Person, words: &[&str]) -> Command {
    let mut command = person.ssh_command();
    command.args(["-o", "BatchMode=yes", "spaces@127.0.0.1"]).args(words);
    command
}

/// Stopped Spaces of two hundred people, written into the store of a gateway that does not run.
fn fill(platform: &Platform) -> anyhow::Result<()> {
    const SCRIPT: &str = "
import sqlite3, sys
path, owner, stored, own = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
d = sqlite3.connect(path)
me = d.execute('SELECT id FROM users WHERE email = ?', (owner,)).fetchone()[0]
others = [d.execute('INSERT INTO users (email, created_at) VALUES (?, 0)', (f'person-{n}@example.com',)).lastrowid for n in range(200)]
for n in range(stored):
    who = me if n < own else others[n % 200]
    d.execute(\"INSERT INTO spaces (owner_id, name, desired, observed, image, cpu_millis, memory_mib, pids, created_at) \\
               VALUES (?, ?, 'stopped', 'missing', 'spaces-base', 2000, 4096, 4096, 0)\", (who, f'space-{n}'))
d.commit()
";
    let database = platform.state().join("spaces.db");
    let (stored, own) = (STORED.to_string(), OWN.to_string());
    let mut python = Command::new("/usr/bin/python3");
    run(python.args(["-c", SCRIPT]).arg(database).args([OWNER, &stored, &own])).map(drop)
}

/// Seconds that commands of this name have taken in all.
fn within(platform: &Platform, command: &str) -> anyhow::Result<f64> {
    let address = std::fs::read_to_string(platform.state().join("metrics_address"))?;
    let text = spaces_tests::http_get(address.trim(), "/metrics");
    let metric = format!("spaces_command_duration_seconds_sum{{command=\"{command}\"}} ");
    let line = text.1.lines().find_map(|line| line.strip_prefix(&metric)).unwrap_or("0");
    Ok(line.parse()?)
}
