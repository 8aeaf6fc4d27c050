//! On btrfs: a machine is a subvolume, and what it does not share with its image is what counts.
//!
//! A program in it may make subvolumes of its own, which the quota does not know, and share files with them, which are then
//! nobody's own: all that they refer to is counted here, and what exceeds the limit with them is refused as where there is no
//! quota at all.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

use tokio::sync::Mutex;
use tracing::info;

use super::Quota;
use crate::{Binding, IsolationError, program};

/// More subvolumes of its own than this are as good as a full disk: each costs those who look at all of them.
const MOST_INNER: usize = 1000;

/// The root of a machine, held open: whatever becomes of its process, this is still it.
#[derive(Debug)]
pub(crate) struct Root {
    _folder: File,
    path: String,
}

impl Root {
    /// That of this process.
    pub(crate) fn of(pid: i32) -> io::Result<Self> {
        let folder = File::open(format!("/proc/{pid}/root"))?;
        let path = format!("/proc/{}/fd/{}", std::process::id(), folder.as_raw_fd());
        Ok(Self { _folder: folder, path })
    }
}

/// A line of `btrfs qgroup show --raw -e`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Group {
    subvolume: u64,
    referenced: u64,
    exclusive: u64,
    limit: Option<u64>,
}

/// Sees to it that the quota of a machine is this limit, and says what is there. One at a time sets: who found quotas off that
/// another has turned on since would have all counted anew, and nothing holds until that is done.
pub(crate) async fn hold(
    root: &Root,
    limit: Option<u64>,
    setting: &Mutex<()>,
) -> Result<Quota, IsolationError> {
    match read(root).await {
        Ok(quota) if quota.limit == limit => return Ok(quota),
        Ok(_) | Err(_) => {}
    }
    let _alone = setting.lock().await;
    match read(root).await {
        Ok(quota) if quota.limit == limit => Ok(quota),
        seen => {
            set(root, limit, seen.is_err()).await?;
            info!(limit, "a disk quota is set");
            read(root).await
        }
    }
}

/// What it says now.
async fn read(root: &Root) -> Result<Quota, IsolationError> {
    let root = root.path.as_str();
    let shown = program::run("btrfs", &["qgroup", "show", "--raw", "-eF", root], "").await?;
    let own = groups(&shown).next().ok_or(IsolationError::NoQuota)?;
    let listed = program::run("btrfs", &["subvolume", "list", "-p", root], "").await?;
    let inner = below(own.subvolume, &listed);
    let (limit, held) = (own.limit, if inner.is_empty() { Binding::Hard } else { Binding::Soft });
    let bytes = match inner.len() {
        0 => own.exclusive,
        1..=MOST_INNER => {
            // What was written is counted half a minute later otherwise; the quota itself knows at once, but not of these.
            let all = program::run("btrfs", &["qgroup", "show", "--raw", "--sync", "-e", root], "").await?;
            let all = groups(&all).filter(|group| inner.contains(&group.subvolume));
            all.fold(own.exclusive, |sum, group| sum.saturating_add(group.referenced))
        }
        _ => own.exclusive.max(limit.unwrap_or_default()),
    };
    Ok(Quota { bytes, limit, held })
}

/// Sets the limit. Quotas that are off are turned on first, and what is there is counted.
async fn set(root: &Root, limit: Option<u64>, off: bool) -> Result<(), IsolationError> {
    let (root, limit) =
        (root.path.as_str(), limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string()));
    if off {
        program::run("btrfs", &["quota", "enable", root], "").await?;
        // What was deleted and is not on the disk yet would be taken off once more afterwards.
        program::run("btrfs", &["filesystem", "sync", root], "").await?;
        program::run("btrfs", &["quota", "rescan", "-w", root], "").await?;
    }
    program::run("btrfs", &["qgroup", "limit", "-e", &limit, root], "").await.map(drop)
}

/// `0/257  73383936  20955136  20971520  PATH`; groups of other levels are of no concern.
fn groups(shown: &str) -> impl Iterator<Item = Group> + '_ {
    shown.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let subvolume = words.next()?.strip_prefix("0/")?.parse().ok()?;
        let (referenced, exclusive) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        // `none` where there is no limit.
        let limit = words.next()?.parse().ok();
        Some(Group { subvolume, referenced, exclusive, limit })
    })
}

/// The subvolumes within this one, at any depth: `ID 258 gen 10 parent 257 top level 257 path x`.
fn below(subvolume: u64, listed: &str) -> Vec<u64> {
    let number = |line: &str, word: &str| {
        let mut words = line.split_whitespace().skip_while(|found| *found != word);
        words.nth(1)?.parse::<u64>().ok()
    };
    let mut children: HashMap<u64, Vec<u64>> = HashMap::new();
    for line in listed.lines() {
        if let (Some(id), Some(parent)) = (number(line, "ID"), number(line, "parent")) {
            children.entry(parent).or_default().push(id);
        }
    }
    let mut found = vec![subvolume];
    let mut looked_at = 0;
    while let Some(parent) = found.get(looked_at) {
        // Taken out, so that nobody is found twice.
        found.extend(children.remove(parent).unwrap_or_default());
        looked_at += 1;
    }
    found.split_off(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_read_as_they_are_shown() {
        let shown = "Qgroupid    Referenced    Exclusive  Max exclusive   Path \n\
                     --------    ----------    ---------  -------------   ---- \n\
                     0/5              16384        16384           none   <toplevel>\n\
                     0/257         73383936     20955136       20971520   s1\n\
                     1/100                0            0           none   <0 member qgroups>\n";
        let group =
            |subvolume, referenced, exclusive, limit| Group { subvolume, referenced, exclusive, limit };
        assert_eq!(
            groups(shown).collect::<Vec<_>>(),
            [group(5, 16384, 16384, None), group(257, 73_383_936, 20_955_136, Some(20_971_520))]
        );
    }

    #[test]
    fn subvolumes_within_a_machine_are_found_at_any_depth() {
        let listed = "ID 256 gen 9 parent 5 top level 5 path subvolumes/a\n\
                      ID 300 gen 12 parent 257 top level 257 path subvolumes/b/home/ID 7 parent 256\n\
                      ID 257 gen 12 parent 5 top level 5 path subvolumes/b\n\
                      ID 301 gen 12 parent 300 top level 300 path subvolumes/b/home/x/y\n\
                      ID 302 gen 12 parent 256 top level 256 path subvolumes/a/z\n";
        assert_eq!(below(257, listed), [300, 301]);
        assert_eq!(below(302, listed), [0_u64; 0]);
    }
}
