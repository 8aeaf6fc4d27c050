//! The text of /etc/passwd and /etc/group. Pure. A static program has no getpwnam(3) that would work with
//! every image, and needs no more than these files.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// A line of /etc/passwd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// User id.
    pub(crate) uid: u32,
    /// Primary group id.
    pub(crate) gid: u32,
    /// Home folder, as written.
    pub(crate) home: PathBuf,
    /// Login shell, as written; may be empty.
    pub(crate) shell: PathBuf,
}

/// The first well-formed entry of this name.
pub(crate) fn find_user(passwd: &[u8], name: &str) -> Option<Entry> {
    lines_of(passwd, name).find_map(|mut fields| {
        let _password = fields.next()?;
        let uid = number(fields.next()?)?;
        let gid = number(fields.next()?)?;
        let _gecos = fields.next()?;
        let home = path(fields.next()?);
        let shell = path(fields.next().unwrap_or_default());
        Some(Entry { uid, gid, home, shell })
    })
}

/// The id of the group of this name.
pub(crate) fn find_group(group: &[u8], name: &str) -> Option<u32> {
    lines_of(group, name).find_map(|mut fields| number(fields.nth(1)?))
}

/// Every group of a user, the primary one first, as initgroups(3) gives them.
pub(crate) fn groups_of(group: &[u8], user: &str, primary: u32) -> Vec<u32> {
    let mut groups = vec![primary];
    for line in group.split(|byte| *byte == b'\n') {
        let mut fields = line.split(|byte| *byte == b':').skip(2);
        let (Some(id), Some(members)) = (fields.next().and_then(number), fields.next()) else {
            continue;
        };
        let is_member = members.split(|byte| *byte == b',').any(|member| member == user.as_bytes());
        if is_member && !groups.contains(&id) {
            groups.push(id);
        }
    }
    groups
}

/// The fields after the name, of each line that begins with this name.
fn lines_of<'a>(file: &'a [u8], name: &str) -> impl Iterator<Item = impl Iterator<Item = &'a [u8]>> {
    file.split(|byte| *byte == b'\n').filter_map(move |line| {
        let mut fields = line.split(|byte| *byte == b':');
        let first = fields.next()?;
        (!first.is_empty() && first == name.as_bytes()).then_some(fields)
    })
}

fn number(field: &[u8]) -> Option<u32> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

fn path(field: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(field))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/bash\n\
        broken:x:zero:0::/:\n\
        space:x:1000:1001:owner:/home/space:/bin/zsh\n\
        space:x:0:0:second:/:/bin/sh\n\
        bare:x:7:8::/var/bare:";
    const GROUP: &[u8] = b"root:x:0:\ntty:x:5:\nsudo:x:27:other,space\nspace:x:1001:space\nnear:x:9:spaces\n";

    #[test]
    fn the_first_entry_of_a_name_counts() {
        let space = Entry { uid: 1000, gid: 1001, home: "/home/space".into(), shell: "/bin/zsh".into() };
        assert_eq!(find_user(PASSWD, "space"), Some(space));
    }

    #[test]
    fn an_empty_shell_stays_empty() {
        let bare = Entry { uid: 7, gid: 8, home: "/var/bare".into(), shell: PathBuf::new() };
        assert_eq!(find_user(PASSWD, "bare"), Some(bare));
    }

    #[test]
    fn absent_malformed_and_odd_names_find_nobody() {
        for name in ["nobody", "broken", "", "root:x", "root:x:0:0", "\n", "Root"] {
            assert_eq!(find_user(PASSWD, name), None, "{name:?}");
        }
        assert_eq!(find_user(b":x:0:0::/:/bin/sh", ""), None);
        assert_eq!(find_user(&[0xff, b':', 0], "root"), None);
    }

    #[test]
    fn supplementary_groups_are_those_that_list_the_whole_name() {
        assert_eq!(groups_of(GROUP, "space", 1001), [1001, 27]);
        assert_eq!(groups_of(GROUP, "nobody", 65534), [65534]);
    }

    #[test]
    fn a_group_is_found_by_name() {
        assert_eq!(find_group(GROUP, "tty"), Some(5));
        assert_eq!(find_group(GROUP, "audio"), None);
    }
}
