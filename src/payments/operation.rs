//! The course of one operation: written down, sent, its outcome written down. On its own task.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use time::format_description::well_known::Rfc3339;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::digest::Digest;
use super::journal::{Begun, Key, NewOperation, Outcome, RefundTurn};
use super::{
    Answer, Carried, Carrier, Error, Failure, OperationKind, OperationRecord, OperationRoute, OperationState,
    Origin, Payments, RequestKey, Step,
};
use crate::api::{self, MoneyPermit, PaymentState, Session};
use crate::base::{
    Amount, Balance, Bin, Delivery, Explain, OperationId, PaymentId, PhoneNumber, ReturnOperationId,
    TradePointId,
};

/// How long a repetition waits to hear whether the first invoice is still open.
const ECHO_PATIENCE: Duration = Duration::from_secs(4);

/// What is asked for, as far as the journal is concerned.
pub(super) struct Request {
    pub(super) kind: OperationKind,
    pub(super) origin: Origin,
    pub(super) amount: Option<Amount>,
    pub(super) payment: Option<PaymentId>,
    pub(super) phone: Option<PhoneNumber>,
    /// The request without BIN and trade point; also what a derived key is made of.
    pub(super) digest: Digest,
}

/// On which BIN's behalf, and over which way.
pub(super) struct Place {
    pub(super) bin: Bin,
    /// As the caller named it.
    pub(super) named: Option<TradePointId>,
    /// The way to Kaspi; where there is none, an earlier outcome can be told nevertheless.
    pub(super) session: Result<Session, api::Error>,
}

/// What an operation does at Kaspi.
pub(super) trait Work: Send + Sync + 'static {
    /// Whether the old wrapper has such a call.
    const CARRIED: bool = false;

    /// What has to be seen, under which turn, before it may be sent.
    fn prepare(
        &self,
        payments: &Payments,
        session: &Session,
        operation: OperationId,
        route: OperationRoute,
    ) -> impl Future<Output = Result<Ready, Error>> + Send {
        let _ = (payments, session, operation, route);
        async { Ok(Ready::default()) }
    }

    /// The call itself.
    fn send(
        &self,
        session: &Session,
        permit: MoneyPermit,
    ) -> impl Future<Output = Result<Answer, api::Error>> + Send;

    /// The same over the old wrapper; none where it has no such call.
    fn carry<'a>(
        &'a self,
        carrier: &'a dyn Carrier,
        session: &'a Session,
        permit: MoneyPermit,
    ) -> Option<Carried<'a, Answer>> {
        let _ = (carrier, session, permit);
        None
    }
}

/// The way that an operation was written down for. It keeps to it, whatever the BIN's route is by now.
enum Way {
    Direct,
    Carried(Arc<dyn Carrier>),
}

/// Leave to send.
#[derive(Default)]
pub(super) struct Ready {
    /// What is left of the payment, where some of it is paid back.
    pub(super) rest_before: Option<Balance>,
    /// Held until the outcome is written down.
    pub(super) turn: Option<RefundTurn>,
}

/// How an operation ended well, now or the first time.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) operation: OperationId,
    pub(super) kind: OperationKind,
    pub(super) bin: Bin,
    pub(super) answer: Answer,
    pub(super) replayed: bool,
    pub(super) inferred: bool,
}

impl Payments {
    /// Runs an operation on a task of its own: a future that is dropped must not take a sent request
    /// with it.
    pub(super) async fn operate(
        &self,
        place: Place,
        request: Request,
        work: impl Work,
    ) -> Result<Done, Error> {
        let id = OperationId::new();
        let payments = self.clone();
        let course = async move { payments.course(id, place, request, work).await };
        match tokio::spawn(course.in_current_span()).await {
            Ok(outcome) => outcome,
            Err(source) => Err(Error::Lost {
                operation: id,
                source,
            }),
        }
    }

    async fn course<W: Work>(
        self,
        id: OperationId,
        place: Place,
        request: Request,
        work: W,
    ) -> Result<Done, Error> {
        let (session, new) = match self.ready_to_record(id, place, &request, W::CARRIED).await? {
            Start::Send(session, new) => (session, *new),
            Start::Replay(record) => return replay(*record),
        };
        self.step(Step::BeforeRow, id);
        let meant = (new.bin, new.trade_point);
        let record = match self.recorded(new, &request).await? {
            Recorded::Ours(record) => record,
            Recorded::Before(record) => return replay(record),
        };
        // a request that was not sent before goes on under its first name
        let id = record.id;
        self.step(Step::AfterRow, id);
        let prepared = async {
            let way = self.way_of(&record)?;
            let session = self.session_as_recorded(&record, meant, session)?;
            let ready = work.prepare(&self, &session, id, record.route).await?;
            Ok((way, session, ready))
        };
        let (way, session, ready) = match prepared.await {
            Ok(prepared) => prepared,
            Err(error) => {
                self.write_outcome(id, Outcome::NotSent(Failure::of(&error)))
                    .await;
                return Err(error);
            }
        };
        match self.journal.sent(id, ready.rest_before).await {
            Ok(true) => {}
            Ok(false) => {
                let error = Error::Overtaken { operation: id };
                self.write_outcome(id, Outcome::NotSent(Failure::of(&error)))
                    .await;
                return Err(error);
            }
            Err(source) => {
                let failure = Failure::of(&source);
                self.write_outcome(id, Outcome::NotSent(failure)).await;
                return Err(Error::Journal {
                    operation: Some(id),
                    source,
                });
            }
        }
        self.step(Step::BeforeSend, id);
        let outcome = self.sent((id, record.kind), &session, &work, &way).await;
        self.step(Step::AfterAnswer, id);
        let told = match &outcome {
            Ok(answer) => Outcome::Accepted(answer.clone()),
            Err(error) => Outcome::of_failure(error.delivery(), Failure::of(error)),
        };
        self.write_outcome(id, told).await;
        self.step(Step::AfterOutcome, id);
        let settled = match (&way, &outcome) {
            (Way::Carried(_), Err(error)) if error.delivery() == Some(Delivery::Unknown) => {
                self.settled_at_once(id).await
            }
            _ => None,
        };
        drop(ready.turn);
        if let Some(done) = settled {
            return Ok(done);
        }
        match outcome {
            Ok(answer) => Ok(Done {
                operation: id,
                kind: record.kind,
                bin: record.bin,
                answer,
                replayed: false,
                inferred: false,
            }),
            Err(error) => Err(error),
        }
    }

    fn way_of(&self, record: &OperationRecord) -> Result<Way, Error> {
        match record.route {
            OperationRoute::Direct => Ok(Way::Direct),
            OperationRoute::Wrapper => self.carrier(record.bin).map(Way::Carried),
        }
    }

    /// The way to Kaspi for whom the operation was written down: a repetition that names no BIN takes up
    /// the first request where that was to go, and not where it would go itself.
    fn session_as_recorded(
        &self,
        record: &OperationRecord,
        meant: (Bin, Option<TradePointId>),
        session: Session,
    ) -> Result<Session, Error> {
        if (record.bin, record.trade_point) == meant {
            return Ok(session);
        }
        self.session(Some(record.bin), record.trade_point)
            .map_err(|source| Error::Kaspi {
                operation: Some((record.id, record.kind)),
                source,
            })
    }

    /// The wrapper answers some refunds with nothing at all. What is left of the payment, asked of Kaspi
    /// itself, may tell whether it was made; what it does not tell stays unknown.
    async fn settled_at_once(&self, id: OperationId) -> Option<Done> {
        let due = self.journal.check_now(id).await.ok()??;
        due.operation.rest_before?;
        let record = self.check_due(due).await.ok()?.operation;
        let done = (record.state == OperationState::Accepted).then(|| replay(record))?;
        Some(Done {
            replayed: false,
            ..done.ok()?
        })
    }

    /// The call, which has begun once this has been polled for the first time.
    async fn sent(
        &self,
        (id, kind): (OperationId, OperationKind),
        session: &Session,
        work: &impl Work,
        way: &Way,
    ) -> Result<Answer, Error> {
        let mut call = std::pin::pin!(over(way, (id, kind), session, work));
        let first = std::future::poll_fn(|context| std::task::Poll::Ready(call.as_mut().poll(context))).await;
        self.step(Step::AfterSend, id);
        match first {
            std::task::Poll::Ready(outcome) => outcome,
            std::task::Poll::Pending => call.await,
        }
    }

    /// Whether there is a way to Kaspi. Where there is none, an operation that a key stands for can be
    /// told all the same, and nothing new is written down.
    async fn ready_to_record(
        &self,
        id: OperationId,
        place: Place,
        request: &Request,
        carried: bool,
    ) -> Result<Start, Error> {
        let bin = place.bin;
        let digest = request.digest.clone().bin(bin).trade_point(place.named).finish();
        let (session, route) = match self.way(place.session, carried) {
            Ok(way) => way,
            Err(error) => {
                let RequestKey::Given(key) = &request.origin.key else {
                    return Err(error);
                };
                let known = self
                    .by_key(&request.origin, request.kind, key.as_str())
                    .await?
                    .filter(|record| record.state != OperationState::NotSent && record.digest == digest);
                return known.map(|record| Start::Replay(Box::new(record))).ok_or(error);
            }
        };
        let new = NewOperation {
            id,
            kind: request.kind,
            bin,
            trade_point: session.channel().trade_point_id(place.named),
            route,
            caller: request.origin.caller.to_string(),
            key: match &request.origin.key {
                RequestKey::None => Key::None,
                RequestKey::Given(key) => Key::Given(key.as_str().to_owned()),
                RequestKey::Derived { window, bins } => Key::Derived {
                    key: request.digest.clone().finish(),
                    bins: bins.clone(),
                    window: *window,
                },
            },
            digest,
            amount: request.amount,
            payment_id: request.payment,
            phone: request.phone,
        };
        Ok(Start::Send(session, Box::new(new)))
    }

    /// Writes an operation down, or waits for the outcome of the one that its key stands for.
    async fn recorded(&self, new: NewOperation, request: &Request) -> Result<Recorded, Error> {
        let until = Instant::now() + self.settings.wait;
        let mut asked = false;
        loop {
            let begun = self
                .journal
                .begin(new.clone())
                .await
                .map_err(|source| Error::Journal {
                    operation: None,
                    source,
                })?;
            let first = match begun {
                Begun::New(record) | Begun::Again(record) => return Ok(Recorded::Ours(record)),
                Begun::Conflict(first) => return Err(conflict(&first, &new, request)),
                Begun::Echo(first) => return Err(self.echo(&first).await),
                Begun::Existing(first) => first,
            };
            if let Some(payment) = answered_payment(&first, request)
                && !asked
            {
                asked = true;
                // then the journal knows it too, and judges anew
                if self.nothing_more_comes(first.bin, payment).await {
                    continue;
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            let settled = if first.state.is_running() {
                self.journal.settled(first.id, left).await.map_err(Error::books)?
            } else {
                Some(first.clone())
            };
            match settled {
                None => {
                    return Err(Error::InFlight {
                        operation: first.id,
                        waited: self.settings.wait,
                    });
                }
                // it may be sent anew, by one of those who have waited for it
                Some(record) if record.state == OperationState::NotSent && !left.is_zero() => {}
                Some(record) => return Ok(Recorded::Before(record)),
            }
        }
    }

    /// Whether Kaspi says that a payment is paid or has failed. Without an answer in time, no.
    async fn nothing_more_comes(&self, bin: Bin, payment: PaymentId) -> bool {
        let asked = tokio::time::timeout(ECHO_PATIENCE, self.status_at_once(bin, payment)).await;
        match asked {
            Ok(Ok(known)) => matches!(
                known.status.status.state(),
                PaymentState::Paid | PaymentState::Failed
            ),
            Ok(Err(error)) => {
                tracing::warn!(%payment, %error, "it is not known whether the payment is still open, so a repetition gets its first answer");
                false
            }
            Err(_) => {
                tracing::warn!(%payment, "no status in time, so a repetition gets its first answer");
                false
            }
        }
    }

    async fn echo(&self, first: &OperationRecord) -> Error {
        let (Some(payment), Some(amount)) = (first.payment_id, first.amount) else {
            return unknown_outcome(first);
        };
        let now = self.journal.now().await.ok();
        let ago = now
            .zip(first.settled_at)
            .and_then(|(now, settled)| (now - settled).try_into().ok())
            .unwrap_or_default();
        Error::RefundEcho {
            payment,
            amount,
            first: first.id,
            return_operation_id: first.return_operation_id,
            ago,
        }
    }

    /// Where the journal fails just now, it goes on trying by itself, as long as this process lives; and
    /// nothing is sent a second time meanwhile.
    async fn write_outcome(&self, id: OperationId, outcome: Outcome) {
        if let Err(error) = self.journal.finish(id, outcome).await {
            tracing::error!(operation = %id, %error, "the outcome could not be written down yet");
        }
    }

    pub(super) fn step(&self, step: Step, id: OperationId) {
        if let Some(steps) = &self.settings.steps {
            steps.at(step, id);
        }
    }
}

async fn over(
    way: &Way,
    (id, kind): (OperationId, OperationKind),
    session: &Session,
    work: &impl Work,
) -> Result<Answer, Error> {
    let permit = MoneyPermit::recorded(id);
    let operation = Some((id, kind));
    match way {
        Way::Direct => work
            .send(session, permit)
            .await
            .map_err(|source| Error::Kaspi { operation, source }),
        Way::Carried(carrier) => match work.carry(carrier.as_ref(), session, permit) {
            Some(call) => call.await.map_err(|source| Error::Carried { operation, source }),
            None => Err(Error::NotDirect { bin: session.bin() }),
        },
    }
}

/// The payment of an answered operation that a request without a key of its own repeats.
fn answered_payment(first: &OperationRecord, request: &Request) -> Option<PaymentId> {
    let derived = matches!(request.origin.key, RequestKey::Derived { .. });
    let answered = first.state == OperationState::Accepted && first.delivered_at.is_some();
    first
        .payment_id
        .filter(|_| derived && answered && first.kind.makes_payment())
}

enum Start {
    Send(Session, Box<NewOperation>),
    Replay(Box<OperationRecord>),
}

enum Recorded {
    /// Nobody else will send it.
    Ours(OperationRecord),
    /// It has an outcome already.
    Before(OperationRecord),
}

/// The outcome of an earlier request with the same key, again.
fn replay(record: OperationRecord) -> Result<Done, Error> {
    match (record.state, answer_of(&record), record.failure.clone()) {
        (OperationState::Accepted, Some(answer), _) => Ok(Done {
            operation: record.id,
            kind: record.kind,
            bin: record.bin,
            answer,
            replayed: true,
            inferred: record.inferred,
        }),
        (OperationState::Refused, _, Some(failure)) => Err(Error::RefusedBefore {
            operation: record.id,
            failure,
        }),
        (OperationState::NotMade, ..) => Err(Error::NotMade {
            operation: record.id,
            reason: reason(&record),
        }),
        (OperationState::Recorded | OperationState::NotSent, ..) => {
            Err(Error::Overtaken { operation: record.id })
        }
        _ => Err(unknown_outcome(&record)),
    }
}

/// What a person has settled has no answer of Kaspi's; its numbers make one.
fn answer_of(record: &OperationRecord) -> Option<Answer> {
    if record.answer.is_some() {
        return record.answer.clone();
    }
    match record.kind {
        OperationKind::Create => record.payment_id.map(|payment| Answer::Invoice {
            payment_id: payment.get(),
        }),
        OperationKind::Refund => Some(Answer::Refund {
            return_operation_id: record.return_operation_id.map(ReturnOperationId::get),
        }),
        OperationKind::Cancel => Some(Answer::Cancel {
            status: "RemotePaymentCanceled".to_owned(),
        }),
        OperationKind::Qr | OperationKind::Link => None,
    }
}

fn unknown_outcome(record: &OperationRecord) -> Error {
    let since = record.sent_at.unwrap_or(record.recorded_at);
    Error::UnknownOutcome {
        operation: record.id,
        kind: record.kind,
        since: since.format(&Rfc3339).unwrap_or_default(),
        reason: reason(record),
    }
}

fn reason(record: &OperationRecord) -> String {
    record.failure.as_ref().map_or_else(
        || "the process that sent it ended before an answer came".to_owned(),
        |failure| failure.message.clone(),
    )
}

fn conflict(first: &OperationRecord, new: &NewOperation, request: &Request) -> Error {
    let key = match &request.origin.key {
        RequestKey::Given(key) => key.to_string(),
        RequestKey::None | RequestKey::Derived { .. } => String::new(),
    };
    Error::KeyConflict {
        key,
        first: first.id,
        was: asked_for(
            first.kind,
            first.bin,
            first.amount,
            first.payment_id.filter(|_| !first.kind.makes_payment()),
        ),
        asked: asked_for(new.kind, new.bin, new.amount, new.payment_id),
    }
}

/// A request in a few words: no phone number, no message.
fn asked_for(kind: OperationKind, bin: Bin, amount: Option<Amount>, payment: Option<PaymentId>) -> String {
    let amount = amount
        .map(|amount| format!(" of {amount} tenge"))
        .unwrap_or_default();
    let payment = payment
        .map(|payment| format!(", payment {payment}"))
        .unwrap_or_default();
    format!("`{kind}`{amount} for BIN {bin}{payment}")
}
