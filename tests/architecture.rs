//! ARCHITECTURE.md's rules about crates, proved on cargo's own graph.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;
use spaces_tests::repository;

/// What each crate of ours depends on, outside its tests.
fn graph() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--locked"])
        .current_dir(repository())
        .output()
        .expect("cargo runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo speaks JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let depends = |package: &Value| -> BTreeSet<String> {
        let all = package["dependencies"].as_array().expect("dependencies").iter();
        let kept = all.filter(|dependency| dependency["kind"] != "dev");
        kept.map(|dependency| dependency["name"].as_str().expect("a name").to_owned()).collect()
    };
    packages
        .iter()
        .map(|package| (package["name"].as_str().expect("a name").to_owned(), depends(package)))
        .collect()
}

#[test]
fn crates_know_only_whom_the_architecture_says() {
    let ours = |name: &str| -> Vec<String> {
        let all = &graph()[name];
        all.iter().filter(|dependency| dependency.starts_with("spaces-")).cloned().collect()
    };
    assert_eq!(ours("spaces-protocol"), [""; 0]);
    for leaf in ["spaces-link", "spaces-store", "spaces-provisioner", "spaces-cli"] {
        assert_eq!(ours(leaf), ["spaces-protocol"], "{leaf}");
    }
    assert_eq!(ours("spaces-guest"), ["spaces-link", "spaces-protocol"]);
    assert_eq!(
        ours("spaces-gateway"),
        ["spaces-link", "spaces-protocol", "spaces-provisioner", "spaces-store"]
    );
}

#[test]
fn each_outside_world_has_one_crate() {
    let graph = graph();
    let users = |world: &str| -> Vec<&str> {
        let product =
            graph.iter().filter(|(name, _)| !["spaces-tests", "spaces-bench"].contains(&name.as_str()));
        product
            .filter(|(_, dependencies)| dependencies.contains(world))
            .map(|(name, _)| name.as_str())
            .collect()
    };
    assert_eq!(users("sqlx"), ["spaces-store"]);
    assert_eq!(users("bollard"), ["spaces-provisioner"]);
    assert_eq!(users("russh"), ["spaces-cli", "spaces-gateway"]);
}

#[test]
fn every_dependency_has_a_line_in_the_architecture() {
    let text = std::fs::read_to_string(repository().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let table: String = text.lines().filter(|line| line.starts_with("| ")).collect::<Vec<_>>().join("\n");
    for (name, dependencies) in graph() {
        for dependency in dependencies.iter().filter(|dependency| !dependency.starts_with("spaces-")) {
            let named = table.split(['|', ',', ' ', '\n']).any(|word| word == dependency);
            assert!(named, "{dependency}, of {name}, has no line in ARCHITECTURE.md's table");
        }
    }
}
