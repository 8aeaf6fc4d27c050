//! What all Spaces of one person may have together: looked at in the transaction that would change it, so that two
//! changes at once cannot both fit.

use std::fmt;
use std::num::NonZeroU32;

use spaces_protocol::name::Email;
use sqlx::SqliteConnection;

use crate::{Store, StoreError, UserId};

/// The most that one person's Spaces may have together. `None` is no ceiling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ceiling {
    /// How many Spaces.
    pub spaces: Option<NonZeroU32>,
    /// Processor time, in thousandths of a core.
    pub cpu_millis: Option<NonZeroU32>,
    /// Memory, in MiB.
    pub memory_mib: Option<NonZeroU32>,
    /// Disk, in MB.
    pub disk_mb: Option<NonZeroU32>,
    /// What may go out in a month, in MB.
    pub egress_mb: Option<NonZeroU32>,
}

/// The ceilings to set for one person; the others stay. 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CeilingChange {
    /// How many Spaces.
    pub spaces: Option<u32>,
    /// Processor time, in thousandths of a core.
    pub cpu_millis: Option<u32>,
    /// Memory, in MiB.
    pub memory_mib: Option<u32>,
    /// Disk, in MB.
    pub disk_mb: Option<u32>,
    /// What may go out in a month, in MB.
    pub egress_mb: Option<u32>,
}

/// What a ceiling is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of the fields of a ceiling")]
pub enum Resource {
    Spaces,
    Cpu,
    Memory,
    Disk,
    Egress,
}

/// As people set it.
impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Spaces => "spaces",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Egress => "net",
        })
    }
}

/// What one person's Spaces have together of one resource. `None`: one of them has no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Of what.
    pub resource: Resource,
    /// How much.
    pub sum: Option<u64>,
    /// The most there may be.
    pub ceiling: Option<NonZeroU32>,
}

/// What would have been more than it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overdraft {
    /// Of what.
    pub resource: Resource,
    /// How much there would have been; `None`: without limit.
    pub sum: Option<u64>,
    /// The most there may be.
    pub ceiling: NonZeroU32,
}

/// What one person's Spaces have together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sums([(Resource, Option<u64>); 5]);

#[derive(sqlx::FromRow)]
struct StoredSums {
    spaces: i64,
    cpu_millis: i64,
    memory_mib: i64,
    disk_mb: Option<i64>,
    egress_mb: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct StoredCeiling {
    spaces: Option<u32>,
    cpu_millis: Option<u32>,
    memory_mib: Option<u32>,
    disk_mb: Option<u32>,
    egress_mb: Option<u32>,
}

impl Ceiling {
    fn of(&self, resource: Resource) -> Option<NonZeroU32> {
        match resource {
            Resource::Spaces => self.spaces,
            Resource::Cpu => self.cpu_millis,
            Resource::Memory => self.memory_mib,
            Resource::Disk => self.disk_mb,
            Resource::Egress => self.egress_mb,
        }
    }
}

impl Store {
    /// Sets what one person's Spaces may have together, and gives what they have. What they have already they keep.
    /// `None`: there is no such person.
    pub async fn set_ceiling(
        &self,
        email: &Email,
        ceiling: CeilingChange,
        default: &Ceiling,
    ) -> Result<Option<Vec<Share>>, StoreError> {
        let mut change = self.change().await?;
        let owner: Option<i64> = sqlx::query_scalar("SELECT id FROM users WHERE email = $1")
            .bind(email.as_str())
            .fetch_optional(&mut *change)
            .await?;
        let Some(owner) = owner.map(UserId) else { return Ok(None) };
        sqlx::query(
            "INSERT INTO ceilings (user_id, spaces, cpu_millis, memory_mib, disk_mb, egress_mb) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (user_id) DO UPDATE SET \
                spaces = COALESCE($2, spaces), cpu_millis = COALESCE($3, cpu_millis), \
                memory_mib = COALESCE($4, memory_mib), disk_mb = COALESCE($5, disk_mb), \
                egress_mb = COALESCE($6, egress_mb)",
        )
        .bind(owner.0)
        .bind(ceiling.spaces)
        .bind(ceiling.cpu_millis)
        .bind(ceiling.memory_mib)
        .bind(ceiling.disk_mb)
        .bind(ceiling.egress_mb)
        .execute(&mut *change)
        .await?;
        let (ceiling, sums) =
            (effective(&mut change, owner, default).await?, sums(&mut change, owner).await?);
        change.commit().await?;
        let shares =
            sums.0.map(|(resource, sum)| Share { resource, sum, ceiling: ceiling.of(resource) }).to_vec();
        Ok(Some(shares))
    }
}

/// What a person's Spaces have together now. One that is being deleted gives back what it had.
pub(crate) async fn sums(connection: &mut SqliteConnection, owner: UserId) -> Result<Sums, StoreError> {
    let stored = sqlx::query_as::<_, StoredSums>(
        "SELECT COUNT(*) AS spaces, COALESCE(SUM(cpu_millis), 0) AS cpu_millis, COALESCE(SUM(memory_mib), 0) AS memory_mib, \
            CASE WHEN SUM(disk_mb = 0) > 0 THEN NULL ELSE COALESCE(SUM(disk_mb), 0) END AS disk_mb, \
            CASE WHEN SUM(egress_mb = 0) > 0 THEN NULL ELSE COALESCE(SUM(egress_mb), 0) END AS egress_mb \
         FROM spaces WHERE owner_id = $1 AND desired <> 'deleted'",
    );
    let StoredSums { spaces, cpu_millis, memory_mib, disk_mb, egress_mb } =
        stored.bind(owner.0).fetch_one(connection).await?;
    let number = |sum: i64| u64::try_from(sum).unwrap_or_default();
    Ok(Sums([
        (Resource::Spaces, Some(number(spaces))),
        (Resource::Cpu, Some(number(cpu_millis))),
        (Resource::Memory, Some(number(memory_mib))),
        (Resource::Disk, disk_mb.map(number)),
        (Resource::Egress, egress_mb.map(number)),
    ]))
}

/// The first resource of which this change, which is not committed yet, would give the person more than there was and
/// more than there may be.
pub(crate) async fn overdraft(
    connection: &mut SqliteConnection,
    owner: UserId,
    before: &Sums,
    default: &Ceiling,
) -> Result<Option<Overdraft>, StoreError> {
    let (ceiling, after) = (effective(connection, owner, default).await?, sums(connection, owner).await?);
    Ok(first_overdraft(before, &after, &ceiling))
}

fn first_overdraft(before: &Sums, after: &Sums, ceiling: &Ceiling) -> Option<Overdraft> {
    // Without limit is more than any number.
    let more = |a: Option<u64>, b: Option<u64>| a.unwrap_or(u64::MAX) > b.unwrap_or(u64::MAX);
    before.0.iter().zip(after.0).find_map(|((_, before), (resource, sum))| {
        let ceiling = ceiling.of(resource)?;
        (more(sum, Some(u64::from(ceiling.get()))) && more(sum, *before)).then_some(Overdraft {
            resource,
            sum,
            ceiling,
        })
    })
}

/// This person's own ceilings over those of the configuration.
async fn effective(
    connection: &mut SqliteConnection,
    owner: UserId,
    default: &Ceiling,
) -> Result<Ceiling, StoreError> {
    let own = sqlx::query_as::<_, StoredCeiling>(
        "SELECT spaces, cpu_millis, memory_mib, disk_mb, egress_mb FROM ceilings WHERE user_id = $1",
    );
    let Some(own) = own.bind(owner.0).fetch_optional(connection).await? else { return Ok(*default) };
    let over = |own: Option<u32>, default| own.map_or(default, NonZeroU32::new);
    Ok(Ceiling {
        spaces: over(own.spaces, default.spaces),
        cpu_millis: over(own.cpu_millis, default.cpu_millis),
        memory_mib: over(own.memory_mib, default.memory_mib),
        disk_mb: over(own.disk_mb, default.disk_mb),
        egress_mb: over(own.egress_mb, default.egress_mb),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(cpu: u64, disk: Option<u64>) -> Sums {
        Sums([
            (Resource::Spaces, Some(1)),
            (Resource::Cpu, Some(cpu)),
            (Resource::Memory, Some(1)),
            (Resource::Disk, disk),
            (Resource::Egress, Some(1)),
        ])
    }

    #[test]
    fn more_than_before_and_than_may_be_is_an_overdraft() {
        let ceiling =
            Ceiling { cpu_millis: NonZeroU32::new(10), disk_mb: NonZeroU32::new(10), ..Ceiling::default() };
        let over = |before, after| first_overdraft(&before, &after, &ceiling).map(|over| over.resource);
        assert_eq!(over(sums(5, Some(5)), sums(10, Some(10))), None);
        assert_eq!(over(sums(5, Some(5)), sums(11, Some(5))), Some(Resource::Cpu));
        assert_eq!(over(sums(12, Some(5)), sums(11, Some(5))), None, "less is fine");
        assert_eq!(over(sums(5, Some(5)), sums(5, None)), Some(Resource::Disk), "no limit is more than any");
        assert_eq!(over(sums(5, None), sums(5, None)), None);
        assert_eq!(first_overdraft(&sums(0, None), &sums(99, None), &Ceiling::default()), None);
    }
}
