//! The guest's parser of SFTP packets: the guest is a program, so its files are taken as they are.

#[path = "../../guest/src/sftp/cursor.rs"]
mod cursor;
#[path = "../../guest/src/sftp/request.rs"]
mod request;

/// Reads a packet; says whether it was one.
pub(crate) fn read(packet: &[u8]) -> bool {
    request::parse(packet).is_ok()
}
