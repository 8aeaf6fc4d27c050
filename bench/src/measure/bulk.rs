//! Many bytes through one program's standard output, and into another one's standard input. The connection is
//! held before and is not part of the time; the program's start is.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use crate::lab::Lab;
use crate::process::time;
use crate::row::{Bar, Row, Unit};
use crate::samples::Samples;
use crate::target::Target;

pub(crate) fn measure(lab: &Lab) -> anyhow::Result<Vec<Row>> {
    let mebibytes = lab.sizes.bulk_mib;
    let zeros = lab.platform.folder().join("zeros");
    File::create(&zeros)?.set_len(u64::from(mebibytes) << 20)?;
    let sockets = [lab.platform.folder().join("ours.ctl"), lab.platform.folder().join("theirs.ctl")];
    let [our_socket, their_socket] = &sockets;
    let (ours, theirs) = (lab.space(), lab.rival());
    let _held = [ours.hold_at(our_socket)?, theirs.hold_at(their_socket)?];
    let transfers: [(&str, Transfer<'_>); 2] = [("down", &down), ("up", &up)];
    let mut rows = Vec::new();
    for (direction, transfer) in transfers {
        let rate = |target: &Target, socket: &Path| -> anyhow::Result<f64> {
            Ok(f64::from(mebibytes) / transfer(target, socket, mebibytes, &zeros)?.as_secs_f64())
        };
        let (mut our_rates, mut their_rates) = (Samples::default(), Samples::default());
        rate(&ours, our_socket)?;
        rate(&theirs, their_socket)?;
        for round in lab.rounds(direction) {
            round?;
            our_rates.add(rate(&ours, our_socket)?);
            their_rates.add(rate(&theirs, their_socket)?);
        }
        rows.push(Row {
            what: format!("{mebibytes} MiB {direction}"),
            against: "sshd",
            unit: Unit::MebibytesPerSecond,
            ours: our_rates.summary(),
            theirs: Some(their_rates.summary()),
            bar: Bar::RatioAtLeast(1.0),
        });
    }
    Ok(rows)
}

type Transfer<'a> = &'a dyn Fn(&Target, &Path, u32, &Path) -> anyhow::Result<Duration>;

fn down(target: &Target, socket: &Path, mebibytes: u32, _zeros: &Path) -> anyhow::Result<Duration> {
    time(&mut target.ssh_over(socket, &[&format!("head -c {mebibytes}M /dev/zero")]))
}

fn up(target: &Target, socket: &Path, _mebibytes: u32, zeros: &Path) -> anyhow::Result<Duration> {
    time(target.ssh_over(socket, &["cat >/dev/null"]).stdin(File::open(zeros)?))
}
