//! How much more each Space may send, in nftables' own language. A table of its own beside that of the rules, since it
//! changes all the time. Pure.

use super::rules::{REFUSE, refusal_chain};
use crate::{EgressBound, Installation};

fn table(installation: &Installation) -> String {
    format!("spaces_{installation}_egress")
}

/// What makes these bounds hold, whatever there was before of them; those of other Spaces stay as they are.
pub(super) fn text(installation: &Installation, bounds: &[EgressBound]) -> String {
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
    bounds.iter().fold(head, |text, bound| text + &of_one(&table, installation, bound))
}

/// A quota that is only set anew keeps what it has counted: so it is removed, for which it has to be there.
fn of_one(table: &str, installation: &Installation, bound: &EgressBound) -> String {
    let (quota, interface) = (bound.space, installation.interface(bound.space));
    let add = |bytes: u64| {
        format!(
            "add quota inet {table} {quota} {{ over {bytes} bytes }}
add element inet {table} left {{ \"{interface}\" : \"{quota}\" }}
"
        )
    };
    let remove = format!(
        "delete element inet {table} left {{ \"{interface}\" }}\ndelete quota inet {table} {quota}\n"
    );
    add(0) + &remove + &bound.left.map(add).unwrap_or_default()
}

/// What takes all of them away, whether or not there are any.
pub(super) fn removal(installation: &Installation) -> String {
    let table = table(installation);
    format!("table inet {table}\ndelete table inet {table}\n")
}

#[cfg(test)]
mod tests {
    use spaces_protocol::name::SpaceId;

    use super::*;

    #[test]
    fn a_bound_stands_in_the_place_of_the_one_before_and_none_leaves_nothing() {
        let installation: Installation = "a1".parse().unwrap();
        let bound = |left| EgressBound { space: SpaceId::new(7), left, mbit: None };
        let text = text(&installation, &[bound(Some(99))]);
        let commands: Vec<_> = text
            .lines()
            .skip_while(|line| !line.starts_with("add quota"))
            .map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(
            commands,
            ["add quota", "add element", "delete element", "delete quota", "add quota", "add element"]
        );
        assert!(text.contains("add quota inet spaces_a1_egress sp_7 { over 99 bytes }\n"), "{text}");
        let text = super::text(&installation, &[bound(None)]);
        assert!(text.ends_with("delete quota inet spaces_a1_egress sp_7\n"), "{text}");
    }
}
