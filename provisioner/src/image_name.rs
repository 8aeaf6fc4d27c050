//! An image's name, as `docker pull` takes it: `[registry[:port]/]path[:tag][@digest]`.

use std::fmt;
use std::str::FromStr;

/// Longest name that the engine takes.
const MAX_LENGTH: usize = 255;

/// A name that the engine can look up. It goes into the path of a request, so nothing that steers one
/// (`..`, `?`, `%`) gets through.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ImageName(String);

/// The text is not an image's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an image name is `[registry/]path[:tag][@digest]`, the path in lower case")]
pub struct ImageNameError;

impl FromStr for ImageName {
    type Err = ImageNameError;

    fn from_str(text: &str) -> Result<Self, ImageNameError> {
        let (named, digest) = split_optional(text, '@');
        let (parent, last) =
            named.rsplit_once('/').map_or((None, named), |(parent, last)| (Some(parent), last));
        let (last, tag) = split_optional(last, ':');
        let shaped = text.len() <= MAX_LENGTH
            && is_path(last)
            && parent.is_none_or(is_parent)
            && tag.is_none_or(is_tag)
            && digest.is_none_or(is_digest);
        if shaped { Ok(Self(text.to_owned())) } else { Err(ImageNameError) }
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ImageName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of exactly one image: without a tag the engine would pull all that there are.
    pub(crate) fn tagged(&self) -> String {
        let last = self.0.rsplit('/').next().unwrap_or_default();
        if last.contains([':', '@']) { self.0.clone() } else { format!("{}:latest", self.0) }
    }
}

fn split_optional(text: &str, separator: char) -> (&str, Option<&str>) {
    text.split_once(separator).map_or((text, None), |(head, tail)| (head, Some(tail)))
}

/// A registry or the first part of a path, then parts of a path.
fn is_parent(text: &str) -> bool {
    let mut parts = text.split('/');
    parts.next().is_some_and(is_registry) && parts.all(is_path)
}

/// A host name, with a port or not; a path's part is one too.
fn is_registry(text: &str) -> bool {
    let (host, port) = split_optional(text, ':');
    let port_shaped =
        port.is_none_or(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
    port_shaped && is_word(host, u8::is_ascii_alphanumeric, b"._-")
}

fn is_path(text: &str) -> bool {
    is_word(text, |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit(), b"._-")
}

fn is_tag(text: &str) -> bool {
    let starts = text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric() || first == b'_');
    starts
        && text.len() <= 128
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

fn is_digest(text: &str) -> bool {
    text.split_once(':').is_some_and(|(algorithm, hash)| {
        is_path(algorithm) && hash.len() >= 32 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// Not empty, of these characters and these separators, and no separator at either end.
fn is_word(text: &str, character: impl Fn(&u8) -> bool, separators: &[u8]) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(&character)
        && bytes.last().is_some_and(&character)
        && bytes.iter().all(|byte| character(byte) || separators.contains(byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_docker_pull_takes_is_an_image_name() {
        let digest = "a".repeat(64);
        for good in [
            "debian",
            "debian:12",
            "library/debian",
            "localhost:5000/a/b_c:V1.0",
            "Registry.example.com/team/base",
            &format!("sha256:{digest}"),
            &format!("debian@sha256:{digest}"),
            &format!("debian:12@sha256:{digest}"),
        ] {
            assert_eq!(good.parse::<ImageName>().unwrap().as_str(), good);
        }
    }

    #[test]
    fn what_would_steer_a_request_is_no_image_name() {
        for bad in [
            "",
            "Debian",
            "a//b",
            "/a",
            "a/",
            "..",
            "a/../b",
            "../containers/x",
            "a?b",
            "a%2f",
            "a b",
            "a:",
            "a:b:c",
            "a:-x",
            "a@",
            "a@sha256:12",
            "-a",
            "a:b/c",
            "a#b",
            "\u{e9}",
        ] {
            assert_eq!(bad.parse::<ImageName>(), Err(ImageNameError), "{bad}");
        }
    }

    #[test]
    fn a_name_without_a_tag_means_latest() {
        for (name, tagged) in [
            ("debian", "debian:latest"),
            ("localhost:5000/debian", "localhost:5000/debian:latest"),
            ("debian:12", "debian:12"),
        ] {
            assert_eq!(name.parse::<ImageName>().unwrap().tagged(), tagged);
        }
    }

    proptest! {
        #[test]
        fn no_accepted_name_leaves_its_place_in_a_path(text in "[a-zA-Z0-9./:@_%?#-]{1,40}") {
            if text.parse::<ImageName>().is_ok() {
                prop_assert!(!text.contains(['%', '?', '#']));
                prop_assert!(text.split('/').all(|part| !part.is_empty() && part != ".." && part != "."));
            }
        }
    }
}
