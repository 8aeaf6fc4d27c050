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
