//! The words after `--`, as the shell in the Space is to read them.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

/// What the shell in the Space is given: one word as it is, several so that they arrive as they are.
pub(crate) fn line(words: &[OsString]) -> Option<OsString> {
    match words {
        [] => None,
        [line] => Some(line.clone()),
        words => {
            let quoted: Vec<Vec<u8>> = words.iter().map(|word| quote(word.as_bytes())).collect();
            Some(OsString::from_vec(quoted.join(&b' ')))
        }
    }
}

/// One word in single quotes, whatever bytes it has; as it is where the shell would take it so.
pub(crate) fn quote(word: &[u8]) -> Vec<u8> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_./:=,@%+".contains(byte);
    if !word.is_empty() && word.iter().all(plain) {
        return word.to_vec();
    }
    let mut quoted = vec![b'\''];
    for byte in word {
        if *byte == b'\'' {
            quoted.extend_from_slice(b"'\\''");
        } else {
            quoted.push(*byte);
        }
    }
    quoted.push(b'\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_words_arrive_as_they_are_and_one_is_for_the_shell() {
        let words = |words: &[&str]| line(&words.iter().map(OsString::from).collect::<Vec<_>>());
        assert_eq!(words(&[]), None);
        assert_eq!(words(&["ls | wc -l"]), Some("ls | wc -l".into()));
        assert_eq!(
            words(&["echo", "a  b", "it's", "$HOME", ""]),
            Some(r"echo 'a  b' 'it'\''s' '$HOME' ''".into())
        );
    }
}
