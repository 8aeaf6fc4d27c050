//! The message of the day: what sshd with PAM shows before a login shell.

use std::path::Path;

use crate::files::read_at_most;

/// Most that is shown; what is longer would scroll away unread.
const MAX_LENGTH: u64 = 64 * 1024;

/// The text as a terminal needs it; `None` where there is none or the user does not want it.
pub(crate) fn for_login(home: &Path) -> Option<Vec<u8>> {
    if home.join(".hushlogin").exists() {
        return None;
    }
    let text = read_at_most(Path::new("/etc/motd"), MAX_LENGTH).ok()?;
    (!text.is_empty()).then(|| with_carriage_returns(&text))
}

/// The text goes around the terminal's own output processing, which would have done this.
fn with_carriage_returns(text: &[u8]) -> Vec<u8> {
    let mut shown = Vec::with_capacity(text.len() + 16);
    for byte in text {
        if *byte == b'\n' {
            shown.push(b'\r');
        }
        shown.push(*byte);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_begins_at_the_left() {
        assert_eq!(with_carriage_returns(b"one\n\ntwo"), b"one\r\n\r\ntwo");
    }
}
