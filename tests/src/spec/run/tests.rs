//! A check that cannot fail is none: what the runner must notice.

use super::*;

fn follow_text(text: &str) -> Vec<Failure> {
    let folder = tempfile::tempdir().unwrap();
    let place = Place { folder: folder.path().to_owned(), environment: Vec::new() };
    follow(&Document::parse(text).unwrap(), &place)
}

/// The one failure of a document that has this one block.
fn failure(code: &str) -> Failure {
    let mut failures = follow_text(&format!("```run:shell\n{code}\n```\n"));
    assert_eq!(failures.len(), 1, "{code}");
    failures.remove(0)
}

#[test]
fn a_document_that_holds_passes() {
    let text = "```run:shell -> $a, $b\necho news; echo one; echo two; echo aside >&2\n```\n\n\
                ```run:shell\n$ echo ${b} ${a}; echo aside >&2\ntwo one\n$ ! echo ${a}; false\n${a}\n$ true\n```\n";
    assert_eq!(follow_text(text), []);
}

#[test]
fn another_output_is_noticed_and_shown_beside_the_expected_one() {
    let Failure { line, report } = failure("$ echo id; echo stopped; echo aside >&2\nid\nrunning");
    assert_eq!(line, 2);
    assert_eq!(
        report,
        "`echo id; echo stopped; echo aside >&2`, which was to succeed\n\
         --- expected\n+++ got\n@@ -1,2 +1,2 @@\n id\n-running\n+stopped\nexit status 0\nstandard error:\naside"
    );
}

#[test]
fn output_that_nobody_expects_is_noticed() {
    assert!(failure("$ echo more").report.contains("+more"));
}

#[test]
fn another_ending_is_noticed() {
    assert!(failure("$ echo a; exit 3\na").report.ends_with("exit status 3"));
    assert!(failure("$ ! echo a\na").report.starts_with("`echo a`, which was to fail"));
}

#[test]
fn a_command_that_is_not_there_is_not_one_that_failed_as_expected() {
    assert!(failure("$ ! no-such-program-here").report.contains("exit status 127"));
}

#[test]
fn a_script_fails_at_the_first_of_its_lines_that_does() {
    assert!(failure("false\ntrue").report.starts_with("the script failed"));
}

#[test]
fn lines_to_keep_that_do_not_come_are_noticed() {
    let failures = follow_text("```run:shell -> $a, $b\necho one\n```\n");
    assert!(failures[0].report.starts_with("2 lines of output were to be kept"), "{failures:?}");
}

#[test]
fn a_variable_that_nobody_kept_is_noticed() {
    assert_eq!(failure("$ echo ${nobody}").to_string(), "line 2: no block above kept ${nobody}");
    assert_eq!(failure("$ true\n${nobody}").to_string(), "line 2: no block above kept ${nobody}");
}

#[test]
fn what_takes_too_long_is_ended_and_noticed() {
    let failures = follow_text("---\ntimeout: 1000\n---\n\n```run:shell\n$ ! sleep 60\n```\n");
    assert!(failures[0].report.ends_with("exit status 124 (it took too long)"), "{failures:?}");
}

#[test]
fn teardown_runs_at_the_end_though_something_failed_and_may_not_fail_itself() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place { folder: folder.path().to_owned(), environment: Vec::new() };
    let text = "> teardown\n\n```run:shell\ntouch end; false\n```\n\n```run:shell\n$ ls\n$ false\n```\n\n\
                ```run:shell\ntouch never\n```\n";
    let failures = follow(&Document::parse(text).unwrap(), &place);
    assert_eq!(failures.iter().map(|failure| failure.line).collect::<Vec<_>>(), [9, 3]);
    assert!(folder.path().join("end").exists());
    assert!(!folder.path().join("never").exists());
}
