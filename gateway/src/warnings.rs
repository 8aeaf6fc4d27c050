//! That a budget is nearly used up, or is: said by `space why`, and to whoever enters with a terminal. Pure.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use spaces_protocol::reply::{Allowance, Bound};

/// Shares of a budget, in hundredths, from which on people are warned.
const SHARES: [u64; 2] = [95, 80];

/// One budget that somebody should know about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Warning {
    /// A word for programs.
    pub(crate) code: &'static str,
    /// A sentence for people.
    pub(crate) text: String,
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
        return Some(Warning { code, text: used_up });
    }
    let share = SHARES.into_iter().find(|share| used.saturating_mul(100) >= limit.saturating_mul(*share))?;
    let text = format!("more than {share} % of its {what} budget is used: {used} of {limit} MB");
    Some(Warning { code, text })
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
