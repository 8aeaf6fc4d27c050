//! The checked-in corpora: a file a seed, as text. What ends in `.hex` holds hexadecimal digits, and comments after a
//! `#`; what ends in `.txt` is taken as it is, without its last line break.

use std::io;
use std::path::{Path, PathBuf};

/// Where they are.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// The seeds of a target, each with its file.
pub fn seeds(target: &str) -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder().join(target))? {
        paths.push(entry?.path());
    }
    paths.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read(&path)?;
        let bytes = match path.extension().and_then(|kind| kind.to_str()) {
            Some("hex") => bytes_of(&text).ok_or_else(|| malformed(&path)),
            Some("txt") => Ok(text.strip_suffix(b"\n").unwrap_or(&text).to_vec()),
            _ => Err(malformed(&path)),
        };
        Ok((path, bytes?))
    };
    paths.into_iter().map(read).collect()
}

fn malformed(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("`{}` is no seed", path.display()))
}

fn bytes_of(text: &[u8]) -> Option<Vec<u8>> {
    let text = str::from_utf8(text).ok()?;
    let code = text.lines().filter_map(|line| line.split('#').next());
    let digits = code.flat_map(str::chars).filter(|c| !c.is_whitespace());
    let digits: Option<Vec<u32>> = digits.map(|c| c.to_digit(16)).collect();
    digits?
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => u8::try_from(high * 16 + low).ok(),
            _ => None,
        })
        .collect()
}
