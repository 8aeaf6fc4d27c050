//! What requests do to the file system, as the user that this process runs as. What that user may do, they may
//! do here; nothing outside the Space can be named.

use std::ffi::OsString;
use std::fs::{self, File, FileTimes, OpenOptions, Permissions};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, RenameFlags, renameat2};
use nix::sys::stat::{FchmodatFlags, Mode, UtimensatFlags, fchmodat, utimensat};
use nix::sys::time::{TimeSpec, TimeValLike};
use nix::unistd::{linkat, truncate};

use super::request::{Attributes, Over};

/// Flags of an open request, section 6.3 of the draft.
const READ: u32 = 0x1;
const WRITE: u32 = 0x2;
const APPEND: u32 = 0x4;
const CREATE: u32 = 0x8;
const TRUNCATE: u32 = 0x10;
const EXCLUSIVE: u32 = 0x20;

/// Opens a file, and says whether it was opened to append to.
pub(crate) fn open(path: &Path, flags: u32, attributes: Attributes) -> io::Result<(File, bool)> {
    let has = |flag| flags & flag != 0;
    let mut other = OFlag::empty();
    other.set(OFlag::O_APPEND, has(APPEND));
    other.set(OFlag::O_CREAT, has(CREATE));
    other.set(OFlag::O_TRUNC, has(TRUNCATE));
    other.set(OFlag::O_EXCL, has(EXCLUSIVE));
    // A pipe without a writer must not hold the session; of a file it changes nothing.
    other.insert(OFlag::O_NONBLOCK | OFlag::O_NOCTTY);
    let file = OpenOptions::new()
        .read(has(READ) || !(has(WRITE) || has(APPEND)))
        .write(has(WRITE) || has(APPEND))
        .mode(attributes.permissions.unwrap_or(0o666) & 0o7777)
        .custom_flags(other.bits())
        .open(path)?;
    Ok((file, has(APPEND)))
}

/// Sets attributes of what the path leads to. All that can be: the last error is told, as by OpenSSH's server.
pub(crate) fn set(path: &Path, attributes: Attributes) -> io::Result<()> {
    let Attributes { size, permissions, times, owner } = attributes;
    all([
        // By its name: to open a pipe would be to wait for somebody at its other end.
        size.map(|size| Ok(truncate(path, i64::try_from(size).map_err(|_too_large| Errno::EFBIG)?)?)),
        permissions.map(|mode| fs::set_permissions(path, Permissions::from_mode(mode & 0o7777))),
        times.map(|times| set_times(path, times, UtimensatFlags::FollowSymlink)),
        owner.map(|(user, group)| std::os::unix::fs::chown(path, Some(user), Some(group))),
    ])
}

/// Sets attributes of a symbolic link itself. It has no size to set.
pub(crate) fn set_link(path: &Path, attributes: Attributes) -> io::Result<()> {
    let Attributes { size, permissions, times, owner } = attributes;
    let mode = |mode| Mode::from_bits_truncate(mode & 0o7777);
    all([
        size.map(|_size| Err(Errno::EINVAL.into())),
        permissions.map(|bits| Ok(fchmodat(AT_FDCWD, path, mode(bits), FchmodatFlags::NoFollowSymlink)?)),
        times.map(|times| set_times(path, times, UtimensatFlags::NoFollowSymlink)),
        owner.map(|(user, group)| std::os::unix::fs::lchown(path, Some(user), Some(group))),
    ])
}

/// Sets attributes of an open file.
pub(crate) fn set_open(file: &File, attributes: Attributes) -> io::Result<()> {
    let Attributes { size, permissions, times, owner } = attributes;
    let time = |seconds: u32| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.into());
    all([
        size.map(|size| file.set_len(size)),
        permissions.map(|mode| file.set_permissions(Permissions::from_mode(mode & 0o7777))),
        times.map(|(accessed, modified)| {
            file.set_times(FileTimes::new().set_accessed(time(accessed)).set_modified(time(modified)))
        }),
        owner.map(|(user, group)| std::os::unix::fs::fchown(file, Some(user), Some(group))),
    ])
}

/// The last that failed, of what was wanted.
fn all(outcomes: [Option<io::Result<()>>; 4]) -> io::Result<()> {
    outcomes.into_iter().flatten().filter(Result::is_err).last().unwrap_or(Ok(()))
}

fn set_times(path: &Path, (accessed, modified): (u32, u32), flags: UtimensatFlags) -> io::Result<()> {
    let [accessed, modified] = [accessed, modified].map(|seconds| TimeSpec::seconds(seconds.into()));
    Ok(utimensat(AT_FDCWD, path, &accessed, &modified, flags)?)
}

/// Renames. Version 3 of the protocol never replaces what is there; OpenSSH's extension does, as rename(2).
pub(crate) fn rename(from: &Path, to: &Path, over: Over) -> io::Result<()> {
    match over {
        Over::Existing => fs::rename(from, to),
        Over::Nothing => match renameat2(AT_FDCWD, from, AT_FDCWD, to, RenameFlags::RENAME_NOREPLACE) {
            // A file system that cannot promise it: as good as can be.
            Err(Errno::EINVAL | Errno::ENOSYS) if fs::symlink_metadata(to).is_err() => fs::rename(from, to),
            Err(Errno::EINVAL | Errno::ENOSYS) => Err(Errno::EEXIST.into()),
            outcome => Ok(outcome?),
        },
    }
}

/// One more name of a file; of a symbolic link, if that is what it is.
pub(crate) fn link(from: &Path, to: &Path) -> io::Result<()> {
    Ok(linkat(AT_FDCWD, from, AT_FDCWD, to, AtFlags::empty())?)
}

/// The path without links and dots. Its last part need not be there, so that a client can ask before it makes it.
pub(crate) fn real_path(path: &Path) -> io::Result<PathBuf> {
    match (fs::canonicalize(path), path.file_name()) {
        (Err(error), Some(name)) if error.kind() == io::ErrorKind::NotFound => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            Ok(fs::canonicalize(parent.unwrap_or(Path::new(".")))?.join(name))
        }
        (outcome, _) => outcome,
    }
}

/// The path with `~` as its user's home. Somebody else's home is not looked for.
pub(crate) fn expand(path: &Path) -> io::Result<PathBuf> {
    let home = || std::env::var_os("HOME").map_or_else(|| PathBuf::from("/"), PathBuf::from);
    let mut parts = path.components();
    match parts.next() {
        Some(Component::Normal(first)) if first == "~" => real_path(&home().join(parts.as_path())),
        Some(_) | None => real_path(path),
    }
}

/// A path as the protocol carries it.
pub(crate) fn bytes_of(path: PathBuf) -> Vec<u8> {
    OsString::from(path).into_vec()
}
