//! One SFTP session: requests in, answers out, one after the other.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{DirBuilderExt, FileExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use nix::sys::statvfs::{Statvfs, fstatvfs, statvfs};

use super::answer::{Answers, Name, Status};
use super::cursor::Malformed;
use super::files;
use super::handles::{self, Handles, Open};
use super::listing::Directory;
use super::request::{Attributes, Handle, Request, parse};

/// Most bytes of one packet, and of the data in one, as OpenSSH's server has them.
pub(crate) const MAX_PACKET: usize = 256 * 1024;
const MAX_DATA: usize = MAX_PACKET - 1024;

/// Entries of a folder in one answer.
const ENTRIES: usize = 100;

/// The state of a session.
pub(crate) struct Session {
    handles: Handles,
    directory: Option<Directory>,
    /// What is to be sent.
    pub(crate) answers: Answers,
}

/// What a request's work gave, if it did not fail.
enum Outcome {
    Done,
    /// A file's bytes, which are among the answers already.
    Read,
    Handle(Handle),
    Attributes(Metadata),
    Names(Vec<Name>),
    EndOfFolder,
    FileSystem(Statvfs),
    Limits,
    /// Names of users and of groups.
    People([Vec<Vec<u8>>; 2]),
}

impl Session {
    pub(crate) fn new() -> Self {
        Self { handles: Handles::default(), directory: None, answers: Answers::default() }
    }

    /// Answers one packet, without its length.
    pub(crate) fn packet(&mut self, packet: &[u8]) -> Result<(), Malformed> {
        if packet.first() == Some(&1) {
            self.answers.version();
            return Ok(());
        }
        let (id, request) = parse(packet)?;
        let outcome = self.request(id, request);
        let answers = &mut self.answers;
        match outcome {
            Ok(Outcome::Done) => answers.status(id, Status::Ok, "success"),
            Ok(Outcome::Read) => {}
            Ok(Outcome::Handle(handle)) => answers.handle(id, handle),
            Ok(Outcome::Attributes(metadata)) => answers.attributes(id, &metadata),
            Ok(Outcome::Names(names)) => answers.names(id, &names),
            Ok(Outcome::EndOfFolder) => answers.status(id, Status::EndOfFile, "end of folder"),
            Ok(Outcome::FileSystem(found)) => answers.file_system(id, &found),
            Ok(Outcome::Limits) => {
                answers.limits(id, [MAX_PACKET, MAX_DATA, MAX_DATA, handles::MOST].map(|size| size as u64));
            }
            Ok(Outcome::People(lists)) => answers.people(id, &lists),
            Err(error) => answers.error(id, &error),
        }
        Ok(())
    }

    fn request(&mut self, id: u32, request: Request<'_>) -> io::Result<Outcome> {
        match request {
            Request::Open { path, flags, attributes } => self.open(path, flags, attributes),
            Request::Close(handle) => self.handles.close(handle).map(|_closed| Outcome::Done),
            Request::Read { handle, offset, length } => self.read(id, handle, offset, length),
            Request::Write { handle, offset, data } => self.write(handle, offset, data),
            Request::Stat(path) => fs::metadata(path).map(Outcome::Attributes),
            Request::LinkStat(path) => fs::symlink_metadata(path).map(Outcome::Attributes),
            Request::HandleStat(handle) => self.metadata(handle).map(Outcome::Attributes),
            Request::SetStat { path, attributes } => done(files::set(path, attributes)),
            Request::SetLinkStat { path, attributes } => done(files::set_link(path, attributes)),
            Request::SetHandleStat { handle, attributes } => self.set_open(handle, attributes),
            Request::OpenFolder(path) => self.open_folder(path),
            Request::ReadFolder(handle) => self.read_folder(handle),
            Request::Remove(path) => done(fs::remove_file(path)),
            Request::MakeFolder { path, attributes } => {
                let mode = attributes.permissions.unwrap_or(0o777) & 0o7777;
                done(fs::DirBuilder::new().mode(mode).create(path))
            }
            Request::RemoveFolder(path) => done(fs::remove_dir(path)),
            Request::RealPath(path) => files::real_path(path).map(name_alone),
            Request::ExpandPath(path) => files::expand(path).map(name_alone),
            Request::Rename { from, to, over } => done(files::rename(from, to, over)),
            Request::ReadLink(path) => fs::read_link(path).map(name_alone),
            Request::SymbolicLink { target, link } => done(std::os::unix::fs::symlink(target, link)),
            Request::HardLink { from, to } => done(files::link(from, to)),
            Request::FileSystem(path) => Ok(Outcome::FileSystem(statvfs(path)?)),
            Request::HandleFileSystem(handle) => {
                Ok(Outcome::FileSystem(fstatvfs(self.handles.file(handle)?)?))
            }
            Request::Sync(handle) => done(self.handles.file(handle)?.sync_all()),
            Request::Limits => Ok(Outcome::Limits),
            Request::Copy { from, offset, length, to, to_offset } => {
                done(copy(self.handles.file(from)?, offset, length, self.handles.file(to)?, to_offset))
            }
            Request::Names { users, groups } => Ok(self.people(&users, &groups)),
            Request::Unknown => Err(Errno::EOPNOTSUPP.into()),
        }
    }

    fn open(&mut self, path: &Path, flags: u32, attributes: Attributes) -> io::Result<Outcome> {
        let (file, append) = files::open(path, flags, attributes)?;
        self.handles.add(Open::File { file, append }).map(Outcome::Handle)
    }

    fn open_folder(&mut self, path: &Path) -> io::Result<Outcome> {
        let entries = fs::read_dir(path)?;
        let folder = Open::Folder { path: path.to_owned(), dots: vec!["..", "."], entries };
        self.handles.add(folder).map(Outcome::Handle)
    }

    fn read(&mut self, id: u32, handle: Handle, offset: u64, length: u32) -> io::Result<Outcome> {
        let file = self.handles.file(handle)?;
        let length = usize::try_from(length).unwrap_or(MAX_DATA).min(MAX_DATA);
        self.answers.data(id, length, |room| read_full(file, room, offset));
        Ok(Outcome::Read)
    }

    fn write(&mut self, handle: Handle, offset: u64, data: &[u8]) -> io::Result<Outcome> {
        match self.handles.get(handle)? {
            Open::File { file, append: false } => file.write_all_at(data, offset)?,
            Open::File { file, append: true } => io::Write::write_all(file, data)?,
            Open::Folder { .. } => return Err(Errno::EISDIR.into()),
        }
        Ok(Outcome::Done)
    }

    fn metadata(&mut self, handle: Handle) -> io::Result<Metadata> {
        match self.handles.get(handle)? {
            Open::File { file, .. } => file.metadata(),
            Open::Folder { path, .. } => fs::metadata(path),
        }
    }

    fn set_open(&mut self, handle: Handle, attributes: Attributes) -> io::Result<Outcome> {
        match self.handles.get(handle)? {
            Open::File { file, .. } => done(files::set_open(file, attributes)),
            Open::Folder { path, .. } => done(files::set(path, attributes)),
        }
    }

    fn read_folder(&mut self, handle: Handle) -> io::Result<Outcome> {
        let directory = self.directory.get_or_insert_with(Directory::read);
        let Open::Folder { path, dots, entries } = self.handles.get(handle)? else {
            return Err(Errno::ENOTDIR.into());
        };
        let now =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).as_ref().map_or(0, Duration::as_secs);
        let mut names = Vec::new();
        while names.len() < ENTRIES {
            let name = match dots.pop() {
                Some(dot) => dot.into(),
                None => match entries.next() {
                    Some(entry) => entry?.file_name(),
                    None => break,
                },
            };
            // Gone between the two calls: it is not there any more.
            let Ok(metadata) = fs::symlink_metadata(path.join(&name)) else {
                continue;
            };
            let name = name.into_vec();
            let long = directory.line(&name, &metadata, now.cast_signed());
            names.push(Name { bytes: name, long, metadata: Some(metadata) });
        }
        Ok(if names.is_empty() { Outcome::EndOfFolder } else { Outcome::Names(names) })
    }

    fn people(&mut self, users: &[u32], groups: &[u32]) -> Outcome {
        let directory = self.directory.get_or_insert_with(Directory::read);
        let users = users.iter().map(|id| directory.user(*id).unwrap_or_default().to_vec());
        let groups = groups.iter().map(|id| directory.group(*id).unwrap_or_default().to_vec());
        Outcome::People([users.collect(), groups.collect()])
    }
}

/// A path is told as a folder's entry without attributes.
fn name_alone(path: PathBuf) -> Outcome {
    let name = files::bytes_of(path);
    Outcome::Names(vec![Name { long: name.clone(), bytes: name, metadata: None }])
}

fn done(outcome: io::Result<()>) -> io::Result<Outcome> {
    outcome.map(|()| Outcome::Done)
}

/// Fills the room as far as the file goes. A device or a pipe has no places: it gives what one call gives.
fn read_full(mut file: &File, room: &mut [u8], offset: u64) -> io::Result<usize> {
    let kind = file.metadata()?.file_type();
    if kind.is_fifo() || kind.is_char_device() {
        return io::Read::read(&mut file, room);
    }
    let mut filled = 0;
    while let Some(rest) = room.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // What was read before the fault is good; the fault comes again with the next request.
            Err(_) if filled > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Copies within the Space; a length of 0 means to the file's end. By hand: what the kernel copies by itself differs
/// between file systems, and it takes the files of /proc for empty.
fn copy(from: &File, mut offset: u64, length: u64, to: &File, mut to_offset: u64) -> io::Result<()> {
    let (source, target) = (from.metadata()?, to.metadata()?);
    if (source.dev(), source.ino()) == (target.dev(), target.ino()) {
        // It could go on for ever.
        return Err(Errno::EINVAL.into());
    }
    let mut left = if length == 0 { u64::MAX } else { length };
    let mut buffer = vec![0; MAX_DATA];
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(MAX_DATA).min(MAX_DATA);
        let piece = buffer.get_mut(..most).unwrap_or_default();
        match read_full(from, piece, offset)? {
            0 if length == 0 => break,
            // The client was told of more than there is.
            0 => return Err(Errno::EINVAL.into()),
            count => {
                to.write_all_at(piece.get(..count).unwrap_or_default(), to_offset)?;
                (offset, to_offset, left) =
                    (offset + count as u64, to_offset + count as u64, left - count as u64);
            }
        }
    }
    Ok(())
}
