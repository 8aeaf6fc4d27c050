//! What a command must print, and how it differs from what it printed.

use similar::TextDiff;

/// Lines, of which `...` stands for any number of any lines and `\...` for that text itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected(Vec<String>);

impl Expected {
    /// Blank lines at the end are layout of the document.
    pub fn new(lines: &[String]) -> Self {
        let end = lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1);
        Self(lines[..end].to_vec())
    }

    /// Whether this output is the one; a line end or its absence at the end does not count.
    pub fn matches(&self, output: &str) -> bool {
        fits(&self.0, &lines(output))
    }

    /// What is to go and what is to come, line by line, with what does not show escaped.
    pub fn difference(&self, output: &str) -> String {
        let got: Vec<String> = lines(output).into_iter().map(visible).collect();
        TextDiff::from_lines(ended(&self.0), ended(&got)).unified_diff().header("expected", "got").to_string()
    }
}

/// Not `str::lines`, to which a carriage return would be part of the line end.
fn lines(output: &str) -> Vec<&str> {
    match output.trim_end_matches('\n') {
        "" => Vec::new(),
        output => output.split('\n').collect(),
    }
}

fn ended(lines: &[String]) -> String {
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

fn visible(line: &str) -> String {
    line.chars()
        .map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() })
        .collect()
}

fn fits(expected: &[String], got: &[&str]) -> bool {
    match (expected.split_first(), got.split_first()) {
        (None, None) => true,
        (Some((line, rest)), _) if line == "..." => (0..=got.len()).any(|skip| fits(rest, &got[skip..])),
        (None, Some(_)) | (Some(_), None) => false,
        (Some((line, rest)), Some((first, others))) => {
            let literal = if line == "\\..." { "..." } else { line };
            literal == *first && fits(rest, others)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(expected: &str, output: &str) -> bool {
        Expected::new(&expected.lines().map(str::to_owned).collect::<Vec<_>>()).matches(output)
    }

    #[test]
    fn output_is_exact_but_for_the_lines_that_dots_stand_for() {
        for (expected, output) in [
            ("", ""),
            ("a\nb", "a\nb\n"),
            ("a\n\n", "a"),
            ("...", ""),
            ("a\n...\nc", "a\nc\n"),
            ("a\n...\nc", "a\nb\nc\nb\nc\n"),
            ("...\nb\n...", "a\nb\n"),
            ("\\...", "...\n"),
        ] {
            assert!(matches(expected, output), "{expected:?} {output:?}");
        }
    }

    #[test]
    fn anything_else_is_another_output() {
        for (expected, output) in [
            ("", "a\n"),
            ("a", ""),
            ("a", "a \n"),
            ("a", "a\nb\n"),
            ("a\nb", "a\n"),
            ("a\n\nb", "a\nb\n"),
            ("a\n...\nc", "a\nb\n"),
            ("\\...", "a\n"),
            ("a ...", "a b\n"),
            ("a", "a\r\n"),
        ] {
            assert!(!matches(expected, output), "{expected:?} {output:?}");
        }
    }

    #[test]
    fn the_difference_shows_what_was_expected_and_what_came() {
        let difference =
            Expected::new(&["id".to_owned(), "running".to_owned()]).difference("id\nstopped\r\n");
        assert_eq!(difference, "--- expected\n+++ got\n@@ -1,2 +1,2 @@\n id\n-running\n+stopped\\r\n");
    }
}
