//! That a budget is nearly used up, or is: said by `space why`, to whoever enters with a terminal, and to whoever is at one
//! when it comes to that. Pure.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use spaces_protocol::name::SpaceId;
use spaces_protocol::reply::{Allowance, Bound};

/// Shares of a budget, in hundredths, from which on people are warned.
const SHARES: [u64; 2] = [95, 80];

/// One budget that somebody should know about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Warning {
    /// A word for programs.
    pub(crate) code: &'static str,
    /// The share of the budget that was passed, in hundredths.
    pub(crate) share: u64,
    /// A sentence for people.
    pub(crate) text: String,
}

/// What was said of each Space, so that nobody is told twice.
#[derive(Debug, Default)]
pub(crate) struct Said(HashMap<SpaceId, Vec<(&'static str, u64)>>);

impl Said {
    /// Those of these that go beyond what was said before. A budget that is used less again is warned of anew.
    pub(crate) fn news(&mut self, space: SpaceId, warnings: Vec<Warning>) -> Vec<Warning> {
        let now = warnings.iter().map(|warning| (warning.code, warning.share)).collect();
        let before = self.0.insert(space, now).unwrap_or_default();
        let more = |warning: &Warning| {
            before.iter().all(|(code, share)| *code != warning.code || *share < warning.share)
        };
        warnings.into_iter().filter(more).collect()
    }

    /// Forgets all but these.
    pub(crate) fn retain(&mut self, there: impl Fn(SpaceId) -> bool) {
        self.0.retain(|space, _said| there(*space));
    }
}

/// What is to be said of these two.
pub(crate) fn of(net: &Allowance, disk: &Allowance, now: Timestamp) -> Vec<Warning> {
    let net_used_up = match net.bound {
        Bound::Hard => format!("its network budget is used up: nothing leaves it until {}", next_month(now)),
        Bound::Soft => "its network budget is used up, and nothing on this host holds it to that".to_owned(),
    };
    let disk_used_up = "its disk budget is used up: writing to files fails, deleting works".to_owned();
    let net = warning("net-budget", "network", net, net_used_up);
    net.into_iter().chain(warning("disk-budget", "disk", disk, disk_used_up)).collect()
}

fn warning(code: &'static str, what: &str, of: &Allowance, used_up: String) -> Option<Warning> {
    let (used, limit) = (of.used?, of.limit?);
    if used >= limit {
        return Some(Warning { code, share: 100, text: used_up });
    }
    let share = SHARES.into_iter().find(|share| used.saturating_mul(100) >= limit.saturating_mul(*share))?;
    let text = format!("more than {share} % of its {what} budget is used: {used} of {limit} MB");
    Some(Warning { code, share, text })
}

/// The first day of the month after, in UTC, by which budgets of the network are counted.
fn next_month(now: Timestamp) -> String {
    let today = now.to_zoned(TimeZone::UTC).date();
    let (year, month) =
        if today.month() == 12 { (today.year() + 1, 1) } else { (today.year(), today.month() + 1) };
    format!("{year:04}-{month:02}-01")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_told_the_same_twice() {
        let mut said = Said::default();
        let mut news = |net: u64, disk: u64| {
            let of = |code, share| Warning { code, share, text: String::new() };
            let warnings = [of("net", net), of("disk", disk)].into_iter().filter(|warning| warning.share > 0);
            let news = said.news(SpaceId::new(1), warnings.collect());
            news.into_iter().map(|warning| (warning.code, warning.share)).collect::<Vec<_>>()
        };
        assert_eq!(news(0, 0), []);
        assert_eq!(news(80, 0), [("net", 80)]);
        assert_eq!(news(80, 95), [("disk", 95)]);
        assert_eq!(news(95, 80), [("net", 95)]);
        assert_eq!(news(100, 95), [("net", 100), ("disk", 95)]);
        assert_eq!(news(100, 95), []);
        assert_eq!(news(0, 95), []);
        assert_eq!(news(80, 95), [("net", 80)]);
    }

    #[test]
    fn people_are_warned_from_four_fifths_on() {
        let share = |used, bound| Allowance { used: Some(used), limit: Some(200), bound };
        let now: Timestamp = "2026-12-31T23:59:59Z".parse().unwrap();
        let said = |net, disk| {
            let warnings = of(&share(net, Bound::Hard), &share(disk, Bound::Soft), now);
            warnings.into_iter().map(|warning| warning.text).collect::<Vec<_>>()
        };
        assert_eq!(said(159, 0), [""; 0]);
        assert_eq!(said(160, 0), ["more than 80 % of its network budget is used: 160 of 200 MB"]);
        assert_eq!(said(0, 190), ["more than 95 % of its disk budget is used: 190 of 200 MB"]);
        assert_eq!(
            said(200, 300),
            [
                "its network budget is used up: nothing leaves it until 2027-01-01",
                "its disk budget is used up: writing to files fails, deleting works",
            ]
        );
        let none = Allowance { used: Some(5), limit: None, bound: Bound::Hard };
        assert!(of(&none, &none, now).is_empty());
    }
}
