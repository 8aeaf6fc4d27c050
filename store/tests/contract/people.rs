use spaces_store::{User, UserRow};

use crate::scene::{Scene, at, email, fingerprint};

#[tokio::test]
async fn a_key_that_nobody_registered_is_nobodys() {
    let scene = Scene::new().await;
    scene.person("ada", 1).await;
    assert_eq!(scene.store.user_by_key(&fingerprint(2)).await.unwrap(), None);
}

#[tokio::test]
async fn a_registered_key_gives_its_person() {
    let scene = Scene::new().await;
    let ada = scene.person("ada", 1).await;
    let expected = User { id: ada.id, email: email("ada"), platform_admin: false, created_at: at(0) };
    assert_eq!(scene.store.user_by_key(&fingerprint(1)).await.unwrap(), Some(expected));
}

#[tokio::test]
async fn a_platform_starts_with_an_admin_however_often_it_starts() {
    let scene = Scene::new().await;
    let first = scene.store.ensure_platform_admin(&email("ada"), at(0)).await.unwrap();
    let again = scene.store.ensure_platform_admin(&email("ada"), at(9)).await.unwrap();
    assert_eq!(first, again);
    let row = UserRow { email: email("ada"), platform_admin: true, spaces: 0, keys: 0, created_at: at(0) };
    assert_eq!(scene.store.users().await.unwrap(), [row]);
}

#[tokio::test]
async fn granting_makes_an_admin_of_somebody_who_is_there_only() {
    let scene = Scene::new().await;
    scene.person("ada", 1).await;
    assert_eq!(scene.store.grant(&email("ada")).await.unwrap(), Some(()));
    assert_eq!(scene.store.grant(&email("ada")).await.unwrap(), Some(()));
    assert_eq!(scene.store.grant(&email("bob")).await.unwrap(), None);
    assert!(scene.store.user_by_key(&fingerprint(1)).await.unwrap().unwrap().platform_admin);
    assert_eq!(scene.store.users().await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_list_of_people_counts_what_they_own() {
    let scene = Scene::new().await;
    scene.person("bob", 1).await;
    scene.space("ada", "one").await;
    scene.space("ada", "two").await;
    let rows = scene.store.users().await.unwrap();
    let told: Vec<_> = rows.iter().map(|row| (row.email.as_str(), row.spaces, row.keys)).collect();
    assert_eq!(told, [("ada@example.com", 2, 0), ("bob@example.com", 0, 1)]);
}
