//! Every seed of every corpus, at its target: on stable Rust, with each run of the tests.

#![allow(clippy::unwrap_used, reason = "clippy's allowance for tests does not reach an integration test")]

use std::collections::BTreeSet;

use spaces_fuzz::{TARGETS, corpus};

#[test]
fn every_target_takes_its_whole_corpus() {
    for (name, target) in TARGETS {
        let seeds = corpus::seeds(name).unwrap();
        assert!(seeds.len() >= 5, "{name} has {} seeds", seeds.len());
        for (path, bytes) in seeds {
            println!("{}", path.display());
            target(&bytes);
            // As a connection that breaks leaves them.
            for end in 0..bytes.len() {
                target(bytes.get(..end).unwrap());
            }
        }
    }
}

#[test]
fn every_corpus_and_every_binary_of_libfuzzer_has_its_target() {
    let names = |folder: &str| -> BTreeSet<String> {
        let path = corpus::folder().join(folder);
        let entries = std::fs::read_dir(path).unwrap();
        entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    };
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names("."), targets);
    assert_eq!(names("../libfuzzer/targets"), targets);
}
