//! Small files of the image. Whoever is root in the Space may have put anything at these paths, a pipe or a
//! file without end included: process 1 must neither block nor grow.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::OFlag;

/// Reads at most `limit` bytes of a regular file.
pub(crate) fn read_at_most(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_in_place_of_a_file_is_refused_rather_than_read() {
        assert!(read_at_most(Path::new("/dev/zero"), 16).is_err());
    }

    #[test]
    fn no_more_than_the_limit_is_read() {
        assert_eq!(read_at_most(Path::new("/proc/self/exe"), 4).unwrap(), b"\x7fELF");
    }
}
