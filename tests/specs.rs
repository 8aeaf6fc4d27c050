//! The manual holds: every document in specs/ is one test, named after its file, with a platform of its own.

use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Failed, Trial};
use spaces_tests::repository;
use spaces_tests::spec::{Document, Environment, Failure, follow};

fn main() {
    let arguments = Arguments::from_args();
    let mut documents: Vec<PathBuf> = std::fs::read_dir(repository().join("specs"))
        .expect("the folder specs")
        .map(|entry| entry.expect("an entry of specs").path())
        .filter(|path| path.to_string_lossy().ends_with(".spec.md"))
        .collect();
    documents.sort();
    assert!(!documents.is_empty(), "there are no documents in specs");
    let trials = documents.into_iter().map(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().replace(".spec.md", "");
        Trial::test(name, move || holds(&path))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}

fn holds(path: &Path) -> Result<(), Failed> {
    let shown = path.strip_prefix(repository())?.display();
    let document = Document::parse(&std::fs::read_to_string(path)?)
        .map_err(|malformed| format!("{shown}:{}: {}", malformed.line, malformed.problem))?;
    let environment = Environment::up();
    let failures = follow(&document, &environment.place());
    if failures.is_empty() {
        return Ok(());
    }
    let report = |failure: &Failure| format!("{shown}:{}: {}", failure.line, failure.report);
    let reports: Vec<String> = failures.iter().map(report).collect();
    Err(format!("\n{}\n\nthe gateway's log:\n{}", reports.join("\n\n"), environment.log()).into())
}
