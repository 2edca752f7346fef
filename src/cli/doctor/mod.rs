//! `kaspi doctor`: what is wrong with a BIN, and what to do about it.

mod text;

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::args::{DoctorArgs, FailOn};
use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use super::gateway;
use super::report::Format;
use crate::app::live::{LiveState, MerchantReport};
use crate::base::{Bin, SystemClock};
use crate::config::Environment;
use crate::doctor::{Bundle, Doctor, GatewayState, Options, Report, Stage, Verdict};
use text::Page;

/// So many BINs are looked at at the same time: each may wait for a server that does not answer.
const AT_ONCE: usize = 8;

pub(super) async fn run(wanted: &DoctorArgs, context: &Context<'_>) -> Result<(), Failure> {
    let environment = Environment::of_process();
    let doctor = Doctor::open(context.config_file(), &environment, Arc::new(SystemClock));
    for (folder, problem) in doctor.passed_over() {
        let problem = crate::base::chain_text(problem);
        context
            .report
            .warning(format!("`{}` is passed over: {problem}", folder.display()));
    }
    if let Some(file) = &wanted.redact {
        refuse_existing(file)?;
    }
    let gateway = match doctor.config() {
        Some(config) => gateway::seen(config, context.report).await,
        None => None,
    };
    let plan = Plan {
        offline: wanted.offline,
        gateway,
    };
    let page = Page::new(context.report, text::width(&environment));
    let reports = if wanted.all {
        all(doctor, &plan, &page, context).await
    } else {
        vec![one(&doctor, &plan, &page, context).await?]
    };
    if let Some(file) = &wanted.redact {
        write_bundle(file, &reports)?;
        context
            .report
            .progress(format!("`{}` can be pasted anywhere", file.display()));
    }
    verdict(&reports, wanted.fail_on)
}

/// What is examined of each BIN.
struct Plan {
    offline: bool,
    gateway: Option<LiveState>,
}

impl Plan {
    fn options(&self, bin: Option<Bin>) -> Options {
        Options {
            offline: self.offline,
            gateway: self.gateway.as_ref().map(|state| served(state, bin)),
        }
    }
}

/// How a running gateway serves a BIN. One that it does not know is not served.
fn served(state: &LiveState, bin: Option<Bin>) -> GatewayState {
    let known = state.merchants.iter().find(|merchant| Some(merchant.bin) == bin);
    known.map(MerchantReport::gateway_state).unwrap_or_default()
}

/// The diagnosis that ends `kaspi init`: told to a person as it goes, and given back.
pub(super) async fn first_look(context: &Context<'_>) -> Result<Report, Failure> {
    let environment = Environment::of_process();
    let doctor = Doctor::open(context.config_file(), &environment, Arc::new(SystemClock));
    let plan = Plan {
        offline: false,
        gateway: None,
    };
    let page = Page::new(context.report, text::width(&environment));
    told(&doctor, &plan, &page, context).await
}

async fn one(
    doctor: &Doctor,
    plan: &Plan,
    page: &Page<'_>,
    context: &Context<'_>,
) -> Result<Report, Failure> {
    let report = told(doctor, plan, page, context).await?;
    if context.report.format() == Format::Json {
        context.report.json_line(&report);
    }
    Ok(report)
}

async fn told(
    doctor: &Doctor,
    plan: &Plan,
    page: &Page<'_>,
    context: &Context<'_>,
) -> Result<Report, Failure> {
    let bin = doctor.bin_or_default(context.bin())?;
    page.head(bin);
    let teller = page.teller();
    let report = doctor
        .examine(bin, &plan.options(bin), &|stage: &Stage| teller.stage(stage))
        .await;
    page.foot(&report);
    Ok(report)
}

async fn all(doctor: Doctor, plan: &Plan, page: &Page<'_>, context: &Context<'_>) -> Vec<Report> {
    let doctor = Arc::new(doctor);
    let reports = match doctor.bins() {
        Ok(bins) => examine_all(Arc::clone(&doctor), &bins, plan, context).await,
        // nobody knows whom to examine, and the report says why
        Err(_) => vec![doctor.examine(None, &plan.options(None), &|_| {}).await],
    };
    page.all(&reports);
    if context.report.format() == Format::Json {
        context.report.json_line(&reports);
    }
    reports
}

async fn examine_all(doctor: Arc<Doctor>, bins: &[Bin], plan: &Plan, context: &Context<'_>) -> Vec<Report> {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    for bin in bins.iter().copied() {
        let (doctor, options, places) = (Arc::clone(&doctor), plan.options(Some(bin)), Arc::clone(&places));
        running.spawn(async move {
            let _place = places.acquire_owned().await;
            doctor.examine(Some(bin), &options, &|_| {}).await
        });
    }
    let mut reports = Vec::with_capacity(bins.len());
    while let Some(done) = running.join_next().await {
        let Ok(report) = done else { continue };
        context.report.progress(format!(
            "{} of {}: {}",
            reports.len() + 1,
            bins.len(),
            text::verdict_line(&report)
        ));
        reports.push(report);
    }
    reports.sort_unstable_by_key(|report| report.bin);
    reports
}

/// The exit code: 0 healthy, 1 findings, 3 where no BIN could be examined at all.
pub(super) fn verdict(reports: &[Report], fail_on: FailOn) -> Result<(), Failure> {
    let limit = match fail_on {
        FailOn::Warn => Verdict::Warn,
        FailOn::Fail => Verdict::Fail,
    };
    if reports.iter().all(|report| report.bin.is_none()) {
        return Err(Failure {
            exit: Exit::Configuration,
            ..Failure::said_no("no BIN could be examined")
        });
    }
    let ill = reports.iter().filter(|report| report.verdict >= limit).count();
    match ill {
        0 => Ok(()),
        ill => Err(Failure::said_no(format!(
            "{ill} of {} did not pass",
            reports.len()
        ))),
    }
}

fn refuse_existing(file: &Path) -> Result<(), Failure> {
    if std::fs::symlink_metadata(file).is_ok() {
        return Err(Failure::file_exists(file));
    }
    Ok(())
}

fn write_bundle(file: &Path, reports: &[Report]) -> Result<(), Failure> {
    let failed = |error| Failure::from_io(format!("`{}` cannot be written", file.display()), error);
    let mut bytes = serde_json::to_vec_pretty(&Bundle::of(reports)).map_err(|error| failed(error.into()))?;
    bytes.push(b'\n');
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .and_then(|mut file| file.write_all(&bytes))
        .map_err(failed)
}
