//! Acting as a person's user for the length of one call: the kernel then allows what that user may do, and whoever
//! is at the other end of a socket sees that user.

use std::io;

use nix::unistd::{Gid, Uid, getegid, geteuid, getgroups, setegid, seteuid, setgroups};

use crate::account::Account;

/// Calls this as the user. One thread, and no wait inside: nothing else of ours runs meanwhile.
pub(crate) fn as_user<T>(account: &Account, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let before = Before { uid: geteuid(), gid: getegid(), groups: getgroups()? };
    // Only root can change, and only root needs to.
    if !before.uid.is_root() {
        return act();
    }
    let groups: Vec<Gid> = account.groups.iter().copied().map(Gid::from_raw).collect();
    let _back = Back(before);
    setgroups(&groups)?;
    setegid(Gid::from_raw(account.gid))?;
    seteuid(Uid::from_raw(account.uid))?;
    act()
}

struct Before {
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
}

/// Returns to what we were, whatever became of the call.
struct Back(Before);

impl Drop for Back {
    fn drop(&mut self) {
        let Before { uid, gid, groups } = &self.0;
        // The real user is root still, so none of these can be refused. Were one, process 1 could not go on as
        // somebody else: the container is to end, and to be started anew.
        if seteuid(*uid).is_err() || setegid(*gid).is_err() || setgroups(groups).is_err() {
            std::process::abort();
        }
    }
}
