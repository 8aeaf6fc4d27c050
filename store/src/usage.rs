//! What Spaces have used: counters added up, over restarts of machines, engine and gateway.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use spaces_protocol::name::SpaceId;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row as _, Sqlite, SqliteConnection};

use crate::column::long;
use crate::{Store, StoreError};

/// In the place of a counter: whatever is read first is where counting begins.
const BASELINE: &str = "baseline";

/// For so many Spaces usage is read, and kept, with one statement: each is a way to the database and back.
const AT_ONCE: usize = 500;

/// A calendar month in UTC, over which egress is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Month(String);

impl Month {
    /// The month of this moment.
    #[must_use]
    pub fn of(now: Timestamp) -> Self {
        let now = now.to_zoned(TimeZone::UTC);
        Self(format!("{:04}-{:02}", now.year(), now.month()))
    }
}

/// A counter as it was read. It only grows, and another one begins at nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counter {
    /// Which: another text is another counter.
    pub from: String,
    /// What it says.
    pub seen: u64,
}

/// What was read of one Space; `None` where nothing could be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// Which.
    pub space: SpaceId,
    /// Bytes that went out.
    pub egress: Option<Counter>,
    /// Where it is cut off: what was sent beyond that went nowhere, and is not counted.
    pub egress_most: Option<u64>,
    /// Processor time, in microseconds.
    pub cpu: Option<Counter>,
    /// Bytes on the disk.
    pub disk_bytes: Option<u64>,
}

/// What a Space has used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Usage {
    /// The month that `egress_bytes` is of; none before the first reading.
    pub(crate) month: Option<Month>,
    pub(crate) egress_bytes: u64,
    /// Processor time since the Space was made, in microseconds.
    pub cpu_micros: u64,
    /// Bytes on the disk; `None` before they were looked at.
    pub disk_bytes: Option<u64>,
    /// Tokens of language models.
    pub llm_tokens: u64,
}

impl Usage {
    /// Bytes that went out in that month.
    #[must_use]
    pub fn egress_in(&self, month: &Month) -> u64 {
        if self.month.as_ref() == Some(month) { self.egress_bytes } else { 0 }
    }

    /// The columns of usage beside those of a Space, all of them empty before the first reading.
    pub(crate) fn read(row: &SqliteRow) -> Result<Self, StoreError> {
        let number =
            |column: &'static str, number: Option<i64>| number.map(|number| long(column, number)).transpose();
        Ok(Self {
            month: row.try_get::<Option<String>, _>("month")?.map(Month),
            egress_bytes: number("usage.egress_bytes", row.try_get("egress_bytes")?)?.unwrap_or_default(),
            cpu_micros: number("usage.cpu_micros", row.try_get("cpu_micros")?)?.unwrap_or_default(),
            disk_bytes: number("usage.disk_bytes", row.try_get("disk_bytes")?)?,
            llm_tokens: number("usage.llm_tokens", row.try_get("used_tokens")?)?.unwrap_or_default(),
        })
    }
}

#[derive(sqlx::FromRow)]
struct StoredUsage {
    space_id: i64,
    month: String,
    egress_bytes: i64,
    egress_from: String,
    egress_seen: i64,
    cpu_micros: i64,
    cpu_from: String,
    cpu_seen: i64,
    disk_bytes: Option<i64>,
}

impl Store {
    /// Adds what was read to what is known, of all these Spaces at once.
    pub async fn record_usage(&self, measured: &[Measured], now: Timestamp) -> Result<(), StoreError> {
        if measured.is_empty() {
            return Ok(());
        }
        let month = Month::of(now);
        let mut change = self.change().await?;
        for readings in measured.chunks(AT_ONCE) {
            let known = known(&mut change, readings).await?;
            let mut next = known.clone();
            for reading in readings {
                let of = next.entry(reading.space).or_default();
                *of = of.after(reading, &month);
            }
            next.retain(|space, next| known.get(space) != Some(next));
            keep(&mut change, &next).await?;
        }
        Ok(change.commit().await?)
    }
}

async fn known(
    connection: &mut SqliteConnection,
    readings: &[Measured],
) -> Result<BTreeMap<SpaceId, Known>, StoreError> {
    let mut query = QueryBuilder::<Sqlite>::new(
        "SELECT space_id, month, egress_bytes, egress_from, egress_seen, cpu_micros, cpu_from, cpu_seen, disk_bytes \
         FROM usage WHERE space_id IN (",
    );
    let mut spaces = query.separated(", ");
    for reading in readings {
        spaces.push_bind(reading.space.number());
    }
    query.push(")");
    let rows = query.build_query_as::<StoredUsage>().persistent(false).fetch_all(connection).await?;
    rows.into_iter().map(read).collect()
}

async fn keep(connection: &mut SqliteConnection, usage: &BTreeMap<SpaceId, Known>) -> Result<(), StoreError> {
    if usage.is_empty() {
        return Ok(());
    }
    let mut query = QueryBuilder::<Sqlite>::new(
        "INSERT INTO usage (space_id, month, egress_bytes, egress_from, egress_seen, cpu_micros, cpu_from, cpu_seen, \
            disk_bytes) \
         SELECT * FROM (",
    );
    query.push_values(usage, |mut row, (space, next)| {
        row.push_bind(space.number())
            .push_bind(&next.month)
            .push_bind(kept(next.egress))
            .push_bind(&next.egress_counter.from)
            .push_bind(kept(next.egress_counter.seen))
            .push_bind(kept(next.cpu))
            .push_bind(&next.cpu_counter.from)
            .push_bind(kept(next.cpu_counter.seen))
            .push_bind(next.disk.map(kept));
    });
    // One that is gone meanwhile has no usage.
    query.push(
        ") WHERE column1 IN (SELECT id FROM spaces) \
         ON CONFLICT (space_id) DO UPDATE SET month = excluded.month, egress_bytes = excluded.egress_bytes, \
            egress_from = excluded.egress_from, egress_seen = excluded.egress_seen, \
            cpu_micros = excluded.cpu_micros, cpu_from = excluded.cpu_from, cpu_seen = excluded.cpu_seen, \
            disk_bytes = excluded.disk_bytes",
    );
    query.build().persistent(false).execute(connection).await?;
    Ok(())
}

/// Sums, and the counters that they were last taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    month: String,
    egress: u64,
    egress_counter: Counter,
    cpu: u64,
    cpu_counter: Counter,
    disk: Option<u64>,
}

impl Default for Known {
    fn default() -> Self {
        let never = Counter { from: String::new(), seen: 0 };
        Self {
            month: String::new(),
            egress: 0,
            egress_counter: never.clone(),
            cpu: 0,
            cpu_counter: never,
            disk: None,
        }
    }
}

impl Known {
    fn after(&self, reading: &Measured, month: &Month) -> Self {
        let (egress, egress_counter) = match &reading.egress {
            // An interface is never another's of the same number: this reading was overtaken by another one.
            Some(read) if read.from == self.egress_counter.from && read.seen < self.egress_counter.seen => {
                (0, self.egress_counter.clone())
            }
            read => step(&self.egress_counter, read.as_ref()),
        };
        let (cpu, cpu_counter) = step(&self.cpu_counter, reading.cpu.as_ref());
        let egress_before = if self.month == month.0 { self.egress } else { 0 };
        let most = reading.egress_most.map_or(u64::MAX, |most| most.max(egress_before));
        Self {
            month: month.0.clone(),
            egress: egress_before.saturating_add(egress).min(most),
            egress_counter,
            cpu: self.cpu.saturating_add(cpu),
            cpu_counter,
            disk: reading.disk_bytes.or(self.disk),
        }
    }
}

/// How much a counter has grown, and where it stands.
fn step(known: &Counter, read: Option<&Counter>) -> (u64, Counter) {
    let Some(read) = read else { return (0, known.clone()) };
    if known.from == BASELINE {
        return (0, read.clone());
    }
    let same = read.from == known.from && read.seen >= known.seen;
    let grown = if same { read.seen - known.seen } else { read.seen };
    (grown, read.clone())
}

fn read(stored: StoredUsage) -> Result<(SpaceId, Known), StoreError> {
    let space = SpaceId::new(stored.space_id);
    let known = Known {
        month: stored.month,
        egress: long("usage.egress_bytes", stored.egress_bytes)?,
        egress_counter: Counter {
            from: stored.egress_from,
            seen: long("usage.egress_seen", stored.egress_seen)?,
        },
        cpu: long("usage.cpu_micros", stored.cpu_micros)?,
        cpu_counter: Counter { from: stored.cpu_from, seen: long("usage.cpu_seen", stored.cpu_seen)? },
        disk: stored.disk_bytes.map(|bytes| long("usage.disk_bytes", bytes)).transpose()?,
    };
    Ok((space, known))
}

/// As the database keeps it.
fn kept(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counters() -> impl Strategy<Value = Option<Counter>> {
        proptest::option::of(("[ab]", 0..1000_u64).prop_map(|(from, seen)| Counter { from, seen }))
    }

    proptest! {
        #[test]
        fn what_was_used_never_runs_backwards_within_a_month(
            readings in proptest::collection::vec(
                (counters(), counters(), proptest::option::of(0..9_u64), proptest::option::of(0..900_u64)),
                0..30,
            )
        ) {
            let month = Month("2026-11".to_owned());
            let mut known = Known::default();
            for (egress, cpu, disk_bytes, egress_most) in readings {
                let next = known.after(&Measured { space: SpaceId::new(1), egress, egress_most, cpu, disk_bytes }, &month);
                prop_assert!(next.egress >= known.egress && next.cpu >= known.cpu);
                prop_assert!(next.disk.is_some() || known.disk.is_none());
                known = next;
            }
        }
    }

    #[test]
    fn a_counter_that_begins_anew_is_added_and_a_new_month_begins_at_nothing() {
        let month = |text: &str| Month(text.to_owned());
        let reading = |from: &str, seen| {
            let counter = Some(Counter { from: from.to_owned(), seen });
            let egress = counter.clone();
            Measured { space: SpaceId::new(1), egress, egress_most: None, cpu: counter, disk_bytes: None }
        };
        let mut known = Known::default();
        for (from, seen, sum) in [("a", 100, 100), ("a", 150, 150), ("b", 20, 170)] {
            known = known.after(&reading(from, seen), &month("2026-11"));
            assert_eq!((known.egress, known.cpu), (sum, sum), "{from} {seen}");
        }
        // A cgroup's number is given out again; an interface's is not, so that its reading is an old one.
        known = known.after(&reading("b", 10), &month("2026-11"));
        assert_eq!((known.egress, known.cpu), (170, 180));
        known = known.after(&reading("b", 25), &month("2026-12"));
        assert_eq!((known.egress, known.cpu), (5, 195));
        let cut = |most, seen| Measured { egress_most: Some(most), ..reading("b", seen) };
        known = known.after(&cut(20, 100), &month("2026-12"));
        assert_eq!((known.egress, known.cpu), (20, 270), "what was refused was not sent");
        let begun = Counter { from: BASELINE.to_owned(), seen: 0 };
        assert_eq!(step(&begun, reading("b", 900).egress.as_ref()).0, 0, "what was before is not counted");
        known = known.after(&cut(10, 110), &month("2026-12"));
        assert_eq!(known.egress, 20, "a limit that was lowered takes nothing back");
    }
}
