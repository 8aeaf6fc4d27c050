//! On XFS: the engine gives each machine a project of its own, which has what the machine wrote over its image.
//!
//! A project has a limit of files too, without which empty ones would be free.

use std::io;
use std::path::{Path, PathBuf};

use procfs::process::{MountInfo, Process};
use tracing::info;

use super::Quota;
use crate::{Binding, IsolationError, program};

/// What the quota counts in.
const KIB: u64 = 1024;

/// It is kept in blocks of the file system, which are no larger than this.
const BLOCK: u64 = 64 * KIB;

/// A file for so many bytes of the limit: smaller ones take a block all the same, but for those with nothing in them.
const BYTES_A_FILE: u64 = 4096;

/// More than any disk has: for a machine without a limit, which needs a project all the same to be given one later.
const ENDLESS: u64 = 1 << 60;

/// For what the engine makes to start a machine.
const ROOM: u64 = 1 << 20;
const ROOM_FILES: u64 = 64;

/// The project of one machine.
#[derive(Debug)]
pub(crate) struct Project<'a> {
    /// Where its file system is mounted.
    mount: &'a Path,
    number: u32,
}

/// How much a project may hold; 0 is without end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Limits {
    kibibytes: u64,
    files: u64,
}

/// What a project holds, and what it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Report {
    bytes: u64,
    files: u64,
    limits: Limits,
}

/// Where the file system of this folder is mounted, if it is XFS that keeps quotas of projects. Reads files of the kernel.
pub(crate) fn mount_of(folder: &Path) -> io::Result<Option<PathBuf>> {
    let mounts = Process::myself().and_then(|own| own.mountinfo()).map_err(io::Error::other)?.0;
    let of = mounts.iter().filter(|mount| folder.starts_with(&mount.mount_point));
    // The last of those that are mounted at one place covers the others.
    let mount = of.max_by_key(|mount| mount.mount_point.components().count());
    Ok(mount.filter(|mount| keeps_quotas(mount)).map(|mount| mount.mount_point.clone()))
}

fn keeps_quotas(mount: &MountInfo) -> bool {
    mount.fs_type == "xfs"
        && ["prjquota", "pquota"].iter().any(|option| mount.super_options.contains_key(*option))
}

/// Whether limits can be set there, as far as that can be told without a project.
pub(crate) async fn try_out(mount: &Path) -> Result<(), IsolationError> {
    let state = ask(mount, "state -p").await?;
    if state.contains("Enforcement: ON") { Ok(()) } else { Err(IsolationError::NoQuota) }
}

/// How large the engine is told to make a machine of this limit, in its words.
pub(crate) fn size(limit: Option<u64>) -> String {
    limit.unwrap_or(ENDLESS).to_string()
}

impl<'a> Project<'a> {
    /// That of a machine with this layer. `None`: it has none, as one that was made before the file system kept quotas.
    pub(crate) async fn of(layer: &Path, mount: &'a Path) -> Result<Option<Self>, IsolationError> {
        let shown = program::run("xfs_io", &["-r", "-c", "lsproj", text(layer)?], "").await?;
        Ok(number(&shown).map(|number| Self { mount, number }))
    }

    /// Sees to it that it has this limit, and says what is there.
    pub(crate) async fn hold(&self, limit: Option<u64>) -> Result<Quota, IsolationError> {
        let wanted = Limits::of(limit);
        let mut report = self.report().await?;
        if report.limits != wanted {
            self.set(wanted).await?;
            info!(limit, "a disk quota is set");
            report = self.report().await?;
        }
        // What cannot be set is said on standard error at most.
        if report.limits != wanted {
            return Err(IsolationError::NoQuota);
        }
        Ok(Quota { bytes: report.bytes, limit, held: Binding::Hard })
    }

    /// Lets it have a little more than it has, or than its limit.
    pub(crate) async fn make_room(&self, limit: u64) -> Result<(), IsolationError> {
        let report = self.report().await?;
        let Limits { kibibytes, files } = Limits::of(Some(limit));
        self.set(Limits {
            kibibytes: kibibytes.max(report.bytes / KIB).saturating_add(ROOM / KIB),
            files: files.max(report.files).saturating_add(ROOM_FILES),
        })
        .await
    }

    async fn report(&self) -> Result<Report, IsolationError> {
        let number = self.number;
        let shown = ask(self.mount, &format!("report -p -b -i -n -N -L {number} -U {number}")).await?;
        Report::read(&shown, number).ok_or(IsolationError::NoQuota)
    }

    async fn set(&self, limits: Limits) -> Result<(), IsolationError> {
        let (Limits { kibibytes, files }, number) = (limits, self.number);
        // `df` in the machine shows the soft one.
        let limit = format!("limit -p bsoft={kibibytes}k bhard={kibibytes}k ihard={files} {number}");
        ask(self.mount, &limit).await.map(drop)
    }
}

impl Limits {
    fn of(limit: Option<u64>) -> Self {
        let kibibytes = limit.map_or(0, |limit| (limit / BLOCK * BLOCK / KIB).max(BLOCK / KIB));
        Self { kibibytes, files: limit.map_or(0, |limit| limit.div_ceil(BYTES_A_FILE)) }
    }
}

impl Report {
    /// `#1005  8  40000  40000  00 [--------]  6  0  9765  00 [--------]`: what is used, the soft limit and the hard one, of
    /// kibibytes and of files; a grace period of several words may stand in the brackets.
    fn read(shown: &str, number: u32) -> Option<Self> {
        let mark = format!("#{number}");
        let line = shown.lines().find(|line| line.split_whitespace().next() == Some(mark.as_str()))?;
        let mut halves = line.split(']');
        let mut of = |skipped: usize| {
            let mut words = halves.next()?.split_whitespace().skip(skipped).map(str::parse::<u64>);
            let (used, _soft, hard) = (words.next()?.ok()?, words.next()?.ok()?, words.next()?.ok()?);
            Some((used, hard))
        };
        let ((used, kibibytes), (files, most_files)) = (of(1)?, of(0)?);
        let limits = Limits { kibibytes, files: most_files };
        Some(Self { bytes: used.checked_mul(KIB)?, files, limits })
    }
}

async fn ask(mount: &Path, command: &str) -> Result<String, IsolationError> {
    program::run("xfs_quota", &["-x", "-c", command, text(mount)?], "").await
}

fn text(path: &Path) -> Result<&str, IsolationError> {
    path.to_str().ok_or(IsolationError::NoQuota)
}

/// `projid = 1005`; 0 is everybody's.
fn number(shown: &str) -> Option<u32> {
    let number = shown.trim().strip_prefix("projid = ")?.parse().ok()?;
    (number != 0).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_and_its_quota_are_read_as_they_are_shown() {
        assert_eq!(number("projid = 4000000005\n"), Some(4_000_000_005));
        assert_eq!(number("projid = 0\n"), None);
        let shown = "#5    0    0    0   00 [--------]    2    0    0   00 [--------]\n\
                     #4000000005    8    40000    40000   00 [7 days]    6    0    9765   00 [--none--]\n\n";
        let limits = Limits { kibibytes: 40_000, files: 9765 };
        assert_eq!(Report::read(shown, 4_000_000_005), Some(Report { bytes: 8192, files: 6, limits }));
        let endless = Limits::of(None);
        assert_eq!(Report::read(shown, 5), Some(Report { bytes: 0, files: 2, limits: endless }));
        assert_eq!(Report::read(shown, 4), None);
    }

    #[test]
    fn a_limit_reads_back_as_it_was_set_whatever_the_blocks_are() {
        for megabytes in [1, 20, 40, 50, 100, 500, 1000, 10_000, 20_000] {
            let limits = Limits::of(Some(megabytes * 1_000_000));
            for block in [1, 4, 64] {
                // The kernel keeps whole blocks.
                let kept = limits.kibibytes.div_ceil(block) * block;
                assert_eq!(kept, limits.kibibytes, "{megabytes} MB in blocks of {block} KiB");
            }
            assert!(limits.kibibytes > 0 && limits.kibibytes * KIB <= megabytes * 1_000_000);
        }
        assert_eq!(Limits::of(Some(1)).kibibytes, 64, "not without end");
    }

    #[test]
    fn quotas_are_kept_where_the_mount_says_so() {
        let mount = |line: &str| MountInfo::from_line(line).unwrap();
        let xfs = "264 27 254:16 / /var/lib/docker rw,relatime shared:84 - xfs /dev/vdb rw,attr2,inode64";
        assert!(keeps_quotas(&mount(&format!("{xfs},prjquota"))));
        assert!(!keeps_quotas(&mount(&format!("{xfs},noquota"))));
        assert!(!keeps_quotas(&mount("1 2 254:16 / /x rw,relatime - ext4 /dev/vdb rw,prjquota")));
    }
}
