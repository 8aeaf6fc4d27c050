//! Variables in a block: `${name}` is replaced, `\${name}` stays as `${name}`. Whatever else looks like one is
//! the shell's.

use std::collections::BTreeMap;

/// What the blocks so far have kept.
pub type Variables = BTreeMap<String, String>;

/// The text with the variables in place; the name of one that nobody kept is an error.
pub fn substitute(text: &str, variables: &Variables) -> Result<String, String> {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, after) = (&rest[..at], &rest[at + 2..]);
        let name = after.split_once('}').map(|(name, _rest)| name).filter(|name| is_name(name));
        let (Some(name), Some(after_name)) = (name, name.and_then(|name| after.get(name.len() + 1..))) else {
            result.push_str(&rest[..at + 2]);
            rest = after;
            continue;
        };
        if let Some(before) = before.strip_suffix('\\') {
            result.extend([before, "${", name, "}"]);
        } else {
            let value = variables.get(name).ok_or_else(|| name.to_owned())?;
            result.extend([before, value]);
        }
        rest = after_name;
    }
    result.push_str(rest);
    Ok(result)
}

/// A letter or `_`, then letters, digits and `_`.
pub(super) fn is_name(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.starts_with(|c: char| word(c) && !c.is_ascii_digit()) && text.chars().all(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_replaced_an_escaped_one_and_the_shells_own_stay() {
        let variables = Variables::from([("a_1".to_owned(), "${a_1}$".to_owned())]);
        for (text, expected) in [
            ("", ""),
            ("x ${a_1}/y ${a_1}", "x ${a_1}$/y ${a_1}$"),
            ("\\${a_1}", "${a_1}"),
            ("\"\\${FILE:=$tmp/x}\"", "\"\\${FILE:=$tmp/x}\""),
            ("$a_1 ${1} ${", "$a_1 ${1} ${"),
            ("${ ${a_1}", "${ ${a_1}$"),
        ] {
            assert_eq!(substitute(text, &variables).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn a_variable_that_nobody_kept_is_an_error() {
        assert_eq!(substitute("a ${nobody}", &Variables::new()), Err("nobody".to_owned()));
    }
}
