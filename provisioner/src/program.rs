//! Programs of this host that set what the kernel does: `nft` for rules, each run of which takes effect as a whole or
//! not at all, `nsenter` and `tc` for what goes on within a network namespace, `btrfs`,
//! `xfs_io` and `xfs_quota` for quotas.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::IsolationError;

/// A run takes ten milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where it is; not every user's own list has those folders.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Most of its words that an error carries.
const WORDS: usize = 300;

/// Runs it with this to read, and gives what it prints.
pub(crate) async fn run(
    program: &'static str,
    arguments: &[&str],
    input: &str,
) -> Result<String, IsolationError> {
    let ended = tokio::time::timeout(PATIENCE, output(program, arguments, input)).await;
    let output = ended
        .map_err(|_elapsed| IsolationError::DeadlineExceeded { program })?
        .map_err(|source| IsolationError::Program { program, source })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
        return Err(IsolationError::Refused { program, words: words.chars().take(WORDS).collect() });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

async fn output(program: &str, arguments: &[&str], input: &str) -> std::io::Result<std::process::Output> {
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", PATH)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    // It reads all of it before it prints, and what it prints is small.
    if let Some(mut stdin) = child.stdin.take() {
        match stdin.write_all(input.as_bytes()).await {
            // It ended before: what it says about that is better than "broken pipe".
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
            written => written?,
        }
    }
    child.wait_with_output().await
}
