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

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, files: &[(&str, &str)]) {
        fs::create_dir_all(folder).unwrap();
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
        }
    }

    #[test]
    fn its_processes_and_its_share_of_buffers_are_found_in_its_folder() {
        let root = tempfile::tempdir().unwrap();
        let here = || root.path().to_owned();
        write(root.path(), &[("memory.limit_in_bytes", "400000000\n"), ("cgroup.procs", "7\n8\n")]);
        let instance = inode(root.path()).unwrap();
        let (cpuacct, cpu, memory, pids) = (here(), here(), here(), here());
        let v1 = Cgroup::V1 { cpuacct, cpu, memory, pids, blkio: None, instance };
        let v2 = Cgroup::V2 { folder: here(), instance };
        for cgroup in [&v1, &v2] {
            assert_eq!(cgroup.processes(), [7, 8]);
            assert!(cgroup.stands());
        }
        v2.bound_buffers().unwrap();
        let share = root.path().join("memory.kmem.tcp.limit_in_bytes");
        assert!(!share.exists(), "version 2 counts them by itself");
        v1.bound_buffers().unwrap();
        assert_eq!(fs::read_to_string(share).unwrap(), "100000000");
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
        assert!(cgroup.is_some_and(|cgroup| cgroup.stands() && cgroup.processes().contains(&own)));
        assert_eq!(Cgroup::of_process(own, "some container").unwrap(), None, "another one's");
    }
}
