//! One way to speak to both databases: numbered parameters, 64-bit integers, text, and nothing else.

#[cfg(feature = "postgres")]
use sqlx::PgConnection;
use sqlx::{Row as _, SqliteConnection};

/// A connection, within a transaction or not.
pub(super) enum Conn<'c> {
    Sqlite(&'c mut SqliteConnection),
    #[cfg(feature = "postgres")]
    Postgres(&'c mut PgConnection),
}

/// A value of a parameter.
#[derive(Clone, Debug)]
pub(super) enum Arg {
    Int(Option<i64>),
    Text(Option<String>),
}

/// A row of an answer.
pub(super) enum Row {
    Sqlite(sqlx::sqlite::SqliteRow),
    #[cfg(feature = "postgres")]
    Postgres(sqlx::postgres::PgRow),
}

macro_rules! bound {
    ($sql:expr, $args:expr) => {{
        let mut query = sqlx::query($sql);
        for arg in $args {
            query = match arg {
                Arg::Int(value) => query.bind(*value),
                Arg::Text(value) => query.bind(value.clone()),
            };
        }
        query
    }};
}

impl Conn<'_> {
    /// The rows of one statement.
    pub(super) async fn rows(&mut self, sql: &str, args: &[Arg]) -> sqlx::Result<Vec<Row>> {
        Ok(match self {
            Self::Sqlite(connection) => {
                let rows = bound!(sql, args).fetch_all(&mut **connection).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => {
                let rows = bound!(sql, args).fetch_all(&mut **connection).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// The first row of one statement.
    pub(super) async fn row(&mut self, sql: &str, args: &[Arg]) -> sqlx::Result<Option<Row>> {
        Ok(match self {
            Self::Sqlite(connection) => bound!(sql, args)
                .fetch_optional(&mut **connection)
                .await?
                .map(Row::Sqlite),
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => bound!(sql, args)
                .fetch_optional(&mut **connection)
                .await?
                .map(Row::Postgres),
        })
    }

    /// Runs one statement. Gives how many rows it touched.
    pub(super) async fn run(&mut self, sql: &str, args: &[Arg]) -> sqlx::Result<u64> {
        Ok(match self {
            Self::Sqlite(connection) => bound!(sql, args)
                .execute(&mut **connection)
                .await?
                .rows_affected(),
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => bound!(sql, args)
                .execute(&mut **connection)
                .await?
                .rows_affected(),
        })
    }

    /// Runs two statements. SQLite takes them in one go, which halves the way to its thread.
    pub(super) async fn run_both(
        &mut self,
        first: (&str, &[Arg]),
        second: (&str, &[Arg]),
    ) -> sqlx::Result<()> {
        match self {
            Self::Sqlite(connection) => {
                let joined = format!("{}; {}", first.0, renumbered(second.0, first.1.len()));
                let args: Vec<Arg> = first.1.iter().chain(second.1).cloned().collect();
                bound!(&joined, &args).execute(&mut **connection).await?;
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => {
                self.run(first.0, first.1).await?;
                self.run(second.0, second.1).await?;
            }
        }
        Ok(())
    }

    /// Whether it is an SQLite file, for the few things that have no common words.
    pub(super) fn is_sqlite(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }

    /// What keeps the rows of a `SELECT` from changing until the transaction ends. SQLite's writer is
    /// alone anyway.
    pub(super) fn for_update(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "",
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => " FOR UPDATE",
        }
    }

    /// The same for work that is shared out: rows that somebody else is taking are passed over.
    pub(super) fn skip_locked(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "",
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => " FOR UPDATE SKIP LOCKED",
        }
    }
}

/// The same statement with every parameter's number raised.
fn renumbered(sql: &str, by: usize) -> String {
    let mut parts = sql.split('$');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.len()
            - part
                .trim_start_matches(|character: char| character.is_ascii_digit())
                .len();
        let (number, rest) = part.split_at_checked(digits).unwrap_or((part, ""));
        let number: usize = number.parse().unwrap_or_default();
        text.push_str(&format!("${}{rest}", number + by));
    }
    text
}

impl Row {
    pub(super) fn int(&self, column: &str) -> sqlx::Result<i64> {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            #[cfg(feature = "postgres")]
            Self::Postgres(row) => row.try_get(column),
        }
    }

    pub(super) fn optional_int(&self, column: &str) -> sqlx::Result<Option<i64>> {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            #[cfg(feature = "postgres")]
            Self::Postgres(row) => row.try_get(column),
        }
    }

    pub(super) fn text(&self, column: &str) -> sqlx::Result<String> {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            #[cfg(feature = "postgres")]
            Self::Postgres(row) => row.try_get(column),
        }
    }

    pub(super) fn optional_text(&self, column: &str) -> sqlx::Result<Option<String>> {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            #[cfg(feature = "postgres")]
            Self::Postgres(row) => row.try_get(column),
        }
    }
}

impl From<i64> for Arg {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<Option<i64>> for Arg {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl From<bool> for Arg {
    fn from(value: bool) -> Self {
        Self::Int(Some(i64::from(value)))
    }
}

impl From<&str> for Arg {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}

impl From<String> for Arg {
    fn from(value: String) -> Self {
        Self::Text(Some(value))
    }
}

impl From<Option<String>> for Arg {
    fn from(value: Option<String>) -> Self {
        Self::Text(value)
    }
}

/// Parameters of a statement.
macro_rules! args {
    ($($value:expr),* $(,)?) => { [$(crate::payments::journal::sql::Arg::from($value)),*] };
}
pub(super) use args;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_numbered_through() {
        assert_eq!(
            renumbered("INSERT INTO a VALUES ($1, $12, $2)", 30),
            "INSERT INTO a VALUES ($31, $42, $32)"
        );
        assert_eq!(renumbered("SELECT 1", 30), "SELECT 1");
    }
}
