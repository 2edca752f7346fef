//! What the bank knows and decides, without HTTP: organisations, devices, purchases.

use std::collections::{BTreeMap, HashMap, VecDeque};

use time::OffsetDateTime;

use super::options::{Merchant, TradePoint};

pub(super) mod clock;
pub(super) mod codes;
mod devices;
pub(super) mod money;
pub(super) mod payment;
mod purchases;
mod remote;

use clock::BankClock;
use codes::Code;
use devices::Device;
use payment::{Payment, Status, Step};

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
        };
        bank.reset();
        bank
    }

    /// Forgets everything that happened. Ids go on, so that no number ever means two payments.
    pub(super) fn reset(&mut self) {
        self.clock = BankClock::default();
        self.merchants.clear();
        self.devices.clear();
        self.payments.clear();
        self.lookups.clear();
        for merchant in self.known.clone() {
            self.learn(merchant);
        }
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

    pub(super) fn payment(&mut self, id: i64) -> Option<&mut Payment> {
        let now = self.clock.now();
        let payment = self.payments.get_mut(&id)?;
        payment.settle(now);
        Some(payment)
    }

    /// Does to a payment what a customer, or the time, would.
    pub(super) fn step(&mut self, id: i64, step: Step) -> Result<&mut Payment, StepRefusal> {
        let now = self.clock.now();
        let opened = self.opened_link;
        let payment = self.payment(id).ok_or(StepRefusal::NoSuchPayment)?;
        if payment.step(step, opened, now) {
            Ok(payment)
        } else {
            Err(StepRefusal::WrongStatus(payment.status.as_str()))
        }
    }

    pub(super) fn trade_point_mut(&mut self, id: i64) -> Option<&mut TradePoint> {
        self.merchants
            .values_mut()
            .flat_map(|merchant| merchant.trade_points.iter_mut())
            .find(|point| point.id == id)
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
                self.devices
                    .entry(token.clone())
                    .or_insert_with(|| Device::from_layout(&merchant.bin, point.id));
            }
        }
        match self.merchants.get_mut(&merchant.bin) {
            None => {
                self.merchants.insert(merchant.bin.clone(), merchant);
            }
            Some(known) => {
                known.acts_with = merchant.acts_with;
                for point in merchant.trade_points {
                    if !known.trade_points.iter().any(|old| old.id == point.id) {
                        known.trade_points.push(point);
                    }
                }
            }
        }
    }

    fn new_id(&mut self) -> i64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }
}
