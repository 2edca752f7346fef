//! Things that go wrong on demand.

use std::time::Duration;

use serde_json::{Value, json};

/// What goes wrong. The names are those of `POST /faults`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// Kaspi does it, and the answer comes late.
    Delay,
    /// The connection is reset (TCP RST); Kaspi did nothing.
    ResetBeforeCommit,
    /// Kaspi does it, then the connection is reset (TCP RST).
    ResetAfterCommit,
    /// The next handshakes are refused with the alert `unknown_ca`; idle connections are closed.
    TlsAlert,
    /// A proxy answers 502 with an HTML page; Kaspi did nothing.
    Html502,
    /// Kaspi does it, and the answer is 200 without a body.
    EmptyBody,
    /// Kaspi does it, and the JSON breaks off in the middle.
    TruncatedJson,
    /// `-999`; Kaspi did nothing.
    UnavailableBeforeCommit,
    /// `-999`, though Kaspi did it.
    UnavailableAfterCommit,
    /// `-99000006`, "refund failed, try again"; Kaspi did nothing.
    RefundRetry,
    /// Kaspi does it, and `Status` in the answer is a word nobody documented.
    UnknownStatus,
    /// Kaspi does it, and dates in the answer have one of the stranger forms, each time the next.
    OddDate,
}

impl FaultKind {
    /// Every fault there is.
    pub const ALL: [Self; 12] = [
        Self::Delay,
        Self::ResetBeforeCommit,
        Self::ResetAfterCommit,
        Self::TlsAlert,
        Self::Html502,
        Self::EmptyBody,
        Self::TruncatedJson,
        Self::UnavailableBeforeCommit,
        Self::UnavailableAfterCommit,
        Self::RefundRetry,
        Self::UnknownStatus,
        Self::OddDate,
    ];

    /// The name in `POST /faults`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delay => "delay",
            Self::ResetBeforeCommit => "reset_before_commit",
            Self::ResetAfterCommit => "reset_after_commit",
            Self::TlsAlert => "tls_alert",
            Self::Html502 => "html_502",
            Self::EmptyBody => "empty_body",
            Self::TruncatedJson => "truncated_json",
            Self::UnavailableBeforeCommit => "unavailable_before_commit",
            Self::UnavailableAfterCommit => "unavailable_after_commit",
            Self::RefundRetry => "refund_retry",
            Self::UnknownStatus => "unknown_status",
            Self::OddDate => "odd_date",
        }
    }

    /// The fault of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Whether Kaspi's application never gets to do what was asked.
    pub(super) fn strikes_before(self) -> bool {
        matches!(
            self,
            Self::ResetBeforeCommit | Self::Html502 | Self::UnavailableBeforeCommit | Self::RefundRetry
        )
    }
}

/// A fault that waits for its request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// For requests to this path only, prefix included; a slash at its end does not count, and a
    /// `*` at its end stands for anything. Absent: for any request.
    pub path: Option<String>,
    /// How often it strikes.
    pub times: u32,
    /// How long the answer (or the reset) is held back, in real time.
    pub delay: Duration,
}

impl Fault {
    /// A fault that strikes the next request, whatever it is, once.
    #[must_use]
    pub fn new(kind: FaultKind) -> Self {
        Self {
            kind,
            path: None,
            times: 1,
            delay: Duration::ZERO,
        }
    }

    /// For requests to this path only.
    #[must_use]
    pub fn on(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Strikes that often.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// Holds the answer back for so long.
    #[must_use]
    pub fn delayed(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    fn strikes(&self, path: &str) -> bool {
        let Some(own) = self.path.as_deref() else {
            return true;
        };
        let path = path.trim_end_matches('/').to_ascii_lowercase();
        let own = own.to_ascii_lowercase();
        match own.strip_suffix('*') {
            Some(start) => path.starts_with(start),
            None => path == own.trim_end_matches('/'),
        }
    }
}

/// The faults that wait, oldest first.
#[derive(Debug, Default)]
pub(super) struct Faults {
    waiting: Vec<Fault>,
    odd_dates: u32,
}

/// A fault that has found its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Strike {
    pub(super) kind: FaultKind,
    pub(super) delay: Duration,
    /// Which of the odd dates it is to be.
    pub(super) odd_date: u32,
}

impl Faults {
    pub(super) fn arm(&mut self, fault: Fault) {
        if fault.times > 0 {
            self.waiting.push(fault);
        }
    }

    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.odd_dates = 0;
    }

    /// The fault for a request, if one waits for it.
    pub(super) fn for_request(&mut self, path: &str) -> Option<Strike> {
        let fault = self.take(|fault| fault.kind != FaultKind::TlsAlert && fault.strikes(path))?;
        let odd_date = self.odd_dates;
        if fault.kind == FaultKind::OddDate {
            self.odd_dates = self.odd_dates.wrapping_add(1);
        }
        Some(Strike {
            kind: fault.kind,
            delay: fault.delay,
            odd_date,
        })
    }

    /// Whether this handshake is to be refused.
    pub(super) fn for_handshake(&mut self) -> bool {
        self.take(|fault| fault.kind == FaultKind::TlsAlert).is_some()
    }

    pub(super) fn rows(&self) -> Vec<Value> {
        self.waiting
            .iter()
            .map(|fault| {
                json!({
                    "path": fault.path,
                    "fault": fault.kind.as_str(),
                    "times": fault.times,
                    "delay_ms": u64::try_from(fault.delay.as_millis()).unwrap_or(u64::MAX),
                })
            })
            .collect()
    }

    fn take(&mut self, wanted: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let place = self.waiting.iter().position(wanted)?;
        let fault = self.waiting.get_mut(place)?;
        fault.times -= 1;
        let taken = fault.clone();
        if taken.times == 0 {
            self.waiting.remove(place);
        }
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_strikes_its_own_path_as_often_as_it_was_told() {
        let mut faults = Faults::default();
        faults.arm(
            Fault::new(FaultKind::EmptyBody)
                .on("/r3/v01/remote/create")
                .times(2),
        );
        assert_eq!(faults.for_request("/r3/v01/remote/cancel"), None);
        assert!(faults.for_request("/r3/v01/remote/create/").is_some());
        assert!(faults.for_request("/R3/v01/remote/create").is_some());
        assert_eq!(faults.for_request("/r3/v01/remote/create"), None);
    }

    #[test]
    fn a_slash_or_star_at_the_end_of_a_faults_path() {
        let mut faults = Faults::default();
        faults.arm(Fault::new(FaultKind::Delay).on("/r3/v01/qr/create/"));
        faults.arm(Fault::new(FaultKind::UnknownStatus).on("/r3/v02/payment/status/*"));
        assert_eq!(
            faults.for_request("/r3/v02/payment/status/5").unwrap().kind,
            FaultKind::UnknownStatus
        );
        assert_eq!(faults.for_request("/r3/v01/qr/create-link"), None);
        assert_eq!(
            faults.for_request("/r3/v01/qr/create").unwrap().kind,
            FaultKind::Delay
        );
    }

    #[test]
    fn alerts_are_for_handshakes_only() {
        let mut faults = Faults::default();
        faults.arm(Fault::new(FaultKind::TlsAlert));
        assert_eq!(faults.for_request("/r3/v01/health/ping"), None);
        assert!(faults.for_handshake());
        assert!(!faults.for_handshake());
    }

    #[test]
    fn names_and_kinds_agree() {
        for kind in FaultKind::ALL {
            assert_eq!(FaultKind::from_name(kind.as_str()), Some(kind));
        }
        assert_eq!(FaultKind::from_name("none"), None);
    }
}
