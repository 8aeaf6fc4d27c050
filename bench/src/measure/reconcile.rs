//! Many Spaces that live through a restart of their engine (`live-restore`): how soon the gateway knows that all is well,
//! and that it did nothing about it.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use spaces_tests::network::apart;
use spaces_tests::{Engine, Platform, run};

use crate::lab::Lab;
use crate::process::say;
use crate::row::{Bar, Row, Unit};
use crate::samples::Samples;

/// Longest that the gateway may take.
const PATIENCE: Duration = Duration::from_mins(1);

const OWNER: &str = "restart@example.com";

/// What the gateway says when it has compared everything.
const AGREED: &str = "store and engine agree";

/// On an engine of its own, in a network of its own: nobody stops the machine's.
pub(crate) fn measure(lab: &Lab) -> anyhow::Result<Vec<Row>> {
    std::thread::scope(|scope| {
        let measured = scope.spawn(|| {
            apart();
            restarted(lab)
        });
        measured.join().map_err(|_panic| anyhow::anyhow!("it panicked"))?
    })
}

fn restarted(lab: &Lab) -> anyhow::Result<Vec<Row>> {
    let mut engine = Engine::start_beside_with_live_restore();
    let socket = engine.socket().display().to_string();
    let platform = Platform::start_with(&[("ENGINE__SOCKET", socket.as_str()), ("LOG__FILTER", "info")]);
    let count = lab.sizes.spaces;
    say(&format!("bringing {count} Spaces up"));
    for number in 0..count {
        lab.check()?;
        platform.create_space(OWNER, &format!("space-{number}"));
    }
    let before = processes(&engine)?;
    anyhow::ensure!(before.lines().count() == usize::try_from(count)?, "not all of them run");
    let mut took = Samples::default();
    for round in lab.heavy_rounds("engine restart") {
        round?;
        let agreed = || platform.log().iter().filter(|line| line.contains(AGREED)).count();
        let known = agreed();
        engine.stop();
        engine.start_again();
        let answers = Instant::now();
        while agreed() <= known {
            anyhow::ensure!(answers.elapsed() < PATIENCE, "the gateway does not come to an end");
            std::thread::park_timeout(Duration::from_millis(5));
        }
        took.add(answers.elapsed().as_secs_f64() * 1e3);
        anyhow::ensure!(processes(&engine)? == before, "Spaces were started anew");
    }
    let what = format!("reconciled after the engine's restart, {count}");
    let bar = Bar::AtMost(5000.0, Unit::Milliseconds);
    Ok(vec![Row { what, against: "-", unit: Unit::Milliseconds, ours: took.summary(), theirs: None, bar }])
}

/// The first process of each Space: another one's number would be a restart.
fn processes(engine: &Engine) -> anyhow::Result<String> {
    let ids = run(engine.docker().args(["ps", "-q", "--no-trunc"]), b"").ok();
    let mut ids: Vec<&str> = ids.lines().collect();
    ids.sort_unstable();
    let mut inspect = engine.docker();
    let told = run(inspect.args(["inspect", "-f", "{{.Id}} {{.State.Pid}}"]).args(&ids), b"");
    (told.status == 0).then_some(told.stdout).context("the engine tells no processes")
}
