//! The files of one machine's cgroup, of version 1 or 2.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use procfs::process::{MountInfo, Process};
use procfs::{ProcResult, ProcessCGroup};

/// So large a part of memory may lie in network buffers, and at least so many bytes.
const BUFFERS: u64 = 4;
const LEAST_BUFFERS: u64 = 8 << 20;

/// Where the kernel counts for one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cgroup {
    /// A folder for each controller, and the number of the first.
    V1 {
        cpuacct: PathBuf,
        cpu: PathBuf,
        memory: PathBuf,
        pids: PathBuf,
        blkio: Option<PathBuf>,
        instance: u64,
    },
    /// One folder, and its number.
    V2 { folder: PathBuf, instance: u64 },
}

impl Cgroup {
    /// That of a process, if it carries the name of this container: the process may have ended, and its number be
    /// another one's. `None` where its folders cannot be found.
    pub(crate) fn of_process(pid: i32, container: &str) -> ProcResult<Option<Self>> {
        let mut groups = Process::new(pid)?.cgroups()?.0;
        groups.retain(|group| group.pathname.contains(container));
        let mounts = Process::myself()?.mountinfo()?.0;
        Ok(Self::find(&groups, &mounts))
    }

    fn find(groups: &[ProcessCGroup], mounts: &[MountInfo]) -> Option<Self> {
        let v1 = |controller: &str| {
            let group =
                groups.iter().find(|group| group.controllers.iter().any(|name| name == controller))?;
            let mount = mounts
                .iter()
                .find(|mount| mount.fs_type == "cgroup" && mount.super_options.contains_key(controller))?;
            folder(mount, &group.pathname)
        };
        if let Some(memory) = v1("memory") {
            let cpuacct = v1("cpuacct")?;
            let instance = inode(&cpuacct)?;
            let (cpu, pids, blkio) = (v1("cpu")?, v1("pids")?, v1("blkio"));
            return Some(Self::V1 { cpuacct, cpu, memory, pids, blkio, instance });
        }
        let group = groups.iter().find(|group| group.hierarchy == 0)?;
        let mount = mounts.iter().find(|mount| mount.fs_type == "cgroup2")?;
        let folder = folder(mount, &group.pathname)?;
        let instance = inode(&folder)?;
        Some(Self::V2 { folder, instance })
    }

    /// Its number: one that was made anew, as at each start of a machine, has another.
    pub(crate) fn instance(&self) -> u64 {
        match self {
            Self::V1 { instance, .. } | Self::V2 { instance, .. } => *instance,
        }
    }

    /// What tells its processes from others in `/proc/PID/cgroup`.
    pub(crate) fn name(&self) -> Option<&str> {
        let folder = match self {
            Self::V1 { pids, .. } => pids,
            Self::V2 { folder, .. } => folder,
        };
        folder.file_name()?.to_str()
    }

    /// Whether it is still this one.
    pub(crate) fn stands(&self) -> bool {
        let folder = match self {
            Self::V1 { cpuacct, .. } => cpuacct,
            Self::V2 { folder, .. } => folder,
        };
        inode(folder) == Some(self.instance())
    }

    /// The processes in it.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let folder = match self {
            Self::V1 { pids, .. } => pids,
            Self::V2 { folder, .. } => folder,
        };
        let text = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Counts what lies in network buffers against the machine, which version 1 does only where it has a limit of its own.
    /// A share of the memory limit is plenty for programs that read what they are sent.
    pub(crate) fn bound_buffers(&self) -> io::Result<()> {
        match self {
            Self::V1 { memory, .. } => {
                let limit = number(&memory.join("memory.limit_in_bytes")).unwrap_or(u64::MAX);
                let share = (limit / BUFFERS).max(LEAST_BUFFERS);
                fs::write(memory.join("memory.kmem.tcp.limit_in_bytes"), share.to_string())
            }
            Self::V2 { .. } => Ok(()),
        }
    }

    pub(super) fn cpu_micros(&self) -> Option<u64> {
        match self {
            Self::V1 { cpuacct, .. } => Some(number(&cpuacct.join("cpuacct.usage"))? / 1000),
            Self::V2 { folder, .. } => value(&folder.join("cpu.stat"), "usage_usec"),
        }
    }

    pub(super) fn throttled_micros(&self) -> Option<u64> {
        match self {
            Self::V1 { cpu, .. } => Some(value(&cpu.join("cpu.stat"), "throttled_time")? / 1000),
            Self::V2 { folder, .. } => value(&folder.join("cpu.stat"), "throttled_usec"),
        }
    }

    /// Without files that were read and could be read again, as the engine's own figure.
    pub(super) fn memory_bytes(&self) -> Option<u64> {
        let (used, cached) = match self {
            Self::V1 { memory, .. } => (
                number(&memory.join("memory.usage_in_bytes"))?,
                value(&memory.join("memory.stat"), "total_inactive_file")?,
            ),
            Self::V2 { folder, .. } => (
                number(&folder.join("memory.current"))?,
                value(&folder.join("memory.stat"), "inactive_file")?,
            ),
        };
        Some(used.saturating_sub(cached))
    }

    pub(super) fn pids(&self) -> Option<u64> {
        match self {
            Self::V1 { pids, .. } => number(&pids.join("pids.current")),
            Self::V2 { folder, .. } => number(&folder.join("pids.current")),
        }
    }

    /// Where the kernel counts the processes that it refused, as `max`; where it keeps what this weighs against others where
    /// processor time is short; and the least that it can weigh.
    pub(crate) fn crowd(&self) -> (PathBuf, PathBuf, u64) {
        match self {
            Self::V1 { pids, cpu, .. } => (pids.join("pids.events"), cpu.join("cpu.shares"), 2),
            Self::V2 { folder, .. } => (folder.join("pids.events"), folder.join("cpu.weight"), 1),
        }
    }

    /// Read and written. What a file system does in a process of its own is not among it.
    pub(super) fn io_bytes(&self) -> Option<u64> {
        match self {
            Self::V1 { blkio, .. } => {
                let file = blkio.as_ref()?.join("blkio.throttle.io_service_bytes_recursive");
                value(&file, "Total")
            }
            Self::V2 { folder, .. } => {
                let text = fs::read_to_string(folder.join("io.stat")).ok()?;
                let bytes = |word: &str| {
                    word.strip_prefix("rbytes=").or_else(|| word.strip_prefix("wbytes="))?.parse::<u64>().ok()
                };
                Some(text.split_whitespace().filter_map(bytes).sum())
            }
        }
    }

    pub(super) fn oom_kills(&self) -> Option<u64> {
        match self {
            Self::V1 { memory, .. } => value(&memory.join("memory.oom_control"), "oom_kill"),
            Self::V2 { folder, .. } => value(&folder.join("memory.events"), "oom_kill"),
        }
    }
}

/// Where a hierarchy is mounted that may begin below its root, as it does within a container.
fn folder(mount: &MountInfo, group: &str) -> Option<PathBuf> {
    let below = Path::new(group).strip_prefix(&mount.root).ok()?;
    Some(mount.mount_point.join(below))
}

fn inode(folder: &Path) -> Option<u64> {
    fs::metadata(folder).ok().map(|metadata| metadata.ino())
}

fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// The number behind a word that begins a line.
fn value(file: &Path, word: &str) -> Option<u64> {
    value_in(&fs::read_to_string(file).ok()?, word)
}

/// The number behind a word that begins a line of this text.
pub(crate) fn value_in(text: &str, word: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(word)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, files: &[(&str, &str)]) {
        fs::create_dir_all(folder).unwrap();
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
        }
    }

    /// Version 2 is not what every host of ours has: its files, as the kernel's documentation shows them.
    #[test]
    fn both_versions_are_read_alike() {
        let root = tempfile::tempdir().unwrap();
        let (one, two) = (root.path().join("one"), root.path().join("two"));
        write(
            &one,
            &[
                ("cpuacct.usage", "5000123\n"),
                ("cpu.stat", "nr_periods 3\nnr_throttled 2\nthrottled_time 7000000\n"),
                ("memory.usage_in_bytes", "1000\n"),
                ("memory.limit_in_bytes", "400000000\n"),
                ("memory.stat", "inactive_file 1\ntotal_inactive_file 300\n"),
                ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n"),
                ("pids.current", "12\n"),
                ("blkio.throttle.io_service_bytes_recursive", "8:0 Read 600\n8:0 Total 900\nTotal 900\n"),
                ("cgroup.procs", "7\n8\n"),
            ],
        );
        write(
            &two,
            &[
                ("cpu.stat", "usage_usec 5000\nuser_usec 1\nthrottled_usec 7000\n"),
                ("memory.current", "1000\n"),
                ("memory.stat", "anon 5\ninactive_file 300\n"),
                ("memory.events", "low 0\noom 4\noom_kill 4\n"),
                (
                    "io.stat",
                    "8:0 rbytes=600 wbytes=250 rios=1 wios=2 dbytes=0 dios=0\n8:16 rbytes=50 wbytes=0\n",
                ),
                ("pids.current", "12\n"),
                ("cgroup.procs", "7\n8\n"),
            ],
        );
        let instance = inode(&one).unwrap();
        let v1 = Cgroup::V1 {
            cpuacct: one.clone(),
            cpu: one.clone(),
            memory: one.clone(),
            blkio: Some(one.clone()),
            pids: one,
            instance,
        };
        let v2 = Cgroup::V2 { instance: inode(&two).unwrap(), folder: two };
        for cgroup in [v1, v2] {
            assert_eq!(cgroup.cpu_micros(), Some(5000));
            assert_eq!(cgroup.throttled_micros(), Some(7000));
            assert_eq!(cgroup.memory_bytes(), Some(700));
            assert_eq!(cgroup.oom_kills(), Some(4));
            assert_eq!(cgroup.io_bytes(), Some(900));
            assert_eq!(cgroup.pids(), Some(12));
            cgroup.bound_buffers().unwrap();
            assert_eq!(cgroup.processes(), [7, 8]);
            assert!(cgroup.stands());
        }
        assert_eq!(
            fs::read_to_string(root.path().join("one/memory.kmem.tcp.limit_in_bytes")).unwrap(),
            "100000000"
        );
    }

    #[test]
    fn a_machine_made_anew_has_another_cgroup() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("group");
        write(&folder, &[]);
        let cgroup = Cgroup::V2 { instance: inode(&folder).unwrap(), folder: folder.clone() };
        fs::rename(&folder, root.path().join("old")).unwrap();
        assert!(!cgroup.stands());
        write(&folder, &[]);
        assert!(!cgroup.stands());
    }

    #[test]
    fn this_process_has_one() {
        let own = i32::try_from(std::process::id()).unwrap();
        let cgroup = Cgroup::of_process(own, "/").unwrap();
        assert!(cgroup.is_some_and(|cgroup| cgroup.cpu_micros().is_some()));
        assert_eq!(Cgroup::of_process(own, "some container").unwrap(), None, "another one's");
    }
}
