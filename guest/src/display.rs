//! A display for X programs: the port that they look for it at, and the cookie where they look for that.
//!
//! As sshd does it: TCP on the loopback addresses, since a program that is told `localhost:10.0` needs no folder
//! in /tmp that somebody else may own. The cookie goes into a file of its own rather than into `~/.Xauthority`:
//! nothing has to be read, locked or merged, it is gone with the session, and sudo keeps the variable that names it.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::unistd::gethostname;
use spaces_protocol::frame::Display;

/// The first number that is tried, and how many: sshd's own. Lower ones are for X servers that run here.
const FIRST: u16 = 10;
const NUMBERS: u16 = 1000;

/// Where X programs look for display 0.
const FIRST_PORT: u16 = 6000;

/// Families of X's authority file.
const FAMILY_LOCAL: u16 = 256;
const FAMILY_WILD: u16 = 0xffff;

/// The ports of a display, in both families where the Space has both.
pub(crate) struct Ports {
    pub(crate) number: u16,
    pub(crate) first: TcpListener,
    pub(crate) second: Option<TcpListener>,
}

/// Takes the first display that nobody has.
pub(crate) fn claim() -> io::Result<Ports> {
    for number in FIRST..FIRST + NUMBERS {
        let bind = |address: IpAddr| TcpListener::bind((address, FIRST_PORT + number));
        let first = match bind(Ipv4Addr::LOCALHOST.into()) {
            Err(error) if is_taken(&error) => continue,
            bound => bound?,
        };
        match bind(Ipv6Addr::LOCALHOST.into()) {
            // Half of it is somebody else's, whom programs would talk to.
            Err(error) if is_taken(&error) => {}
            // A Space may have no IPv6.
            second => return Ok(Ports { number, first, second: second.ok() }),
        }
    }
    Err(io::Error::other("no display is free"))
}

fn is_taken(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrInUse
}

/// What programs are told.
pub(crate) fn name(number: u16, display: &Display) -> String {
    format!("localhost:{number}.{}", display.screen)
}

/// Writes the cookie where nothing is yet, for its user alone.
pub(crate) fn write_authority(path: &Path, number: u16, display: &Display) -> io::Result<()> {
    let host = gethostname()?;
    let text = authority(host.as_encoded_bytes(), number, display)?;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(&text)
}

/// The file as libXau reads it. Two entries: programs look for a loopback display under the host's name, which
/// may change; what the second one matches does not.
fn authority(host: &[u8], number: u16, display: &Display) -> io::Result<Vec<u8>> {
    let number = number.to_string();
    let mut text = Vec::new();
    for (family, address) in [(FAMILY_LOCAL, host), (FAMILY_WILD, b"".as_slice())] {
        text.extend_from_slice(&family.to_be_bytes());
        for field in [address, number.as_bytes(), display.protocol.as_bytes(), &display.cookie.0] {
            let length = u16::try_from(field.len()).map_err(|_long| io::Error::from(Errno::EMSGSIZE))?;
            text.extend_from_slice(&length.to_be_bytes());
            text.extend_from_slice(field);
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use spaces_protocol::frame::{Connections, Cookie};

    use super::*;

    fn display(cookie: usize) -> Display {
        Display {
            screen: 0,
            protocol: "MIT".to_owned(),
            cookie: Cookie(vec![7; cookie]),
            connections: Connections::Many,
        }
    }

    #[test]
    fn the_file_is_as_libxau_reads_it() {
        let expected = b"\x01\x00\0\x02ab\0\x0210\0\x03MIT\0\x02\x07\x07\
                         \xff\xff\0\0\0\x0210\0\x03MIT\0\x02\x07\x07";
        assert_eq!(authority(b"ab", 10, &display(2)).unwrap(), expected);
        assert!(authority(b"ab", 10, &display(70_000)).is_err(), "a length that the format cannot say");
    }

    #[test]
    fn two_displays_have_two_numbers() {
        let (first, second) = (claim().unwrap(), claim().unwrap());
        assert!(first.number >= FIRST && second.number > first.number);
    }
}
