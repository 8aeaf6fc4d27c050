//! A platform for one document, by the same `tests/spec-env` that people use: a folder that looks like the
//! repository to the document, with a `.specdown` of its own.

use std::path::Path;

use tempfile::TempDir;

use super::Place;
use crate::child::{run, timeout_command};
use crate::platform::repository;

/// What of the repository a document may name.
const SHOWN: [&str; 2] = ["bin", "config"];

/// Longest that starting or removing a platform takes.
const DEADLINE: u32 = 120;

/// A platform, gone when this is dropped.
pub struct Environment {
    folder: TempDir,
}

impl Environment {
    /// Starts a platform.
    pub fn up() -> Self {
        let folder = tempfile::Builder::new().prefix("spaces-spec-").tempdir().expect("a folder");
        for name in SHOWN {
            let link = std::os::unix::fs::symlink(repository().join(name), folder.path().join(name));
            link.expect("a link");
        }
        for name in ["home", "tmp"] {
            std::fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        let environment = Self { folder };
        environment.spec_env("up").unwrap_or_else(|news| panic!("tests/spec-env up: {news}"));
        environment
    }

    /// `tests/spec-env up` or `down`; what it complained of, if it failed.
    pub fn spec_env(&self, verb: &str) -> Result<(), String> {
        let mut command = timeout_command(repository().join("tests/spec-env"), DEADLINE);
        let output = run(command.arg(verb).env("SPEC_ENV_DIR", self.folder.path().join(".specdown")), b"");
        if output.status == 0 { Ok(()) } else { Err(format!("{}{}", output.stdout, output.stderr)) }
    }

    /// The folder that stands for the repository.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where a document runs in it.
    pub fn place(&self) -> Place {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let environment = [
            ("HOME", path("home")),
            ("TMPDIR", path("tmp")),
            ("LC_ALL", "C.UTF-8".to_owned()),
            ("TZ", "UTC".to_owned()),
        ];
        let environment = environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Place { folder: self.folder.path().to_owned(), environment }
    }

    /// The end of what the gateway logged.
    pub fn log(&self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join(".specdown/platform/gateway.log"));
        let log = log.unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        if let Err(news) = self.spec_env("down") {
            // A second panic would hide the first.
            eprintln!("tests/spec-env down: {news}");
        }
    }
}
