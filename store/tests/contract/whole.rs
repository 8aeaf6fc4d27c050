//! Promises about the database as a whole.

use spaces_protocol::auth_key::{AuthKey, GatewayMark};
use spaces_store::{AuditEntry, Grant, NewAuthKey, Outcome, Redeem, Store, StoreError};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

use crate::scene::{HERE, Scene, at, device_key, email, new_space};

/// Everything that can be listed, as text.
async fn told(store: &Store) -> String {
    let mut lines = vec![
        format!("{:?}", store.installation().await.unwrap()),
        format!("{:?}", store.users().await.unwrap()),
        format!("{:?}", store.auth_keys(at(1)).await.unwrap()),
        format!("{:?}", store.open_requests().await.unwrap()),
        format!("{:?}", store.all_spaces().await.unwrap()),
        format!("{:?}", store.audit(100).await.unwrap()),
    ];
    for space in store.all_spaces().await.unwrap() {
        lines.push(format!("{:?} {:?}", store.spaces_of(space.owner).await, store.keys(space.owner).await));
    }
    lines.join("\n")
}

async fn furnish(scene: &Scene) {
    scene.admin().await;
    let den = scene.space("ada", "den").await;
    scene.person("ada", 1).await;
    scene.let_in("bob", Grant::Member(den), 2).await;
    scene.issue("cleo", Grant::Owner, 3).await;
    scene.store.record_request(&email("dan"), &"please".parse().unwrap(), HERE, at(1)).await.unwrap();
    let line = AuditEntry {
        at: at(1),
        actor: Some(email("ada")),
        key: None,
        from: Some(HERE),
        action: "space.create".into(),
        target: None,
        outcome: Outcome::Done,
        detail: None,
    };
    scene.store.record(&line).await.unwrap();
}

async fn break_value(scene: &Scene, statement: &'static str) {
    let raw = SqlitePool::connect_with(SqliteConnectOptions::new().filename(scene.path())).await.unwrap();
    sqlx::query(statement).execute(&raw).await.unwrap();
    raw.close().await;
}

#[tokio::test]
async fn reopening_keeps_everything() {
    let scene = Scene::new().await;
    furnish(&scene).await;
    let before = told(&scene.store).await;
    let scene = scene.reopened().await;
    assert_eq!(told(&scene.store).await, before);
}

/// The process is killed: nothing is closed, what was answered is in the log. Its copy stands for the disk.
#[tokio::test]
async fn what_was_answered_outlives_a_kill() {
    let scene = Scene::new().await;
    furnish(&scene).await;
    let before = told(&scene.store).await;
    let disk = tempfile::tempdir().unwrap();
    for file in ["db", "db-wal"] {
        std::fs::copy(scene.path().with_file_name(file), disk.path().join(file)).unwrap();
    }
    let survivor = Store::open(&disk.path().join("db")).await.unwrap();
    assert_eq!(told(&survivor).await, before);
}

#[tokio::test]
async fn an_installation_keeps_its_id_and_another_has_its_own() {
    let scene = Scene::new().await;
    let id = scene.store.installation().await.unwrap();
    assert_eq!(id.as_str().len(), 8);
    assert_eq!(id.to_string(), id.as_str());
    let scene = scene.reopened().await;
    assert_eq!(scene.store.installation().await.unwrap(), id);
    assert_ne!(Scene::new().await.store.installation().await.unwrap(), id);
}

/// Somebody copies the database, or a backup of it, and looks for a key to log in with.
#[tokio::test]
async fn no_secret_is_in_the_file() {
    let scene = Scene::new().await;
    let secret = *b"twenty secret bytes!";
    let auth_key = AuthKey::new(secret, GatewayMark::of_host_key(b"host key"));
    let hash = auth_key.hash();
    let new =
        NewAuthKey { email: email("ada"), grant: Grant::Owner, hash, expires_at: at(100), issued_by: None };
    scene.store.issue_auth_key(new, at(0)).await.unwrap();
    let redeemed = scene.store.redeem(&email("ada"), &hash, device_key(1), at(1)).await.unwrap();
    assert!(matches!(redeemed, Redeem::Redeemed(_)));
    let scan = |needle: &[u8]| {
        ["db", "db-wal"].iter().any(|file| {
            let bytes = std::fs::read(scene.path().with_file_name(file)).unwrap();
            bytes.windows(needle.len()).any(|window| window == needle)
        })
    };
    assert!(scan(&hash), "the scan finds what is there");
    assert!(!scan(&secret));
    assert!(!scan(auth_key.to_string().as_bytes()));
}

#[tokio::test]
async fn a_value_that_cannot_be_read_is_named() {
    let cases = [
        ("UPDATE users SET email = 'nobody' WHERE email = 'ada@example.com'", "users.email"),
        ("UPDATE device_keys SET fingerprint = 'MD5' WHERE name = 'laptop-1'", "device_keys.fingerprint"),
        ("UPDATE spaces SET name = 'Root'", "spaces.name"),
        ("UPDATE spaces SET memory_mib = -1", "spaces.memory_mib"),
    ];
    for (statement, expected) in cases {
        let scene = Scene::new().await;
        furnish(&scene).await;
        let owner = scene.store.all_spaces().await.unwrap()[0].owner;
        break_value(&scene, statement).await;
        let broken = match expected.split_once('.').unwrap().0 {
            "users" => scene.store.users().await.map(drop),
            "device_keys" => scene.store.keys(owner).await.map(drop),
            _ => scene.store.all_spaces().await.map(drop),
        };
        let StoreError::Corrupt { column, source } = broken.unwrap_err() else { panic!("{expected}") };
        assert_eq!(column, expected, "{source}");
    }
}

#[tokio::test]
async fn a_closed_store_is_unavailable() {
    let scene = Scene::new().await;
    scene.store.close().await;
    assert!(matches!(scene.store.users().await, Err(StoreError::Unavailable(_))));
    assert!(matches!(scene.store.installation().await, Err(StoreError::Unavailable(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_write_at_once_wait_their_turn() {
    let scene = Scene::new().await;
    let second = Store::open(&scene.path()).await.unwrap();
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..60 {
        let store = if number % 2 == 0 { scene.store.clone() } else { second.clone() };
        let space = new_space(&format!("space-{number}"));
        writers.spawn(async move {
            store.create_space(&email("ada"), &space, at(1)).await.unwrap();
            store.all_spaces().await.unwrap();
        });
    }
    writers.join_all().await;
    assert_eq!(scene.store.all_spaces().await.unwrap().len(), 60);
}
