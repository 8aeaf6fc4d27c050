//! Many bytes through one program's standard output, and into another one's standard input. The connection is
//! held before and is not part of the time; the program's start is.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use crate::held::Held;
use crate::lab::Lab;
use crate::process::time;
use crate::row::{Bar, Row, Unit};
use crate::turns::Turns;

pub(crate) fn measure(lab: &Lab) -> anyhow::Result<Vec<Row>> {
    let mebibytes = lab.sizes.bulk_mib;
    let zeros = lab.platform.folder().join("zeros");
    File::create(&zeros)?.set_len(u64::from(mebibytes) << 20)?;
    let [ours, theirs] = lab.held()?;
    let transfers: [(&str, Transfer<'_>); 2] = [("down", &down), ("up", &up)];
    let mut rows = Vec::new();
    for (direction, transfer) in transfers {
        let rate = |side: &Held| -> anyhow::Result<f64> {
            Ok(f64::from(mebibytes) / transfer(side, mebibytes, &zeros)?.as_secs_f64())
        };
        let turns = Turns::take(lab.rounds(direction), || rate(&ours), || rate(&theirs))?;
        let what = format!("{mebibytes} MiB {direction}");
        rows.push(turns.row(&what, "sshd", Unit::MebibytesPerSecond, Bar::RatioAtLeast(1.0)));
    }
    Ok(rows)
}

type Transfer<'a> = &'a dyn Fn(&Held, u32, &Path) -> anyhow::Result<Duration>;

fn down(side: &Held, mebibytes: u32, _zeros: &Path) -> anyhow::Result<Duration> {
    time(&mut side.ssh(&[&format!("head -c {mebibytes}M /dev/zero")]))
}

fn up(side: &Held, _mebibytes: u32, zeros: &Path) -> anyhow::Result<Duration> {
    time(side.ssh(&["cat >/dev/null"]).stdin(File::open(zeros)?))
}
