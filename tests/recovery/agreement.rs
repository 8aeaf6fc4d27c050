//! What the store says, as people read it in `list`, beside what the engine has.

use std::collections::BTreeMap;

use spaces_tests::{Person, Platform};

/// Space by id, and the word for what it does.
pub(crate) type States = BTreeMap<String, String>;

/// What `list` tells these people of their Spaces.
#[track_caller]
pub(crate) fn told(people: &[&Person]) -> States {
    let mut states = States::new();
    for person in people {
        for row in person.ssh("spaces", &["list"]).ok().lines().skip(1) {
            let cells: Vec<&str> = row.split_whitespace().collect();
            states.insert(cells[0].to_owned(), cells[3].to_owned());
        }
    }
    states
}

/// The containers of this installation.
pub(crate) fn contained(platform: &Platform) -> States {
    let label = format!("label=dev.spaces.installation={}", platform.installation());
    let mut docker = platform.docker();
    let output = docker.args(["ps", "-a", "--format", "{{.Names}} {{.State}}", "--filter", &label]).output();
    let text = String::from_utf8(output.expect("docker runs").stdout).expect("text");
    let prefix = format!("spaces-{}-", platform.installation());
    let row = |row: &str| {
        let (name, state) = row.split_once(' ').expect("a name and a state");
        let state = if state == "exited" { "stopped" } else { state };
        (name.strip_prefix(&prefix).expect("a name of ours").to_owned(), state.to_owned())
    };
    text.lines().map(row).collect()
}

/// Asserts that these people's Spaces, all there are, are in the engine as `list` tells them, and that there is
/// nothing else: no other container, network or socket folder.
#[track_caller]
pub(crate) fn assert_agreement(platform: &Platform, people: &[&Person]) {
    let told = told(people);
    let log = || platform.log().join("\n");
    assert_eq!(told, contained(platform), "list and containers differ:\n{}", log());
    let ids = told.keys().cloned().collect::<Vec<_>>();
    let mut networks = platform.engine_holds(&["network", "ls"]);
    networks.sort();
    let named: Vec<String> = ids.iter().map(|id| platform.container(id)).collect();
    assert_eq!(networks, sorted(named), "networks:\n{}", log());
    assert_eq!(folders(platform), sorted(ids), "socket folders:\n{}", log());
}

fn folders(platform: &Platform) -> Vec<String> {
    let entries = std::fs::read_dir(platform.state().join("run")).map(|entries| {
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect()
    });
    sorted(entries.unwrap_or_default())
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort();
    texts
}
