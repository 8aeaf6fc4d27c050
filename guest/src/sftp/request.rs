//! The requests of SFTP version 3 (draft-ietf-secsh-filexfer-02) and of OpenSSH's extensions. Pure.

use std::path::Path;

use super::cursor::{Cursor, Malformed};

/// A request that is understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request<'a> {
    Open {
        path: &'a Path,
        flags: u32,
        attributes: Attributes,
    },
    Close(Handle),
    Read {
        handle: Handle,
        offset: u64,
        length: u32,
    },
    Write {
        handle: Handle,
        offset: u64,
        data: &'a [u8],
    },
    Stat(&'a Path),
    LinkStat(&'a Path),
    HandleStat(Handle),
    SetStat {
        path: &'a Path,
        attributes: Attributes,
    },
    SetLinkStat {
        path: &'a Path,
        attributes: Attributes,
    },
    SetHandleStat {
        handle: Handle,
        attributes: Attributes,
    },
    OpenFolder(&'a Path),
    ReadFolder(Handle),
    Remove(&'a Path),
    MakeFolder {
        path: &'a Path,
        attributes: Attributes,
    },
    RemoveFolder(&'a Path),
    RealPath(&'a Path),
    ExpandPath(&'a Path),
    Rename {
        from: &'a Path,
        to: &'a Path,
        over: Over,
    },
    ReadLink(&'a Path),
    SymbolicLink {
        target: &'a Path,
        link: &'a Path,
    },
    HardLink {
        from: &'a Path,
        to: &'a Path,
    },
    FileSystem(&'a Path),
    HandleFileSystem(Handle),
    Sync(Handle),
    Limits,
    Copy {
        from: Handle,
        offset: u64,
        length: u64,
        to: Handle,
        to_offset: u64,
    },
    Names {
        users: Vec<u32>,
        groups: Vec<u32>,
    },
    /// Well-formed, and not known here.
    Unknown,
}

/// What becomes of a file that has the new name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    Nothing,
    Existing,
}

/// A file or folder that this session opened, by the number it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Handle(pub(crate) u32);

/// What a client wants to set; `None`: left as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Attributes {
    pub(crate) size: Option<u64>,
    /// User and group.
    pub(crate) owner: Option<(u32, u32)>,
    pub(crate) permissions: Option<u32>,
    /// Last access and last change, in seconds since 1970.
    pub(crate) times: Option<(u32, u32)>,
}

/// Which of the attributes follow; section 5 of the draft.
pub(super) const SIZE: u32 = 0x1;
pub(super) const OWNER: u32 = 0x2;
pub(super) const PERMISSIONS: u32 = 0x4;
pub(super) const TIMES: u32 = 0x8;
const EXTENDED: u32 = 0x8000_0000;

/// Reads a packet without its length: the number that its answer carries, and what it asks for.
pub(crate) fn parse(packet: &[u8]) -> Result<(u32, Request<'_>), Malformed> {
    let mut cursor = Cursor::new(packet);
    let kind = cursor.byte()?;
    let id = cursor.u32()?;
    Ok((id, request(kind, &mut cursor)?))
}

fn request<'a>(kind: u8, cursor: &mut Cursor<'a>) -> Result<Request<'a>, Malformed> {
    Ok(match kind {
        3 => Request::Open { path: cursor.path()?, flags: cursor.u32()?, attributes: attributes(cursor)? },
        4 => Request::Close(handle(cursor)?),
        5 => Request::Read { handle: handle(cursor)?, offset: cursor.u64()?, length: cursor.u32()? },
        6 => Request::Write { handle: handle(cursor)?, offset: cursor.u64()?, data: cursor.bytes()? },
        7 => Request::LinkStat(cursor.path()?),
        8 => Request::HandleStat(handle(cursor)?),
        9 => Request::SetStat { path: cursor.path()?, attributes: attributes(cursor)? },
        10 => Request::SetHandleStat { handle: handle(cursor)?, attributes: attributes(cursor)? },
        11 => Request::OpenFolder(cursor.path()?),
        12 => Request::ReadFolder(handle(cursor)?),
        13 => Request::Remove(cursor.path()?),
        14 => Request::MakeFolder { path: cursor.path()?, attributes: attributes(cursor)? },
        15 => Request::RemoveFolder(cursor.path()?),
        16 => Request::RealPath(cursor.path()?),
        17 => Request::Stat(cursor.path()?),
        18 => Request::Rename { from: cursor.path()?, to: cursor.path()?, over: Over::Nothing },
        19 => Request::ReadLink(cursor.path()?),
        // The draft has them the other way round; OpenSSH's order is what every client sends.
        20 => Request::SymbolicLink { target: cursor.path()?, link: cursor.path()? },
        200 => extended(cursor)?,
        _ => Request::Unknown,
    })
}

fn extended<'a>(cursor: &mut Cursor<'a>) -> Result<Request<'a>, Malformed> {
    Ok(match cursor.bytes()? {
        b"posix-rename@openssh.com" => {
            Request::Rename { from: cursor.path()?, to: cursor.path()?, over: Over::Existing }
        }
        b"statvfs@openssh.com" => Request::FileSystem(cursor.path()?),
        b"fstatvfs@openssh.com" => Request::HandleFileSystem(handle(cursor)?),
        b"hardlink@openssh.com" => Request::HardLink { from: cursor.path()?, to: cursor.path()? },
        b"fsync@openssh.com" => Request::Sync(handle(cursor)?),
        b"lsetstat@openssh.com" => {
            Request::SetLinkStat { path: cursor.path()?, attributes: attributes(cursor)? }
        }
        b"limits@openssh.com" => Request::Limits,
        b"expand-path@openssh.com" => Request::ExpandPath(cursor.path()?),
        b"copy-data" => Request::Copy {
            from: handle(cursor)?,
            offset: cursor.u64()?,
            length: cursor.u64()?,
            to: handle(cursor)?,
            to_offset: cursor.u64()?,
        },
        b"users-groups-by-id@openssh.com" => {
            Request::Names { users: numbers(cursor)?, groups: numbers(cursor)? }
        }
        _ => Request::Unknown,
    })
}

/// A handle of ours has four bytes; any other is one that was never given.
fn handle(cursor: &mut Cursor<'_>) -> Result<Handle, Malformed> {
    let bytes = cursor.bytes()?;
    Ok(Handle(bytes.try_into().map_or(u32::MAX, u32::from_be_bytes)))
}

fn attributes(cursor: &mut Cursor<'_>) -> Result<Attributes, Malformed> {
    let flags = cursor.u32()?;
    let mut attributes = Attributes::default();
    if flags & SIZE != 0 {
        attributes.size = Some(cursor.u64()?);
    }
    if flags & OWNER != 0 {
        attributes.owner = Some((cursor.u32()?, cursor.u32()?));
    }
    if flags & PERMISSIONS != 0 {
        attributes.permissions = Some(cursor.u32()?);
    }
    if flags & TIMES != 0 {
        attributes.times = Some((cursor.u32()?, cursor.u32()?));
    }
    if flags & EXTENDED != 0 {
        // Names and values that nobody agreed on; there are as many as the packet has room for.
        for _pair in 0..cursor.u32()? {
            cursor.bytes()?;
            cursor.bytes()?;
        }
    }
    Ok(attributes)
}

fn numbers(cursor: &mut Cursor<'_>) -> Result<Vec<u32>, Malformed> {
    let mut list = Cursor::new(cursor.bytes()?);
    let mut numbers = Vec::new();
    while !list.is_empty() {
        numbers.push(list.u32()?);
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    fn string(bytes: &[u8]) -> Vec<u8> {
        [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
    }

    #[test]
    fn a_request_reads_as_it_was_written() {
        let attributes = [&[0, 0, 0, 0xc][..], &[0, 0, 1, 0x80], &[0, 0, 0, 1], &[0, 0, 0, 2]].concat();
        let packet = [&[3, 0, 0, 0, 7][..], &string(b"a/\xff"), &[0, 0, 0, 0x1a], &attributes].concat();
        let wanted = Attributes { permissions: Some(0o600), times: Some((1, 2)), ..Attributes::default() };
        let path = Path::new(OsStr::from_bytes(b"a/\xff"));
        assert_eq!(parse(&packet).unwrap(), (7, Request::Open { path, flags: 0x1a, attributes: wanted }));
        let packet = [&[200, 0, 0, 0, 8][..], &string(b"fsync@openssh.com"), &string(&[0, 0, 0, 5])].concat();
        assert_eq!(parse(&packet).unwrap(), (8, Request::Sync(Handle(5))));
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        let lies = [&[4, 0, 0, 0, 1][..], &[0xff, 0xff, 0xff, 0xff, 1, 2]].concat();
        assert_eq!(parse(&lies), Err(Malformed));
        let pairs = [&[14, 0, 0, 0, 1][..], &string(b"x"), &[0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]].concat();
        assert_eq!(parse(&pairs), Err(Malformed));
        assert_eq!(parse(&[]), Err(Malformed));
        assert_eq!(parse(&[99, 0, 0, 0, 1]), Ok((1, Request::Unknown)));
    }
}
