//! What changed in the books since it was last written down. Off until somebody writes it down.

use std::collections::BTreeSet;

#[derive(Default)]
pub(super) struct Unsaved {
    on: bool,
    next_id: i64,
    ahead_ms: u64,
    changed: Changed,
}

#[derive(Default)]
pub(super) struct Changed {
    pub(super) reset: bool,
    pub(super) merchants: BTreeSet<String>,
    pub(super) devices: BTreeSet<String>,
    pub(super) payments: BTreeSet<i64>,
}

impl Unsaved {
    /// From here on, with nothing unsaved.
    pub(super) fn start(&mut self, next_id: i64, ahead_ms: u64) {
        *self = Self {
            on: true,
            next_id,
            ahead_ms,
            changed: Changed::default(),
        };
    }

    /// All of it, if there is any.
    pub(super) fn take(&mut self, next_id: i64, ahead_ms: u64) -> Option<Changed> {
        let same = (self.next_id, self.ahead_ms) == (next_id, ahead_ms) && self.changed.is_empty();
        if !self.on || same {
            return None;
        }
        (self.next_id, self.ahead_ms) = (next_id, ahead_ms);
        Some(std::mem::take(&mut self.changed))
    }

    pub(super) fn reset(&mut self) {
        self.changed = Changed {
            reset: self.on,
            ..Changed::default()
        };
    }

    pub(super) fn merchant(&mut self, bin: &str) {
        if self.on {
            self.changed.merchants.insert(bin.to_owned());
        }
    }

    pub(super) fn device(&mut self, token: &str) {
        if self.on {
            self.changed.devices.insert(token.to_owned());
        }
    }

    pub(super) fn payment(&mut self, id: i64) {
        if self.on {
            self.changed.payments.insert(id);
        }
    }
}

impl Changed {
    fn is_empty(&self) -> bool {
        !self.reset && self.merchants.is_empty() && self.devices.is_empty() && self.payments.is_empty()
    }
}
