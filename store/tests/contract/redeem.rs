use std::time::Duration;

use spaces_protocol::name::Role;
use spaces_store::{AddKey, AuthKeyState, FindSpace, Grant, LastKey, Redeem, Store};

use crate::scene::{Scene, at, device_key, email, fingerprint};

async fn state(scene: &Scene) -> AuthKeyState {
    scene.store.auth_keys(at(1)).await.unwrap()[0].state
}

#[tokio::test]
async fn redeeming_registers_the_key_and_uses_up_the_auth_key() {
    let scene = Scene::new().await;
    scene.issue("ada", Grant::Owner, 1).await;
    let answer = scene.store.redeem(&email("ada"), &[1; 32], device_key(1), at(1)).await.unwrap();
    let ada = scene.store.user_by_key(&fingerprint(1)).await.unwrap().unwrap();
    assert_eq!(answer, Redeem::Redeemed(ada));
    assert_eq!(state(&scene).await, AuthKeyState::Used);
    let again = scene.store.redeem(&email("ada"), &[1; 32], device_key(2), at(2)).await.unwrap();
    assert_eq!(again, Redeem::Refused);
    assert!(scene.store.user_by_key(&fingerprint(2)).await.unwrap().is_none());
}

#[tokio::test]
async fn a_wrong_expired_revoked_or_foreign_auth_key_gives_one_answer_and_no_key() {
    let scene = Scene::new().await;
    scene.issue("ada", Grant::Owner, 1).await;
    let revoked = scene.issue("ada", Grant::Owner, 2).await;
    scene.store.revoke_auth_key(revoked, at(0)).await.unwrap();
    for (who, secret, second) in [("ada", 9, 1), ("ada", 1, 100), ("ada", 2, 1), ("bob", 1, 1)] {
        let answer = scene.store.redeem(&email(who), &[secret; 32], device_key(1), at(second)).await.unwrap();
        assert_eq!(answer, Redeem::Refused, "{who} {secret} {second}");
    }
    assert!(scene.store.user_by_key(&fingerprint(1)).await.unwrap().is_none());
    assert_eq!(scene.store.users().await.unwrap().len(), 1, "bob was not made");
    assert!(scene.store.auth_key_is_good(&email("ada"), &[1; 32], at(1)).await.unwrap());
}

/// Two gateways' worth of connections, each with its own device key, race for one auth key.
#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_who_redeem_one_auth_key_at_once_exactly_one_wins() {
    let scene = Scene::new().await;
    scene.issue("ada", Grant::Owner, 1).await;
    let second = Store::open(&scene.path()).await.unwrap();
    let mut racers = tokio::task::JoinSet::new();
    for number in 0..20_u8 {
        let store = if number % 2 == 0 { scene.store.clone() } else { second.clone() };
        racers.spawn(async move {
            store.redeem(&email("ada"), &[1; 32], device_key(number), at(1)).await.unwrap()
        });
    }
    let answers = racers.join_all().await;
    let won = answers.iter().filter(|answer| matches!(answer, Redeem::Redeemed(_))).count();
    let refused = answers.iter().filter(|answer| matches!(answer, Redeem::Refused)).count();
    assert_eq!((won, refused), (1, 19));
    assert_eq!(scene.store.users().await.unwrap()[0].keys, 1);
}

#[tokio::test]
async fn a_key_that_is_already_theirs_still_redeems() {
    let scene = Scene::new().await;
    let ada = scene.person("ada", 1).await;
    scene.issue("ada", Grant::Owner, 7).await;
    let answer = scene.store.redeem(&email("ada"), &[7; 32], device_key(1), at(1)).await.unwrap();
    assert_eq!(answer, Redeem::Redeemed(ada));
    assert_eq!(state(&scene).await, AuthKeyState::Used);
}

#[tokio::test]
async fn anothers_device_key_is_refused_and_the_auth_key_stays_open() {
    let scene = Scene::new().await;
    let bob = scene.person("bob", 1).await;
    scene.issue("ada", Grant::Owner, 7).await;
    let answer = scene.store.redeem(&email("ada"), &[7; 32], device_key(1), at(1)).await.unwrap();
    assert_eq!(answer, Redeem::KeyTaken);
    assert_eq!(state(&scene).await, AuthKeyState::Open);
    assert_eq!(scene.store.user_by_key(&fingerprint(1)).await.unwrap(), Some(bob));
}

#[tokio::test]
async fn one_key_too_many_is_refused_and_the_auth_key_stays_open() {
    let scene = Scene::new().await;
    let ada = scene.person("ada", 0).await.id;
    for number in 1..100 {
        assert_eq!(scene.store.add_key(ada, device_key(number), at(1)).await.unwrap(), AddKey::Added);
    }
    scene.issue("ada", Grant::Owner, 7).await;
    let answer = scene.store.redeem(&email("ada"), &[7; 32], device_key(100), at(1)).await.unwrap();
    assert_eq!(answer, Redeem::TooManyKeys);
    assert_eq!(state(&scene).await, AuthKeyState::Open);
}

#[tokio::test]
async fn a_members_auth_key_lets_into_that_space_alone() {
    let scene = Scene::new().await;
    let den = scene.space("owner", "den").await;
    scene.space("owner", "attic").await;
    let ada = scene.let_in("ada", Grant::Member(den), 1).await;
    let spaces = scene.store.spaces_of(ada.id).await.unwrap();
    let told: Vec<_> = spaces.iter().map(|space| (space.id, space.role())).collect();
    assert_eq!(told, [(den, Role::Member)]);
}

#[tokio::test]
async fn an_owner_with_a_members_auth_key_stays_the_owner() {
    let scene = Scene::new().await;
    let den = scene.space("ada", "den").await;
    let ada = scene.let_in("ada", Grant::Member(den), 1).await;
    let FindSpace::Found(space) = scene.find(ada.id, 1, "den").await else { panic!() };
    assert_eq!(space.role(), Role::Admin);
}

#[tokio::test]
async fn an_auth_key_into_a_space_ends_with_it() {
    let scene = Scene::new().await;
    let den = scene.space("owner", "den").await;
    scene.issue("ada", Grant::Member(den), 1).await;
    scene.store.forget_space(den, at(1)).await.unwrap();
    let answer = scene.store.redeem(&email("ada"), &[1; 32], device_key(1), at(2)).await.unwrap();
    assert_eq!(answer, Redeem::Refused);
    assert_eq!(state(&scene).await, AuthKeyState::Revoked);
}

/// A client that hangs up in the middle drops the future at any of its awaits.
#[tokio::test(flavor = "multi_thread")]
async fn a_redeem_that_is_dropped_midway_was_all_or_nothing() {
    let scene = Scene::new().await;
    let ada = scene.person("ada", 0).await.id;
    for round in 1..100_u8 {
        scene.issue("ada", Grant::Owner, round).await;
        let (email, hash) = (email("ada"), [round; 32]);
        let redeem = scene.store.redeem(&email, &hash, device_key(round), at(1));
        let patience = Duration::from_micros(u64::from(round) * 20);
        drop(tokio::time::timeout(patience, redeem).await);
        let used = state(&scene).await == AuthKeyState::Used;
        // The next change comes after whatever became of the dropped one.
        scene.store.touch_key(&fingerprint(round), at(1)).await.unwrap();
        let used_now = state(&scene).await == AuthKeyState::Used;
        let registered = scene.store.user_by_key(&fingerprint(round)).await.unwrap().is_some();
        assert_eq!(used_now, registered, "round {round}");
        assert!(used_now || !used, "what was seen as used stays used");
        scene.store.remove_key(ada, &fingerprint(round), LastKey::Keep, at(9)).await.unwrap();
    }
}
