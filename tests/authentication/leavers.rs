//! Connections that outlive what let them in, and those of people without a key.

use spaces_tests::{Multiplex, Platform};

use crate::client::client;

/// The attack: Mallory has a laptop that she was logged in on, with a connection that is held open. Alice
/// removes the laptop's key from another machine of hers. Mallory, on the held connection, tries to list, to
/// enter the Space, and to register a key anew. The friendly twin: the other machine goes on as before.
#[test]
fn a_removed_key_opens_nothing_more_on_a_connection_that_was_held() {
    let platform = Platform::start();
    let (alice, _id) = platform.owner("alice@example.com", "my-room");
    let laptop = platform.person("alice@example.com");
    let list = laptop.ssh("spaces", &["key", "list", "--json"]).ok();
    let keys: serde_json::Value = serde_json::from_str(&list).expect("JSON");
    let current = keys.as_array().expect("keys").iter().find(|key| key["current"] == true).expect("this key");
    let fingerprint = current["fingerprint"].as_str().expect("a fingerprint").to_owned();
    let held = Multiplex::connect(&laptop, &[], "spaces");
    assert_eq!(held.ssh(&["connect", "my-room", "--", "echo", "in"]).ok(), "in\n");
    alice.ssh("spaces", &["key", "remove", &fingerprint]).ok();
    let refusal = "error: not authenticated\nhint: your key was removed meanwhile\n";
    for words in [&["list"][..], &["key", "add"][..], &["connect", "my-room", "--", "echo", "in"][..]] {
        assert_eq!(held.ssh(words).fails(1), refusal, "{words:?}");
    }
    assert_eq!(alice.ssh("my-room", &["echo in"]).ok(), "in\n");
}

/// The attack: a stranger, let in as `join` without any key, opens channel after channel, each of which may
/// hold a window of the gateway's memory. The friendly twin: two channels are there for what strangers may do.
#[tokio::test]
async fn a_stranger_holds_two_channels_and_no_more() {
    let platform = Platform::start();
    let mut client = client(&platform).await;
    assert!(client.authenticate_none("join").await.expect("an answer").success());
    let first = client.channel_open_session().await.expect("a channel");
    let second = client.channel_open_session().await.expect("a channel");
    assert!(client.channel_open_session().await.is_err(), "a third channel was opened");
    drop((first, second));
}
