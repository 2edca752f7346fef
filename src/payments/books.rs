//! Looking into the journal, and putting into it what was made elsewhere.

use time::OffsetDateTime;

use super::journal::NewKnownPayment;
use super::{
    Error, Filter, HistoryStep, Journal, JournalState, NewTrailLine, OperationRecord, Page, PaymentFilter,
    PaymentRecord, PaymentSource, Payments, Resolution, TrailLine, UnknownOperations,
};
use crate::base::{Amount, Bin, OperationId, PaymentId, TradePointId};

/// A payment that was made elsewhere.
#[derive(Clone, Debug)]
pub struct ImportedPayment {
    /// Kaspi's number.
    pub payment_id: PaymentId,
    /// The BIN that made it.
    pub bin: Bin,
    /// The trade point that made it; none for the BIN's default one.
    pub trade_point: Option<TradePointId>,
    /// What the customer was to pay.
    pub amount: Option<Amount>,
    /// When it was made.
    pub created_at: Option<OffsetDateTime>,
}

/// What became of payments that were put in.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Import {
    /// How many were new.
    pub added: usize,
    /// How many were there already, of the same BIN.
    pub known: usize,
    /// Those that the journal knows as another BIN's; they are left as they were.
    pub contradicted: Vec<PaymentRecord>,
}

impl Payments {
    /// One operation.
    ///
    /// # Errors
    ///
    /// The journal cannot be read.
    pub async fn operation(&self, id: OperationId) -> Result<Option<OperationRecord>, Error> {
        self.journal.operation(id).await.map_err(Error::books)
    }

    /// The steps of one operation, in order; none for one that is not known.
    ///
    /// # Errors
    ///
    /// The journal cannot be read.
    pub async fn history(&self, id: OperationId) -> Result<Vec<HistoryStep>, Error> {
        self.journal.history(id).await.map_err(Error::books)
    }

    /// Operations, the latest first.
    ///
    /// # Errors
    ///
    /// The journal cannot be read.
    pub async fn operations(&self, filter: &Filter) -> Result<Page<OperationRecord>, Error> {
        self.journal.operations(filter).await.map_err(Error::books)
    }

    /// What the journal knows of a payment.
    ///
    /// # Errors
    ///
    /// The journal cannot be read.
    pub async fn known_payment(&self, id: PaymentId) -> Result<Option<PaymentRecord>, Error> {
        if !self.journal.exists() {
            return Ok(None);
        }
        self.journal.payment(id).await.map_err(Error::books)
    }

    /// Payments that the journal knows, the latest first.
    ///
    /// # Errors
    ///
    /// The journal cannot be read.
    pub async fn known_payments(&self, filter: &PaymentFilter) -> Result<Page<PaymentRecord>, Error> {
        self.journal.payments(filter).await.map_err(Error::books)
    }

    /// How many operations have an unknown outcome, and since when; of these BINs, or of all.
    ///
    /// # Errors
    ///
    /// The journal cannot be read.
    pub async fn unknown_operations(&self, bins: &[Bin]) -> Result<UnknownOperations, Error> {
        self.journal.unknown_operations(bins).await.map_err(Error::books)
    }

    /// A person's word on an operation whose outcome is unknown: `who` they are, and `why` they say so.
    ///
    /// # Errors
    ///
    /// `not_unknown`, `no_such_operation`, `bad_resolution`; or the journal cannot be written.
    pub async fn resolve(
        &self,
        id: OperationId,
        resolution: Resolution,
        who: &str,
        why: &str,
    ) -> Result<OperationRecord, Error> {
        let settled = self.journal.settle(id, resolution, false, who, why).await;
        settled.map_err(Error::books)
    }

    /// Writes down what a person is about to do, or what came of it: a line that stays.
    ///
    /// # Errors
    ///
    /// The journal cannot be written; then it should not be done.
    pub async fn trace(&self, line: NewTrailLine) -> Result<(), Error> {
        self.journal.trace(line).await.map_err(Error::books)
    }

    /// What people did, the latest first: of these BINs, or of all. At most 1000 lines, and those before
    /// the line with this number.
    ///
    /// # Errors
    ///
    /// The journal cannot be read.
    pub async fn trail(
        &self,
        bins: &[Bin],
        before: Option<i64>,
        limit: u16,
    ) -> Result<Vec<TrailLine>, Error> {
        if !self.journal.exists() {
            return Ok(Vec::new());
        }
        let limit = i64::from(limit.min(1000));
        self.journal
            .trail(bins, before, limit)
            .await
            .map_err(Error::books)
    }

    /// Puts payments in that were made elsewhere, so that they are refunded by the BIN that made them.
    ///
    /// # Errors
    ///
    /// The journal cannot be written; then none of those from there on was put in.
    pub async fn import(&self, payments: &[ImportedPayment]) -> Result<Import, Error> {
        let mut import = Import::default();
        for chunk in payments.chunks(500) {
            let mut new = Vec::with_capacity(chunk.len());
            for payment in chunk {
                match self
                    .journal
                    .payment(payment.payment_id)
                    .await
                    .map_err(Error::books)?
                {
                    Some(known) if known.bin == payment.bin => import.known += 1,
                    Some(known) => import.contradicted.push(known),
                    None => new.push(payment),
                }
            }
            let wanted: Vec<Bin> = new.iter().map(|payment| payment.bin).collect();
            let rows = new.into_iter().map(row).collect();
            let stand = self.journal.add_payments(rows).await.map_err(Error::books)?;
            for (record, bin) in stand.into_iter().zip(wanted) {
                if record.bin == bin {
                    import.added += 1;
                } else {
                    // somebody else, or an earlier line, was first
                    import.contradicted.push(record);
                }
            }
        }
        Ok(import)
    }

    /// The operation's outcome has been written to a caller who was still there. For callers without keys
    /// of their own: an answer that nobody has got is given again.
    ///
    /// # Errors
    ///
    /// The journal cannot be written; the next such request is then given the same answer.
    pub async fn delivered(&self, id: OperationId) -> Result<(), Error> {
        self.journal.delivered(id).await.map_err(Error::books)
    }

    /// How the journal is.
    #[must_use]
    pub fn journal_state(&self) -> JournalState {
        self.journal.state()
    }

    /// The journal itself: its care, and the right to serve.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.journal
    }
}

fn row(payment: &ImportedPayment) -> NewKnownPayment {
    NewKnownPayment {
        payment_id: payment.payment_id,
        bin: payment.bin,
        trade_point: payment.trade_point,
        amount: payment.amount,
        source: PaymentSource::Imported,
        created_at: payment.created_at,
    }
}
