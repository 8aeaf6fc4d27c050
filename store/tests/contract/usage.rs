//! What Spaces have used.

use spaces_protocol::name::SpaceId;
use spaces_store::{Counter, Measured, Month};

use crate::scene::{Scene, at};

fn reading(space: SpaceId, from: &str, seen: u64) -> Measured {
    let counter = Some(Counter { from: from.to_owned(), seen });
    Measured {
        space,
        egress: counter.clone(),
        egress_most: None,
        cpu: counter,
        disk_bytes: (seen > 100).then_some(seen),
    }
}

#[tokio::test]
async fn usage_is_added_up_over_counters_and_ends_with_its_space() {
    let scene = Scene::new().await;
    let den = scene.space("ada", "den").await;
    let usage = async || scene.store.space(den).await.unwrap().map(|space| space.usage);
    let month = Month::of(at(0));
    assert_eq!(usage().await.unwrap().egress_in(&month), 0);
    for (from, seen) in [("a", 100), ("a", 150), ("b", 20)] {
        scene.store.record_usage(&[reading(den, from, seen)], at(1)).await.unwrap();
    }
    let sum = usage().await.unwrap();
    assert_eq!((sum.egress_in(&month), sum.cpu_micros, sum.disk_bytes), (170, 170, Some(150)));
    let later = at(32 * 24 * 3600);
    assert_eq!(sum.egress_in(&Month::of(later)), 0, "a month that nothing was read in");
    scene.store.record_usage(&[reading(den, "b", 25)], later).await.unwrap();
    let sum = usage().await.unwrap();
    assert_eq!((sum.egress_in(&Month::of(later)), sum.egress_in(&month), sum.cpu_micros), (5, 0, 175));
    scene.store.forget_space(den, at(1)).await.unwrap();
    assert_eq!(usage().await, None);
    scene.store.record_usage(&[reading(den, "b", 30)], later).await.unwrap();
    assert_eq!(usage().await, None, "a reading that came late");
}

/// One reading of all Spaces is one change.
#[tokio::test]
async fn readings_of_many_spaces_are_added_at_once_and_one_that_is_gone_spoils_none() {
    let scene = Scene::new().await;
    let (den, lair) = (scene.space("ada", "den").await, scene.space("ada", "lair").await);
    let gone = SpaceId::new(99);
    let usage = async |space| scene.store.space(space).await.unwrap().map(|space| space.usage.cpu_micros);
    scene.store.record_usage(&[], at(1)).await.unwrap();
    let first = [reading(den, "a", 100), reading(gone, "c", 5), reading(lair, "b", 7)];
    scene.store.record_usage(&first, at(1)).await.unwrap();
    // One that has not changed, and one that was read twice meanwhile.
    let second = [reading(lair, "b", 7), reading(den, "a", 120), reading(den, "a", 150)];
    scene.store.record_usage(&second, at(2)).await.unwrap();
    assert_eq!((usage(den).await, usage(lair).await, usage(gone).await), (Some(150), Some(7), None));
}
