//! The demo's rotation: a new certificate takes the old one's place while callers go on.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::super::sandbox::Unusable;
use super::scene::{Actor, Step, held};
use super::tale::Broken;
use crate::api::Session;
use crate::app::App;
use crate::base::{Bin, PaymentId};
use crate::sandbox::layout;

/// Callers for each BIN.
const CALLERS: usize = 4;
/// Calls that each of them makes before the exchange, and after it.
const CALLS: usize = 8;
/// The longest that the demo waits for one thing.
const PATIENCE: Duration = Duration::from_secs(30);

/// Exchanges the certificate of the first actor, and gives the new one's fingerprint.
pub(super) async fn play(
    app: &App,
    folder: &Path,
    rotated: (&Actor, PaymentId),
    other: (&Actor, PaymentId),
) -> Step<String> {
    let bin = rotated.0.bin;
    let before = certificate(app, bin)?;
    let renewed = renew(folder, bin)?;
    let rotation = app.start_rotation().await;
    let load = Load::start(app, &[(bin, rotated.1), (other.0.bin, other.1)]);
    load.each_calls(CALLS).await?;

    let written = Instant::now();
    put_in_place(folder, &renewed, bin)?;
    until(|| certificate(app, bin).is_ok_and(|now| now != before)).await?;
    let took = written.elapsed();
    load.each_calls(CALLS).await?;
    let calls = load.stop().await?;
    drop(rotation);
    let after = certificate(app, bin)?;

    let text = format!(
        "{bin}: the bank renewed its certificate, {} is in use instead of {} since {} ms after it was put \
         into the folder; {calls} calls went on meanwhile and none failed",
        short(&after),
        short(&before),
        took.as_millis()
    );
    let facts = json!({
        "bin": bin, "before_sha256": before, "after_sha256": after,
        "calls": calls, "failed": 0, "published_after_ms": took.as_millis().min(u128::from(u32::MAX)),
    });
    held(after, text, facts)
}

fn short(fingerprint: &str) -> String {
    fingerprint.chars().take(12).collect()
}

fn certificate(app: &App, bin: Bin) -> Result<String, Broken> {
    let channel = app.transport().channel(Some(bin))?;
    Ok(channel.certificate_sha256().to_owned())
}

/// What the bank does on renewal: the same authority, another certificate and key for the same BIN.
/// Gives the merchant's folder, made ready beside the one in use.
fn renew(folder: &Path, bin: Bin) -> Result<std::path::PathBuf, Broken> {
    let renewal = folder.join("renewal");
    let wanted = layout::Init {
        bins: vec![bin.to_string()],
        ca: Some(folder.to_owned()),
        ..layout::Init::default()
    };
    layout::init(&renewal, &wanted).map_err(Unusable)?;
    let renewed = renewal.join("certs").join(bin.to_string());
    let in_use = folder.join("certs").join(bin.to_string());
    // only the identity is new: trade point and device token stay
    fs::copy(in_use.join("merchant.toml"), renewed.join("merchant.toml")).map_err(broken)?;
    Ok(renewed)
}

/// The folder with the new set takes the place of the one with the old, whole.
fn put_in_place(folder: &Path, renewed: &Path, bin: Bin) -> Result<(), Broken> {
    let in_use = folder.join("certs").join(bin.to_string());
    let aside = folder.join("renewal").join("before");
    fs::rename(&in_use, &aside).map_err(broken)?;
    fs::rename(renewed, &in_use).map_err(broken)?;
    fs::remove_dir_all(folder.join("renewal")).map_err(broken)
}

fn broken(error: std::io::Error) -> Broken {
    Broken::because(format!("the renewed certificate cannot be put in place: {error}"))
}

/// Callers of both BINs, who call without a pause.
struct Load {
    callers: JoinSet<Result<(), crate::api::Error>>,
    made: Vec<Arc<AtomicUsize>>,
    stop: Arc<AtomicBool>,
}

impl Load {
    fn start(app: &App, paid: &[(Bin, PaymentId)]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut callers = JoinSet::new();
        let mut made = Vec::new();
        for (bin, payment) in paid.iter().copied() {
            for _ in 0..CALLERS {
                let (app, stop) = (app.api().clone(), Arc::clone(&stop));
                let calls = Arc::new(AtomicUsize::new(0));
                made.push(Arc::clone(&calls));
                callers.spawn(async move {
                    while !stop.load(Ordering::Acquire) {
                        let session: Session = app.session(Some(bin))?;
                        session.payment_status(payment).await?;
                        session.trade_points().await?;
                        calls.fetch_add(2, Ordering::AcqRel);
                    }
                    Ok(())
                });
            }
        }
        Self { callers, made, stop }
    }

    /// Waits until every caller has made so many calls more.
    async fn each_calls(&self, calls: usize) -> Result<(), Broken> {
        let wanted: Vec<usize> = self.counts().map(|count| count + calls).collect();
        until(|| self.counts().zip(&wanted).all(|(made, wanted)| made >= *wanted)).await
    }

    fn counts(&self) -> impl Iterator<Item = usize> {
        self.made.iter().map(|calls| calls.load(Ordering::Acquire))
    }

    /// Ends the callers. Gives how many calls there were, if not one failed.
    async fn stop(mut self) -> Result<usize, Broken> {
        self.stop.store(true, Ordering::Release);
        while let Some(ended) = self.callers.join_next().await {
            ended.map_err(|error| Broken::because(error.to_string()))??;
        }
        Ok(self.counts().sum())
    }
}

async fn until(what: impl Fn() -> bool) -> Result<(), Broken> {
    let waiting = async {
        while !what() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, waiting).await.map_err(|_| {
        Broken::because(format!(
            "the callers or the new certificate did not come through within {} s",
            PATIENCE.as_secs()
        ))
    })
}
