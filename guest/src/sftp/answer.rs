//! The answers of SFTP version 3, written where they will be sent from. Pure.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;

use nix::errno::Errno;
use nix::sys::statvfs::Statvfs;

use super::request::{Handle, OWNER, PERMISSIONS, SIZE, TIMES};

/// How a request ended, section 7 of the draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Ok = 0,
    EndOfFile = 1,
    NoSuchFile = 2,
    PermissionDenied = 3,
    Failure = 4,
    BadMessage = 5,
    Unsupported = 8,
}

/// A name in a folder, or a path that was asked for.
pub(crate) struct Name {
    pub(crate) bytes: Vec<u8>,
    /// A line as `ls -l` writes it.
    pub(crate) long: Vec<u8>,
    pub(crate) metadata: Option<Metadata>,
}

const STATUS: u8 = 101;
const HANDLE: u8 = 102;
const DATA: u8 = 103;
const NAME: u8 = 104;
const ATTRIBUTES: u8 = 105;
const EXTENDED_REPLY: u8 = 201;

/// Extensions that are served, with their versions.
const EXTENSIONS: &[(&str, &str)] = &[
    ("posix-rename@openssh.com", "1"),
    ("statvfs@openssh.com", "2"),
    ("fstatvfs@openssh.com", "2"),
    ("hardlink@openssh.com", "1"),
    ("fsync@openssh.com", "1"),
    ("lsetstat@openssh.com", "1"),
    ("limits@openssh.com", "1"),
    ("expand-path@openssh.com", "1"),
    ("copy-data", "1"),
    ("users-groups-by-id@openssh.com", "1"),
];

/// Answers that have not been sent.
#[derive(Default)]
pub(crate) struct Answers {
    pub(crate) bytes: Vec<u8>,
}

impl Answers {
    /// Which version is spoken, and what with.
    pub(crate) fn version(&mut self) {
        self.packet(|bytes| {
            bytes.push(2);
            bytes.extend(3_u32.to_be_bytes());
            for (name, version) in EXTENSIONS {
                string(bytes, name.as_bytes());
                string(bytes, version.as_bytes());
            }
        });
    }

    pub(crate) fn status(&mut self, id: u32, status: Status, message: &str) {
        self.answer(STATUS, id, |bytes| {
            bytes.extend((status as u32).to_be_bytes());
            string(bytes, message.as_bytes());
            string(bytes, b"");
        });
    }

    pub(crate) fn error(&mut self, id: u32, error: &io::Error) {
        let (status, message) = of_error(error);
        self.status(id, status, &message);
    }

    pub(crate) fn handle(&mut self, id: u32, handle: Handle) {
        self.answer(HANDLE, id, |bytes| string(bytes, &handle.0.to_be_bytes()));
    }

    /// Bytes of a file, which `read` puts where they are sent from; it says how many there are.
    pub(crate) fn data(&mut self, id: u32, length: usize, read: impl FnOnce(&mut [u8]) -> io::Result<usize>) {
        /// Length of the packet, kind, id, length of the data.
        const HEAD: usize = 4 + 1 + 4 + 4;
        let start = self.bytes.len();
        self.bytes.resize(start + HEAD + length, 0);
        let outcome = self.bytes.get_mut(start + HEAD..).map_or(Ok(0), read);
        match outcome {
            Ok(0) if length > 0 => {
                self.bytes.truncate(start);
                self.status(id, Status::EndOfFile, "end of file");
            }
            Err(error) => {
                self.bytes.truncate(start);
                self.error(id, &error);
            }
            Ok(count) => {
                self.bytes.truncate(start + HEAD + count);
                let [packet, data] = [HEAD - 4 + count, count].map(|length| as_u32(length).to_be_bytes());
                let head = packet.into_iter().chain([DATA]).chain(id.to_be_bytes()).chain(data);
                for (place, byte) in self.bytes.iter_mut().skip(start).zip(head) {
                    *place = byte;
                }
            }
        }
    }

    pub(crate) fn names(&mut self, id: u32, names: &[Name]) {
        self.answer(NAME, id, |bytes| {
            bytes.extend(as_u32(names.len()).to_be_bytes());
            for name in names {
                string(bytes, &name.bytes);
                string(bytes, &name.long);
                attributes(bytes, name.metadata.as_ref());
            }
        });
    }

    pub(crate) fn attributes(&mut self, id: u32, metadata: &Metadata) {
        self.answer(ATTRIBUTES, id, |bytes| attributes(bytes, Some(metadata)));
    }

    pub(crate) fn file_system(&mut self, id: u32, found: &Statvfs) {
        // The protocol's own flags: read-only, no set-user-id.
        let flags = u64::from(found.flags().contains(nix::sys::statvfs::FsFlags::ST_RDONLY))
            | u64::from(found.flags().contains(nix::sys::statvfs::FsFlags::ST_NOSUID)) << 1;
        let numbers = [
            found.block_size(),
            found.fragment_size(),
            found.blocks(),
            found.blocks_free(),
            found.blocks_available(),
            found.files(),
            found.files_free(),
            found.files_available(),
            found.filesystem_id(),
            flags,
            found.name_max(),
        ];
        self.answer(EXTENDED_REPLY, id, |bytes| bytes.extend(numbers.iter().flat_map(|n| n.to_be_bytes())));
    }

    pub(crate) fn limits(&mut self, id: u32, numbers: [u64; 4]) {
        self.answer(EXTENDED_REPLY, id, |bytes| bytes.extend(numbers.iter().flat_map(|n| n.to_be_bytes())));
    }

    /// Names of users and of groups; an empty one where there is none.
    pub(crate) fn people(&mut self, id: u32, lists: &[Vec<Vec<u8>>; 2]) {
        self.answer(EXTENDED_REPLY, id, |bytes| {
            for list in lists {
                let mut names = Vec::new();
                for name in list {
                    string(&mut names, name);
                }
                string(bytes, &names);
            }
        });
    }

    fn answer(&mut self, kind: u8, id: u32, body: impl FnOnce(&mut Vec<u8>)) {
        self.packet(|bytes| {
            bytes.push(kind);
            bytes.extend(id.to_be_bytes());
            body(bytes);
        });
    }

    fn packet(&mut self, body: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        self.bytes.extend([0; 4]);
        body(&mut self.bytes);
        let length = as_u32(self.bytes.len() - start - 4).to_be_bytes();
        for (place, byte) in self.bytes.iter_mut().skip(start).zip(length) {
            *place = byte;
        }
    }
}

fn string(bytes: &mut Vec<u8>, text: &[u8]) {
    bytes.extend(as_u32(text.len()).to_be_bytes());
    bytes.extend(text);
}

fn attributes(bytes: &mut Vec<u8>, metadata: Option<&Metadata>) {
    let Some(metadata) = metadata else {
        return bytes.extend(0_u32.to_be_bytes());
    };
    bytes.extend((SIZE | OWNER | PERMISSIONS | TIMES).to_be_bytes());
    bytes.extend(metadata.size().to_be_bytes());
    // Times have 32 bits in this version: what is before 1970 or after 2106 is cut to that.
    let time = |seconds: i64| u32::try_from(seconds.max(0)).unwrap_or(u32::MAX);
    let numbers =
        [metadata.uid(), metadata.gid(), metadata.mode(), time(metadata.atime()), time(metadata.mtime())];
    bytes.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
}

/// Everything written here is far below 4 GiB.
fn as_u32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// As OpenSSH's server tells them. The message is what a person reads where the protocol knows only "failure":
/// a full disk, for one.
fn of_error(error: &io::Error) -> (Status, String) {
    let Some(errno) = error.raw_os_error().map(Errno::from_raw) else {
        return (Status::Failure, error.to_string());
    };
    #[expect(clippy::wildcard_enum_match_arm, reason = "the kernel's list is open")]
    let status = match errno {
        Errno::ENOENT | Errno::ENOTDIR | Errno::EBADF | Errno::ELOOP => Status::NoSuchFile,
        Errno::EPERM | Errno::EACCES | Errno::EFAULT => Status::PermissionDenied,
        Errno::ENAMETOOLONG | Errno::EINVAL => Status::BadMessage,
        Errno::ENOSYS | Errno::EOPNOTSUPP => Status::Unsupported,
        _ => Status::Failure,
    };
    (status, errno.desc().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_stands_behind_its_head_and_nothing_is_left_of_a_read_that_failed() {
        let mut answers = Answers::default();
        answers.data(9, 8, |room| {
            room[..3].copy_from_slice(b"abc");
            Ok(3)
        });
        assert_eq!(answers.bytes, b"\0\0\0\x0c\x67\0\0\0\x09\0\0\0\x03abc");
        answers.bytes.clear();
        answers.data(9, 8, |_| Ok(0));
        assert_eq!(answers.bytes[4..13], [STATUS, 0, 0, 0, 9, 0, 0, 0, 1]);
        answers.bytes.clear();
        answers.data(9, 8, |_| Err(io::Error::from_raw_os_error(Errno::ENOSPC as i32)));
        assert_eq!(answers.bytes[9..13], [0, 0, 0, 4]);
        assert!(answers.bytes.ends_with(b"No space left on device\0\0\0\0"));
    }
}
