//! How long a neighbour waits for `true` while a Space does its worst, next to what it waits while that Space is held
//! still.

use std::io::{BufRead as _, BufReader, Write as _};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use spaces_tests::{Background, Multiplex, Person, Platform, guest_greeting, run};

use crate::lab::Lab;
use crate::process::say;
use crate::row::{Bar, Row, Unit};
use crate::samples::Samples;

/// In quiet and beside the attack by turns, so that whatever else the machine does hits both.
const TURNS: usize = 6;

/// Visits of a turn: of all turns they make a p99.
const VISITS: usize = 60;

/// Between two turns: for what was held back to be let go, and what was let go to be held back.
const SETTLE: Duration = Duration::from_secs(1);

/// Each says `going` once it does its worst, and never ends by itself.
const ATTACKS: [(&str, &str); 6] = [
    (
        "a processor spin",
        "
import os
first = os.getpid()
for _ in range(4): os.fork()
if os.getpid() == first: print('going', flush=True)
while True: pass
",
    ),
    (
        "a fork bomb",
        "
import os
first, told = os.getpid(), False
while True:
    try: os.fork()
    except OSError:
        if os.getpid() == first and not told: print('going', flush=True); told = True
",
    ),
    (
        "a memory hog",
        "
import mmap
print('going', flush=True)
while True:
    kept = []
    for _ in range(3000):
        room = mmap.mmap(-1, 1 << 20)
        for page in range(0, 1 << 20, 4096): room[page] = 1
        kept.append(room)
",
    ),
    (
        "a disk filler",
        "
import os
print('going', flush=True)
while True:
    with open('/home/space/filler', 'wb') as file:
        for _ in range(200): file.write(bytes(1 << 20))
        os.fsync(file.fileno())
",
    ),
    (
        "a flood of sockets",
        "
import socket
server = socket.create_server(('127.0.0.1', 0), backlog=1000)
print('going', flush=True)
while True:
    near = socket.create_connection(server.getsockname())
    far = server.accept()[0]
    near.send(bytes(65536)); near.close(); far.close()
",
    ),
    (
        "a flood of greetings",
        "
import socket, sys
print('going', flush=True)
while True:
    with socket.socket(socket.AF_UNIX) as line:
        try:
            line.connect('/.spaces/run/gateway.sock')
            line.sendall(bytes.fromhex(sys.argv[1]))
        except OSError: pass
",
    ),
];

/// With half of the machine for each Space, and with all of it.
pub(crate) fn measure(lab: &Lab) -> anyhow::Result<Vec<Row>> {
    let cores = u32::try_from(std::thread::available_parallelism()?.get())?;
    let mut rows = Vec::new();
    for (share, millis) in [("half the cores", cores * 500), ("all cores", cores * 1000)] {
        rows.extend(beside(lab, share, millis)?);
    }
    Ok(rows)
}

fn beside(lab: &Lab, share: &str, millis: u32) -> anyhow::Result<Vec<Row>> {
    let settings = [("LOG__FILTER", "info"), ("SPACE__CPU_MILLIS", &millis.to_string())];
    let platform = Platform::start_with(&settings);
    let (mallory, lair) = platform.owner("mallory@example.com", "lair");
    let (bob, _) = platform.owner("bob@example.com", "den");
    let den = Multiplex::connect(&bob, &[], "den");
    let mut rows = Vec::new();
    for (name, script) in ATTACKS {
        say(&format!("beside {name}, {share}"));
        let attack = begin(&mallory, script)?;
        let (mut quiet, mut attacked) = (Samples::default(), Samples::default());
        for _turn in 0..TURNS {
            visit(lab, &den, &mut attacked)?;
            freeze(&platform, "pause", &lair)?;
            visit(lab, &den, &mut quiet)?;
            freeze(&platform, "unpause", &lair)?;
        }
        drop(attack);
        for word in ["down", "up"] {
            mallory.ssh("spaces", &["space", word, "--space", "lair"]).ok();
        }
        // Who came after all others does so until a moment after the next start.
        sleep(3 * SETTLE);
        rows.push(Row {
            what: format!("`true` beside {name}, {share}, p99"),
            against: "held still",
            unit: Unit::Milliseconds,
            ours: attacked.percentile(99).into(),
            theirs: Some(quiet.percentile(99).into()),
            bar: Bar::RatioAtMost(2.0),
        });
    }
    Ok(rows)
}

fn visit(lab: &Lab, den: &Multiplex<'_>, samples: &mut Samples) -> anyhow::Result<()> {
    for _visit in 0..VISITS {
        lab.check()?;
        let start = Instant::now();
        let output = den.ssh(&["true"]);
        samples.add(start.elapsed().as_secs_f64() * 1e3);
        anyhow::ensure!(output.status == 0, "the neighbour is not reached: {}", output.stderr);
    }
    Ok(())
}

/// Holds a Space still, or lets it go on.
fn freeze(platform: &Platform, word: &str, space: &str) -> anyhow::Result<()> {
    let done = run(platform.docker().args([word, &platform.container(space)]), b"");
    anyhow::ensure!(done.status == 0, "{word}: {}", done.stderr);
    sleep(SETTLE);
    Ok(())
}

/// Starts it as root of the Space, and waits until it does its worst.
fn begin(mallory: &Person, script: &str) -> anyhow::Result<Background> {
    let words = format!("sudo python3 -u - {}", guest_greeting());
    let mut attack = Background::start(mallory.ssh_command().args(["lair@127.0.0.1", &words]));
    let mut stdin = attack.stdin.take().context("its input")?;
    stdin.write_all(script.as_bytes())?;
    drop(stdin);
    let mut line = String::new();
    BufReader::new(attack.stdout.take().context("its output")?).read_line(&mut line)?;
    anyhow::ensure!(line == "going\n", "the attack did not begin: {line}");
    Ok(attack)
}
