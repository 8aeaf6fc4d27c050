//! Finding Spaces. What is scoped to a person answers with the proof, [`Granted`]; what is not is for the
//! platform itself and its admins.

use spaces_protocol::name::{Fingerprint, Role, Serial, SpaceId, SpaceReference};
use sqlx::Sqlite;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};

use crate::{Granted, Space, Store, StoreError, UserId};

/// What a person gets for naming a Space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FindSpace {
    /// The one they mean.
    Found(Box<Granted<Space>>),
    /// None of theirs; whether it is somebody else's is not told.
    Absent,
    /// They can use several of that name: these.
    Ambiguous(Vec<SpaceId>),
}

/// What a person came in by, which has to be good still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass<'a> {
    /// A device key of theirs.
    Key(&'a Fingerprint),
    /// A certificate.
    Certificate {
        /// Its serial.
        serial: Serial,
        /// The digest of its contents.
        digest: &'a [u8; 32],
    },
}

/// What a platform admin gets for naming a Space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnySpace {
    /// The one they mean.
    Found(Box<Space>),
    /// There is none.
    Absent,
    /// There are several of that name: these.
    Ambiguous(Vec<SpaceId>),
}

macro_rules! select_spaces {
    ($($which:expr),*) => {
        concat!(
            "SELECT s.id, s.name, s.owner_id, o.email AS owner_email, s.desired, s.observed, ",
            "s.image, s.cpu_millis, s.memory_mib, s.pids, s.disk_mb, s.egress_mb, s.egress_mbit, s.llm_tokens, s.limits, s.forwarding, ",
            "s.idle_stop, s.asleep_at, s.hold_until, s.hold_reason, s.created_at, ",
            "u.month, u.egress_bytes, u.cpu_micros, u.disk_bytes, u.llm_tokens AS used_tokens ",
            "FROM spaces s JOIN users o ON o.id = s.owner_id LEFT JOIN usage u ON u.space_id = s.id ",
            $($which,)*
            " ORDER BY s.id"
        )
    };
}

/// `$1` is the person.
macro_rules! of_person {
    ($($and:tt)*) => {
        select_spaces!(
            "WHERE s.id IN (SELECT id FROM spaces WHERE owner_id = $1 UNION \
             SELECT space_id FROM members WHERE user_id = $1) ",
            $($and)*
        )
    };
}

/// `$1` is the person, `$3` the key.
macro_rules! good_key {
    () => {
        "AND EXISTS (SELECT 1 FROM device_keys WHERE fingerprint = $3 AND user_id = $1)"
    };
}

/// `$1` is the person, `$3` and `$4` the certificate: [`Store::standing`] in one condition.
macro_rules! good_certificate {
    () => {
        "AND EXISTS (SELECT 1 FROM certificates c \
         JOIN device_keys k ON k.fingerprint = c.issued_by AND k.user_id = c.user_id \
         WHERE c.serial = $3 AND c.digest = $4 AND c.user_id = $1 AND c.revoked_at IS NULL)"
    };
}

impl Store {
    /// The Spaces that this person owns or is a member of, by id; those being deleted too, until they are gone.
    pub async fn spaces_of(&self, user: UserId) -> Result<Vec<Granted<Space>>, StoreError> {
        let spaces = self.select(sqlx::query(of_person!("")).bind(user.0)).await?;
        Ok(spaces.into_iter().map(|space| granted(space, user)).collect())
    }

    /// The Space that this person means. A foreign one is as absent as none, and for a pass that is good no more all
    /// are.
    pub async fn find_space(
        &self,
        user: UserId,
        pass: Pass<'_>,
        reference: &SpaceReference,
    ) -> Result<FindSpace, StoreError> {
        // One look-up for both questions: each costs two changes of threads, and every channel asks.
        let query = match (reference, pass) {
            (SpaceReference::Id(id), Pass::Key(_)) => {
                sqlx::query(of_person!("AND s.id = $2 ", good_key!())).bind(user.0).bind(id.number())
            }
            (SpaceReference::Id(id), Pass::Certificate { .. }) => {
                sqlx::query(of_person!("AND s.id = $2 ", good_certificate!())).bind(user.0).bind(id.number())
            }
            (SpaceReference::Name(name), Pass::Key(_)) => {
                sqlx::query(of_person!("AND s.name = $2 ", good_key!())).bind(user.0).bind(name.to_string())
            }
            (SpaceReference::Name(name), Pass::Certificate { .. }) => {
                sqlx::query(of_person!("AND s.name = $2 ", good_certificate!()))
                    .bind(user.0)
                    .bind(name.to_string())
            }
        };
        let query = match pass {
            Pass::Key(fingerprint) => query.bind(fingerprint.to_string()),
            Pass::Certificate { serial, digest } => query.bind(serial.number()).bind(digest.to_vec()),
        };
        Ok(match only(self.select(query).await?) {
            AnySpace::Found(space) => FindSpace::Found(Box::new(granted(*space, user))),
            AnySpace::Absent => FindSpace::Absent,
            AnySpace::Ambiguous(ids) => FindSpace::Ambiguous(ids),
        })
    }

    /// The Space of that id or name, whoever owns it: for platform admins.
    pub async fn find_any_space(&self, reference: &SpaceReference) -> Result<AnySpace, StoreError> {
        let query = match reference {
            SpaceReference::Id(id) => sqlx::query(select_spaces!("WHERE s.id = $1")).bind(id.number()),
            SpaceReference::Name(name) => {
                sqlx::query(select_spaces!("WHERE s.name = $1")).bind(name.as_str().to_owned())
            }
        };
        Ok(only(self.select(query).await?))
    }

    /// Every Space, by id: for the platform itself.
    pub async fn all_spaces(&self) -> Result<Vec<Space>, StoreError> {
        self.select(sqlx::query(select_spaces!(""))).await
    }

    /// The Space of that id: for the platform itself.
    pub async fn space(&self, id: SpaceId) -> Result<Option<Space>, StoreError> {
        let spaces = self.select(sqlx::query(select_spaces!("WHERE s.id = $1")).bind(id.number())).await?;
        Ok(spaces.into_iter().next())
    }

    async fn select(&self, query: Query<'_, Sqlite, SqliteArguments>) -> Result<Vec<Space>, StoreError> {
        let read = query.map(|row: SqliteRow| Space::read(&row)).fetch_all(&self.readers).await?;
        read.into_iter().collect()
    }
}

fn granted(space: Space, user: UserId) -> Granted<Space> {
    let role = if space.owner == user { Role::Admin } else { Role::Member };
    Granted::new(space, role)
}

fn only(spaces: Vec<Space>) -> AnySpace {
    match <[Space; 1]>::try_from(spaces) {
        Ok([space]) => AnySpace::Found(Box::new(space)),
        Err(none) if none.is_empty() => AnySpace::Absent,
        Err(several) => AnySpace::Ambiguous(several.iter().map(|space| space.id).collect()),
    }
}
