//! Files, by the stock `sftp`, `scp` and `rsync` over a connection that is held before. No disk takes part: one end
//! of a large file is sparse and the other one /dev/null; small files go into memory.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::held::Held;
use crate::lab::Lab;
use crate::process::{run, time};
use crate::row::{Bar, Row, Unit};
use crate::turns::Turns;

/// A file over there, in the home.
const THERE: &str = "zeros";

/// Where small files go over there.
const MEMORY: &str = "/dev/shm/small";

/// Bytes of a small file.
const SMALL: usize = 1000;

/// Folders that small files are spread over.
const FOLDERS: u32 = 100;

pub(crate) fn measure(lab: &Lab) -> anyhow::Result<Vec<Row>> {
    let sides = lab.held()?;
    let mut rows = large(lab, &sides)?;
    rows.push(small(lab, &sides)?);
    Ok(rows)
}

/// A program that carries a large file to or from a side.
type Carrier<'a> = &'a dyn Fn(&Held) -> Command;

fn large(lab: &Lab, [ours, theirs]: &[Held; 2]) -> anyhow::Result<Vec<Row>> {
    let mebibytes = lab.sizes.file_mib;
    let here = lab.platform.folder().join("large-zeros");
    File::create(&here)?.set_len(u64::from(mebibytes) << 20)?;
    for side in [ours, theirs] {
        run(&mut side.ssh(&[&format!("truncate -s {mebibytes}M {THERE}")]))?;
    }
    let put = batch(lab, "put", &format!("put {} /dev/null\n", here.display()))?;
    let get = batch(lab, "get", &format!("get {THERE} /dev/null\n"))?;
    let scp_put = |side: &Held| side.scp(here.as_os_str(), OsStr::new(&side.place("/dev/null")));
    let scp_get = |side: &Held| side.scp(OsStr::new(&side.place(THERE)), OsStr::new("/dev/null"));
    let carriers: [(&str, Carrier<'_>, f64); 4] = [
        ("sftp put", &|side| side.sftp(put.as_os_str()), 1.2),
        ("sftp get", &|side| side.sftp(get.as_os_str()), 1.2),
        ("scp put", &scp_put, 1.0),
        ("scp get", &scp_get, 1.0),
    ];
    let mut rows = Vec::new();
    for (what, carrier, bar) in carriers {
        let rate = |side: &Held| Ok(f64::from(mebibytes) / time(&mut carrier(side))?.as_secs_f64());
        let turns = Turns::take(lab.heavy_rounds(what), || rate(ours), || rate(theirs))?;
        let what = format!("{what}, {mebibytes} MiB");
        rows.push(turns.row(&what, "sshd", Unit::MebibytesPerSecond, Bar::RatioAtLeast(bar)));
    }
    Ok(rows)
}

/// What `sftp -b` reads.
fn batch(lab: &Lab, name: &str, text: &str) -> anyhow::Result<PathBuf> {
    let path = lab.platform.folder().join(name);
    std::fs::write(&path, text)?;
    Ok(path)
}

fn small(lab: &Lab, [ours, theirs]: &[Held; 2]) -> anyhow::Result<Row> {
    let number = lab.sizes.small_files;
    let here = lab.platform.folder().join("small");
    write_small(&here, number)?;
    let from = here.join("");
    let rate = |side: &Held| {
        let took = time(&mut side.rsync(from.as_os_str(), MEMORY))?;
        run(&mut side.ssh(&["rm", "-r", MEMORY]))?;
        Ok(f64::from(number) / took.as_secs_f64())
    };
    let turns = Turns::take(lab.heavy_rounds("rsync"), || rate(ours), || rate(theirs))?;
    let what = format!("rsync of {number} small files");
    Ok(turns.row(&what, "sshd", Unit::PerSecond, Bar::RatioAtLeast(1.0)))
}

fn write_small(folder: &Path, number: u32) -> anyhow::Result<()> {
    for part in 0..FOLDERS {
        std::fs::create_dir_all(folder.join(part.to_string()))?;
    }
    for file in 0..number {
        let part = folder.join((file % FOLDERS).to_string());
        std::fs::write(part.join(file.to_string()), [b'x'; SMALL])?;
    }
    Ok(())
}
