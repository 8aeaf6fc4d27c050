//! Opening the database: the file, its connections, its migrations, and how a change begins.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, SqlSafeStr as _, Sqlite, SqliteConnection, Transaction};

use crate::{Store, StoreError};

/// Reads are short; more connections than this only cost memory.
const READERS: u32 = 4;

/// For another process that holds the file (a backup, a person with `sqlite3`).
const BUSY: Duration = Duration::from_secs(5);

/// The longest wait for a connection. More than [`BUSY`]: the writer ahead of us may be spending that.
const QUEUE: Duration = Duration::from_secs(10);

impl Store {
    /// Opens the database in this file. Makes it, readable by its owner alone, if it is not there, and brings
    /// its tables up to date.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        create_private(path)?;
        // FULL: an approval that was answered must survive a loss of power. NORMAL, usual beside WAL, may lose it.
        let options = SqliteConnectOptions::new()
            .filename(path)
            .foreign_keys(true)
            .busy_timeout(BUSY)
            .synchronous(SqliteSynchronous::Full);
        Self::connect(
            options.clone().journal_mode(SqliteJournalMode::Wal),
            options.pragma("query_only", "ON"),
        )
        .await
    }

    async fn connect(
        writer_options: SqliteConnectOptions,
        readers: SqliteConnectOptions,
    ) -> Result<Self, StoreError> {
        let writer = pool(1).after_release(|connection, _about| Box::pin(is_at_rest(connection)));
        let writer = writer.connect_with(writer_options).await?;
        migrations().run(&writer).await.map_err(sqlx::Error::from)?;
        let readers = pool(READERS).connect_with(readers).await?;
        Ok(Self { writer, readers })
    }

    /// Ends the connections and folds the write-ahead log into the file. What is asked afterwards is
    /// [`StoreError::Unavailable`].
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Begins a change. IMMEDIATE takes the write lock before the first read, so what was read still holds at
    /// commit; a transaction that starts by reading would fail with `SQLITE_BUSY_SNAPSHOT` instead of waiting.
    pub(crate) async fn change(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }
}

/// `SQLite` gives the log and its index the mode of the file itself.
fn create_private(path: &Path) -> Result<(), StoreError> {
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map(drop)
        .map_err(|error| StoreError::Unavailable(error.into()))
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(QUEUE)
        .idle_timeout(None)
        .max_lifetime(None)
        // A file is always there: to ask a connection whether it still is would double what a look-up costs.
        .test_before_acquire(false)
}

/// Whether a connection that is given back may be used again. A full disk makes `SQLite` roll back by itself. sqlx's
/// own rollback then fails, it still counts the transaction as open, and refuses each later BEGIN on that connection:
/// close such a one.
async fn is_at_rest(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    // Lets the rollback that a dropped transaction queued happen first.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

/// By hand, where `sqlx::migrate!` would bring the compile-time macros; a new file needs a line here.
fn migrations() -> Migrator {
    let first = include_str!("../migrations/0001_first.sql").into_sql_str();
    let forwarding = include_str!("../migrations/0002_forwarding.sql").into_sql_str();
    let certificates = include_str!("../migrations/0003_certificates.sql").into_sql_str();
    let budget = include_str!("../migrations/0004_budget.sql").into_sql_str();
    let whole_budget = include_str!("../migrations/0005_whole_budget.sql").into_sql_str();
    let usage = include_str!("../migrations/0006_usage.sql").into_sql_str();
    let idle = include_str!("../migrations/0007_idle.sql").into_sql_str();
    let swap = include_str!("../migrations/0008_swap.sql").into_sql_str();
    let weight = include_str!("../migrations/0009_weight.sql").into_sql_str();
    let simple = |version, name: &'static str, sql| {
        Migration::new(version, name.into(), MigrationType::Simple, sql, false)
    };
    Migrator::with_migrations(vec![
        simple(1, "first", first),
        simple(2, "forwarding", forwarding),
        simple(3, "certificates", certificates),
        simple(4, "budget", budget),
        simple(5, "whole budget", whole_budget),
        simple(6, "usage", usage),
        simple(7, "idle", idle),
        simple(8, "swap", swap),
        simple(9, "weight", weight),
    ])
}

#[cfg(test)]
mod tests;
