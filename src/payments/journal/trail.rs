//! What people did on the admin page: a line before each action, and one with what came of it.

use time::OffsetDateTime;

use super::lease::among;
use super::row::time_at;
use super::sql::{Arg, args};
use super::step::{Step, StepError, Tx};
use crate::base::Bin;

/// A line of the trail that is to be written.
#[derive(Clone, Debug)]
pub struct NewTrailLine {
    /// Whose token it was.
    pub who: String,
    /// The organisation that it is about.
    pub bin: Option<Bin>,
    /// What is done, in a word.
    pub action: &'static str,
    /// To what: a payment's or an operation's number, an amount, a reason.
    pub subject: String,
    /// `begun`, or what came of it.
    pub outcome: String,
}

/// A line of the trail.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TrailLine {
    /// Its number; later lines have greater ones.
    pub id: i64,
    /// When it was written, by the journal's clock.
    pub at: OffsetDateTime,
    /// Whose token it was.
    pub who: String,
    /// The organisation that it is about.
    pub bin: Option<Bin>,
    /// What was done, in a word.
    pub action: String,
    /// To what.
    pub subject: String,
    /// `begun`, or what came of it.
    pub outcome: String,
}

/// Writes a line.
pub(super) struct Trace(pub(super) NewTrailLine);

impl Step for Trace {
    type Output = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), StepError> {
        let line = &self.0;
        let args = args![
            tx.now,
            line.who.as_str(),
            line.bin.map(|bin| bin.to_string()),
            line.action,
            line.subject.as_str(),
            line.outcome.as_str(),
        ];
        tx.conn
            .run(
                "INSERT INTO trail (at, who, bin, action, subject, outcome) VALUES ($1, $2, $3, $4, $5, $6)",
                &args,
            )
            .await?;
        Ok(())
    }
}

/// Reads lines, the latest first.
pub(super) struct Trail {
    /// Of these organisations; empty for all lines, also those about none.
    pub(super) bins: Vec<Bin>,
    /// Before this line; none for the latest.
    pub(super) before: Option<i64>,
    pub(super) limit: i64,
}

impl Step for Trail {
    type Output = Vec<TrailLine>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<TrailLine>, StepError> {
        let mut args: Vec<Arg> = args![self.before.unwrap_or(i64::MAX), self.limit].to_vec();
        let own = among(&mut args, "bin", self.bins.iter().map(ToString::to_string));
        let sql = format!("SELECT * FROM trail WHERE id < $1{own} ORDER BY id DESC LIMIT $2");
        let rows = tx.conn.rows(&sql, &args).await?;
        rows.iter()
            .map(|row| {
                Ok(TrailLine {
                    id: row.int("id")?,
                    at: time_at(row.int("at")?)?,
                    who: row.text("who")?,
                    bin: row
                        .optional_text("bin")?
                        .map(|text| text.parse().map_err(super::row::unreadable("bin")))
                        .transpose()?,
                    action: row.text("action")?,
                    subject: row.text("subject")?,
                    outcome: row.text("outcome")?,
                })
            })
            .collect()
    }
}
