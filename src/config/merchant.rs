//! One merchant's folder: from words to meaning.

use std::path::{Path, PathBuf};

use super::document::load as read_toml;
use super::raw::RawMerchant;
use super::setting::Located;
use super::settings::{bin as read_bin, choice, printable_name};
use super::{
    Config, ConfigError, ConfigWarning, Environment, IdentityFiles, IdentitySource, IdentitySpec,
    IdentityVariable, MerchantSpec, Route, identity_files, password, sets, trade_points, variables, webhooks,
};
use crate::base::Bin;

pub(super) const MERCHANT_FILE: &str = "merchant.toml";

/// Reads the folder of `bin`. Warnings are kept also when it turns out to be unusable.
pub(super) fn read(
    folder: &Path,
    bin: Bin,
    config: &Config,
    environment: &Environment,
    candidate: Option<&IdentitySpec>,
    warnings: &mut Vec<ConfigWarning>,
) -> Result<MerchantSpec, ConfigError> {
    if !bin.has_valid_control_digit() {
        warnings.push(ConfigWarning::ControlDigit { bin });
    }
    let file = folder.join(MERCHANT_FILE);
    // A folder with an identity and no merchant.toml is a merchant without a device token.
    let (raw, exposure) = read_toml::<RawMerchant>(&file, RawMerchant::FIELDS)?.unwrap_or_default();
    if trade_points::holds_token(&raw) || webhooks::holds_secret(&raw) {
        warnings.extend(exposure);
    }
    Ok(MerchantSpec {
        bin,
        folder: folder.to_owned(),
        name: name(&raw, bin)?,
        active: raw.active.as_ref().is_none_or(|given| given.value),
        route: route(&raw, config)?,
        identity: identity(folder, bin, &raw, environment, candidate, warnings)?,
        trade_points: trade_points::read(&file, &raw, bin, environment, warnings)?,
        webhooks: webhooks::read(&file, &raw, warnings)?,
    })
}

fn name(raw: &RawMerchant, bin: Bin) -> Result<String, ConfigError> {
    let Some(given) = &raw.name else {
        return Ok(bin.to_string());
    };
    printable_name(given)
}

fn route(raw: &RawMerchant, config: &Config) -> Result<Route, ConfigError> {
    let Some(given) = &raw.route else {
        return Ok(Route::default());
    };
    let route = choice(given, &[("direct", Route::Direct), ("wrapper", Route::Wrapper)])?;
    if route == Route::Wrapper && config.wrapper.is_none() {
        return Err(ConfigError::NoWrapper {
            setting: given.setting.clone(),
            config: config.file.clone(),
        });
    }
    Ok(route)
}

fn identity(
    folder: &Path,
    bin: Bin,
    raw: &RawMerchant,
    environment: &Environment,
    candidate: Option<&IdentitySpec>,
    warnings: &mut Vec<ConfigWarning>,
) -> Result<IdentitySource, ConfigError> {
    if let Some(variable) = variables::identity(bin, environment)? {
        refuse_other_than(&variable, folder, raw, candidate)?;
        return Ok(IdentitySource::Own(IdentitySpec {
            owner: bin,
            files: IdentityFiles::Variable(variable),
            passwords: password::gather(
                folder,
                folder,
                bin,
                raw.password_file.as_ref(),
                environment,
                warnings,
            )?,
        }));
    }
    if let Some(given) = &raw.identity {
        return borrowed(folder, bin, raw, given);
    }
    let installed = match candidate {
        // what is in use now, and be it broken, does not matter to what is to replace it
        Some(_) => None,
        None => sets::in_use(folder)?,
    };
    if candidate.is_some() || installed.is_some() {
        let named = [&raw.certificate, &raw.private_key, &raw.password_file];
        if let Some(named) = named.into_iter().flatten().next() {
            return Err(ConfigError::Conflict {
                setting: named.setting.clone(),
                other: format!(
                    "installed sets, to which {} leads",
                    folder.join(sets::CURRENT_LINK).display()
                ),
            });
        }
    }
    if let Some(candidate) = candidate {
        return Ok(IdentitySource::Own(candidate.clone()));
    }
    if installed.is_some() {
        warnings.extend(sets::ignored(folder));
    }
    let material = installed.as_deref().unwrap_or(folder);
    let files = identity_files::find(material, raw.certificate.as_ref(), raw.private_key.as_ref())?;
    let password_file = raw.password_file.as_ref();
    let passwords = password::gather(folder, material, bin, password_file, environment, warnings)?;
    Ok(IdentitySource::Own(IdentitySpec {
        owner: bin,
        files,
        passwords,
    }))
}

/// An identity in a variable is the only one: with another in the folder, nobody could tell which is meant.
fn refuse_other_than(
    variable: &IdentityVariable,
    folder: &Path,
    raw: &RawMerchant,
    candidate: Option<&IdentitySpec>,
) -> Result<(), ConfigError> {
    let excludes = |other| {
        Err(ConfigError::Conflict {
            setting: variables::setting(variable.name()),
            other,
        })
    };
    if candidate.is_some() {
        return excludes("an identity that is installed".to_owned());
    }
    let named = [&raw.identity, &raw.certificate, &raw.private_key];
    if let Some(named) = named.into_iter().flatten().next() {
        return excludes(named.setting.to_string());
    }
    match any_present(folder)? {
        Some(file) => excludes(file.display().to_string()),
        None => Ok(()),
    }
}

/// A file that is an identity, or a link to an installed one.
fn any_present(folder: &Path) -> Result<Option<PathBuf>, ConfigError> {
    match identity_files::first_present(folder)? {
        None => identity_files::usual(folder, sets::CURRENT_LINK),
        found => Ok(found),
    }
}

fn borrowed(
    folder: &Path,
    bin: Bin,
    raw: &RawMerchant,
    given: &Located<String>,
) -> Result<IdentitySource, ConfigError> {
    let owner = read_bin(given)?;
    if owner == bin {
        return Err(ConfigError::Invalid {
            setting: given.setting.clone(),
            given: Some(owner.to_string()),
            problem: "this is the folder's own BIN".to_owned(),
            hint: Some("leave `identity` out: a folder uses its own files"),
        });
    }
    let excludes = |other| {
        Err(ConfigError::Conflict {
            setting: given.setting.clone(),
            other,
        })
    };
    let own = [&raw.certificate, &raw.private_key, &raw.password_file];
    if let Some(own) = own.into_iter().flatten().next() {
        return excludes(own.setting.to_string());
    }
    match any_present(folder)? {
        Some(file) => excludes(file.display().to_string()),
        None => Ok(IdentitySource::Of(owner)),
    }
}
