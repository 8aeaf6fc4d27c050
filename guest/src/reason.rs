//! What the system said, as a person reads it. Pure.

use std::io;

use nix::errno::Errno;

/// The system's own words, without the number that [`io::Error`] adds.
pub(crate) fn of(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => Errno::from_raw(number).desc().to_owned(),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_sees_words_and_no_numbers() {
        assert_eq!(of(&io::Error::from_raw_os_error(2)), "No such file or directory");
        assert_eq!(of(&io::Error::other("not a regular file")), "not a regular file");
    }
}
