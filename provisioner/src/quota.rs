//! The disk limit by the storage's own quota, where the engine keeps machines on btrfs: a machine is a subvolume there,
//! and what it does not share with its image is what counts.
//!
//! A program in it may make subvolumes of its own, which the quota does not know: they are counted here, and what exceeds
//! the limit with them is refused as where there is no quota at all.

use crate::{Binding, IsolationError, program};

/// What the quota of a machine says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quota {
    /// What it holds beyond its image, subvolumes of its own included.
    pub(crate) bytes: u64,
    /// How much it may hold; `None` is without end.
    pub(crate) limit: Option<u64>,
    /// Whether all of it is held to that.
    pub(crate) held: Binding,
}

/// A line of `btrfs qgroup show --raw -e`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Group {
    subvolume: u64,
    exclusive: u64,
    limit: Option<u64>,
}

/// What it says now of the machine of this process.
pub(crate) async fn read(pid: i32) -> Result<Quota, IsolationError> {
    let root = root(pid);
    let shown = program::run("btrfs", &["qgroup", "show", "--raw", "-eF", &root], "").await?;
    let own = groups(&shown).next().ok_or(IsolationError::NoQuota)?;
    let listed = program::run("btrfs", &["subvolume", "list", "-p", &root], "").await?;
    let inner = below(own.subvolume, &listed);
    let mut bytes = own.exclusive;
    if !inner.is_empty() {
        // What was written is counted half a minute later otherwise; the quota itself knows at once, and has none of theirs.
        let all = program::run("btrfs", &["qgroup", "show", "--raw", "--sync", "-e", &root], "").await?;
        bytes += groups(&all)
            .filter(|group| inner.contains(&group.subvolume))
            .map(|group| group.exclusive)
            .sum::<u64>();
    }
    let held = if inner.is_empty() { Binding::Hard } else { Binding::Soft };
    Ok(Quota { bytes, limit: own.limit, held })
}

/// Sets the limit, and turns quotas on if they are off.
pub(crate) async fn set(pid: i32, limit: Option<u64>) -> Result<(), IsolationError> {
    let (root, limit) = (root(pid), limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string()));
    let set = ["qgroup", "limit", "-e", limit.as_str(), root.as_str()];
    if program::run("btrfs", &set, "").await.is_ok() {
        return Ok(());
    }
    program::run("btrfs", &["quota", "enable", &root], "").await?;
    // Only then what is there is counted.
    program::run("btrfs", &["quota", "rescan", "-w", &root], "").await?;
    program::run("btrfs", &set, "").await.map(drop)
}

/// As this host sees it, wherever it is mounted.
fn root(pid: i32) -> String {
    format!("/proc/{pid}/root")
}

/// `0/257  73383936  20955136  20971520  PATH`; groups of other levels are of no concern.
fn groups(shown: &str) -> impl Iterator<Item = Group> + '_ {
    shown.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let subvolume = words.next()?.strip_prefix("0/")?.parse().ok()?;
        let exclusive = words.nth(1)?.parse().ok()?;
        // `none` where there is no limit.
        let limit = words.next()?.parse().ok();
        Some(Group { subvolume, exclusive, limit })
    })
}

/// The subvolumes within this one, at any depth: `ID 258 gen 10 parent 257 top level 257 path x`.
fn below(subvolume: u64, listed: &str) -> Vec<u64> {
    let number = |line: &str, word: &str| {
        let mut words = line.split_whitespace().skip_while(|found| *found != word);
        words.nth(1)?.parse::<u64>().ok()
    };
    let parents: Vec<(u64, u64)> =
        listed.lines().filter_map(|line| Some((number(line, "ID")?, number(line, "parent")?))).collect();
    let mut found = vec![subvolume];
    let mut looked_at = 0;
    while let Some(parent) = found.get(looked_at).copied() {
        looked_at += 1;
        let children = parents.iter().filter(|(id, of)| *of == parent && !found.contains(id));
        let children: Vec<u64> = children.map(|(id, _of)| *id).collect();
        found.extend(children);
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
        let group = |subvolume, exclusive, limit| Group { subvolume, exclusive, limit };
        assert_eq!(
            groups(shown).collect::<Vec<_>>(),
            [group(5, 16384, None), group(257, 20_955_136, Some(20_971_520))]
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
