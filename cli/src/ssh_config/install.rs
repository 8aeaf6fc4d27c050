//! The configuration in the person's own: a file of ours, and one line in theirs that includes it.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use spaces_protocol::failure::{Code, Failure};

use super::block::TITLE;
use crate::files;

/// Our file's name, beside `config`.
const OURS: &str = "spaces.config";

/// Writes our file and has theirs include it. Idempotent.
pub(super) fn install(folder: &Path, text: &str) -> Result<PathBuf, Failure> {
    let ours = folder.join(OURS);
    let foreign = |text: String| !text.starts_with(TITLE);
    if std::fs::read_to_string(&ours).is_ok_and(foreign) {
        return Err(Failure::new(Code::Refused, format!("{} is there, and not by us", ours.display()))
            .hint("move it away, then try again"));
    }
    files::write_private(&ours, text.as_bytes())?;
    let theirs = folder.join("config");
    include(&theirs).map_err(|error| {
        Failure::new(Code::Refused, format!("cannot write {}: {error}", theirs.display()))
    })?;
    Ok(ours)
}

/// Writes our file anew if it is there, is of the same session, and says something else.
pub(super) fn refresh(folder: &Path, text: &str) -> Result<(), Failure> {
    let ours = folder.join(OURS);
    let Ok(installed) = std::fs::read_to_string(&ours) else {
        return Ok(());
    };
    let session = |text: &str| text.lines().take(2).map(str::to_owned).collect::<Vec<_>>();
    if installed.starts_with(TITLE) && session(&installed) == session(text) && installed != text {
        files::write_private(&ours, text.as_bytes())?;
    }
    Ok(())
}

/// Before everything else: under a `Host` line it would count for that host alone.
fn include(config: &Path) -> std::io::Result<()> {
    // Many have it as a link into a folder of such files.
    let config = std::fs::canonicalize(config).unwrap_or_else(|_none| config.to_owned());
    let old = match std::fs::read(&config) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        other => other?,
    };
    let line = format!("Include {OURS}");
    if old.split(|byte| *byte == b'\n').any(|old| old.trim_ascii().eq_ignore_ascii_case(line.as_bytes())) {
        return Ok(());
    }
    let folder = config.parent().unwrap_or(Path::new("."));
    // tempfile makes its files 0600.
    let mut new = tempfile::Builder::new().prefix(".spaces-").tempfile_in(folder)?;
    new.write_all(format!("{line}\n\n").as_bytes())?;
    new.write_all(&old)?;
    if let Ok(metadata) = std::fs::metadata(&config) {
        new.as_file().set_permissions(metadata.permissions())?;
    }
    new.as_file().sync_all()?;
    new.persist(&config)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn their_configuration_keeps_its_text_its_mode_and_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let (dotfiles, ssh) = (folder.path().join("dotfiles"), folder.path().join("ssh"));
        for made in [&dotfiles, &ssh] {
            std::fs::create_dir(made).unwrap();
        }
        let real = dotfiles.join("ssh-config");
        std::fs::write(&real, b"Host *\n    User bob\n\xff").unwrap();
        std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&real, ssh.join("config")).unwrap();
        for _again in 0..2 {
            install(&ssh, TITLE).unwrap();
            assert_eq!(std::fs::read(&real).unwrap(), b"Include spaces.config\n\nHost *\n    User bob\n\xff");
        }
        assert_eq!(real.metadata().unwrap().permissions().mode() & 0o777, 0o640);
        assert!(ssh.join("config").is_symlink());
    }

    #[test]
    fn only_what_was_installed_for_the_same_session_is_brought_up_to_date() {
        let folder = tempfile::tempdir().unwrap();
        let read = || std::fs::read_to_string(folder.path().join(OURS)).ok();
        let text = |session: &str, rest: &str| format!("{TITLE}\n# {session}\n{rest}\n");
        refresh(folder.path(), &text("alice", "one")).unwrap();
        assert_eq!(read(), None);
        install(folder.path(), &text("alice", "one")).unwrap();
        refresh(folder.path(), &text("bob", "two")).unwrap();
        assert_eq!(read(), Some(text("alice", "one")));
        refresh(folder.path(), &text("alice", "two")).unwrap();
        assert_eq!(read(), Some(text("alice", "two")));
    }
}
