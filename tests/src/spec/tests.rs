use super::*;

fn fault(text: &str) -> (usize, String) {
    let Malformed { line, problem } = Document::parse(text).unwrap_err();
    (line, problem)
}

#[test]
fn a_document_is_its_blocks_in_order_with_their_lines() {
    let text = "---\ntype: spec\ntimeout: 5000\n---\n\n# Title\n\n```run:shell -> $a, $b\n# comment\necho\n```\n\n\
                > teardown\n\n```run:shell\nrm ${a}\n```\n\n```bash\n$ not run\n```\n\n> A quote.\n\n\
                ```run:shell\n$ one | two\nout\n\n$ ! three\n...\n```\n";
    let document = Document::parse(text).unwrap();
    let script = |script: &str, captures: &[&str]| Body::Script {
        script: script.to_owned(),
        captures: captures.iter().map(|&name| name.to_owned()).collect(),
    };
    let step = |line, command: &str, ending, expected: &[&str]| Step {
        line,
        command: command.to_owned(),
        ending,
        expected: expected.iter().map(|&line| line.to_owned()).collect(),
    };
    let session = vec![
        step(26, "one | two", Ending::Success, &["out", ""]),
        step(29, "three", Ending::Failure, &["..."]),
    ];
    let blocks = vec![
        Block { line: 8, when: When::InTurn, body: script("# comment\necho\n", &["a", "b"]) },
        Block { line: 15, when: When::AtTheEnd, body: script("rm ${a}\n", &[]) },
        Block { line: 25, when: When::InTurn, body: Body::Session(session) },
    ];
    assert_eq!(document, Document { blocks, patience: Duration::from_secs(5) });
}

#[test]
fn what_would_not_be_run_as_meant_is_refused() {
    let block = |info: &str, code: &str| fault(&format!("# T\n\n```{info}\n{code}\n```\n"));
    assert_eq!(fault("# T\n\n```bash\n$ x\n```\n"), (1, "nothing to run in here".to_owned()));
    assert_eq!(block("run:shell", ""), (3, "nothing to run in here".to_owned()));
    assert_eq!(block("run:python", "x"), (3, "not a kind of block: `run:python`".to_owned()));
    assert_eq!(block("run:shell !fail", "x"), (3, "not a kind of block: `run:shell !fail`".to_owned()));
    assert_eq!(block("bash -> $a", "x"), (3, "not a kind of block: `bash -> $a`".to_owned()));
    assert_eq!(block("run:shell -> a", "x"), (3, "variables are written `$name`".to_owned()));
    assert_eq!(block("run:shell -> $a", "$ x"), (3, "only a script keeps variables".to_owned()));
    assert_eq!(block("run:shell", "out\n$ x"), (4, "output of no command".to_owned()));
    let teardown = "```run:shell\nx\n```\n\n> teardown\n";
    assert_eq!(fault(teardown), (5, "no block follows this `> teardown`".to_owned()));
    assert_eq!(fault("> setup\n"), (1, "of the directives only `> teardown` is understood".to_owned()));
    assert_eq!(fault("---\ntimeout: soon\n---\n").0, 1);
}
