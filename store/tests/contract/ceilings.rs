//! What all Spaces of one person may have together.

use std::num::NonZeroU32;

use spaces_protocol::name::SpaceId;
use spaces_store::{
    Approval, Approve, BudgetChange, Ceiling, CeilingChange, CreateSpace, NewSpace, Overdraft, Resource,
    SetBudget, Share,
};

use crate::scene::{HERE, Scene, at, budget, email, new_space};

/// Two Spaces of the usual budget, and not a thousandth of a core more.
fn two() -> Ceiling {
    Ceiling { cpu_millis: NonZeroU32::new(4000), ..Ceiling::default() }
}

fn under(ceiling: Ceiling, name: &str) -> NewSpace {
    NewSpace { ceiling, ..new_space(name) }
}

fn too_much_cpu(sum: u64) -> Overdraft {
    Overdraft { resource: Resource::Cpu, sum: Some(sum), ceiling: NonZeroU32::new(4000).unwrap() }
}

#[tokio::test]
async fn a_space_beyond_its_owners_ceiling_is_not_made() {
    let scene = Scene::new().await;
    let create =
        async |name: &str| scene.store.create_space(&email("ada"), &under(two(), name), at(0)).await.unwrap();
    let CreateSpace::Created(first) = create("one").await else { panic!("there is room") };
    assert!(matches!(create("two").await, CreateSpace::Created(_)));
    assert_eq!(create("three").await, CreateSpace::Overdrawn(too_much_cpu(6000)));
    assert_eq!(scene.store.all_spaces().await.unwrap().len(), 2);
    // Of another person it is none of the business, and what is gone is given back.
    scene.space("bob", "den").await;
    scene.store.set_desired(first, spaces_store::Desired::Deleted).await.unwrap();
    assert!(matches!(create("three").await, CreateSpace::Created(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn approvals_and_budgets_at_once_cannot_overdraw() {
    let scene = Scene::new().await;
    let den = scene.space("ada", "den").await;
    let mut all = tokio::task::JoinSet::new();
    for number in 0..20 {
        let store = scene.store.clone();
        all.spawn(async move {
            let more = BudgetChange { cpu_millis: Some(2100 + number), ..BudgetChange::default() };
            let set = store.set_budget(den, more, &two()).await.unwrap() == SetBudget::Set;
            let space = under(two(), &format!("space-{number}"));
            let made = store.create_space(&email("ada"), &space, at(0)).await.unwrap();
            (set, matches!(made, CreateSpace::Created(_)))
        });
    }
    let outcomes = all.join_all().await;
    assert!(outcomes.iter().all(|(_set, made)| !made), "a budget was first: {outcomes:?}");
    let spaces = scene.store.all_spaces().await.unwrap();
    assert!(spaces.iter().map(|space| space.spec.budget.cpu_millis).sum::<u32>() <= 4000);
}

#[tokio::test]
async fn an_approval_beyond_the_ceiling_leaves_the_request_open() {
    let scene = Scene::new().await;
    let admin = scene.store.ensure_platform_admin(&email("root"), at(0)).await.unwrap();
    let reason = "work".parse().unwrap();
    scene.store.record_request(&email("ada"), &reason, HERE, at(0)).await.unwrap();
    let none = Ceiling { disk_mb: NonZeroU32::new(1), ..Ceiling::default() };
    let approval = |ceiling| Approval {
        email: email("ada"),
        by: admin,
        hash: [7; 32],
        expires_at: at(60),
        space: under(ceiling, "ada"),
    };
    let refused = scene.store.approve(approval(none), at(1)).await.unwrap();
    assert!(matches!(refused, Approve::Overdrawn(over) if over.resource == Resource::Disk), "{refused:?}");
    assert_eq!(scene.store.open_requests().await.unwrap().len(), 1);
    assert!(scene.store.all_spaces().await.unwrap().is_empty());
    let approved = scene.store.approve(approval(Ceiling::default()), at(2)).await.unwrap();
    assert!(matches!(approved, Approve::Approved { space: Some(_), .. }), "{approved:?}");
}

#[tokio::test]
async fn a_person_may_have_a_ceiling_of_their_own() {
    let scene = Scene::new().await;
    let den: SpaceId = scene.space("ada", "den").await;
    let change = CeilingChange { cpu_millis: Some(8000), egress_mb: Some(0), ..CeilingChange::default() };
    let default = Ceiling { egress_mb: NonZeroU32::new(5), ..two() };
    let shares = scene.store.set_ceiling(&email("ada"), change, &default).await.unwrap().unwrap();
    let share =
        |resource, sum, ceiling| Share { resource, sum: Some(sum), ceiling: NonZeroU32::new(ceiling) };
    assert_eq!(
        shares,
        [
            share(Resource::Spaces, 1, 0),
            share(Resource::Cpu, 2000, 8000),
            share(Resource::Memory, 4096, 0),
            share(Resource::Disk, 20_000, 0),
            share(Resource::Egress, 100_000, 0),
        ]
    );
    let more = BudgetChange { cpu_millis: Some(8000), ..BudgetChange::default() };
    assert_eq!(scene.store.set_budget(den, more, &default).await.unwrap(), SetBudget::Set);
    let most = BudgetChange { cpu_millis: Some(8001), memory_mib: Some(1), ..BudgetChange::default() };
    let refused = scene.store.set_budget(den, most, &default).await.unwrap();
    assert!(matches!(refused, SetBudget::Overdrawn(over) if over.sum == Some(8001)), "{refused:?}");
    let kept = scene.store.space(den).await.unwrap().unwrap().spec.budget;
    assert_eq!((kept.cpu_millis, kept.memory_mib), (8000, budget().memory_mib), "all or nothing");
    assert_eq!(scene.store.set_ceiling(&email("nobody"), change, &default).await.unwrap(), None);
}
