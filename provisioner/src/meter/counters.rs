//! What the kernel counts for one machine. The files are kept open, since they are read again and again, and to open one
//! costs more than to read it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::Cgroup;

/// What the kernel says in one file is seldom more.
const PAGE: usize = 4096;

/// The figures of one cgroup. Where the kernel has no file for one, it cannot be read.
#[derive(Debug)]
pub(crate) struct Counters {
    cpu_micros: Option<Figure>,
    throttled_micros: Option<Figure>,
    memory: Option<Figure>,
    cached: Option<Figure>,
    pids: Option<Figure>,
    refused: Option<Figure>,
    weight: Option<Figure>,
    least_weight: u64,
    oom_kills: Option<Figure>,
    io: Option<Figure>,
}

/// One of them.
#[derive(Debug)]
struct Figure {
    file: File,
    is: Is,
    /// How many of the kernel's are one of ours.
    unit: u64,
}

/// Where in the file it is.
#[derive(Debug, Clone, Copy)]
enum Is {
    /// All of it.
    All,
    /// Behind a word that begins a line.
    Behind(&'static str),
    /// The sum of what is behind either word, without a space between.
    Sum([&'static str; 2]),
}

impl Counters {
    /// Opens them all.
    pub(crate) fn open(cgroup: &Cgroup) -> io::Result<Self> {
        match cgroup {
            Cgroup::V1 { cpuacct, cpu, memory, pids, blkio, instance: _ } => Ok(Self {
                cpu_micros: figure(cpuacct, "cpuacct.usage", Is::All, 1000)?,
                throttled_micros: figure(cpu, "cpu.stat", Is::Behind("throttled_time"), 1000)?,
                memory: figure(memory, "memory.usage_in_bytes", Is::All, 1)?,
                cached: figure(memory, "memory.stat", Is::Behind("total_inactive_file"), 1)?,
                pids: figure(pids, "pids.current", Is::All, 1)?,
                refused: figure(pids, "pids.events", Is::Behind("max"), 1)?,
                weight: figure(cpu, "cpu.shares", Is::All, 1)?,
                least_weight: 2,
                oom_kills: figure(memory, "memory.oom_control", Is::Behind("oom_kill"), 1)?,
                io: match blkio {
                    Some(blkio) => {
                        figure(blkio, "blkio.throttle.io_service_bytes_recursive", Is::Behind("Total"), 1)?
                    }
                    None => None,
                },
            }),
            Cgroup::V2 { folder, instance: _ } => Ok(Self {
                cpu_micros: figure(folder, "cpu.stat", Is::Behind("usage_usec"), 1)?,
                throttled_micros: figure(folder, "cpu.stat", Is::Behind("throttled_usec"), 1)?,
                memory: figure(folder, "memory.current", Is::All, 1)?,
                cached: figure(folder, "memory.stat", Is::Behind("inactive_file"), 1)?,
                pids: figure(folder, "pids.current", Is::All, 1)?,
                refused: figure(folder, "pids.events", Is::Behind("max"), 1)?,
                weight: figure(folder, "cpu.weight", Is::All, 1)?,
                least_weight: 1,
                oom_kills: figure(folder, "memory.events", Is::Behind("oom_kill"), 1)?,
                io: figure(folder, "io.stat", Is::Sum(["rbytes=", "wbytes="]), 1)?,
            }),
        }
    }

    pub(super) fn cpu_micros(&self) -> Option<u64> {
        self.cpu_micros.as_ref()?.read()
    }

    pub(super) fn throttled_micros(&self) -> Option<u64> {
        self.throttled_micros.as_ref()?.read()
    }

    /// Without files that were read and could be read again, as the engine's own figure.
    pub(super) fn memory_bytes(&self) -> Option<u64> {
        let (memory, cached) = (self.memory.as_ref()?.read()?, self.cached.as_ref()?.read()?);
        Some(memory.saturating_sub(cached))
    }

    pub(super) fn pids(&self) -> Option<u64> {
        self.pids.as_ref()?.read()
    }

    /// How many processes it was refused.
    pub(crate) fn refused(&self) -> Option<u64> {
        self.refused.as_ref()?.read()
    }

    /// Whether it weighs as little as can be against others where processor time is short.
    pub(crate) fn weighs_least(&self) -> Option<bool> {
        Some(self.weight.as_ref()?.read()? <= self.least_weight)
    }

    pub(super) fn oom_kills(&self) -> Option<u64> {
        self.oom_kills.as_ref()?.read()
    }

    /// Read and written. What a file system does in a process of its own is not among it.
    pub(super) fn io_bytes(&self) -> Option<u64> {
        self.io.as_ref()?.read()
    }
}

/// `None`: the kernel has none, or none for us. What is short now, such as descriptors, may be there later: an error.
fn figure(folder: &Path, name: &str, is: Is, unit: u64) -> io::Result<Option<Figure>> {
    match File::open(folder.join(name)) {
        Ok(file) => Ok(Some(Figure { file, is, unit })),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

impl Figure {
    /// `None`: the machine has ended.
    fn read(&self) -> Option<u64> {
        let text = text(&self.file)?;
        let seen = match self.is {
            Is::All => text.trim().parse().ok()?,
            Is::Behind(word) => text
                .lines()
                .find_map(|line| line.strip_prefix(word)?.strip_prefix(' ')?.trim().parse().ok())?,
            Is::Sum(words) => {
                let behind = |text: &str| words.iter().find_map(|word| text.strip_prefix(word)?.parse().ok());
                text.split_whitespace().filter_map(behind).fold(0, u64::saturating_add)
            }
        };
        Some(seen / self.unit)
    }
}

fn text(file: &File) -> Option<String> {
    let (mut text, mut page) = (Vec::new(), [0; PAGE]);
    loop {
        let length = file.read_at(&mut page, u64::try_from(text.len()).ok()?).ok()?;
        text.extend_from_slice(page.get(..length)?);
        if length < PAGE {
            return String::from_utf8(text).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    fn v1(folder: &Path) -> Cgroup {
        let here = || folder.to_owned();
        Cgroup::V1 {
            cpuacct: here(),
            cpu: here(),
            memory: here(),
            pids: here(),
            blkio: Some(here()),
            instance: 1,
        }
    }

    fn v2(folder: PathBuf) -> Cgroup {
        Cgroup::V2 { folder, instance: 1 }
    }

    fn write(folder: &Path, files: &[(&str, &str)]) {
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
        }
    }

    /// Version 2 is not what every host of ours has: its files, as the kernel's documentation shows them.
    #[test]
    fn both_versions_are_read_alike() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let files = [
            ("cpuacct.usage", "5000123\n"),
            ("cpu.stat", "nr_periods 3\nnr_throttled 2\nthrottled_time 7000000\n"),
            ("memory.usage_in_bytes", "1000\n"),
            ("memory.stat", "inactive_file 1\ntotal_inactive_file 300\n"),
            ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n"),
            ("pids.current", "12\n"),
            ("pids.events", "max 7\n"),
            ("cpu.shares", "2\n"),
            ("blkio.throttle.io_service_bytes_recursive", "8:0 Read 600\n8:0 Total 900\nTotal 900\n"),
        ];
        write(one.path(), &files);
        let disks = "8:0 rbytes=600 wbytes=250 rios=1 wios=2 dbytes=0 dios=0\n8:16 rbytes=50 wbytes=0\n";
        let files = [
            ("cpu.stat", "usage_usec 5000\nuser_usec 1\nthrottled_usec 7000\n"),
            ("memory.current", "1000\n"),
            ("memory.stat", "anon 5\ninactive_file 300\n"),
            ("memory.events", "low 0\noom 4\noom_kill 4\n"),
            ("io.stat", disks),
            ("pids.current", "12\n"),
            ("pids.events", "max 7\n"),
            ("cpu.weight", "1\n"),
        ];
        write(two.path(), &files);
        let usual = [("cpu.shares", "1024\n"), ("cpu.weight", "39\n")];
        for (cgroup, folder) in [(v1(one.path()), one.path()), (v2(two.path().to_owned()), two.path())] {
            let counters = Counters::open(&cgroup).unwrap();
            assert_eq!(counters.cpu_micros(), Some(5000));
            assert_eq!(counters.throttled_micros(), Some(7000));
            assert_eq!(counters.memory_bytes(), Some(700));
            assert_eq!(counters.oom_kills(), Some(4));
            assert_eq!(counters.io_bytes(), Some(900));
            assert_eq!(counters.pids(), Some(12));
            assert_eq!(counters.refused(), Some(7));
            assert_eq!(counters.weighs_least(), Some(true));
            // Each reading is of what is there then.
            write(folder, &[("pids.current", "8\n"), ("pids.events", "max 27\n")]);
            write(folder, &usual);
            assert_eq!((counters.pids(), counters.refused()), (Some(8), Some(27)));
            assert_eq!(counters.weighs_least(), Some(false));
        }
    }

    #[test]
    fn what_the_kernel_does_not_count_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &[("pids.current", "12\n")]);
        for cgroup in [v1(folder.path()), v2(folder.path().to_owned())] {
            let counters = Counters::open(&cgroup).unwrap();
            assert_eq!((counters.pids(), counters.cpu_micros(), counters.io_bytes()), (Some(12), None, None));
        }
    }

    #[test]
    fn a_file_of_more_than_a_page_is_read_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let disk = "8:0 rbytes=1 wbytes=1 rios=1 wios=2 dbytes=0 dios=0\n";
        write(folder.path(), &[("io.stat", &disk.repeat(500))]);
        let counters = Counters::open(&v2(folder.path().to_owned())).unwrap();
        assert_eq!(counters.io_bytes(), Some(1000));
    }
}
