//! Refusing writes to a machine whose disk budget is used up, where the engine's storage has no quota of its own.
//!
//! Each of its processes gets a limit of 0 bytes for the files that it writes (`RLIMIT_FSIZE`): a write fails with "File
//! too large", while reading, deleting, terminals and the network go on. Children have it from their parents. Where this
//! gateway has the capability `CAP_SYS_RESOURCE`, nobody in the machine can raise it again; where it has not, somebody
//! who means to can, until the next round.

use std::collections::{BTreeMap, HashSet};
use std::os::unix::fs::MetadataExt as _;

use procfs::process::{LimitValue, Process};

use crate::meter::Cgroup;
use crate::{IsolationError, program};

/// Whether programs may write to files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writes {
    /// As much as there is room for.
    Allowed,
    /// Nothing.
    Refused,
}

/// A process that forks while it is looked at has a child that was not seen: looked at again so often.
const ROUNDS: usize = 10;

/// The bit of `CAP_SYS_RESOURCE` (capabilities(7)).
const SYS_RESOURCE: u64 = 1 << 24;

/// Whose limits we may set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rights {
    /// Anybody's, and higher than they are.
    Everybodys,
    /// Those of the user that we become.
    ItsUsers,
}

/// What has to be set, and as whom.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Change {
    /// `None`: as we are, who may do so to everybody.
    user: Option<(u32, u32)>,
    /// As prlimit(1) takes it.
    limit: String,
}

/// Sets it for each of these that is still of that cgroup: the number of one that ended may be another one's by now.
const SET_ALL: &str = "limit=$1 group=$2; shift 2; for pid; do \
                       case $(cat \"/proc/$pid/cgroup\" 2>/dev/null) in \
                       *\"$group\"*) prlimit --fsize=\"$limit\" --pid \"$pid\";; esac; done 2>/dev/null; :";

/// Sets it for every process of a machine.
pub(crate) async fn set(cgroup: &Cgroup, writes: Writes) -> Result<(), IsolationError> {
    let Some(group) = cgroup.name() else { return Ok(()) };
    let rights =
        if Process::myself().and_then(|own| own.status()).is_ok_and(|own| own.capeff & SYS_RESOURCE != 0) {
            Rights::Everybodys
        } else {
            Rights::ItsUsers
        };
    let mut done = HashSet::new();
    for _round in 0..ROUNDS {
        let mut changes: BTreeMap<Change, Vec<String>> = BTreeMap::new();
        let fresh: Vec<i32> = cgroup.processes().into_iter().filter(|pid| done.insert(*pid)).collect();
        for pid in &fresh {
            if let Some(change) = change(*pid, writes, rights) {
                changes.entry(change).or_default().push(pid.to_string());
            }
        }
        for (change, pids) in &changes {
            apply(change, group, pids).await?;
        }
        if fresh.is_empty() {
            break;
        }
    }
    Ok(())
}

/// A user may do so to processes of their own: a program does, as that user. One that is gone meanwhile, or that is on
/// its way from one user to another as `sudo` is, the next round looks at again.
async fn apply(change: &Change, group: &str, pids: &[String]) -> Result<(), IsolationError> {
    let pids = pids.iter().map(String::as_str);
    let shell = ["sh", "-c", SET_ALL, "sh", change.limit.as_str(), group];
    let Some((uid, gid)) = change.user else {
        let arguments: Vec<&str> = shell.into_iter().skip(1).chain(pids).collect();
        return program::run("sh", &arguments, "").await.map(drop);
    };
    let (uid, gid) = (format!("--reuid={uid}"), format!("--regid={gid}"));
    let become_user = [uid.as_str(), gid.as_str(), "--clear-groups"];
    let arguments: Vec<&str> = become_user.into_iter().chain(shell).chain(pids).collect();
    program::run("setpriv", &arguments, "").await.map(drop)
}

/// `None`: it is gone, or has what it should have.
fn change(pid: i32, writes: Writes, rights: Rights) -> Option<Change> {
    let limits = Process::new(pid).and_then(|process| process.limits()).ok()?.max_file_size;
    let (soft, hard) = (text(&limits.soft_limit), text(&limits.hard_limit));
    let limit = match (writes, rights) {
        (Writes::Refused, Rights::Everybodys) => "0:0".to_owned(),
        (Writes::Refused, Rights::ItsUsers) => format!("0:{hard}"),
        (Writes::Allowed, Rights::Everybodys) => "unlimited:unlimited".to_owned(),
        (Writes::Allowed, Rights::ItsUsers) => format!("{hard}:{hard}"),
    };
    if limit == format!("{soft}:{hard}") {
        return None;
    }
    let owner = std::fs::metadata(format!("/proc/{pid}")).ok()?;
    let user = match rights {
        Rights::Everybodys => None,
        Rights::ItsUsers => Some((owner.uid(), owner.gid())),
    };
    Some(Change { user, limit })
}

fn text(value: &LimitValue) -> String {
    match value {
        LimitValue::Unlimited => "unlimited".to_owned(),
        LimitValue::Value(bytes) => bytes.to_string(),
    }
}
