use spaces_protocol::name::{AuthKeyId, Role, SpaceId};
use spaces_store::{AuthKeyRow, AuthKeyState, Desired, Grant, Issue, NewAuthKey, Revoke};

use crate::scene::{Scene, at, device_key, email};

#[tokio::test]
async fn an_issued_key_is_good_for_its_person_until_it_expires() {
    let scene = Scene::new().await;
    scene.issue("ada", Grant::Owner, 1).await;
    let good = async |who: &str, secret: u8, second: i64| {
        scene.store.auth_key_is_good(&email(who), &[secret; 32], at(second)).await.unwrap()
    };
    assert!(good("ada", 1, 0).await);
    assert!(good("ada", 1, 99).await, "asking does not use it up");
    assert!(!good("ada", 1, 100).await, "expired");
    assert!(!good("ada", 2, 0).await, "wrong secret");
    assert!(!good("bob", 1, 0).await, "another person");
}

#[tokio::test]
async fn the_list_tells_each_keys_state() {
    let scene = Scene::new().await;
    let space = scene.space("owner", "den").await;
    let used = scene.issue("ada", Grant::Owner, 1).await;
    scene.store.redeem(&email("ada"), &[1; 32], device_key(1), at(1)).await.unwrap();
    let revoked = scene.issue("bob", Grant::Owner, 2).await;
    scene.store.revoke_auth_key(revoked, at(1)).await.unwrap();
    let open = scene.issue("cleo", Grant::Member(space), 3).await;

    let row = |id, who, role, space, state| AuthKeyRow {
        id,
        email: email(who),
        role,
        space,
        state,
        expires_at: at(100),
        created_at: at(0),
    };
    let expected = |last| {
        [
            row(open, "cleo", Role::Member, Some(space), last),
            row(revoked, "bob", Role::Admin, None, AuthKeyState::Revoked),
            row(used, "ada", Role::Admin, None, AuthKeyState::Used),
        ]
    };
    assert_eq!(scene.store.auth_keys(at(99)).await.unwrap(), expected(AuthKeyState::Open));
    assert_eq!(scene.store.auth_keys(at(100)).await.unwrap(), expected(AuthKeyState::Expired));
}

#[tokio::test]
async fn a_revoked_key_is_no_good_and_revoking_again_changes_nothing() {
    let scene = Scene::new().await;
    let id = scene.issue("ada", Grant::Owner, 1).await;
    for _time in 0..2 {
        assert_eq!(scene.store.revoke_auth_key(id, at(1)).await.unwrap(), Revoke::Revoked);
        assert!(!scene.store.auth_key_is_good(&email("ada"), &[1; 32], at(2)).await.unwrap());
    }
}

#[tokio::test]
async fn a_used_key_cannot_be_revoked_nor_an_absent_one() {
    let scene = Scene::new().await;
    let id = scene.issue("ada", Grant::Owner, 1).await;
    scene.store.redeem(&email("ada"), &[1; 32], device_key(1), at(1)).await.unwrap();
    assert_eq!(scene.store.revoke_auth_key(id, at(2)).await.unwrap(), Revoke::AlreadyUsed);
    assert_eq!(scene.store.revoke_auth_key(AuthKeyId::new(77), at(2)).await.unwrap(), Revoke::Absent);
    assert_eq!(scene.store.auth_keys(at(3)).await.unwrap()[0].state, AuthKeyState::Used);
}

#[tokio::test]
async fn no_key_is_issued_into_a_space_that_is_not_there_or_going() {
    let scene = Scene::new().await;
    let going = scene.space("owner", "den").await;
    scene.store.set_desired(going, Desired::Deleted).await.unwrap();
    for space in [SpaceId::new(77), going] {
        let key = NewAuthKey {
            email: email("ada"),
            grant: Grant::Member(space),
            hash: [1; 32],
            expires_at: at(100),
            issued_by: None,
        };
        assert_eq!(scene.store.issue_auth_key(key, at(0)).await.unwrap(), Issue::NoSpace);
    }
    assert_eq!(scene.store.auth_keys(at(0)).await.unwrap(), []);
    assert_eq!(scene.store.users().await.unwrap().len(), 1, "nobody was made for it");
}
