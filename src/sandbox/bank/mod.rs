//! What the bank knows and decides, without HTTP: organisations, devices, purchases.

use std::collections::{BTreeMap, HashMap, VecDeque};

use time::OffsetDateTime;

use super::options::{Merchant, TradePoint};
use super::state::Change;

pub(super) mod clock;
pub(super) mod codes;
pub(super) mod devices;
pub(super) mod money;
pub(super) mod payment;
mod purchases;
mod remote;
mod unsaved;

use clock::BankClock;
use codes::Code;
use devices::Device;
use payment::{Payment, Status, Step};
use unsaved::Unsaved;

pub(super) use purchases::Purchase;

/// The books of the bank. One lock stands around all of it.
pub(super) struct Bank {
    pub(super) clock: BankClock,
    /// What `reset` goes back to.
    known: Vec<Merchant>,
    merchants: BTreeMap<String, Merchant>,
    devices: HashMap<String, Device>,
    payments: BTreeMap<i64, Payment>,
    lookups: HashMap<String, VecDeque<OffsetDateTime>>,
    opened_link: Status,
    next_id: i64,
    unsaved: Unsaved,
}

/// The BINs that the caller's certificate declares.
pub(super) type Declared = [String];

/// Why the control API could not do something to a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StepRefusal {
    NoSuchPayment,
    WrongStatus(&'static str),
}

impl Bank {
    pub(super) fn new(merchants: Vec<Merchant>, opened_link: Status) -> Self {
        let clock = BankClock::default();
        let mut bank = Self {
            clock,
            known: merchants,
            merchants: BTreeMap::new(),
            devices: HashMap::new(),
            payments: BTreeMap::new(),
            lookups: HashMap::new(),
            opened_link,
            // Ten thousand ids a second since 1970: over 2^32, and a restarted sandbox does not
            // give out ids that somebody's journal already holds.
            next_id: i64::try_from(clock.now().unix_timestamp_nanos() / 100_000)
                .unwrap_or(17_000_000_000_000),
            unsaved: Unsaved::default(),
        };
        bank.reset();
        bank
    }

    /// Becomes what a file says, and takes in what the layout says besides.
    pub(super) fn restore(&mut self, changes: Vec<Change>) {
        self.forget();
        for change in changes {
            self.redo(change);
        }
        self.learn_all(self.known.clone());
    }

    /// All that it knows; from here on, [`unsaved`](Self::unsaved) tells what changes.
    pub(super) fn snapshot(&mut self) -> Change {
        self.unsaved.start(self.next_id, self.clock.ahead_ms());
        Change {
            reset: false,
            next_id: self.next_id,
            ahead_ms: self.clock.ahead_ms(),
            merchants: self.merchants.values().map(Into::into).collect(),
            devices: self
                .devices
                .iter()
                .map(|(token, device)| (token.clone(), device.clone()))
                .collect(),
            payments: self.payments.values().cloned().collect(),
        }
    }

    /// What changed since it was last asked, if anything did and somebody writes it down.
    pub(super) fn unsaved(&mut self) -> Option<Change> {
        let changed = self.unsaved.take(self.next_id, self.clock.ahead_ms())?;
        Some(Change {
            reset: changed.reset,
            next_id: self.next_id,
            ahead_ms: self.clock.ahead_ms(),
            merchants: changed
                .merchants
                .iter()
                .filter_map(|bin| self.merchants.get(bin).map(Into::into))
                .collect(),
            devices: changed
                .devices
                .into_iter()
                .filter_map(|token| {
                    let device = self.devices.get(&token)?.clone();
                    Some((token, device))
                })
                .collect(),
            payments: changed
                .payments
                .iter()
                .filter_map(|id| self.payments.get(id).cloned())
                .collect(),
        })
    }

    /// Forgets everything that happened. Ids go on, so that no number ever means two payments.
    pub(super) fn reset(&mut self) {
        self.forget();
        self.unsaved.reset();
        self.learn_all(self.known.clone());
    }

    /// Takes in what a layout says now. Nothing that the bank knows already is taken back.
    pub(super) fn learn_all(&mut self, merchants: Vec<Merchant>) {
        for merchant in merchants {
            self.learn(merchant);
        }
    }

    pub(super) fn knows_bin(&self, bin: &str) -> bool {
        self.merchants.contains_key(bin)
    }

    pub(super) fn knows_token(&self, token: &str) -> bool {
        self.devices.contains_key(token)
    }

    pub(super) fn payments(&mut self) -> impl Iterator<Item = &Payment> {
        let now = self.clock.now();
        for payment in self.payments.values_mut() {
            payment.settle(now);
        }
        self.payments.values()
    }

    pub(super) fn payment(&mut self, id: i64) -> Option<&Payment> {
        self.settled(id).map(|payment| &*payment)
    }

    /// A payment that is about to change.
    pub(super) fn payment_mut(&mut self, id: i64) -> Option<&mut Payment> {
        if self.payments.contains_key(&id) {
            self.unsaved.payment(id);
        }
        self.settled(id)
    }

    /// Does to a payment what a customer, or the time, would.
    pub(super) fn step(&mut self, id: i64, step: Step) -> Result<&mut Payment, StepRefusal> {
        let now = self.clock.now();
        let opened = self.opened_link;
        let payment = self.payment_mut(id).ok_or(StepRefusal::NoSuchPayment)?;
        if payment.step(step, opened, now) {
            Ok(payment)
        } else {
            Err(StepRefusal::WrongStatus(payment.status.as_str()))
        }
    }

    pub(super) fn trade_point_mut(&mut self, id: i64) -> Option<&mut TradePoint> {
        let merchant = self
            .merchants
            .values_mut()
            .find(|merchant| merchant.trade_points.iter().any(|point| point.id == id))?;
        self.unsaved.merchant(&merchant.bin);
        merchant.trade_points.iter_mut().find(|point| point.id == id)
    }

    pub(super) fn trade_points(&self, caller: &Declared, bin: &str) -> Result<&[TradePoint], Code> {
        let merchant = self.merchant(caller, bin)?;
        if merchant.trade_points.is_empty() {
            return Err(Code::NoTradePoints);
        }
        Ok(&merchant.trade_points)
    }

    /// The organisation, if the caller's certificate may act for it.
    fn merchant(&self, caller: &Declared, bin: &str) -> Result<&Merchant, Code> {
        let merchant = self.merchants.get(bin).ok_or(Code::NotRegistered)?;
        let declared = caller
            .iter()
            .any(|own| own == bin || merchant.acts_with.as_ref() == Some(own));
        if declared {
            Ok(merchant)
        } else {
            Err(Code::NotRegistered)
        }
    }

    fn may_act(&self, caller: &Declared, bin: &str) -> bool {
        self.merchant(caller, bin).is_ok()
    }

    fn learn(&mut self, merchant: Merchant) {
        for point in &merchant.trade_points {
            for token in &point.device_tokens {
                self.devices.entry(token.clone()).or_insert_with(|| {
                    self.unsaved.device(token);
                    Device::from_layout(&merchant.bin, point.id)
                });
            }
        }
        self.unsaved.merchant(&merchant.bin);
        match self.merchants.get_mut(&merchant.bin) {
            None => {
                self.merchants.insert(merchant.bin.clone(), merchant);
            }
            Some(known) => {
                known.name = merchant.name;
                known.acts_with = merchant.acts_with;
                for point in merchant.trade_points {
                    if !known.trade_points.iter().any(|old| old.id == point.id) {
                        known.trade_points.push(point);
                    }
                }
            }
        }
    }

    fn forget(&mut self) {
        self.clock = BankClock::default();
        self.merchants.clear();
        self.devices.clear();
        self.payments.clear();
        self.lookups.clear();
    }

    fn redo(&mut self, change: Change) {
        if change.reset {
            self.forget();
        }
        // The clock may have given a higher number already; none is given out twice.
        self.next_id = self.next_id.max(change.next_id);
        self.clock.set_ahead_ms(change.ahead_ms);
        for merchant in change.merchants.into_iter().map(Merchant::from) {
            self.merchants.insert(merchant.bin.clone(), merchant);
        }
        self.devices.extend(change.devices);
        self.payments
            .extend(change.payments.into_iter().map(|payment| (payment.id, payment)));
    }

    fn settled(&mut self, id: i64) -> Option<&mut Payment> {
        let now = self.clock.now();
        let payment = self.payments.get_mut(&id)?;
        payment.settle(now);
        Some(payment)
    }

    fn new_id(&mut self) -> i64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }
}
