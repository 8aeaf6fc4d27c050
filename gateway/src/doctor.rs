//! `spaces-gateway doctor`: each promise of the platform, proved on this host by trying it in throwaway Spaces.
//!
//! A second gateway is started beside the one that may serve here, under an installation of its own with state in a
//! temporary folder and small budgets; two Spaces are made, entered by the stock `ssh`, attacked, and removed again.

mod attempts;
mod egress;
mod network;
mod stage;

use std::path::PathBuf;

use serde::Serialize;
use spaces_protocol::table;

use crate::config::Config;
use crate::serve;
use stage::Stage;

/// How a promise holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// As it is said.
    Yes,
    /// Later, or only for those who mean no harm; it is marked so where people see it.
    Soft,
    /// It does not.
    No,
}

/// One promise.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Finding {
    /// What is promised.
    promise: &'static str,
    /// Whether it holds.
    holds: Verdict,
    /// What was seen, and what to do about it; nothing where all is well.
    fix: String,
}

/// All of them.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub(crate) struct Findings(Vec<Finding>);

/// How much of it to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A line for each promise.
    Table,
    /// One line in all.
    Summary,
    /// For programs.
    Json,
}

impl Finding {
    fn new(promise: &'static str, holds: Verdict, fix: impl Into<String>) -> Self {
        Self { promise, holds, fix: fix.into() }
    }
}

/// What an attempt showed.
#[derive(Debug, Clone)]
struct Found {
    holds: Verdict,
    fix: String,
}

impl Found {
    fn new(holds: Verdict, fix: impl Into<String>) -> Self {
        Self { holds, fix: fix.into() }
    }

    /// It holds, or else this is what to do.
    fn if_so(holds: bool, fix: impl Into<String>) -> Self {
        if holds { Self::new(Verdict::Yes, "") } else { Self::new(Verdict::No, fix) }
    }
}

impl Findings {
    /// Whether every promise holds, be it softly.
    pub(crate) fn all_hold(&self) -> bool {
        self.0.iter().all(|finding| finding.holds != Verdict::No)
    }

    pub(crate) fn print(&self, form: Form) -> String {
        match form {
            Form::Table => table::render_with_text(
                ["holds", "promise", "fix"],
                self.0.iter().map(|finding| {
                    [word(finding.holds).to_owned(), finding.promise.replace(' ', "_"), finding.fix.clone()]
                }),
            ),
            Form::Summary => self.summary(),
            Form::Json => serde_json::to_string(self).unwrap_or_default() + "\n",
        }
    }

    fn summary(&self) -> String {
        let of = |verdict| {
            let named = self.0.iter().filter(move |finding| finding.holds == verdict);
            named.map(|finding| finding.promise).collect::<Vec<_>>()
        };
        let (soft, no) = (of(Verdict::Soft), of(Verdict::No));
        let list = |what: &str, named: &[&str]| {
            if named.is_empty() { String::new() } else { format!("; {what}: {}", named.join(", ")) }
        };
        let (all, held) = (self.0.len(), self.0.len() - no.len());
        format!("{held} of {all} promises hold here{}{}\n", list("softly", &soft), list("not", &no))
    }
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Yes => "yes",
        Verdict::Soft => "soft",
        Verdict::No => "no",
    }
}

/// Tries everything. An error is of the doctor itself; what is wrong with the host is in the findings.
pub(crate) async fn examine(config: &Config, file: Option<PathBuf>) -> anyhow::Result<Findings> {
    let mut stage = Stage::set_up(config, file).await?;
    // Whatever happens from here on, what the host has of it is removed.
    let findings = tokio::select! {
        findings = try_all(config, &stage) => Ok(findings),
        interrupted = serve::wait_for_signal() => interrupted.and(Err(anyhow::anyhow!("interrupted"))),
    };
    egress::clean_up().await;
    let removed = stage.take_down().await;
    let mut findings = findings?;
    if let Err(error) = removed {
        findings.push(Finding::new("what was tried leaves nothing", Verdict::No, format!("{error:#}")));
    }
    Ok(Findings(findings))
}

async fn try_all(config: &Config, stage: &Stage) -> Vec<Finding> {
    let promise = "a space starts and is entered";
    if let Err(error) = stage.furnish().await {
        return vec![Finding::new(promise, Verdict::No, format!("{error:#}"))];
    }
    let mut findings = vec![Finding::new(promise, Verdict::Yes, "")];
    findings.extend(attempts::all(config, stage).await);
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_names_what_does_not_hold() {
        let findings = Findings(vec![
            Finding::new("the memory limit binds", Verdict::Yes, ""),
            Finding::new("the disk limit binds", Verdict::Soft, "use btrfs"),
        ]);
        assert!(findings.all_hold());
        assert_eq!(
            findings.print(Form::Summary),
            "2 of 2 promises hold here; softly: the disk limit binds\n"
        );
        assert_eq!(
            findings.print(Form::Table),
            "holds  promise                 fix\n\
             yes    the_memory_limit_binds  -\n\
             soft   the_disk_limit_binds    use btrfs\n"
        );
        let worse = Findings(vec![Finding::new("forwards work", Verdict::No, "see the log")]);
        assert!(!worse.all_hold());
        assert_eq!(worse.print(Form::Summary), "0 of 1 promises hold here; not: forwards work\n");
    }
}
