//! The handle that the rest of `payments` holds: what can be asked of a journal.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tracing::Instrument as _;
use uuid::Uuid;

use super::begin::{Begin, Trace};
use super::course::{Delivered, Finish, Sent, Settle};
use super::events::{Events, GivePlaces, Newest, Tell, Unplaced};
use super::known::{AddPayments, NoteStatus, OnePayment, PlanInvoices, PlanLooks};
use super::lease::{Checked, TakeCheck, TakeChecks, TakeLooks};
use super::opened::Opened;
use super::record::OwnerId;
use super::refund_turn::Turns;
use super::running::Running;
use super::sqlite::ServeLock;
use super::step::{Step, StepError, Tx};
use super::{
    Begun, DueCheck, DueLook, Event, EventFilter, Failure, Filter, HistoryStep, JournalError, JournalOptions,
    JournalState, NewEvent, NewKnownPayment, NewOperation, NextLook, Noted, OperationKind, OperationRecord,
    Outcome, Page, PaymentFilter, PaymentRecord, Resolution, Store, UnknownOperations, Verified, WatchPlan,
};
use crate::api::PaymentStatus;
use crate::base::{Balance, Bin, Explain as _, OperationId, PaymentId, TRACE};

/// A journal that could not be opened is tried again after this.
const PAUSE: Duration = Duration::from_secs(1);

/// The journal. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Journal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: JournalOptions,
    place: String,
    /// This process, also where the journal has to be opened again.
    me: OwnerId,
    opened: tokio::sync::Mutex<Opening>,
    state: Mutex<JournalState>,
    running: Running,
    turns: Turns,
    /// Raised whenever this process may have written events down.
    told: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Opening {
    opened: Option<Arc<Opened>>,
    tried: Option<(Instant, Option<JournalError>)>,
}

/// The right to be the one gateway at an SQLite journal; given back when dropped.
#[derive(Debug)]
pub struct Serving {
    _lock: Option<ServeLock>,
}

impl Journal {
    /// A handle. Touches nothing.
    #[must_use]
    pub fn new(options: JournalOptions) -> Self {
        let place = match &options.store {
            Store::Sqlite(path) => format!("`{}`", path.display()),
            #[cfg(feature = "postgres")]
            Store::Postgres(url) => super::postgres::options(url)
                .map_or_else(|_| "in PostgreSQL".to_owned(), |(_, name)| format!("`{name}`")),
            #[cfg(not(feature = "postgres"))]
            Store::Postgres(_) => "in PostgreSQL".to_owned(),
        };
        Self(Arc::new(Inner {
            options,
            place,
            me: OwnerId(Uuid::now_v7()),
            opened: tokio::sync::Mutex::default(),
            state: Mutex::new(JournalState::NotOpened),
            running: Running::default(),
            turns: Turns::default(),
            told: watch::Sender::new(0),
        }))
    }

    /// Opens it for money, if that has not been done: makes or migrates the store, takes a lock that
    /// says that this process lives, settles what dead processes left. What moves money does this by
    /// itself.
    ///
    /// # Errors
    ///
    /// It cannot be used for money. What can be read is read nevertheless.
    pub async fn open(&self) -> Result<(), JournalError> {
        self.for_money().await.map(|_| ())
    }

    /// How it is.
    #[must_use]
    pub fn state(&self) -> JournalState {
        self.0
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether there can be something in it: a read does not make the file of a journal.
    pub(in crate::payments) fn exists(&self) -> bool {
        match &self.0.options.store {
            Store::Sqlite(file) => file.exists(),
            Store::Postgres(_) => true,
        }
    }

    /// Its place for messages: the file, or the URL without user and password.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.0.place
    }

    /// Ends it, after what was asked for has been written. Whatever needs it later opens it anew.
    pub async fn close(&self) {
        let opened = self.0.opened.lock().await.opened.take();
        let Some(opened) = opened else { return };
        if opened.has_entered() && self.0.running.is_empty() {
            // nothing of ours is under way: say so, instead of leaving it to be found out
            let left = opened.engine.write(super::course::SettleOwner(self.0.me)).await;
            if left.is_ok() {
                opened.engine.forget(self.0.me);
            }
        }
        opened.engine.close().await;
        self.note_state(JournalState::NotOpened);
    }

    /// Takes the right to serve: on SQLite one gateway at a time; on PostgreSQL always given.
    ///
    /// # Errors
    ///
    /// Another process serves (`journal_served`), or the journal cannot be used.
    pub async fn claim_serving(&self) -> Result<Serving, JournalError> {
        let lock = match &self.0.options.store {
            Store::Sqlite(path) => Some(super::sqlite::claim_serving(&self.0.place, path).await?),
            Store::Postgres(_) => None,
        };
        Ok(Serving { _lock: lock })
    }

    // ---- the course of an operation

    /// Writes an operation down, or finds the one that its key stands for. Durable when it returns.
    pub(in crate::payments) async fn begin(&self, new: NewOperation) -> Result<Begun, JournalError> {
        let span = tracing::info_span!(target: TRACE, "journal.begin");
        self.begin_or_find(new).instrument(span).await
    }

    async fn begin_or_find(&self, new: NewOperation) -> Result<Begun, JournalError> {
        let begun = self.begin_once(new.clone()).await?;
        if let Begun::Existing(found) = &begun
            && found.state.is_running()
            && found.owner != self.0.me
            && self.settle_orphans().await? > 0
        {
            // its process had died over it; now it is known how it stands
            return self.begin_once(new).await;
        }
        Ok(begun)
    }

    async fn begin_once(&self, new: NewOperation) -> Result<Begun, JournalError> {
        let opened = self.for_money().await?;
        let (id, trace) = (new.id, Arc::<Trace>::default());
        let begun = match opened
            .engine
            .write(Begin {
                new,
                trace: Arc::clone(&trace),
            })
            .await
        {
            Ok(begun) => begun,
            Err(error) => {
                // it may stand there nevertheless, and would keep its key from ever being used
                for left in trace.left(id) {
                    self.finish_later(left, Outcome::NotSent(Failure::of(&error)));
                }
                if matches!(error, JournalError::Behind { .. }) {
                    self.reopen(&opened).await;
                }
                return Err(error);
            }
        };
        if let Begun::New(record) | Begun::Again(record) = &begun {
            self.0.running.began(record.id);
            if let Err(error) = opened.came_to(record.seq) {
                self.finish_later(record.id, Outcome::NotSent(Failure::of(&error)));
                return Err(error);
            }
        }
        Ok(begun)
    }

    /// Marks it as about to be sent. Durable when it returns. `false`: it is not ours to send (somebody
    /// settled it because we seemed dead); nothing may be sent then.
    pub(in crate::payments) async fn sent(
        &self,
        id: OperationId,
        rest_before: Option<Balance>,
    ) -> Result<bool, JournalError> {
        let span = tracing::info_span!(target: TRACE, "journal.sent");
        let write = async {
            self.for_money()
                .await?
                .engine
                .write(Sent { id, rest_before })
                .await
        };
        write.instrument(span).await
    }

    /// Writes an outcome down, from `recorded` or `sent`, or late from `unknown`; gives the record as it
    /// stands afterwards, which differs from the outcome where somebody else had settled it. Makes the
    /// payment's row where one was made, releases the refund's turn. Where the store fails, it goes on
    /// trying in the background, as long as this process lives.
    pub(in crate::payments) async fn finish(
        &self,
        id: OperationId,
        outcome: Outcome,
    ) -> Result<OperationRecord, JournalError> {
        let span = tracing::info_span!(target: TRACE, "journal.finish");
        let finish = Finish {
            id,
            outcome: outcome.clone(),
        };
        match self.write(finish).instrument(span).await {
            Ok(record) => {
                self.0.running.ended(id);
                Ok(record)
            }
            Err(error) => {
                tracing::error!(operation = %id, %error, "an outcome could not be written yet");
                self.finish_later(id, outcome);
                Err(error)
            }
        }
    }

    /// Goes on trying to write an outcome down.
    fn finish_later(&self, id: OperationId, outcome: Outcome) {
        let journal = self.clone();
        tokio::spawn(async move {
            let mut pause = Duration::from_millis(200);
            loop {
                sleep(pause).await;
                match journal
                    .write(Finish {
                        id,
                        outcome: outcome.clone(),
                    })
                    .await
                {
                    // what is not there was never written
                    Ok(_) | Err(JournalError::Behind { .. }) => break,
                    Err(error) => {
                        tracing::debug!(operation = %id, %error, "an outcome still waits to be written")
                    }
                }
                pause = (pause * 2).min(Duration::from_secs(10));
            }
            journal.0.running.ended(id);
        });
    }

    /// The outcome has been handed to a caller who was still there.
    pub(in crate::payments) async fn delivered(&self, id: OperationId) -> Result<(), JournalError> {
        self.write(Delivered(id)).await
    }

    /// Waits until an operation is no longer running, here or in another process, and gives it as it
    /// stands then; `None` where it still runs after `wait`, or is not known.
    pub(in crate::payments) async fn settled(
        &self,
        id: OperationId,
        wait: Duration,
    ) -> Result<Option<OperationRecord>, JournalError> {
        let until = Instant::now() + wait;
        let mut pause = Duration::from_millis(20);
        loop {
            let here = self.0.running.end_of(id);
            let Some(found) = self.operation(id).await? else {
                return Ok(None);
            };
            if !found.state.is_running() {
                return Ok(Some(found));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            match here {
                // an error is the end of its sender, and so of the operation
                Some(mut end) => {
                    let _ = timeout(left, end.changed()).await;
                }
                None => {
                    sleep(pause.min(left)).await;
                    pause = (pause * 2).min(Duration::from_millis(500));
                    self.settle_orphans().await?;
                }
            }
        }
    }

    /// Settles what dead processes left: `recorded` becomes `not_sent`, `sent` becomes `unknown`; their
    /// locks and leases are free again. Gives how many operations it settled.
    pub(in crate::payments) async fn settle_orphans(&self) -> Result<u64, JournalError> {
        self.writable().await?.settle_orphans().await
    }

    /// Settles an operation whose outcome is unknown. `who` is a person or `reconcile`. `inferred` marks
    /// what Kaspi did not answer but its details show.
    pub(in crate::payments) async fn settle(
        &self,
        id: OperationId,
        resolution: Resolution,
        inferred: bool,
        who: &str,
        why: &str,
    ) -> Result<OperationRecord, JournalError> {
        let place = self.0.place.clone();
        self.write(Settle {
            id,
            resolution,
            inferred,
            who: who.to_owned(),
            why: why.to_owned(),
            place,
        })
        .await
    }

    /// The refunds of a payment, in order.
    pub(in crate::payments) async fn refunds_of(
        &self,
        payment: PaymentId,
    ) -> Result<Vec<OperationRecord>, JournalError> {
        self.read(super::read::RefundsOf(payment)).await
    }

    // ---- payments

    /// What is known of a payment.
    pub(in crate::payments) async fn payment(
        &self,
        id: PaymentId,
    ) -> Result<Option<PaymentRecord>, JournalError> {
        self.read(OnePayment(id)).await
    }

    /// Puts payments in that were not made here. One that is there already is left as it is; gives for
    /// each, in order, the record that stands afterwards.
    pub(in crate::payments) async fn add_payments(
        &self,
        payments: Vec<NewKnownPayment>,
    ) -> Result<Vec<PaymentRecord>, JournalError> {
        self.write(AddPayments(payments)).await
    }

    /// Takes down what Kaspi said about a payment. A final status is never left; a late `Processed` is
    /// flagged. Remembers when a QR code or link was first seen scanned or opened. Ends a look's lease.
    pub(in crate::payments) async fn note_status(
        &self,
        id: PaymentId,
        status: &PaymentStatus,
        next: NextLook,
    ) -> Result<Noted, JournalError> {
        self.write(NoteStatus {
            id,
            status: status.status.clone(),
            next,
        })
        .await
    }

    /// Begins or ends watching a payment. One whose watching ends without a final status is given up.
    pub(in crate::payments) async fn plan_looks(
        &self,
        id: PaymentId,
        plan: Option<WatchPlan>,
        next: NextLook,
    ) -> Result<(), JournalError> {
        self.write(PlanLooks { id, plan, next }).await
    }

    /// Begins to watch every invoice of the last `life` that is open and not watched yet.
    pub(in crate::payments) async fn plan_invoices(
        &self,
        plan: WatchPlan,
        life: Duration,
    ) -> Result<(), JournalError> {
        self.write(PlanInvoices { plan, life }).await
    }

    /// The watched payments whose turn it is, each leased to this process alone; phone invoices among
    /// them only where `invoices` says so.
    pub(in crate::payments) async fn due_looks(
        &self,
        invoices: bool,
        limit: usize,
    ) -> Result<Vec<DueLook>, JournalError> {
        self.write(TakeLooks { invoices, limit }).await
    }

    // ---- unknown outcomes

    /// Unknown operations that may be asked about now, each leased to this process alone.
    pub(in crate::payments) async fn due_checks(
        &self,
        kinds: &[OperationKind],
        limit: usize,
    ) -> Result<Vec<DueCheck>, JournalError> {
        self.write(TakeChecks {
            kinds: kinds.to_vec(),
            limit,
        })
        .await
    }

    /// One operation out of turn: leased like the above, whenever its next question would be. `None`
    /// where it is not unknown, or another process asks about it at this moment.
    pub(in crate::payments) async fn check_now(
        &self,
        id: OperationId,
    ) -> Result<Option<DueCheck>, JournalError> {
        self.write(TakeCheck(id)).await
    }

    /// A question about it is over and did not settle it. Ask again after `next`; never where it is
    /// none: a person has to settle it. Where `counts` is false the question had no answer.
    pub(in crate::payments) async fn checked(
        &self,
        id: OperationId,
        counts: bool,
        next: Option<Duration>,
    ) -> Result<(), JournalError> {
        self.write(Checked { id, counts, next }).await
    }

    // ---- reading

    /// One operation.
    pub(in crate::payments) async fn operation(
        &self,
        id: OperationId,
    ) -> Result<Option<OperationRecord>, JournalError> {
        self.read(super::read::OneOperation(id)).await
    }

    /// The steps of one operation, in order.
    pub(in crate::payments) async fn history(
        &self,
        id: OperationId,
    ) -> Result<Vec<HistoryStep>, JournalError> {
        self.read(super::read::History(id)).await
    }

    /// Operations, the latest first. An export walks the pages.
    pub(in crate::payments) async fn operations(
        &self,
        filter: &Filter,
    ) -> Result<Page<OperationRecord>, JournalError> {
        self.read(super::read::Operations(filter.clone())).await
    }

    /// Payments, the latest first.
    pub(in crate::payments) async fn payments(
        &self,
        filter: &PaymentFilter,
    ) -> Result<Page<PaymentRecord>, JournalError> {
        self.read(super::read::Payments(filter.clone())).await
    }

    /// How many outcomes are unknown, and since when.
    pub(in crate::payments) async fn unknown_operations(
        &self,
        bins: &[Bin],
    ) -> Result<UnknownOperations, JournalError> {
        self.read(super::read::Unknown(bins.to_vec())).await
    }

    /// What the books add up to.
    pub(in crate::payments) async fn tallies(
        &self,
        window: super::Window,
    ) -> Result<super::Tallies, JournalError> {
        self.read(super::tally::AddUp(window)).await
    }

    // ---- what people did

    /// Writes down what a person is about to do, or what came of it.
    pub(in crate::payments) async fn trace(&self, line: super::NewTrailLine) -> Result<(), JournalError> {
        self.write(super::trail::Trace(line)).await
    }

    /// What people did, the latest first.
    pub(in crate::payments) async fn trail(
        &self,
        bins: &[Bin],
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<super::TrailLine>, JournalError> {
        let bins = bins.to_vec();
        self.read(super::trail::Trail { bins, before, limit }).await
    }

    // ---- events

    /// Events, the earliest first.
    pub(in crate::payments) async fn events(&self, filter: &EventFilter) -> Result<Vec<Event>, JournalError> {
        self.place_events().await?;
        self.read(Events(filter.clone())).await
    }

    /// The place of the last event.
    pub(in crate::payments) async fn newest_event(&self) -> Result<i64, JournalError> {
        self.place_events().await?;
        self.read(Newest).await
    }

    /// Writes an event down that the journal does not see by itself; `false` where it has been told.
    pub(in crate::payments) async fn tell(&self, event: NewEvent) -> Result<bool, JournalError> {
        self.write(Tell(event)).await
    }

    /// Changes whenever this process may have written events down; those of others have to be asked for.
    pub(in crate::payments) fn told(&self) -> watch::Receiver<u64> {
        self.0.told.subscribe()
    }

    async fn place_events(&self) -> Result<(), JournalError> {
        if self.read(Unplaced).await? {
            while self.write(GivePlaces).await? {}
        }
        Ok(())
    }

    /// The time by the journal's clock.
    pub(in crate::payments) async fn now(&self) -> Result<OffsetDateTime, JournalError> {
        self.read(Now).await
    }

    // ---- care

    /// Walks all histories and compares them with the operations.
    ///
    /// # Errors
    ///
    /// It cannot be read. What does not fit is no error: it stands in what is given back.
    pub async fn verify(&self) -> Result<Verified, JournalError> {
        self.read(super::read::Verify).await
    }

    /// Copies an SQLite journal into a new file while it is used.
    ///
    /// # Errors
    ///
    /// The file exists, it cannot be written, or the journal is in PostgreSQL, whose own `pg_dump` does this.
    pub async fn backup(&self, file: &Path) -> Result<(), JournalError> {
        self.store().await?.engine.backup(file).await
    }

    /// Declares an old copy, put back on purpose, to be the journal from now on. To be called once the
    /// bank's details have been read again.
    pub(in crate::payments) async fn after_restore(&self, who: &str) -> Result<(), JournalError> {
        self.writable().await?.after_restore(who).await?;
        self.note_state(JournalState::Open);
        Ok(())
    }

    // ---- inside

    #[cfg(test)]
    pub(super) fn owner(&self) -> OwnerId {
        self.0.me
    }

    pub(super) fn turns(&self) -> &Turns {
        &self.0.turns
    }

    /// Runs a step that changes something.
    pub(super) async fn write<S: Step>(&self, step: S) -> Result<S::Output, JournalError> {
        let written = self.writable().await?.engine.write(step).await?;
        if S::TELLS {
            self.0.told.send_modify(|times| *times = times.wrapping_add(1));
        }
        Ok(written)
    }

    pub(super) async fn read<S: Step>(&self, step: S) -> Result<S::Output, JournalError> {
        self.store().await?.engine.read(step).await
    }

    /// The store, where an operation may begin.
    async fn for_money(&self) -> Result<Arc<Opened>, JournalError> {
        let opened = self.writable().await?;
        if let Some(error) = opened.barred() {
            return Err(error);
        }
        match opened.engine.hindrance().await {
            Some(error) => Err(error),
            None => Ok(opened),
        }
    }

    /// The store, where something may be written; also one that is behind, so that it can be mended.
    async fn writable(&self) -> Result<Arc<Opened>, JournalError> {
        let mut opened = self.store().await?;
        if opened.bars_writing().is_some() {
            self.reopen(&opened).await;
            opened = self.store().await?;
        }
        if let Some(error) = opened.bars_writing() {
            return Err(error);
        }
        opened.enter().await?;
        Ok(opened)
    }

    async fn store(&self) -> Result<Arc<Opened>, JournalError> {
        let mut opening = self.0.opened.lock().await;
        if let Some(opened) = opening.opened.as_ref().filter(|opened| !opened.engine.is_dead()) {
            return Ok(Arc::clone(opened));
        }
        opening.opened = None;
        if let Some((at, Some(error))) = &opening.tried
            && at.elapsed() < PAUSE
        {
            return Err(error.clone());
        }
        let opened = Opened::open(&self.0.options, &self.0.place, self.0.me).await;
        opening.tried = Some((Instant::now(), opened.as_ref().err().cloned()));
        match opened {
            Ok(opened) => {
                let opened = Arc::new(opened);
                opening.opened = Some(Arc::clone(&opened));
                self.note_state(match opened.barred() {
                    None => JournalState::Open,
                    Some(error @ JournalError::Behind { .. }) => JournalState::Behind(error),
                    Some(error) => JournalState::Unavailable(error),
                });
                Ok(opened)
            }
            Err(error) => {
                tracing::warn!(kind = error.kind(), %error, "the journal cannot be opened");
                self.note_state(JournalState::Unavailable(error.clone()));
                Err(error)
            }
        }
    }

    /// Drops a store that is of no use, unless it was opened a moment ago or is another one by now.
    async fn reopen(&self, stale: &Arc<Opened>) {
        let mut opening = self.0.opened.lock().await;
        let same = opening
            .opened
            .as_ref()
            .is_some_and(|opened| Arc::ptr_eq(opened, stale));
        if same && opening.tried.as_ref().is_none_or(|(at, _)| at.elapsed() >= PAUSE) {
            opening.opened = None;
        }
    }

    fn note_state(&self, state: JournalState) {
        *self.0.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

/// Asks for the journal's time.
struct Now;

impl Step for Now {
    type Output = OffsetDateTime;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<OffsetDateTime, StepError> {
        super::row::time_at(tx.now)
    }
}
