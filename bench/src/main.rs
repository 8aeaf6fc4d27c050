//! `make bench`: how fast and how small, next to what people use instead, as ratios in one run.
//!
//! Both sides of a comparison take turns within one run on one machine, through the same client with the same
//! algorithms, so that whatever else the machine does hits both. docs/benchmarks.md says what each row compares.
//! A bar that is missed is a row of the answer, not a failure; the status tells only whether it could be measured.

mod engine;
mod guard;
mod held;
mod interrupt;
mod lab;
mod machine;
mod measure;
mod process;
mod report;
mod rival;
mod row;
mod samples;
mod sizes;
mod target;
mod turns;
mod twin;

use std::io::Write as _;

use anyhow::Context as _;
use clap::Parser;

use crate::interrupt::Interrupt;
use crate::lab::Lab;
use crate::machine::Machine;
use crate::measure::Measurement;
use crate::row::Row;
use crate::sizes::Sizes;

#[derive(Parser)]
#[command(name = "spaces-bench", about = "Compare with sshd, docker exec and the bare engine, in one run")]
struct Arguments {
    /// Only these measurements
    #[arg(long, value_name = "NAME", value_enum)]
    only: Vec<Measurement>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    sizes: Sizes,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let interrupt = Interrupt::watch().context("cannot watch for Ctrl-C")?;
    let machine = Machine::look();
    process::say(&machine.to_string());
    let lab = Lab::set_up(arguments.sizes, interrupt)?;
    let rows = rows(&lab, &arguments.only)?;
    drop(lab);
    let text = if arguments.json { report::json(&machine, &rows)? } else { report::table(&machine, &rows) };
    std::io::stdout().write_all(text.as_bytes()).context("standard output")
}

/// In the order of [`Measurement`]: memory first, while the gateway is fresh, and once more at the end.
fn rows(lab: &Lab, only: &[Measurement]) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for measurement in Measurement::ALL {
        if only.is_empty() || only.contains(&measurement) {
            process::say(&format!("{measurement:?}"));
            rows.extend(measurement.run(lab).with_context(|| format!("{measurement:?}"))?);
        }
    }
    Ok(rows)
}
