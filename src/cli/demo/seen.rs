//! The server's view of the demo: which certificate made the calls of which BIN.

use serde::Serialize;

use crate::sandbox::RequestRow;

/// The calls of one BIN that came with one certificate.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Seen {
    pub(super) bin: String,
    pub(super) client_cert_sha256: Option<String>,
    pub(super) requests: usize,
    /// How many of them came over a resumed session.
    pub(super) resumed: usize,
    pub(super) tls_version: &'static str,
}

impl Seen {
    /// One line of the table.
    pub(super) fn row(&self) -> String {
        let handshake = match self.resumed {
            0 => "full".to_owned(),
            all if all == self.requests => "resumed".to_owned(),
            some => format!("{some} res."),
        };
        format!(
            "{:<12}  {:<64}  {:>8}  {handshake:<9}  {}",
            self.bin,
            self.client_cert_sha256.as_deref().unwrap_or("none"),
            self.requests,
            self.tls_version,
        )
    }
}

/// Counts the calls that name a BIN by BIN and certificate, in the order of the BINs.
pub(super) fn count(rows: &[RequestRow]) -> Vec<Seen> {
    let mut seen: Vec<Seen> = Vec::new();
    for row in rows {
        let Some(bin) = row.bin.as_deref() else { continue };
        let certificate = row.client_cert_sha256.as_deref();
        let known = seen.iter_mut().find(|known| {
            known.bin == bin
                && known.client_cert_sha256.as_deref() == certificate
                && known.tls_version == row.tls_version
        });
        match known {
            Some(known) => {
                known.requests += 1;
                known.resumed += usize::from(row.resumed);
            }
            None => seen.push(Seen {
                bin: bin.to_owned(),
                client_cert_sha256: certificate.map(str::to_owned),
                requests: 1,
                resumed: usize::from(row.resumed),
                tls_version: row.tls_version,
            }),
        }
    }
    seen.sort_by(|one, other| one.bin.cmp(&other.bin));
    seen
}
