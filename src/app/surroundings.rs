//! The other rooms, as the gateway sees them.

use std::path::PathBuf;
use std::sync::Arc;

use subtle::ConstantTimeEq as _;
use time::OffsetDateTime;

use super::live::MerchantReport;
use crate::base::{Bin, Clock, DeviceToken};
use crate::config::Environment;
use crate::doctor::{Doctor, GatewayState, Options, Stage, Verdict};
use crate::gateway::{
    Device, Diagnosis, DiagnosisStage, OnStage, StageFinding, StageVerdict, Surroundings, Traffic,
};
use crate::registry::MerchantStatus;
use crate::transport::Transport;

/// The other rooms, as the gateway sees them.
#[derive(Debug)]
pub(super) struct House {
    pub(super) transport: Arc<Transport>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) config_file: PathBuf,
    pub(super) environment: Environment,
}

impl Surroundings for House {
    fn merchants(&self) -> Vec<MerchantStatus> {
        self.transport.registry().status()
    }

    fn default_bin(&self) -> Option<Bin> {
        self.transport.registry().default_bin()
    }

    fn bins(&self) -> Vec<Bin> {
        self.transport.registry().bins()
    }

    fn is_configured(&self, bin: Bin) -> bool {
        self.transport.registry().is_configured(bin)
    }

    fn device(&self, bin: Bin, token: &str) -> Device {
        // a BIN that is not served says so itself, when the call is made
        let Ok(pinned) = self.transport.registry().pin(bin) else {
            return Device::Own(None);
        };
        let mut found = Device::Foreign;
        for point in pinned.merchant.trade_points() {
            let own = point.device_token.as_ref().map_or("", DeviceToken::expose);
            if !own.is_empty() && bool::from(own.as_bytes().ct_eq(token.as_bytes())) {
                found = Device::Own(point.id);
            }
        }
        found
    }

    fn traffic(&self) -> Vec<Traffic> {
        let registry = self.transport.registry();
        registry
            .bins()
            .into_iter()
            .filter_map(|bin| {
                let counts = self.transport.wire_counts(bin)?;
                let mut traffic = Traffic::none(bin);
                traffic.full_handshakes = counts.full_handshakes;
                traffic.resumed_handshakes = counts.resumed_handshakes;
                traffic.open_connections = counts.open_connections;
                Some(traffic)
            })
            .collect()
    }

    fn diagnose<'a>(&'a self, bin: Bin, on_stage: OnStage<'a>) -> Diagnosis<'a> {
        Box::pin(async move {
            let options = Options {
                offline: false,
                gateway: Some(self.served(bin)),
            };
            let doctor = match tokio::task::spawn_blocking(self.doctor()).await {
                Ok(doctor) => doctor,
                // nobody cancels it, and a panic has been told of
                Err(_) => return false,
            };
            doctor
                .examine(Some(bin), &options, &|stage| on_stage(told(stage)))
                .await;
            true
        })
    }

    fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }
}

impl House {
    /// Reads the files as they are now, whatever this process serves.
    fn doctor(&self) -> impl FnOnce() -> Doctor + Send + use<> {
        let (file, environment) = (self.config_file.clone(), self.environment.clone());
        let clock = Arc::clone(&self.clock);
        move || Doctor::open(Some(&file), &environment, clock)
    }

    /// What this process itself serves a BIN with, for the doctor to compare with the files.
    fn served(&self, bin: Bin) -> GatewayState {
        let merchants = self.merchants();
        let known = merchants.iter().find(|merchant| merchant.bin == bin);
        known
            .map(|merchant| MerchantReport::of(merchant).gateway_state())
            .unwrap_or_default()
    }
}

/// A stage in the gateway's words. What was learnt beside stays out: a page tells what to do.
fn told(stage: &Stage) -> DiagnosisStage {
    DiagnosisStage {
        id: stage.id.as_str(),
        verdict: match stage.verdict {
            Verdict::Skip => StageVerdict::Skip,
            Verdict::Pass => StageVerdict::Pass,
            Verdict::Warn => StageVerdict::Warn,
            Verdict::Fail => StageVerdict::Fail,
        },
        duration: stage.duration,
        summary: stage.summary.clone(),
        findings: stage
            .findings
            .iter()
            .map(|finding| StageFinding {
                cause: finding.cause.id(),
                message: finding.message.clone(),
                hint: finding.hint.clone(),
            })
            .collect(),
    }
}
