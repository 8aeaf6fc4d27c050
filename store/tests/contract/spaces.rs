use spaces_protocol::name::{Role, SpaceId};
use spaces_protocol::setting::{Forwarding, IdleStop};
use spaces_store::{
    AnySpace, Budget, BudgetChange, Ceiling, CreateSpace, Desired, FindSpace, Grant, Hold, LastKey, Limits,
    Observed, SetBudget, Settings, SettingsChange, Space, Usage,
};

use crate::scene::{Scene, at, budget, email, fingerprint, new_space, reference, space_name, spec};

#[tokio::test]
async fn a_name_is_its_owners_only_one() {
    let scene = Scene::new().await;
    scene.space("ada", "den").await;
    let again = scene.store.create_space(&email("ada"), &new_space("den"), at(1)).await.unwrap();
    assert_eq!(again, CreateSpace::NameTaken);
    scene.space("bob", "den").await;
    assert_eq!(scene.store.all_spaces().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_space_is_found_by_name_and_by_id_with_the_owners_role() {
    let scene = Scene::new().await;
    let ada = scene.person("ada", 1).await;
    let den = scene.space("ada", "den").await;
    let expected = Space {
        id: den,
        name: space_name("den"),
        owner: ada.id,
        owner_email: email("ada"),
        desired: Desired::Running,
        observed: Observed::Absent,
        spec: spec(),
        usage: Usage::default(),
        limits: Limits::Bind,
        forwarding: Forwarding::Allow,
        idle_stop: IdleStop::Default,
        hold: None,
        created_at: at(0),
    };
    for text in ["den".to_owned(), den.to_string()] {
        let found = scene.find(ada.id, 1, &text).await;
        let FindSpace::Found(found) = found else { panic!("{found:?}") };
        assert_eq!((found.role(), found.get()), (Role::Admin, &expected));
    }
}

/// Ada tries ids and names to learn which Spaces others have.
#[tokio::test]
async fn a_foreign_space_and_none_at_all_look_the_same() {
    let scene = Scene::new().await;
    let ada = scene.person("ada", 1).await.id;
    let foreign = scene.space("bob", "den").await;
    for text in ["den".to_owned(), foreign.to_string(), "attic".to_owned(), SpaceId::new(77).to_string()] {
        let answer = scene.find(ada, 1, &text).await;
        assert_eq!(answer, FindSpace::Absent, "{text}");
    }
    assert_eq!(scene.store.spaces_of(ada).await.unwrap(), []);
}

/// Ada goes on with a key that was removed, and with one that is another person's.
#[tokio::test]
async fn a_key_that_is_not_theirs_any_more_finds_nothing() {
    let scene = Scene::new().await;
    let ada = scene.person("ada", 1).await.id;
    let bob = scene.person("bob", 2).await.id;
    let den = scene.space("ada", "den").await;
    for text in ["den".to_owned(), den.to_string()] {
        assert!(matches!(scene.find(ada, 1, &text).await, FindSpace::Found(_)), "{text}");
        assert_eq!(scene.find(ada, 2, &text).await, FindSpace::Absent, "{text}");
        assert_eq!(scene.find(bob, 1, &text).await, FindSpace::Absent, "{text}");
    }
    scene.store.remove_key(ada, &fingerprint(1), LastKey::Remove, at(1)).await.unwrap();
    for text in ["den".to_owned(), den.to_string()] {
        assert_eq!(scene.find(ada, 1, &text).await, FindSpace::Absent, "{text}");
    }
}

#[tokio::test]
async fn a_name_of_several_is_ambiguous_among_those_one_can_use() {
    let scene = Scene::new().await;
    let own = scene.space("ada", "den").await;
    let shared = scene.space("bob", "den").await;
    let foreign = scene.space("cleo", "den").await;
    let ada = scene.let_in("ada", Grant::Member(shared), 1).await.id;
    let answer = scene.find(ada, 1, "den").await;
    assert_eq!(answer, FindSpace::Ambiguous(vec![own, shared]));
    let answer = scene.find(ada, 1, &shared.to_string()).await;
    assert!(matches!(answer, FindSpace::Found(space) if space.role() == Role::Member && space.id == shared));
    let any = scene.store.find_any_space(&reference("den")).await.unwrap();
    assert_eq!(any, AnySpace::Ambiguous(vec![own, shared, foreign]));
}

#[tokio::test]
async fn an_admin_finds_any_space() {
    let scene = Scene::new().await;
    let den = scene.space("ada", "den").await;
    for text in ["den".to_owned(), den.to_string()] {
        let answer = scene.store.find_any_space(&reference(&text)).await.unwrap();
        assert!(matches!(answer, AnySpace::Found(space) if space.id == den), "{text}");
    }
    assert_eq!(scene.store.find_any_space(&reference("attic")).await.unwrap(), AnySpace::Absent);
}

#[tokio::test]
async fn ones_spaces_come_by_id_and_stay_until_they_are_gone() {
    let scene = Scene::new().await;
    let ada = scene.person("ada", 1).await.id;
    let ids = [scene.space("ada", "zoo").await, scene.space("ada", "attic").await];
    scene.store.set_desired(ids[0], Desired::Deleted).await.unwrap();
    let spaces = scene.store.spaces_of(ada).await.unwrap();
    assert_eq!(spaces.iter().map(|space| space.id).collect::<Vec<_>>(), ids);
    assert_eq!(spaces[0].desired, Desired::Deleted);
}

#[tokio::test]
async fn what_should_be_and_what_was_seen_are_kept_apart() {
    let scene = Scene::new().await;
    let den = scene.space("ada", "den").await;
    for desired in [Desired::Stopped, Desired::Asleep(at(7)), Desired::Running, Desired::Deleted] {
        for observed in
            [Observed::Absent, Observed::Running, Observed::Stopped, Observed::Missing, Observed::Failed]
        {
            assert_eq!(scene.store.set_desired(den, desired).await.unwrap(), Some(()));
            assert_eq!(scene.store.set_observed(den, observed).await.unwrap(), Some(()));
            let space = scene.store.space(den).await.unwrap().unwrap();
            assert_eq!((space.desired, space.observed), (desired, observed));
        }
    }
}

#[tokio::test]
async fn a_deletion_is_final() {
    let scene = Scene::new().await;
    let den = scene.space("ada", "den").await;
    scene.store.set_desired(den, Desired::Deleted).await.unwrap();
    assert_eq!(scene.store.set_desired(den, Desired::Running).await.unwrap(), None);
    assert_eq!(scene.store.set_desired(den, Desired::Stopped).await.unwrap(), None);
    assert_eq!(scene.store.space(den).await.unwrap().unwrap().desired, Desired::Deleted);
}

#[tokio::test]
async fn a_setting_stays_with_its_space() {
    let scene = Scene::new().await;
    let (den, attic) = (scene.space("ada", "den").await, scene.space("ada", "attic").await);
    let mut set = Settings { forwarding: Forwarding::Allow, idle_stop: IdleStop::Default };
    for forwarding in [Forwarding::Deny, Forwarding::Deny, Forwarding::Allow, Forwarding::Deny] {
        set.forwarding = forwarding;
        let change = SettingsChange { forwarding: Some(forwarding), idle_stop: None };
        assert_eq!(scene.store.set_settings(den, change).await.unwrap(), Some(set));
    }
    for text in ["2h", "off", "default", "7days"] {
        set.idle_stop = text.parse().unwrap();
        let change = SettingsChange { forwarding: None, idle_stop: Some(set.idle_stop) };
        assert_eq!(scene.store.set_settings(den, change).await.unwrap(), Some(set));
        let space = scene.store.space(den).await.unwrap().unwrap();
        assert_eq!((space.forwarding, space.idle_stop), (set.forwarding, set.idle_stop));
    }
    let attic = scene.store.space(attic).await.unwrap().unwrap();
    assert_eq!((attic.forwarding, attic.idle_stop), (Forwarding::Allow, IdleStop::Default));
    let none = SettingsChange::default();
    assert_eq!(scene.store.set_settings(SpaceId::new(77), none).await.unwrap(), None);
}

#[tokio::test]
async fn the_longest_hold_keeps_a_space_that_is_wanted_up_until_it_is_ended() {
    let scene = Scene::new().await;
    let den = scene.space("ada", "den").await;
    let hold = |hour, reason: &str| Hold { until: at(hour), reason: reason.to_owned() };
    for (asked, held) in [(2, 2), (5, 5), (3, 5)] {
        let answer = scene.store.hold(den, &hold(asked, &format!("for {asked}"))).await.unwrap();
        assert_eq!(answer, Some(hold(held, &format!("for {held}"))));
    }
    assert_eq!(scene.store.space(den).await.unwrap().unwrap().hold, Some(hold(5, "for 5")));
    scene.store.end_hold(den).await.unwrap();
    assert_eq!(scene.store.space(den).await.unwrap().unwrap().hold, None);
    for desired in [Desired::Stopped, Desired::Asleep(at(1)), Desired::Deleted] {
        scene.store.set_desired(den, desired).await.unwrap();
        assert_eq!(scene.store.hold(den, &hold(9, "")).await.unwrap(), None, "{desired:?}");
    }
    assert_eq!(scene.store.hold(SpaceId::new(77), &hold(9, "")).await.unwrap(), None);
}

#[tokio::test]
async fn a_forgotten_space_is_gone_for_everybody_and_its_id_with_it() {
    let scene = Scene::new().await;
    let den = scene.space("ada", "den").await;
    let bob = scene.let_in("bob", Grant::Member(den), 1).await.id;
    for _time in 0..2 {
        scene.store.forget_space(den, at(1)).await.unwrap();
        assert_eq!(scene.store.space(den).await.unwrap(), None);
        assert_eq!(scene.store.spaces_of(bob).await.unwrap(), []);
    }
    assert_eq!(scene.store.set_desired(den, Desired::Running).await.unwrap(), None);
    assert_eq!(scene.store.set_observed(den, Observed::Running).await.unwrap(), None);
    assert!(scene.space("ada", "den").await > den, "an id is never used twice");
}

/// Under no ceiling.
async fn set(scene: &Scene, space: SpaceId, change: BudgetChange) -> SetBudget {
    scene.store.set_budget(space, change, &Ceiling::default()).await.unwrap()
}

#[tokio::test]
async fn a_budget_is_due_until_the_engine_knows_the_newest_one() {
    let scene = Scene::new().await;
    let den = scene.space("ada", "den").await;
    let space = async || scene.store.space(den).await.unwrap().unwrap();
    let memory = BudgetChange { memory_mib: Some(99), ..BudgetChange::default() };
    assert_eq!(set(&scene, den, memory).await, SetBudget::Set);
    let told = space().await.spec.budget;
    assert_eq!(told, Budget { memory_mib: 99, ..budget() }, "the others stay");
    let others = BudgetChange { cpu_millis: Some(7), pids: Some(8), ..BudgetChange::default() };
    set(&scene, den, others).await;
    scene.store.limits_bind(den, &told).await.unwrap();
    assert_eq!(space().await.limits, Limits::Due, "those were older");
    let newest = space().await.spec.budget;
    assert_eq!(newest, Budget { cpu_millis: 7, memory_mib: 99, pids: 8, ..budget() });
    scene.store.limits_bind(den, &newest).await.unwrap();
    assert_eq!(space().await.limits, Limits::Bind);
}

#[tokio::test]
async fn what_is_to_be_deleted_or_is_not_there_has_no_budget() {
    let scene = Scene::new().await;
    let den = scene.space("ada", "den").await;
    scene.store.set_desired(den, Desired::Deleted).await.unwrap();
    let change = BudgetChange { pids: Some(8), ..BudgetChange::default() };
    for space in [den, SpaceId::new(77)] {
        assert_eq!(set(&scene, space, change).await, SetBudget::Absent);
    }
}

#[tokio::test]
async fn limits_that_are_refused_fall_back_to_those_that_held_last() {
    let scene = Scene::new().await;
    let den = scene.space("ada", "den").await;
    let budget_of = async || scene.store.space(den).await.unwrap().unwrap().spec.budget;
    assert_eq!(scene.store.take_back_limits(den).await.unwrap(), None, "nothing is due");
    for cpu in [70_000, 80_000] {
        let change = BudgetChange {
            cpu_millis: Some(cpu),
            disk_mb: Some(1),
            egress_mb: Some(1),
            egress_mbit: Some(1),
            llm_tokens: Some(1),
            ..BudgetChange::default()
        };
        set(&scene, den, change).await;
    }
    assert_eq!(scene.store.take_back_limits(den).await.unwrap(), Some(()));
    assert_eq!(budget_of().await, budget(), "not to one that never held");
    assert_eq!(
        scene.store.space(den).await.unwrap().unwrap().limits,
        Limits::Due,
        "the engine is told of them"
    );
    scene.store.limits_bind(den, &budget()).await.unwrap();
    assert_eq!(scene.store.take_back_limits(den).await.unwrap(), None, "they hold");
}
