//! Which certificate made which call.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use time::OffsetDateTime;

use super::bank::clock::rfc3339;

/// Rows that are kept; older ones fall out.
const MOST_ROWS: usize = 1_000_000;

/// One request as the server saw it: a row of `GET /requests`.
///
/// It never holds a query, a body, a token or a phone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RequestRow {
    /// When it had been read, by the bank's clock; RFC 3339, UTC, in JSON.
    #[serde(serialize_with = "date")]
    pub at: OffsetDateTime,
    /// Its method.
    #[serde(serialize_with = "text")]
    pub method: Arc<str>,
    /// Its path, without the query.
    #[serde(serialize_with = "text")]
    pub path: Arc<str>,
    /// The organisation it names, if it names one.
    #[serde(serialize_with = "optional_text")]
    pub bin: Option<Arc<str>>,
    /// SHA-256 of the client's certificate, lower-case hex, if it showed one.
    #[serde(serialize_with = "optional_text")]
    pub client_cert_sha256: Option<Arc<str>>,
    /// `TLSv1.2` or `TLSv1.3`.
    pub tls_version: &'static str,
    /// Whether the connection's handshake resumed an earlier session.
    pub resumed: bool,
    /// The `StatusCode` of the answer. Absent where the answer had none, or there was none (yet).
    pub status_code: Option<i64>,
    /// The HTTP status of the answer. Absent where there was no answer (yet).
    pub http_status: Option<u16>,
    /// The fault that struck it, by name.
    pub fault: Option<&'static str>,
}

/// The newest rows, oldest first.
#[derive(Debug, Default)]
pub(super) struct RequestLog {
    rows: VecDeque<RequestRow>,
    dropped: u64,
}

impl RequestLog {
    /// Writes a row, and gives its number for [`finish`](Self::finish).
    pub(super) fn push(&mut self, row: RequestRow) -> u64 {
        if self.rows.len() >= MOST_ROWS {
            self.rows.pop_front();
            self.dropped += 1;
        }
        self.rows.push_back(row);
        self.dropped + u64::try_from(self.rows.len()).unwrap_or(u64::MAX) - 1
    }

    /// Adds what was answered. A row that fell out meanwhile stays out.
    pub(super) fn finish(&mut self, number: u64, http_status: u16, status_code: Option<i64>) {
        let place = number
            .checked_sub(self.dropped)
            .and_then(|place| usize::try_from(place).ok());
        if let Some(row) = place.and_then(|place| self.rows.get_mut(place)) {
            row.http_status = Some(http_status);
            row.status_code = status_code;
        }
    }

    pub(super) fn rows(&self) -> Vec<RequestRow> {
        self.rows.iter().cloned().collect()
    }

    /// Forgets every row. Numbers go on, so that a late `finish` finds no other's row.
    pub(super) fn clear(&mut self) {
        self.dropped += u64::try_from(self.rows.len()).unwrap_or(u64::MAX);
        self.rows.clear();
    }
}

fn date<S: Serializer>(at: &OffsetDateTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*at))
}

fn text<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

fn optional_text<S: Serializer>(text: &Option<Arc<str>>, serializer: S) -> Result<S::Ok, S::Error> {
    text.as_deref().serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(path: &str) -> RequestRow {
        RequestRow {
            at: OffsetDateTime::UNIX_EPOCH,
            method: "GET".into(),
            path: path.into(),
            bin: None,
            client_cert_sha256: None,
            tls_version: "TLSv1.3",
            resumed: false,
            status_code: None,
            http_status: None,
            fault: None,
        }
    }

    #[test]
    fn a_late_answer_finds_its_own_row_or_none() {
        let mut log = RequestLog::default();
        let first = log.push(row("/first"));
        log.clear();
        let second = log.push(row("/second"));
        log.finish(first, 200, Some(0));
        assert_eq!(log.rows()[0].status_code, None);
        log.finish(second, 200, Some(-999));
        assert_eq!(log.rows()[0].status_code, Some(-999));
    }
}
