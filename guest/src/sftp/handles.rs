//! What a session has open.

use std::collections::BTreeMap;
use std::fs::{File, ReadDir};
use std::io;
use std::path::PathBuf;

use nix::errno::Errno;

use super::request::Handle;

/// Most that one session may have open; OpenSSH's clients ask for a handful.
pub(crate) const MOST: usize = 1024;

/// Something that is open.
pub(crate) enum Open {
    File {
        file: File,
        /// Writes go to its end, wherever the client says.
        append: bool,
    },
    Folder {
        path: PathBuf,
        /// `.` and `..` come first, and the runtime's list leaves them out.
        dots: Vec<&'static str>,
        entries: ReadDir,
    },
}

/// What is open, by the number that its client has.
#[derive(Default)]
pub(crate) struct Handles {
    open: BTreeMap<u32, Open>,
    next: u32,
}

impl Handles {
    pub(crate) fn add(&mut self, open: Open) -> io::Result<Handle> {
        if self.open.len() >= MOST {
            return Err(Errno::EMFILE.into());
        }
        while self.open.contains_key(&self.next) || self.next == u32::MAX {
            self.next = self.next.wrapping_add(1);
        }
        self.open.insert(self.next, open);
        Ok(Handle(self.next))
    }

    pub(crate) fn close(&mut self, handle: Handle) -> io::Result<Open> {
        self.open.remove(&handle.0).ok_or_else(|| Errno::EBADF.into())
    }

    pub(crate) fn get(&mut self, handle: Handle) -> io::Result<&mut Open> {
        self.open.get_mut(&handle.0).ok_or_else(|| Errno::EBADF.into())
    }

    pub(crate) fn file(&self, handle: Handle) -> io::Result<&File> {
        match self.open.get(&handle.0) {
            Some(Open::File { file, .. }) => Ok(file),
            Some(Open::Folder { .. }) => Err(Errno::EISDIR.into()),
            None => Err(Errno::EBADF.into()),
        }
    }
}
