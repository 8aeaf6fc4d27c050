//! What a Space's admin sets for everybody in it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::{Span, SpanRound, Unit};
use serde::{Deserialize, Serialize};

/// Whether people may forward ports, sockets, their agent and X11 into and out of a Space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Forwarding {
    /// They may, unless the platform denies it.
    Allow,
    /// They may not.
    Deny,
}

/// A word that is neither.
#[derive(Debug, thiserror::Error)]
#[error("neither `allow` nor `deny`")]
pub struct NeitherWord;

impl Forwarding {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

impl fmt::Display for Forwarding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Forwarding {
    type Err = NeitherWord;

    fn from_str(text: &str) -> Result<Self, NeitherWord> {
        match text {
            "allow" => Ok(Self::Allow),
            "deny" => Ok(Self::Deny),
            _ => Err(NeitherWord),
        }
    }
}

/// Shortest and longest time without work after which a Space is stopped: what counts as work is looked at every few
/// seconds, and a year is as good as never.
const IDLE_TIMES: std::ops::RangeInclusive<Duration> =
    Duration::from_mins(1)..=Duration::from_hours(24 * 366);

/// After how long without work a Space is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum IdleStop {
    /// As the platform's configuration says.
    Default,
    /// It is not.
    Off,
    /// After so long: whole seconds.
    After(Duration),
}

/// Not a time after which a Space could be stopped.
#[derive(Debug, thiserror::Error)]
#[error("not `off`, `default`, or a time from a minute to a year, such as 45m, 2h or 7d")]
pub struct NoIdleStop;

impl IdleStop {
    /// The time that holds, where the platform's is `platform`.
    #[must_use]
    pub fn or(self, platform: Option<Duration>) -> Option<Duration> {
        match self {
            Self::Default => platform,
            Self::Off => None,
            Self::After(time) => Some(time),
        }
    }
}

impl fmt::Display for IdleStop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Off => f.write_str("off"),
            Self::After(time) => f.write_str(&short(*time)),
        }
    }
}

impl FromStr for IdleStop {
    type Err = NoIdleStop;

    fn from_str(text: &str) -> Result<Self, NoIdleStop> {
        match text {
            "default" => Ok(Self::Default),
            "off" => Ok(Self::Off),
            time => {
                let time = humantime::parse_duration(time).map_err(|_malformed| NoIdleStop)?;
                let time = Duration::from_secs(time.as_secs());
                if IDLE_TIMES.contains(&time) { Ok(Self::After(time)) } else { Err(NoIdleStop) }
            }
        }
    }
}

impl TryFrom<String> for IdleStop {
    type Error = NoIdleStop;

    fn try_from(text: String) -> Result<Self, NoIdleStop> {
        text.parse()
    }
}

impl From<IdleStop> for String {
    fn from(setting: IdleStop) -> Self {
        setting.to_string()
    }
}

/// A time as people write it, in one word: `1h30m`, `90d`.
#[must_use]
pub fn short(time: Duration) -> String {
    let units = SpanRound::new().largest(Unit::Day).days_are_24_hours();
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let span = Span::new().try_seconds(seconds).and_then(|span| span.round(units));
    // Beyond all that there is of time.
    span.map_or_else(|_| format!("{seconds}s"), |span| format!("{span:#}").replace(' ', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_time_is_read_as_it_is_shown() {
        for text in ["default", "off", "1m", "1h30m", "7d", "90d", "1d2h", "365d"] {
            assert_eq!(text.parse::<IdleStop>().unwrap().to_string(), text);
        }
        for text in ["", "never", "59s", "0s", "400d", "-1h", "2"] {
            assert!(text.parse::<IdleStop>().is_err(), "{text}");
        }
    }
}
