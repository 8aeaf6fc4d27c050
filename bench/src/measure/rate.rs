//! New connections a second while several clients connect at once: whole runs of `ssh REF@host true`.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Instant;

use crate::lab::Lab;
use crate::process::time;
use crate::row::{Bar, Row, Unit};
use crate::target::Target;
use crate::turns::Turns;

/// Clients at once, each connecting anew as soon as it has ended.
const CLIENTS: u32 = 8;

/// Connections of a round, of all clients together.
const CONNECTIONS: u32 = 40;

pub(crate) fn measure(lab: &Lab) -> anyhow::Result<Vec<Row>> {
    let (ours, theirs) = (lab.space(), lab.rival());
    let turns = Turns::take(lab.heavy_rounds("rate"), || rate(&ours), || rate(&theirs))?;
    let what = format!("new connections, {CLIENTS} clients");
    Ok(vec![turns.row(&what, "sshd", Unit::PerSecond, Bar::RatioAtLeast(5.0))])
}

/// Connections a second.
fn rate(target: &Target) -> anyhow::Result<f64> {
    let next = AtomicU32::new(0);
    let client = || -> anyhow::Result<()> {
        while next.fetch_add(1, Ordering::Relaxed) < CONNECTIONS {
            time(&mut target.ssh(&[], &["true"]))?;
        }
        Ok(())
    };
    let start = Instant::now();
    thread::scope(|scope| -> anyhow::Result<()> {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        for client in clients {
            client.join().map_err(|_panic| anyhow::anyhow!("a client panicked"))??;
        }
        Ok(())
    })?;
    Ok(f64::from(CONNECTIONS) / start.elapsed().as_secs_f64())
}
