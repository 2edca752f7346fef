//! The tables: made and changed by embedded migrations, under a lock.

use std::borrow::Cow;
use std::sync::Arc;

use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};

use super::JournalError;
use super::fault::Place;

/// The last version that this program knows.
pub(super) const KNOWN: i64 = 5;

const SQLITE: &[(i64, &str)] = &[
    (1, include_str!("migrations/sqlite_0001.sql")),
    (2, include_str!("migrations/sqlite_0002.sql")),
    (3, include_str!("migrations/sqlite_0003.sql")),
    (4, include_str!("migrations/sqlite_0004.sql")),
    (5, include_str!("migrations/sqlite_0005.sql")),
];
#[cfg(feature = "postgres")]
const POSTGRES: &[(i64, &str)] = &[
    (1, include_str!("migrations/postgres_0001.sql")),
    (2, include_str!("migrations/postgres_0002.sql")),
    (3, include_str!("migrations/postgres_0003.sql")),
    (4, include_str!("migrations/postgres_0004.sql")),
    (5, include_str!("migrations/postgres_0005.sql")),
];

/// Brings an SQLite journal up to date. The caller's transaction is the lock.
pub(super) async fn migrate_sqlite(
    place: &Place,
    connection: &mut sqlx::SqliteConnection,
) -> Result<(), JournalError> {
    migrate(place, SQLITE, connection).await
}

/// Brings a PostgreSQL journal up to date, under an advisory lock.
#[cfg(feature = "postgres")]
pub(super) async fn migrate_postgres(
    place: &Place,
    connection: &mut sqlx::PgConnection,
) -> Result<(), JournalError> {
    migrate(place, POSTGRES, connection).await
}

async fn migrate<C: Migrate>(
    place: &Place,
    versions: &[(i64, &'static str)],
    connection: &mut C,
) -> Result<(), JournalError> {
    let migrations: Vec<Migration> = versions
        .iter()
        .map(|(version, sql)| {
            Migration::new(
                *version,
                Cow::Borrowed("journal"),
                MigrationType::Simple,
                Cow::Borrowed(*sql),
                false,
            )
        })
        .collect();
    let migrator = Migrator {
        migrations: Cow::Owned(migrations),
        ..Migrator::DEFAULT
    };
    let name = place.name.clone();
    migrator
        .run_direct(connection)
        .await
        .map_err(|error| match error {
            MigrateError::VersionMissing(found) => JournalError::NewerSchema {
                place: name,
                found,
                known: KNOWN,
            },
            MigrateError::VersionTooNew(found, known) => JournalError::NewerSchema {
                place: name,
                found,
                known,
            },
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
                place.explain_sql(error)
            }
            MigrateError::VersionMismatch(version) => JournalError::Corrupt {
                place: name,
                problem: format!("its schema version {version} is not the one of this program"),
                source: None,
            },
            MigrateError::Dirty(version) => JournalError::Corrupt {
                place: name,
                problem: format!("a migration to schema version {version} was broken off"),
                source: None,
            },
            other => JournalError::Unavailable {
                place: name,
                problem: "its schema cannot be brought up to date".to_owned(),
                source: Some(Arc::new(other)),
            },
        })
}
