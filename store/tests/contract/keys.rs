use spaces_store::{AddKey, DeviceKey, LastKey, RemoveKey};

use crate::scene::{Scene, at, device_key, fingerprint};

#[tokio::test]
async fn a_key_is_listed_as_it_was_added() {
    let scene = Scene::new().await;
    let ada = scene.person("ada", 1).await.id;
    assert_eq!(scene.store.add_key(ada, device_key(2), at(5)).await.unwrap(), AddKey::Added);
    let expected = [(1, at(0)), (2, at(5))].map(|(number, created_at)| DeviceKey {
        name: device_key(number).name,
        fingerprint: fingerprint(number),
        public_key: device_key(number).public_key,
        created_at,
        last_used_at: None,
    });
    assert_eq!(scene.store.keys(ada).await.unwrap(), expected);
}

#[tokio::test]
async fn a_key_belongs_to_one_person() {
    let scene = Scene::new().await;
    let ada = scene.person("ada", 1).await.id;
    let bob = scene.person("bob", 2).await.id;
    assert_eq!(scene.store.add_key(ada, device_key(1), at(1)).await.unwrap(), AddKey::AlreadyYours);
    assert_eq!(scene.store.add_key(bob, device_key(1), at(1)).await.unwrap(), AddKey::Taken);
    assert_eq!(scene.store.user_by_key(&fingerprint(1)).await.unwrap().unwrap().id, ada);
}

#[tokio::test]
async fn a_hundred_keys_are_enough() {
    let scene = Scene::new().await;
    let ada = scene.person("ada", 0).await.id;
    for number in 1..100 {
        assert_eq!(scene.store.add_key(ada, device_key(number), at(1)).await.unwrap(), AddKey::Added);
    }
    assert_eq!(scene.store.add_key(ada, device_key(100), at(1)).await.unwrap(), AddKey::TooMany);
    assert_eq!(scene.store.keys(ada).await.unwrap().len(), 100);
}

#[tokio::test]
async fn a_removed_key_opens_nothing_and_is_free_for_another() {
    let scene = Scene::new().await;
    let ada = scene.person("ada", 1).await.id;
    let bob = scene.person("bob", 2).await.id;
    scene.store.add_key(ada, device_key(3), at(1)).await.unwrap();
    let removed = scene.store.remove_key(ada, &fingerprint(1), LastKey::Keep, at(9)).await.unwrap();
    assert_eq!(removed, RemoveKey::Removed);
    assert_eq!(scene.store.user_by_key(&fingerprint(1)).await.unwrap(), None);
    assert_eq!(scene.store.add_key(bob, device_key(1), at(2)).await.unwrap(), AddKey::Added);
}

#[tokio::test]
async fn nobody_removes_anothers_key() {
    let scene = Scene::new().await;
    scene.person("ada", 1).await;
    let bob = scene.person("bob", 2).await.id;
    for last in [LastKey::Keep, LastKey::Remove] {
        let removed = scene.store.remove_key(bob, &fingerprint(1), last, at(9)).await.unwrap();
        assert_eq!(removed, RemoveKey::Absent);
    }
    assert!(scene.store.user_by_key(&fingerprint(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn the_last_key_goes_only_if_that_is_meant() {
    let scene = Scene::new().await;
    let ada = scene.person("ada", 1).await.id;
    let kept = scene.store.remove_key(ada, &fingerprint(1), LastKey::Keep, at(9)).await.unwrap();
    assert_eq!(kept, RemoveKey::LastKey);
    assert!(scene.store.user_by_key(&fingerprint(1)).await.unwrap().is_some());
    let removed = scene.store.remove_key(ada, &fingerprint(1), LastKey::Remove, at(9)).await.unwrap();
    assert_eq!(removed, RemoveKey::Removed);
    assert_eq!(scene.store.keys(ada).await.unwrap(), []);
}

#[tokio::test]
async fn of_two_keys_removed_at_once_one_stays() {
    let scene = Scene::new().await;
    let ada = scene.person("ada", 1).await.id;
    scene.store.add_key(ada, device_key(2), at(1)).await.unwrap();
    let (one, two) = (fingerprint(1), fingerprint(2));
    let (one, two) = tokio::join!(
        scene.store.remove_key(ada, &one, LastKey::Keep, at(9)),
        scene.store.remove_key(ada, &two, LastKey::Keep, at(9)),
    );
    let mut answers = [one.unwrap(), two.unwrap()];
    answers.sort_by_key(|answer| *answer != RemoveKey::Removed);
    assert_eq!(answers, [RemoveKey::Removed, RemoveKey::LastKey]);
    assert_eq!(scene.store.keys(ada).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_keys_last_use_is_known_to_the_minute_and_never_goes_back() {
    let scene = Scene::new().await;
    let ada = scene.person("ada", 1).await.id;
    for (used, expected) in [(10, 10), (69, 10), (70, 70), (5, 70), (500, 500)] {
        scene.store.touch_key(&fingerprint(1), at(used)).await.unwrap();
        assert_eq!(scene.store.keys(ada).await.unwrap()[0].last_used_at, Some(at(expected)), "{used}");
    }
    scene.store.touch_key(&fingerprint(9), at(1)).await.unwrap();
}
