//! What needs other connection settings than `open` gives: a full disk, stood in for by a page limit.

use std::os::unix::fs::PermissionsExt as _;

use jiff::Timestamp;
use spaces_protocol::name::Email;

use super::*;
use crate::{AuditEntry, Budget, Ceiling, CreateSpace, NewSpace, Outcome, SpaceSpec};

fn owner() -> Email {
    "ada@example.com".parse().unwrap()
}

async fn create(store: &Store, number: usize) -> Result<CreateSpace, StoreError> {
    let budget = Budget {
        cpu_millis: 1000,
        memory_mib: 1024,
        pids: 512,
        disk_mb: None,
        egress_mb: None,
        egress_mbit: None,
        llm_tokens: None,
    };
    let space = NewSpace {
        name: format!("space-{number}").parse().unwrap(),
        spec: SpaceSpec { image: "image".repeat(400), budget },
        ceiling: Ceiling::default(),
    };
    store.create_space(&owner(), &space, Timestamp::UNIX_EPOCH).await
}

fn limited(path: &Path, pages: &'static str) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .pragma("max_page_count", pages)
}

#[tokio::test]
async fn a_full_database_is_unavailable_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let store = Store::connect(limited(&path, "60"), limited(&path, "60")).await.unwrap();
    let mut kept = 0;
    let broken = loop {
        match create(&store, kept).await {
            Ok(CreateSpace::Created(_)) => kept += 1,
            Ok(refused @ (CreateSpace::NameTaken | CreateSpace::Overdrawn(_))) => panic!("{refused:?}"),
            Err(error) => break error,
        }
    };
    let StoreError::Unavailable(source) = broken else { panic!("{broken}") };
    assert!(source.to_string().contains("full"), "{source}");
    assert!(kept > 0);
    assert_eq!(store.all_spaces().await.unwrap().len(), kept);

    // SQLite ended that transaction by itself; the connection must not be stuck in it.
    for _again in 0..3 {
        let StoreError::Unavailable(source) = create(&store, kept).await.unwrap_err() else { panic!() };
        assert!(source.to_string().contains("full"), "{source}");
    }
    // Rows share pages: a few must go before a page is free.
    for space in store.all_spaces().await.unwrap().iter().take(4) {
        store.forget_space(space.id, Timestamp::UNIX_EPOCH).await.unwrap();
    }
    let answer = create(&store, kept).await;
    assert!(matches!(answer, Ok(CreateSpace::Created(_))), "room was made for it: {answer:?}");
    store.close().await;

    let store = Store::open(&path).await.unwrap();
    assert_eq!(store.all_spaces().await.unwrap().len(), kept - 3);
    assert!(matches!(create(&store, kept + 1).await, Ok(CreateSpace::Created(_))), "the disk grew");
}

/// For a plain insert `SQLite` ends the whole transaction by itself; the connection must not be stuck in it.
#[tokio::test]
async fn a_store_whose_disk_was_full_works_again_once_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let store = Store::connect(limited(&path, "60"), limited(&path, "60")).await.unwrap();
    create(&store, 0).await.unwrap();
    let line = AuditEntry {
        at: Timestamp::UNIX_EPOCH,
        actor: None,
        key: None,
        from: None,
        action: "test".into(),
        target: None,
        outcome: Outcome::Done,
        detail: Some("detail".repeat(500)),
    };
    while store.record(&line).await.is_ok() {}
    for _again in 0..3 {
        let StoreError::Unavailable(source) = store.record(&line).await.unwrap_err() else { panic!() };
        assert!(source.to_string().contains("full"), "{source}");
    }
    assert_eq!(store.all_spaces().await.unwrap().len(), 1);
    let cleared = sqlx::query("DELETE FROM audit").execute(&store.writer).await.unwrap();
    assert!(cleared.rows_affected() > 0);
    store.record(&line).await.unwrap();
}

#[tokio::test]
async fn a_commit_is_on_the_disk_before_it_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("db")).await.unwrap();
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&store.writer).await.unwrap();
    let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&store.writer).await.unwrap();
    let foreign_keys: i64 = sqlx::query_scalar("PRAGMA foreign_keys").fetch_one(&store.writer).await.unwrap();
    assert_eq!((mode.as_str(), synchronous, foreign_keys), ("wal", 2, 1));
}

/// Else what a change read could be overtaken by another process before it writes, and its commit would fail.
#[tokio::test]
async fn a_change_holds_the_write_lock_before_it_reads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let store = Store::open(&path).await.unwrap();
    let impatient = SqliteConnectOptions::new().filename(&path).busy_timeout(Duration::ZERO);
    let other = pool(1).connect_with(impatient).await.unwrap();
    let write = "INSERT INTO users (email, created_at) VALUES ('ada@example.com', 0)";

    let change = store.change().await.unwrap();
    let refused = sqlx::query(write).execute(&other).await.unwrap_err();
    assert!(refused.to_string().contains("locked"), "{refused}");
    change.rollback().await.unwrap();
    sqlx::query(write).execute(&other).await.unwrap();
}

#[tokio::test]
async fn the_readers_cannot_write() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("db")).await.unwrap();
    let refused = sqlx::query("DELETE FROM users").execute(&store.readers).await.unwrap_err();
    assert!(refused.to_string().contains("readonly"), "{refused}");
}

#[tokio::test]
async fn the_file_and_its_log_are_their_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("db")).await.unwrap();
    create(&store, 1).await.unwrap();
    for file in ["db", "db-wal", "db-shm"] {
        let mode = std::fs::metadata(folder.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_unavailable() {
    let folder = tempfile::tempdir().unwrap();
    let refused = Store::open(&folder.path().join("absent/db")).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unavailable(sqlx::Error::Io(_))), "{refused:?}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_unavailable_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    std::fs::write(
        &path,
        "a letter to my aunt, long enough to fill the header of a page of a database, and more",
    )
    .unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(Store::open(&path).await.unwrap_err(), StoreError::Unavailable(_)));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let store = Store::open(&path).await.unwrap();
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (999, 'of tomorrow', TRUE, x'00', 0)",
    )
    .execute(&store.writer)
    .await
    .unwrap();
    store.close().await;
    let StoreError::Unavailable(source) = Store::open(&path).await.unwrap_err() else { panic!() };
    assert!(source.to_string().contains("999"), "{source}");
}
