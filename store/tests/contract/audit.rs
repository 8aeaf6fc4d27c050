use spaces_store::{AuditEntry, Outcome};

use crate::scene::{HERE, Scene, at, email, fingerprint};

fn entry(second: i64, outcome: Outcome) -> AuditEntry {
    AuditEntry {
        at: at(second),
        actor: Some(email("ada")),
        key: Some(fingerprint(1)),
        from: Some(HERE),
        action: "space.delete".into(),
        target: Some("sp_1".to_owned()),
        outcome,
        detail: Some("on request".to_owned()),
    }
}

#[tokio::test]
async fn the_trail_reads_back_as_written_newest_first() {
    let scene = Scene::new().await;
    // A clock that was set back does not reorder it.
    let written = [entry(9, Outcome::Done), entry(5, Outcome::Refused), entry(7, Outcome::Failed)];
    for line in &written {
        scene.store.record(line).await.unwrap();
    }
    let mut read = scene.store.audit(10).await.unwrap();
    assert_eq!(scene.store.audit(2).await.unwrap(), read[..2]);
    read.reverse();
    assert_eq!(read, written);
}

#[tokio::test]
async fn what_is_not_known_stays_unknown() {
    let scene = Scene::new().await;
    let bare = AuditEntry {
        actor: None,
        key: None,
        from: None,
        target: None,
        detail: None,
        ..entry(1, Outcome::Done)
    };
    scene.store.record(&bare).await.unwrap();
    assert_eq!(scene.store.audit(1).await.unwrap(), [bare]);
}
