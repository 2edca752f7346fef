//! The walk through the stages.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use rustls::RootCertStore;

use super::draft::skipped;
use super::offline::config::{Read, Subject};
use super::online::{self, Place, accepted, dns, tcp, tls};
use super::{GatewayState, Report, Stage, StageId, Verdict, offline};
use crate::api;
use crate::base::{Bin, Clock};
use crate::config::{self, Config, ConfigError, Environment, IdentityFiles, MerchantFolder};
use crate::identity::{Examination, Facts, Identity};
use crate::registry::RegistryError;
use crate::transport::probe::{Handshake, Probe, Reached, Session};

/// Diagnoses BINs of one configuration, as it was read when this was made.
///
/// ```no_run
/// use std::sync::Arc;
/// use kaspi_direct::base::SystemClock;
/// use kaspi_direct::config::Environment;
/// use kaspi_direct::doctor::{Doctor, Options};
///
/// # async fn look() {
/// let doctor = Doctor::open(None, &Environment::of_process(), Arc::new(SystemClock));
/// let bin = "891027350515".parse().ok();
/// let report = doctor.examine(bin, &Options::default(), &|stage| println!("{}", stage.summary)).await;
/// println!("{}", report.verdict);
/// # }
/// ```
#[derive(Debug)]
pub struct Doctor {
    config: Result<Config, ConfigError>,
    folders: Result<Vec<MerchantFolder>, ConfigError>,
    clock: Arc<dyn Clock>,
}

/// What is examined, beside the BIN.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Ask nothing of the network.
    pub offline: bool,
    /// What a running gateway says of the BIN.
    pub gateway: Option<GatewayState>,
}

/// Is told of each stage as it ends.
pub type OnStage<'a> = &'a (dyn Fn(&Stage) + Send + Sync);

/// A diagnosis, for whoever must not know what it is made of: `app` hands one to rooms that may not
/// import this one.
pub trait Examine: Send + Sync {
    /// As [`Doctor::examine`].
    fn examine<'a>(
        &'a self,
        bin: Option<Bin>,
        options: &'a Options,
        on_stage: OnStage<'a>,
    ) -> Pin<Box<dyn Future<Output = Report> + Send + 'a>>;
}

impl Examine for Doctor {
    fn examine<'a>(
        &'a self,
        bin: Option<Bin>,
        options: &'a Options,
        on_stage: OnStage<'a>,
    ) -> Pin<Box<dyn Future<Output = Report> + Send + 'a>> {
        Box::pin(Self::examine(self, bin, options, on_stage))
    }
}

impl Doctor {
    /// Finds and reads the configuration: that of `explicit`, or of the usual places. What is wrong with
    /// it is a finding, not an error.
    #[must_use]
    pub fn open(explicit: Option<&Path>, environment: &Environment, clock: Arc<dyn Clock>) -> Self {
        let config = config::find(explicit, environment).and_then(|file| config::load(&file, environment));
        let folders = match &config {
            Ok(config) => config::scan(config, environment),
            Err(_) => Ok(Vec::new()),
        };
        Self {
            config,
            folders,
            clock,
        }
    }

    /// The configuration, where it could be read.
    #[must_use]
    pub fn config(&self) -> Option<&Config> {
        self.config.as_ref().ok()
    }

    /// Every BIN that has a folder, in order: also those that cannot be served.
    ///
    /// # Errors
    ///
    /// The configuration, or `certs_dir`, cannot be read.
    pub fn bins(&self) -> Result<Vec<Bin>, &ConfigError> {
        self.config.as_ref()?;
        let mut bins: Vec<Bin> = self
            .folders
            .as_ref()?
            .iter()
            .filter_map(|folder| folder.bin)
            .collect();
        bins.sort_unstable();
        bins.dedup();
        Ok(bins)
    }

    /// Folders of `certs_dir` that are passed over, because their names are no BIN.
    pub fn passed_over(&self) -> impl Iterator<Item = (&Path, &ConfigError)> {
        let folders = self.folders.as_deref().unwrap_or_default();
        folders
            .iter()
            .filter(|folder| folder.bin.is_none())
            .filter_map(|folder| Some((folder.folder.as_path(), folder.merchant.as_ref().err()?.as_ref())))
    }

    /// The BIN to examine where none is named: `default_bin`. None where the configuration cannot be
    /// read, which [`examine`](Self::examine) then tells.
    ///
    /// # Errors
    ///
    /// None is named, and `default_bin` is not set: a BIN is never guessed.
    pub fn bin_or_default(&self, named: Option<Bin>) -> Result<Option<Bin>, RegistryError> {
        let Ok(config) = &self.config else {
            return Ok(named);
        };
        match named.or(config.default_bin) {
            Some(bin) => Ok(Some(bin)),
            None => Err(RegistryError::NoBin {
                configured: self.bins().unwrap_or_default(),
            }),
        }
    }

    /// Examines one BIN, stage by stage, and tells `on_stage` of each as it ends. The report is whole
    /// however it ends. Nothing is changed, here or at the bank.
    pub async fn examine(&self, bin: Option<Bin>, options: &Options, on_stage: OnStage<'_>) -> Report {
        let mut walk = Walk {
            stages: Vec::with_capacity(StageId::ALL.len()),
            on_stage,
        };
        self.walk(bin, options, &mut walk).await;
        Report::new(bin, walk.stages)
    }

    async fn walk(&self, bin: Option<Bin>, options: &Options, walk: &mut Walk<'_>) {
        let read = Read {
            config: self.config.as_ref(),
            folders: self.folders.as_deref(),
        };
        let (stage, subject) = offline::config::check(&read, bin);
        walk.put(stage);
        let Ok(config) = &self.config else {
            return walk.skip_the_rest("the configuration cannot be read");
        };
        let now = self.clock.now();
        let trust = offline::trust::check(&config.kaspi.trust, now);
        let known = match &subject {
            Some(subject) => {
                let checked = self.identity(subject, &trust.authorities, options).await;
                let Some((stages, examination)) = checked else {
                    return walk.skip_the_rest("the examination of the files broke off");
                };
                stages.into_iter().for_each(|stage| walk.put(stage));
                Some((subject, examination))
            }
            None => {
                for id in [StageId::Files, StageId::Certificate, StageId::Key] {
                    walk.put(skipped(id, "the stage `config` failed"));
                }
                None
            }
        };
        walk.put(trust.stage);
        if options.offline {
            return walk.skip_the_rest("`--offline` was given");
        }
        let journey = Journey {
            config,
            clock: &self.clock,
            known: known
                .as_ref()
                .map(|(subject, examination)| (*subject, examination)),
            roots: trust.roots,
            authorities: &trust.authorities,
        };
        journey.go(walk).await;
    }

    /// Off the threads that serve: opening a key is work by design.
    async fn identity(
        &self,
        subject: &Subject,
        authorities: &[Facts],
        options: &Options,
    ) -> Option<([Stage; 3], Examination)> {
        let (subject, authorities) = (subject.clone(), authorities.to_vec());
        let (gateway, clock) = (options.gateway.clone(), Arc::clone(&self.clock));
        tokio::task::spawn_blocking(move || {
            let checked = offline::identity::check(&subject, &authorities, gateway.as_ref(), clock.as_ref());
            (checked.stages, checked.examination)
        })
        .await
        .ok()
    }
}

/// The stages that have ended.
struct Walk<'a> {
    stages: Vec<Stage>,
    on_stage: OnStage<'a>,
}

impl Walk<'_> {
    fn put(&mut self, stage: Stage) {
        (self.on_stage)(&stage);
        self.stages.push(stage);
    }

    fn skip_the_rest(&mut self, because: &str) {
        let done = self.stages.len();
        for id in StageId::ALL.into_iter().skip(done) {
            self.put(skipped(id, because));
        }
    }

    fn skip_after(&mut self, failed: StageId) {
        self.skip_the_rest(&format!("the stage `{failed}` failed"));
    }

    fn first_failure(&self) -> Option<StageId> {
        let failed = |stage: &&Stage| stage.verdict == Verdict::Fail;
        self.stages.iter().find(failed).map(|stage| stage.id)
    }

    fn has_failed(&self) -> Option<StageId> {
        let last = self.stages.last()?;
        (last.verdict == Verdict::Fail).then_some(last.id)
    }
}

/// The stages that ask the network.
struct Journey<'a> {
    config: &'a Config,
    clock: &'a Arc<dyn Clock>,
    known: Option<(&'a Subject, &'a Examination)>,
    roots: Option<Arc<RootCertStore>>,
    authorities: &'a [Facts],
}

impl Journey<'_> {
    async fn go(&self, walk: &mut Walk<'_>) {
        let mut place = Place::new(self.config);
        // name and address are checked for a broken identity too, over which TLS then does not go
        let roots = self
            .roots
            .clone()
            .unwrap_or_else(|| Arc::new(RootCertStore::empty()));
        let probe = Probe::new(&self.config.kaspi, Arc::clone(&roots), Arc::clone(self.clock));
        let lookup = probe.look_up().await;
        walk.put(dns::judge(&lookup, &place));
        if let Some(failed) = walk.has_failed() {
            return walk.skip_after(failed);
        }
        let (reach, reached) = probe.reach(&lookup).await;
        walk.put(tcp::judge(&reach, &mut place));
        if let Some(failed) = walk.has_failed() {
            return walk.skip_after(failed);
        }
        let Some((subject, identity)) = self.identity() else {
            // the reason has been told, by the first stage that failed
            let failed = walk.first_failure().unwrap_or(StageId::Files);
            return walk.skip_after(failed);
        };
        let Some(reached) = reached else {
            return walk.skip_the_rest("there is no connection");
        };
        if self
            .secure(&probe, reached, identity, roots.len(), &place, walk)
            .await
        {
            walk.put(online::bin::check(self.config, subject, Arc::clone(self.clock)).await);
        }
    }

    /// Nothing where an earlier stage has said why there is no TLS.
    fn identity(&self) -> Option<(&Subject, &Identity)> {
        let (subject, examination) = self.known?;
        self.roots.as_ref()?;
        Some((subject, examination.outcome.as_ref().ok()?))
    }

    /// TLS, and what is said over it. Gives whether the way is free for calls.
    async fn secure(
        &self,
        probe: &Probe,
        reached: Reached,
        identity: &Identity,
        roots: usize,
        place: &Place,
        walk: &mut Walk<'_>,
    ) -> bool {
        let headers = api::headers();
        let (handshake, mut session) = match probe.shake_hands(reached, identity).await {
            Ok(shaken) => shaken,
            Err(error) => {
                walk.skip_the_rest(&format!("TLS cannot be set up with the identity: {error}"));
                return false;
            }
        };
        // a server that does not ask may do so once it knows the path
        let unasked = match session.take_if(|_| !was_asked(&handshake)) {
            Some(mut session) => Some(session.get(api::PING_PATH, &headers).await),
            None => None,
        };
        // made with no other connection open: some servers serve one at a time
        let second = probe
            .second_look(&handshake, identity, api::PING_PATH, &headers)
            .await
            .ok()
            .flatten();
        let outdated = probe.outdated(&handshake).await;
        walk.put(tls::judge(
            &tls::Seen {
                handshake: &handshake,
                second: second.as_ref(),
                outdated,
                unasked: unasked.as_ref(),
                own: identity.facts(),
                roots,
                now: self.clock.now(),
            },
            place,
        ));
        if let Some(failed) = walk.has_failed() {
            walk.skip_after(failed);
            return false;
        }
        self.accepted(probe, &handshake, session, identity, place, walk)
            .await
    }

    async fn accepted(
        &self,
        probe: &Probe,
        handshake: &Handshake,
        session: Option<Session>,
        identity: &Identity,
        place: &Place,
        walk: &mut Walk<'_>,
    ) -> bool {
        let headers = api::headers();
        let mut exchange = None;
        let mut kept = None;
        if let Some(mut session) = session {
            let answer = session.get(api::PING_PATH, &headers).await;
            if answer.outcome.is_ok() {
                kept = Some(probe.keeps(session, api::PING_PATH, &headers).await);
            }
            exchange = Some(answer);
        }
        let file = self.certificate_file();
        walk.put(accepted::judge(
            &accepted::Seen {
                exchange: exchange.as_ref(),
                alert: tls::refused_certificate(handshake),
                request: handshake.request.as_ref(),
                kept,
                own: identity.facts(),
                own_file: &file,
                issuer_sent: identity.chain().len() > 1,
                authorities: self.authorities,
                now: self.clock.now(),
            },
            place,
        ));
        match walk.has_failed() {
            Some(failed) => {
                walk.skip_after(failed);
                false
            }
            None => true,
        }
    }

    fn certificate_file(&self) -> String {
        let files = self.known.map(|(subject, _)| &subject.identity.files);
        match files {
            Some(IdentityFiles::Pair { certificate, .. } | IdentityFiles::Single(certificate)) => {
                certificate.display().to_string()
            }
            Some(IdentityFiles::Variable(variable)) => variable.name().to_owned(),
            None => String::new(),
        }
    }
}

fn was_asked(handshake: &Handshake) -> bool {
    handshake.request.is_some() || handshake.outcome.as_ref().is_ok_and(|agreed| agreed.resumed)
}
