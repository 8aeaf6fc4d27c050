//! Files that belong to one person, written as a whole or not at all.

use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use spaces_protocol::failure::{Code, Failure};

/// Writes a file of mode 0600, making its folder (0700) if need be. A crash leaves the old one or the new one.
pub(crate) fn write_private(path: &Path, contents: &[u8]) -> Result<(), Failure> {
    write(path, contents)
        .map_err(|error| Failure::new(Code::Refused, format!("cannot write {}: {error}", path.display())))
}

fn write(path: &Path, contents: &[u8]) -> std::io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // tempfile makes its files 0600.
    let mut file = tempfile::Builder::new().prefix(".spaces-").tempfile_in(folder)?;
    file.write_all(contents)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
