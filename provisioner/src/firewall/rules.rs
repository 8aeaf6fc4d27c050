//! The rules, in nftables' own language. Pure.
//!
//! ```text
//! from a Space  --to this host-->  answers, a resolver; all else is refused
//!       '--------to elsewhere-->   not with a false source, not to what is shut; all else goes
//! to a Space    <---------------   answers alone
//! ```
//!
//! Each packet is looked at anew, and not the first of a connection alone: one that was begun before the rules stood, or
//! under others, ends with them.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::{Installation, NetworkPolicy};

/// Shut by no policy but by what these networks are: this network, loopback, link-local with the metadata of
/// clouds, protocol assignments, multicast, reserved.
const NEVER: [&str; 10] = [
    "0.0.0.0/8",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "192.0.0.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/128",
    "::1/128",
    "fe80::/10",
    "ff00::/8",
];

/// The chain that tells whoever sends that it must not.
pub(super) const REFUSE: &str = "refuse";

/// A reset for TCP, since the kernel sends only so many messages a second that say "prohibited": the rest would wait.
pub(super) fn refusal_chain() -> String {
    format!(
        "  chain {REFUSE} {{
    meta l4proto tcp reject with tcp reset
    reject with icmpx type admin-prohibited
  }}"
    )
}

/// The table of an installation.
pub(super) fn table(installation: &Installation) -> String {
    format!("spaces_{installation}")
}

/// What puts the table up in the place of one that may be there.
pub(super) fn text(installation: &Installation, policy: &NetworkPolicy, resolvers: &[IpAddr]) -> String {
    let (removal, table) = (removal(installation), table(installation));
    let spaces = format!("\"{}*\"", installation.interface_prefix());
    let never = NEVER.iter().filter_map(|network| network.parse().ok()).collect::<Vec<IpNet>>();
    let refusal = refusal_chain();
    let resolvers = resolvers.iter().copied().map(IpNet::from).collect::<Vec<_>>();
    let sets =
        [("resolvers", &resolvers), ("never", &never), ("open", &policy.open), ("closed", &policy.closed)]
            .map(|(name, networks)| set(name, networks))
            .concat();
    let refuse = format!("goto {REFUSE}");
    format!(
        "{removal}table inet {table} {{
{sets}
  chain input {{
    type filter hook input priority filter - 10; policy accept;
    iifname {spaces} goto to_host
  }}
  chain forward {{
    type filter hook forward priority filter - 10; policy accept;
    oifname {spaces} ct state != {{ established, related }} {refuse}
    oifname {spaces} ct direction original {refuse}
    iifname {spaces} goto out
  }}
  chain to_host {{
    ct direction reply ct state {{ established, related }} accept
    jump resolver
    {refuse}
  }}
  chain out {{
    fib saddr . iif oif missing drop
    ct direction reply ct state {{ established, related }} accept
    jump resolver
    ip daddr @never4 {refuse}
    ip6 daddr @never6 {refuse}
    ip daddr @open4 accept
    ip6 daddr @open6 accept
    ip daddr @closed4 {refuse}
    ip6 daddr @closed6 {refuse}
  }}
{refusal}
  chain resolver {{
    meta l4proto {{ tcp, udp }} th dport 53 ip daddr @resolvers4 accept
    meta l4proto {{ tcp, udp }} th dport 53 ip6 daddr @resolvers6 accept
  }}
}}
"
    )
}

/// What takes it down, whether or not it is there.
pub(super) fn removal(installation: &Installation) -> String {
    let table = table(installation);
    format!("table inet {table}\ndelete table inet {table}\n")
}

/// Two sets of this name, since one holds addresses of one family.
fn set(name: &str, networks: &[IpNet]) -> String {
    let of = |wanted: fn(&IpNet) -> bool| {
        let elements = networks.iter().filter(|network| wanted(network)).map(ToString::to_string);
        let elements = elements.collect::<Vec<_>>().join(", ");
        if elements.is_empty() { elements } else { format!(" elements = {{ {elements} }};") }
    };
    let (four, six) =
        (of(|network| matches!(network, IpNet::V4(_))), of(|network| matches!(network, IpNet::V6(_))));
    format!(
        "  set {name}4 {{ type ipv4_addr; flags interval; auto-merge;{four} }}
  set {name}6 {{ type ipv6_addr; flags interval; auto-merge;{six} }}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shut_always_is_written_as_networks() {
        assert!(NEVER.iter().all(|network| network.parse::<IpNet>().is_ok()));
    }

    #[test]
    fn a_table_is_of_one_installation_and_its_bridges_alone() {
        let installation: Installation = "a1".parse().unwrap();
        let text = text(&installation, &NetworkPolicy::default(), &[]);
        assert!(
            text.starts_with("table inet spaces_a1\ndelete table inet spaces_a1\ntable inet spaces_a1 {\n")
        );
        let prefix = installation.interface_prefix();
        assert_eq!(text.matches("ifname").count(), text.matches(&format!("ifname \"{prefix}*\"")).count());
    }

    #[test]
    fn a_policy_fills_its_sets_by_family_and_an_empty_one_has_none() {
        let policy = NetworkPolicy {
            closed: vec!["10.0.0.0/8".parse().unwrap(), "fc00::/7".parse().unwrap()],
            open: vec!["10.1.0.0/16".parse().unwrap()],
            resolvers: Vec::new(),
        };
        let text = text(&"a1".parse().unwrap(), &policy, &["10.2.0.1".parse().unwrap()]);
        for line in [
            "set closed4 { type ipv4_addr; flags interval; auto-merge; elements = { 10.0.0.0/8 }; }",
            "set closed6 { type ipv6_addr; flags interval; auto-merge; elements = { fc00::/7 }; }",
            "set open4 { type ipv4_addr; flags interval; auto-merge; elements = { 10.1.0.0/16 }; }",
            "set open6 { type ipv6_addr; flags interval; auto-merge; }",
            "set resolvers4 { type ipv4_addr; flags interval; auto-merge; elements = { 10.2.0.1/32 }; }",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
