//! What the journal does not see by itself, told as events: another certificate, a certificate that ends
//! soon.
//!
//! Several gateways see the same; the journal takes each notice once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use time::format_description::well_known::Rfc3339;
use tokio::task::JoinHandle;

use super::App;
use crate::base::Bin;
use crate::identity::Facts;
use crate::payments::{Error, EventFacts, NewEvent, Payments};
use crate::registry::MerchantStatus;
use crate::transport::Transport;

/// How often it is looked at how the identities stand. Looking asks nobody.
const LOOK: Duration = Duration::from_secs(2);

/// Notices are told as long as this is held.
#[derive(Debug)]
pub(super) struct Notices(JoinHandle<()>);

impl Drop for Notices {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl App {
    /// Tells of other certificates, and of those that end soon.
    pub(super) fn tell_notices(&self) -> Notices {
        let teller = Teller {
            payments: self.payments.clone(),
            transport: Arc::clone(&self.transport),
            known: HashMap::new(),
        };
        Notices(tokio::spawn(teller.run()))
    }
}

struct Teller {
    payments: Payments,
    transport: Arc<Transport>,
    known: HashMap<Bin, Known>,
}

/// What has been told of a BIN, or need not be.
struct Known {
    certificate: String,
    due: Option<i64>,
}

impl Teller {
    async fn run(mut self) {
        loop {
            for merchant in self.transport.registry().status() {
                if let Err(error) = self.see(&merchant).await {
                    // the journal says itself that it cannot be used; the next look tries again
                    tracing::debug!(bin = %merchant.bin, %error, "a notice could not be written down");
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn see(&mut self, merchant: &MerchantStatus) -> Result<(), Error> {
        let (Some(owner), Some(facts), Some(_)) = (merchant.identity, &merchant.facts, merchant.generation)
        else {
            return Ok(());
        };
        let bin = merchant.bin;
        // the first one that is seen is no other one
        let known = self.known.entry(bin).or_insert_with(|| Known {
            certificate: facts.sha256.clone(),
            due: None,
        });
        if known.certificate != facts.sha256 {
            self.payments.tell(rotated(bin, owner, facts)).await?;
            known.certificate.clone_from(&facts.sha256);
            known.due = None;
        }
        if let (Some(mark), Some(days_left)) = (merchant.expiry_mark(), merchant.days_left)
            && known.due != Some(mark)
        {
            self.payments
                .tell(due(bin, owner, facts, days_left, mark))
                .await?;
            known.due = Some(mark);
        }
        Ok(())
    }
}

fn rotated(bin: Bin, owner: Bin, facts: &Facts) -> NewEvent {
    NewEvent {
        bin,
        facts: EventFacts::IdentityRotated {
            identity: owner.to_string(),
            certificate_sha256: facts.sha256.clone(),
            not_after: end(facts),
        },
        mark: format!("{owner}/{}", facts.sha256),
    }
}

fn due(bin: Bin, owner: Bin, facts: &Facts, days_left: i64, mark: i64) -> NewEvent {
    NewEvent {
        bin,
        facts: EventFacts::CertificateDue {
            identity: owner.to_string(),
            certificate_sha256: facts.sha256.clone(),
            not_after: end(facts),
            days_left,
        },
        mark: format!("{}/{mark}", facts.sha256),
    }
}

fn end(facts: &Facts) -> String {
    // a certificate's year has four digits
    facts.not_after.format(&Rfc3339).unwrap_or_default()
}
