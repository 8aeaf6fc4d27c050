//! On XFS: the engine gives each machine a project of its own, which has what the machine wrote over its image.
//!
//! A project has a quota of inodes too, without which empty files would be free.

use std::path::{Path, PathBuf};

use procfs::process::{MountInfo, Process};

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

/// The project of one machine.
#[derive(Debug)]
pub(crate) struct Project<'a> {
    /// Where its file system is mounted.
    mount: &'a Path,
    number: u32,
}

/// Where the file system of this folder is mounted, if it is XFS that keeps quotas of projects. Reads files of the kernel.
pub(crate) fn mount_of(folder: &Path) -> Option<PathBuf> {
    let mounts = Process::myself().and_then(|own| own.mountinfo()).ok()?.0;
    let of = mounts.iter().filter(|mount| folder.starts_with(&mount.mount_point));
    // The last of those that are mounted at one place covers the others.
    let mount = of.max_by_key(|mount| mount.mount_point.components().count())?;
    keeps_quotas(mount).then(|| mount.mount_point.clone())
}

fn keeps_quotas(mount: &MountInfo) -> bool {
    mount.fs_type == "xfs"
        && ["prjquota", "pquota"].iter().any(|option| mount.super_options.contains_key(*option))
}

/// How large the engine is told to make a machine of this limit, in its words.
pub(crate) fn size(limit: Option<u64>) -> String {
    limit.unwrap_or(ENDLESS).to_string()
}

/// The limit as the quota keeps it.
pub(crate) fn kept(limit: Option<u64>) -> Option<u64> {
    limit.map(|limit| limit / BLOCK * BLOCK)
}

impl<'a> Project<'a> {
    /// That of a machine with this layer. `None`: it has none, as one that was made before the file system kept quotas.
    pub(crate) async fn of(layer: &Path, mount: &'a Path) -> Result<Option<Self>, IsolationError> {
        let layer = layer.to_str().ok_or(IsolationError::NoQuota)?;
        let shown = program::run("xfs_io", &["-r", "-c", "lsproj", layer], "").await?;
        Ok(number(&shown).map(|number| Self { mount, number }))
    }

    pub(crate) async fn read(&self) -> Result<Quota, IsolationError> {
        let number = self.number;
        let shown = self.ask(&format!("report -p -b -n -N -L {number} -U {number}")).await?;
        let (bytes, limit) = report(&shown, number).ok_or(IsolationError::NoQuota)?;
        Ok(Quota { bytes, limit, held: Binding::Hard })
    }

    /// Sets the limit. The program ends well whatever comes of it: what is read afterwards tells.
    pub(crate) async fn set(&self, limit: Option<u64>) -> Result<(), IsolationError> {
        let number = self.number;
        let (kibibytes, files) = limit.map_or((0, 0), |limit| (limit / KIB, limit.div_ceil(BYTES_A_FILE)));
        // `df` in the machine shows the soft one.
        let limit = format!("limit -p bsoft={kibibytes}k bhard={kibibytes}k ihard={files} {number}");
        self.ask(&limit).await.map(drop)
    }

    async fn ask(&self, command: &str) -> Result<String, IsolationError> {
        let mount = self.mount.to_str().ok_or(IsolationError::NoQuota)?;
        program::run("xfs_quota", &["-x", "-c", command, mount], "").await
    }
}

/// `projid = 1005`; 0 is everybody's.
fn number(shown: &str) -> Option<u32> {
    let number = shown.trim().strip_prefix("projid = ")?.parse().ok()?;
    (number != 0).then_some(number)
}

/// Of `#1005    8    40000    40000     00 [--------]` what is used and the hard limit, where 0 is none.
fn report(shown: &str, number: u32) -> Option<(u64, Option<u64>)> {
    let mark = format!("#{number}");
    let mut words = shown
        .lines()
        .map(str::split_whitespace)
        .find_map(|mut words| (words.next() == Some(mark.as_str())).then_some(words))?;
    let mut bytes = || words.next()?.parse::<u64>().ok()?.checked_mul(KIB);
    let (used, _soft, hard) = (bytes()?, bytes()?, bytes()?);
    Some((used, (hard > 0).then_some(hard)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_and_its_quota_are_read_as_they_are_shown() {
        assert_eq!(number("projid = 4000000005\n"), Some(4_000_000_005));
        assert_eq!(number("projid = 0\n"), None);
        let shown = "#5                   0          0          0     00 [--------]\n\
                     #4000000005          8      40000      40000     00 [--------]\n\n";
        assert_eq!(report(shown, 4_000_000_005), Some((8192, Some(40_960_000))));
        assert_eq!(report(shown, 5), Some((0, None)));
        assert_eq!(report(shown, 4), None);
        assert_eq!(kept(Some(40_999_999)), Some(40_960_000));
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
