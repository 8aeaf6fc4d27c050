use spaces_protocol::name::{AuthKeyId, SpaceName};
use spaces_store::{
    Approval, Approve, AuthKeyState, Ceiling, Desired, NewSpace, Observed, Recorded, Redeem, RequestRow,
    Store, StoreError, UserId,
};

use crate::scene::{HERE, Scene, at, device_key, email, space_name, spec};

async fn ask(scene: &Scene, who: &str, reason: &str) -> Recorded {
    scene.store.record_request(&email(who), &reason.parse().unwrap(), HERE, at(1)).await.unwrap()
}

fn approval(who: &str, by: UserId, name: SpaceName, secret: u8) -> Approval {
    let space = NewSpace { name, spec: spec(), ceiling: Ceiling::default() };
    Approval { email: email(who), by, hash: [secret; 32], expires_at: at(100), space }
}

#[tokio::test]
async fn a_second_request_changes_nothing() {
    let scene = Scene::new().await;
    assert_eq!(ask(&scene, "ada", "to work").await, Recorded::New);
    assert_eq!(ask(&scene, "ada", "to play").await, Recorded::Known);
    let expected =
        RequestRow { email: email("ada"), reason: "to work".parse().unwrap(), from: HERE, created_at: at(1) };
    assert_eq!(scene.store.open_requests().await.unwrap(), [expected]);
}

/// Two processes' worth of connections: a change that reads before it writes must not trip over the other's.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_requests_of_one_person_at_once_one_is_open() {
    let scene = Scene::new().await;
    let second = Store::open(&scene.path()).await.unwrap();
    let mut askers = tokio::task::JoinSet::new();
    for number in 0..80 {
        let store = if number % 2 == 0 { scene.store.clone() } else { second.clone() };
        let reason = format!("number {number}").parse().unwrap();
        let who = email(["ada", "bob", "cleo", "dan"][number / 20]);
        askers.spawn(async move { store.record_request(&who, &reason, HERE, at(1)).await.unwrap() });
    }
    let answers = askers.join_all().await;
    assert_eq!(answers.iter().filter(|answer| **answer == Recorded::New).count(), 4);
    assert_eq!(scene.store.open_requests().await.unwrap().len(), 4);
}

#[tokio::test]
async fn beyond_ten_thousand_open_requests_strangers_are_dropped() {
    let scene = Scene::new().await;
    let admin = scene.admin().await;
    let raw =
        sqlx::SqlitePool::connect_with(sqlx::sqlite::SqliteConnectOptions::new().filename(scene.path()));
    sqlx::query(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) \
         INSERT INTO access_requests (email, reason, from_address, created_at) \
         SELECT 'u' || i || '@example.com', '', '::1', 0 FROM n",
    )
    .execute(&raw.await.unwrap())
    .await
    .unwrap();
    assert_eq!(ask(&scene, "ada", "").await, Recorded::Full);
    assert_eq!(ask(&scene, "u1", "").await, Recorded::Known);
    scene.store.deny_request(&email("u1"), admin, at(2)).await.unwrap();
    assert_eq!(ask(&scene, "ada", "").await, Recorded::New);
    assert_eq!(scene.store.open_requests().await.unwrap().len(), 10_000);
}

#[tokio::test]
async fn a_denied_person_may_ask_again() {
    let scene = Scene::new().await;
    let admin = scene.admin().await;
    ask(&scene, "ada", "").await;
    assert_eq!(scene.store.deny_request(&email("ada"), admin, at(2)).await.unwrap(), Some(()));
    assert_eq!(scene.store.deny_request(&email("ada"), admin, at(2)).await.unwrap(), None);
    assert_eq!(scene.store.open_requests().await.unwrap(), []);
    assert_eq!(ask(&scene, "ada", "").await, Recorded::New);
}

#[tokio::test]
async fn an_approved_person_has_a_space_that_should_run_and_an_auth_key_that_works() {
    let scene = Scene::new().await;
    let admin = scene.admin().await;
    ask(&scene, "ada", "").await;
    let answer = scene.store.approve(approval("ada", admin, space_name("ada"), 1), at(2)).await.unwrap();
    let Approve::Approved { user, auth_key, space: Some(space) } = answer else { panic!("{answer:?}") };
    assert_eq!(scene.store.open_requests().await.unwrap(), []);
    let made = scene.store.space(space).await.unwrap().unwrap();
    assert_eq!((made.owner, made.owner_email.clone(), made.name.as_str()), (user, email("ada"), "ada"));
    assert_eq!((made.desired, made.observed, made.spec), (Desired::Running, Observed::Absent, spec()));
    assert_eq!(scene.store.auth_keys(at(2)).await.unwrap()[0].id, auth_key);
    let redeemed = scene.store.redeem(&email("ada"), &[1; 32], device_key(1), at(3)).await.unwrap();
    assert!(matches!(redeemed, Redeem::Redeemed(person) if person.id == user));
}

#[tokio::test]
async fn who_did_not_ask_is_not_approved_and_nothing_is_made() {
    let scene = Scene::new().await;
    let admin = scene.admin().await;
    let answer = scene.store.approve(approval("ada", admin, space_name("ada"), 1), at(2)).await.unwrap();
    assert_eq!(answer, Approve::NoRequest);
    assert_eq!(scene.store.users().await.unwrap().len(), 1);
    assert_eq!(scene.store.all_spaces().await.unwrap(), []);
    assert_eq!(scene.store.auth_keys(at(2)).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_admins_who_approve_at_once_approve_once() {
    let scene = Scene::new().await;
    let admin = scene.admin().await;
    ask(&scene, "ada", "").await;
    let (one, two) = tokio::join!(
        scene.store.approve(approval("ada", admin, space_name("ada"), 1), at(2)),
        scene.store.approve(approval("ada", admin, space_name("ada"), 2), at(2)),
    );
    let answers = [one.unwrap(), two.unwrap()];
    assert_eq!(answers.iter().filter(|answer| **answer == Approve::NoRequest).count(), 1);
    assert_eq!(scene.store.all_spaces().await.unwrap().len(), 1);
    assert_eq!(scene.store.auth_keys(at(2)).await.unwrap().len(), 1);
}

/// The last step of an approval fails (its auth key's hash is in use): the steps before it must not stay.
#[tokio::test]
async fn an_approval_that_breaks_halfway_leaves_the_request_open() {
    let scene = Scene::new().await;
    let admin = scene.admin().await;
    let other = scene.issue("bob", spaces_store::Grant::Owner, 1).await;
    ask(&scene, "ada", "").await;
    let broken = scene.store.approve(approval("ada", admin, space_name("ada"), 1), at(2)).await.unwrap_err();
    assert!(matches!(broken, StoreError::Unavailable(_)));
    assert_eq!(scene.store.open_requests().await.unwrap().len(), 1);
    assert_eq!(scene.store.all_spaces().await.unwrap(), []);
    let keys = scene.store.auth_keys(at(2)).await.unwrap();
    let told: Vec<(AuthKeyId, AuthKeyState)> = keys.iter().map(|key| (key.id, key.state)).collect();
    assert_eq!(told, [(other, AuthKeyState::Open)]);
    assert!(scene.store.users().await.unwrap().iter().all(|row| row.email != email("ada")));
    let repaired = scene.store.approve(approval("ada", admin, space_name("ada"), 2), at(3)).await.unwrap();
    assert!(matches!(repaired, Approve::Approved { space: Some(_), .. }));
}

#[tokio::test]
async fn who_owns_a_space_gets_no_second_one_by_approval() {
    let scene = Scene::new().await;
    let admin = scene.admin().await;
    scene.space("ada", "den").await;
    ask(&scene, "ada", "").await;
    let answer = scene.store.approve(approval("ada", admin, space_name("ada"), 1), at(2)).await.unwrap();
    assert!(matches!(answer, Approve::Approved { space: None, .. }), "{answer:?}");
    assert_eq!(scene.store.all_spaces().await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_name_of_a_space_that_is_going_is_numbered() {
    let scene = Scene::new().await;
    let admin = scene.admin().await;
    for name in ["ada", "ada-2"] {
        let going = scene.space("ada", name).await;
        scene.store.set_desired(going, Desired::Deleted).await.unwrap();
    }
    ask(&scene, "ada", "").await;
    let answer = scene.store.approve(approval("ada", admin, space_name("ada"), 1), at(2)).await.unwrap();
    let Approve::Approved { space: Some(space), .. } = answer else { panic!("{answer:?}") };
    assert_eq!(scene.store.space(space).await.unwrap().unwrap().name, space_name("ada-3"));
}
