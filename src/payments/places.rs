//! Whose payment it is, and over which way it is asked for.

use super::journal::NextLook;
use super::operation::{Done, Place};
use super::{Error, Filter, OperationKind, OperationRecord, Origin, PaymentRecord, Payments};
use crate::api::{self, PaymentStatus, Session};
use crate::base::{Bin, PaymentId, TradePointId};

impl Payments {
    /// The way to Kaspi of one BIN, or of `default_bin` where none is named. Where the BIN cannot be
    /// served, what was asked of it before can be told nevertheless.
    pub(super) fn place(&self, bin: Option<Bin>, trade_point: Option<TradePointId>) -> Result<Place, Error> {
        let session = self.session(bin, trade_point);
        let bin = match (&session, bin) {
            (Ok(session), _) => session.bin(),
            (Err(_), Some(bin)) => bin,
            (Err(_), None) => self.api.default_bin().map_err(|source| Error::Kaspi {
                operation: None,
                source,
            })?,
        };
        Ok(Place {
            bin,
            named: trade_point,
            session,
        })
    }

    /// The way for something about a payment: that of the BIN, and the trade point, that made it.
    pub(super) fn place_of(
        &self,
        payment: PaymentId,
        known: Option<&PaymentRecord>,
        bin: Option<Bin>,
        trade_point: Option<TradePointId>,
    ) -> Result<Place, Error> {
        match (known, bin) {
            (Some(known), Some(asked)) if asked != known.bin => Err(Error::BadBin {
                payment,
                asked,
                made_by: Some(known.bin),
            }),
            (Some(known), _) => {
                let mut place = self.place(Some(known.bin), trade_point.or(known.trade_point))?;
                place.named = trade_point;
                Ok(place)
            }
            (None, Some(bin)) => self.place(Some(bin), trade_point),
            (None, None) => Err(Error::PaymentUnknown { payment, bin: None }),
        }
    }

    /// The way for a read: of the BIN that is named, else of the one that made the payment, else of
    /// `default_bin`.
    pub(super) fn reading_session(
        &self,
        bin: Option<Bin>,
        trade_point: Option<TradePointId>,
        known: Option<&PaymentRecord>,
    ) -> Result<Session, Error> {
        let known = known.filter(|known| bin.is_none_or(|bin| bin == known.bin));
        let bin = bin.or_else(|| known.map(|known| known.bin));
        // a trade point that has gone from the configuration is no reason not to look
        let own = known
            .and_then(|known| known.trade_point)
            .filter(|_| trade_point.is_none())
            .and_then(|own| self.session(bin, Some(own)).ok());
        match own {
            Some(session) => Ok(session),
            None => self.session(bin, trade_point).map_err(Error::reading),
        }
    }

    pub(super) fn session(
        &self,
        bin: Option<Bin>,
        trade_point: Option<TradePointId>,
    ) -> Result<Session, api::Error> {
        let session = self.api.session(bin)?;
        match trade_point {
            Some(id) => session.at(id),
            None => Ok(session),
        }
    }

    /// What the journal knows of a payment, for what moves money.
    pub(super) async fn recorded_payment(&self, payment: PaymentId) -> Result<Option<PaymentRecord>, Error> {
        self.journal
            .payment(payment)
            .await
            .map_err(|source| Error::Journal {
                operation: None,
                source,
            })
    }

    /// What the journal knows of a payment, for a read: it goes on without, and makes no journal.
    pub(super) async fn known_if_open(&self, payment: PaymentId) -> Option<PaymentRecord> {
        if !self.journal.exists() {
            return None;
        }
        match self.journal.payment(payment).await {
            Ok(known) => known,
            Err(error) => {
                tracing::warn!(%error, "the journal cannot say which BIN made the payment");
                None
            }
        }
    }

    /// Takes down what Kaspi said about a payment; a read does not fail because that does.
    pub(super) async fn note(&self, payment: PaymentId, status: &PaymentStatus) {
        self.invoices.answered(payment, status);
        if !self.journal.exists() {
            return;
        }
        match self.journal.note_status(payment, status, NextLook::Keep).await {
            Ok(noted) if noted.late => {
                tracing::warn!(%payment, status = %status.status, "paid after it had been given up: a person has to look");
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%payment, %error, "the status could not be written down"),
        }
    }

    /// The operation that a caller's key stands for.
    pub(super) async fn by_key(
        &self,
        origin: &Origin,
        kind: OperationKind,
        key: &str,
    ) -> Result<Option<OperationRecord>, Error> {
        let filter = Filter {
            caller: Some(origin.caller.to_string()),
            kinds: vec![kind],
            key: Some(key.to_owned()),
            limit: 1,
            ..Filter::default()
        };
        let page = self.journal.operations(&filter).await.map_err(Error::books)?;
        Ok(page.items.into_iter().next())
    }
}

impl Done {
    /// The payment that was made.
    pub(super) fn payment_id(&self) -> Result<PaymentId, Error> {
        self.answer.payment_id().ok_or_else(|| self.misfit())
    }

    /// The journal holds another answer than the operation can have.
    pub(super) fn misfit(&self) -> Error {
        Error::UnknownOutcome {
            operation: self.operation,
            kind: self.kind,
            since: String::new(),
            reason: "the journal holds an answer of another kind".to_owned(),
        }
    }
}
