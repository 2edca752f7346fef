//! Stage `config`: the configuration file, the merchant's folder, and whose identity it acts with.

use serde_json::{Value, json};

use crate::base::Bin;
use crate::config::{
    Config, ConfigError, ConfigWarning, IdentitySource, IdentitySpec, KeyExchange, MerchantFolder,
    MerchantSpec, ProxyScheme, Route, StatusVersion,
};
use crate::doctor::draft::Draft;
use crate::doctor::{Cause, Stage, StageId};
use crate::registry::RegistryError;

/// Whom the other stages are about.
#[derive(Clone, Debug)]
pub(in crate::doctor) struct Subject {
    pub(in crate::doctor) spec: MerchantSpec,
    /// The identity that it acts with, which may be in another BIN's folder.
    pub(in crate::doctor) identity: IdentitySpec,
    /// What is odd about secrets and files: told in the stage `files`.
    pub(in crate::doctor) file_warnings: Vec<ConfigWarning>,
}

/// What was read before.
pub(in crate::doctor) struct Read<'a> {
    pub(in crate::doctor) config: Result<&'a Config, &'a ConfigError>,
    pub(in crate::doctor) folders: Result<&'a [MerchantFolder], &'a ConfigError>,
}

/// Checks it, and finds the subject of the further stages.
pub(in crate::doctor) fn check(read: &Read<'_>, bin: Option<Bin>) -> (Stage, Option<Subject>) {
    let mut draft = Draft::new(StageId::Config);
    let config = match read.config {
        Ok(config) => config,
        Err(error) => {
            draft.error_of_config(error);
            return (draft.done(""), None);
        }
    };
    settings(config, &mut draft);
    let folders = match read.folders {
        Ok(folders) => folders,
        Err(error) => {
            draft.error_of_config(error);
            return (draft.done(""), None);
        }
    };
    let subject = bin.and_then(|bin| find(bin, config, folders, &mut draft));
    let well = match &subject {
        Some(subject) => said(&subject.spec, config),
        None => config.file.display().to_string(),
    };
    (draft.done(well), subject)
}

fn said(spec: &MerchantSpec, config: &Config) -> String {
    let lent = match &spec.identity {
        IdentitySource::Own(_) => String::new(),
        IdentitySource::Of(owner) => format!(", with the identity of {owner}"),
    };
    format!("{}: {}{lent}", config.file.display(), spec.name)
}

fn settings(config: &Config, draft: &mut Draft) {
    let kaspi = &config.kaspi;
    draft.facts.add("config_file", config.file.display().to_string());
    draft
        .facts
        .add("certs_dir", config.certs_dir.display().to_string());
    draft.facts.add("base_url", kaspi.base_url.to_string());
    draft.facts.add(
        "key_exchange",
        match kaspi.key_exchange {
            KeyExchange::Classic => "classic",
            KeyExchange::Hybrid => "hybrid",
        },
    );
    draft.facts.add(
        "status_version",
        match kaspi.status_version {
            StatusVersion::V01 => "v01",
            StatusVersion::V02 => "v02",
        },
    );
    draft.facts.add_some(
        "proxy",
        kaspi.proxy.as_ref().map(|proxy| {
            let scheme = match proxy.scheme {
                ProxyScheme::Http => "http",
                ProxyScheme::Socks5 => "socks5",
            };
            format!("{scheme}://{}:{}", proxy.host, proxy.port)
        }),
    );
    for warning in &config.warnings {
        draft.warning(warning);
    }
}

fn find(bin: Bin, config: &Config, folders: &[MerchantFolder], draft: &mut Draft) -> Option<Subject> {
    let Some(folder) = folders.iter().find(|folder| folder.bin == Some(bin)) else {
        let configured = folders.iter().filter(|folder| folder.bin.is_some()).count();
        draft.error(&if bin.has_valid_control_digit() {
            RegistryError::UnknownBin { bin, configured }
        } else {
            RegistryError::MistypedBin { bin }
        });
        return None;
    };
    draft.facts.add("folder", folder.folder.display().to_string());
    let (about_files, others): (Vec<&ConfigWarning>, Vec<&ConfigWarning>) = folder
        .warnings
        .iter()
        .partition(|warning| is_about_files(warning));
    for warning in others {
        draft.warning(warning);
    }
    let spec = match &folder.merchant {
        Ok(spec) => spec,
        Err(error) => {
            draft.error_of_config(error.as_ref());
            return None;
        }
    };
    merchant(spec, config, draft);
    let (identity, lender) = identity_of(spec, folders, draft)?;
    let lent = lender
        .map(|lender| lender.warnings.as_slice())
        .unwrap_or_default();
    Some(Subject {
        spec: spec.clone(),
        identity: identity.clone(),
        file_warnings: about_files
            .into_iter()
            .chain(lent.iter().filter(|warning| is_about_files(warning)))
            .cloned()
            .collect(),
    })
}

fn merchant(spec: &MerchantSpec, config: &Config, draft: &mut Draft) {
    let merchant_file = spec.folder.join("merchant.toml");
    draft.facts.add("name", spec.name.clone());
    draft
        .facts
        .add("default_bin", config.default_bin == Some(spec.bin));
    draft.facts.add("active", spec.active);
    let route = match spec.route {
        Route::Direct => "direct",
        Route::Wrapper => "wrapper",
    };
    draft.facts.add("route", route);
    let points: Vec<Value> = spec
        .trade_points
        .iter()
        .map(|point| {
            json!({
                "trade_point_id": point.point.id,
                "has_device_token": point.point.device_token.is_some(),
                "default": point.default,
            })
        })
        .collect();
    draft.facts.add("trade_points", points);
    let values: [(&str, &dyn std::fmt::Display); 2] =
        [("bin", &spec.bin), ("file", &merchant_file.display())];
    if !spec.active {
        draft.find(Cause::InactiveBin, &values);
    }
    if spec.route == Route::Wrapper {
        draft.find(Cause::RouteWrapper, &values);
    }
}

/// The identity that a merchant acts with, and the folder that lends it.
fn identity_of<'a>(
    spec: &'a MerchantSpec,
    folders: &'a [MerchantFolder],
    draft: &mut Draft,
) -> Option<(&'a IdentitySpec, Option<&'a MerchantFolder>)> {
    let owner = match &spec.identity {
        IdentitySource::Own(own) => {
            draft.facts.add("identity_of", own.owner.to_string());
            return Some((own, None));
        }
        IdentitySource::Of(owner) => *owner,
    };
    draft.facts.add("identity_of", owner.to_string());
    let lender = folders.iter().find(|folder| folder.bin == Some(owner));
    match lender.map(|folder| &folder.merchant) {
        Some(Ok(MerchantSpec {
            identity: IdentitySource::Own(own),
            ..
        })) => return Some((own, lender)),
        Some(Err(error)) => draft.error_of_config(error.as_ref()),
        Some(Ok(_)) | None => draft.error(&RegistryError::NoSuchOwner {
            bin: spec.bin,
            owner,
            folder: spec.folder.clone(),
            exists: lender.is_some(),
        }),
    }
    None
}

fn is_about_files(warning: &ConfigWarning) -> bool {
    matches!(
        warning,
        ConfigWarning::WorldReadable { .. } | ConfigWarning::IgnoredFile { .. }
    )
}

impl Draft {
    /// An error about a file or a setting.
    pub(in crate::doctor) fn error_of_config(&mut self, error: &ConfigError) {
        self.error(error);
    }

    pub(in crate::doctor) fn warning(&mut self, warning: &ConfigWarning) {
        let cause = Cause::of_id(warning.kind()).unwrap_or(Cause::Unexplained);
        self.told(cause, warning.to_string(), Some(warning.hint()));
    }
}
