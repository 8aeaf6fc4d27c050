//! A line as `ls -l` writes it, which clients show without reading it, and the names of users and groups.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use jiff::Timestamp;
use nix::libc;

use crate::files::read_at_most;

/// Most that is read of a file of names.
const MAX_FILE: u64 = 1024 * 1024;

/// Half a year: `ls` shows the year of what is older, and the time of what is younger.
const RECENT: i64 = 182 * 24 * 60 * 60;

/// Who is behind a number.
pub(crate) struct Directory {
    users: BTreeMap<u32, Vec<u8>>,
    groups: BTreeMap<u32, Vec<u8>>,
}

impl Directory {
    /// As the Space's files say; one without them has numbers alone.
    pub(crate) fn read() -> Self {
        let names = |path| names(&read_at_most(Path::new(path), MAX_FILE).unwrap_or_default());
        Self { users: names("/etc/passwd"), groups: names("/etc/group") }
    }

    pub(crate) fn user(&self, id: u32) -> Option<&[u8]> {
        self.users.get(&id).map(Vec::as_slice)
    }

    pub(crate) fn group(&self, id: u32) -> Option<&[u8]> {
        self.groups.get(&id).map(Vec::as_slice)
    }

    /// The line of one entry, as seen at this time.
    pub(crate) fn line(&self, name: &[u8], metadata: &Metadata, now: i64) -> Vec<u8> {
        let shown = |name: Option<&[u8]>, id: u32| {
            name.map_or_else(|| id.to_string(), |name| String::from_utf8_lossy(name).into_owned())
        };
        let owner = shown(self.user(metadata.uid()), metadata.uid());
        let group = shown(self.group(metadata.gid()), metadata.gid());
        let head = format!(
            "{} {:>4} {owner:<8} {group:<8} {:>8} {} ",
            mode(metadata.mode()),
            metadata.nlink(),
            metadata.size(),
            date(metadata.mtime(), now),
        );
        [head.as_bytes(), name].concat()
    }
}

/// Name by id, of lines `name:password:id:...`.
fn names(file: &[u8]) -> BTreeMap<u32, Vec<u8>> {
    let entry = |line: &[u8]| {
        let mut fields = line.split(|byte| *byte == b':');
        let (name, _password, id) = (fields.next()?, fields.next()?, fields.next()?);
        let id = std::str::from_utf8(id).ok()?.parse().ok()?;
        (!name.is_empty()).then(|| (id, name.to_vec()))
    };
    // The first line of an id counts, as for getpwuid(3).
    file.split(|byte| *byte == b'\n').rev().filter_map(entry).collect()
}

/// Kind and permissions in ten letters.
fn mode(mode: u32) -> String {
    let kind = match mode & libc::S_IFMT {
        libc::S_IFDIR => 'd',
        libc::S_IFLNK => 'l',
        libc::S_IFCHR => 'c',
        libc::S_IFBLK => 'b',
        libc::S_IFIFO => 'p',
        libc::S_IFSOCK => 's',
        _ => '-',
    };
    let group_of = |shift: u32, special: u32, letters: (char, char)| {
        let bits = mode >> shift;
        let execute = match (bits & 1 != 0, mode & special != 0) {
            (true, true) => letters.0,
            (false, true) => letters.1,
            (true, false) => 'x',
            (false, false) => '-',
        };
        [if bits & 4 != 0 { 'r' } else { '-' }, if bits & 2 != 0 { 'w' } else { '-' }, execute]
    };
    let user = group_of(6, libc::S_ISUID, ('s', 'S'));
    let group = group_of(3, libc::S_ISGID, ('s', 'S'));
    let others = group_of(0, libc::S_ISVTX, ('t', 'T'));
    [kind].into_iter().chain(user).chain(group).chain(others).collect()
}

/// `Nov 22 19:36`, or `Nov 22  2025` where that is long ago. In UTC: a static program knows no other zone.
fn date(seconds: i64, now: i64) -> String {
    let format = if (now - RECENT..=now).contains(&seconds) { "%b %e %H:%M" } else { "%b %e  %Y" };
    // A file may claim any time; what no calendar has is shown as it is.
    Timestamp::from_second(seconds)
        .map_or_else(|_| seconds.to_string(), |time| time.strftime(format).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_modes_read_as_ls_writes_them() {
        let now = 1_795_376_177;
        let table = [
            (now - 60, "Nov 22 19:35"),
            (0, "Jan  1  1970"),
            (951_782_400, "Feb 29  2000"),
            (-1, "Dec 31  1969"),
            (now + 3600, "Nov 22  2026"),
        ];
        for (seconds, expected) in table {
            assert_eq!(date(seconds, now), expected);
        }
        assert_eq!(mode(0o100_644), "-rw-r--r--");
        assert_eq!(mode(0o041_777), "drwxrwxrwt");
        assert_eq!(mode(0o104_611), "-rwS--x--x");
        assert_eq!(mode(0o120_777), "lrwxrwxrwx");
    }

    #[test]
    fn the_first_name_of_an_id_counts() {
        let found = names(b"root:x:0:0::/:\nbad\n:x:5:\ntoor:x:0:0::/:\nspace:x:1000:\n");
        assert_eq!(found, BTreeMap::from([(0, b"root".to_vec()), (1000, b"space".to_vec())]));
    }
}
