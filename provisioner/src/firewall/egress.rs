//! How much each Space may send, in nftables' own language. A table of its own beside that of the rules, since it
//! changes all the time. Pure.
//!
//! The kernel's quota of a Space goes on counting while its limit is set anew, so nothing gets through between the two:
//! the limit is what the quota had counted, and what was left then.

use std::collections::HashMap;

use serde::Deserialize;
use spaces_protocol::name::SpaceId;

use super::rules::{REFUSE, refusal_chain};
use crate::Installation;

/// What a quota is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quota {
    /// None: as much as it likes.
    Endless,
    /// One that begins to count.
    Fresh(u64),
    /// The one that stands, with this limit.
    Raised(u64),
}

impl Quota {
    /// What lets a Space send so much more, beside what stands for it.
    pub(super) fn of(left: Option<u64>, standing: Option<&Standing>) -> Self {
        match (left, standing) {
            (None, _) => Self::Endless,
            // One that is used up lets nothing through, and tells no more how much it has counted.
            (Some(left), Some(standing)) if standing.used < standing.bytes => {
                Self::Raised(standing.used.saturating_add(left))
            }
            (Some(left), Some(_) | None) => Self::Fresh(left),
        }
    }
}

/// A quota of the kernel's.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Standing {
    name: String,
    bytes: u64,
    used: u64,
}

pub(super) fn table(installation: &Installation) -> String {
    format!("spaces_{installation}_egress")
}

/// The quotas in what `nft -j` lists, by Space.
pub(super) fn read(listing: &str) -> serde_json::Result<HashMap<SpaceId, Standing>> {
    #[derive(Deserialize)]
    struct Listing {
        nftables: Vec<Item>,
    }
    #[derive(Deserialize)]
    struct Item {
        quota: Option<Standing>,
    }
    let quotas = serde_json::from_str::<Listing>(listing)?.nftables.into_iter().filter_map(|item| item.quota);
    Ok(quotas.filter_map(|quota| Some((quota.name.parse().ok()?, quota))).collect())
}

/// What makes these quotas hold; those of other Spaces stay as they are.
pub(super) fn text(installation: &Installation, quotas: &[(SpaceId, Quota)]) -> String {
    let (table, refusal) = (table(installation), refusal_chain());
    let head = format!(
        "add table inet {table}
add map inet {table} left {{ type ifname : quota; }}
table inet {table} {{
{refusal}
}}
flush chain inet {table} {REFUSE}
table inet {table} {{
{refusal}
}}
add chain inet {table} egress {{ type filter hook forward priority filter - 11; policy accept; }}
flush chain inet {table} egress
add rule inet {table} egress quota name iifname map @left goto {REFUSE}
"
    );
    quotas.iter().fold(head, |text, (space, quota)| text + &of_one(&table, installation, *space, *quota))
}

/// A quota that is only set anew keeps what it has counted: to begin at nothing it is removed, for which it has to be there.
fn of_one(table: &str, installation: &Installation, space: SpaceId, quota: Quota) -> String {
    let interface = installation.interface(space);
    let add = |bytes: u64| {
        format!(
            "add quota inet {table} {space} {{ over {bytes} bytes }}
add element inet {table} left {{ \"{interface}\" : \"{space}\" }}
"
        )
    };
    let remove = format!(
        "delete element inet {table} left {{ \"{interface}\" }}\ndelete quota inet {table} {space}\n"
    );
    match quota {
        Quota::Endless => add(0) + &remove,
        Quota::Fresh(bytes) => add(0) + &remove + &add(bytes),
        Quota::Raised(bytes) => add(bytes),
    }
}

/// What takes all of them away, whether or not there are any.
pub(super) fn removal(installation: &Installation) -> String {
    let table = table(installation);
    format!("table inet {table}\ndelete table inet {table}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_begins_anew_or_goes_on_and_none_leaves_nothing() {
        let installation: Installation = "a1".parse().unwrap();
        let commands = |quota| {
            let text = text(&installation, &[(SpaceId::new(7), quota)]);
            let commands = text.lines().skip_while(|line| !line.starts_with("add quota"));
            commands.map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
        };
        let fresh =
            ["add quota", "add element", "delete element", "delete quota", "add quota", "add element"];
        assert_eq!(commands(Quota::Fresh(99)), fresh);
        assert_eq!(commands(Quota::Endless), fresh[..4]);
        assert_eq!(commands(Quota::Raised(99)), fresh[..2]);
        let text = text(&installation, &[(SpaceId::new(7), Quota::Raised(99))]);
        assert!(text.contains("add quota inet spaces_a1_egress sp_7 { over 99 bytes }\n"), "{text}");
    }

    #[test]
    fn what_is_left_comes_on_top_of_what_was_counted_until_it_is_used_up() {
        let listing = r#"{"nftables": [{"metainfo": {"version": "1.0.6"}}, {"quota": {"family": "inet", "name": "sp_7",
            "table": "spaces_a1_egress", "handle": 1, "bytes": 3000, "used": 500, "inv": true}}]}"#;
        let standing = read(listing).unwrap();
        let standing = standing.get(&SpaceId::new(7)).unwrap();
        assert_eq!(Quota::of(Some(2500), Some(standing)), Quota::Raised(3000));
        assert_eq!(Quota::of(None, Some(standing)), Quota::Endless);
        assert_eq!(Quota::of(Some(9), None), Quota::Fresh(9));
        let used_up = Standing { used: 3000, ..standing.clone() };
        assert_eq!(Quota::of(Some(40), Some(&used_up)), Quota::Fresh(40));
    }
}
