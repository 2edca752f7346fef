//! A merchant's trade points and their device tokens.

use std::path::{Path, PathBuf};

use super::error::shown;
use super::raw::{Hidden, RawMerchant, RawTradePoint};
use super::read::{self, SECRET_LIMIT};
use super::setting::Located;
use super::settings::path;
use super::{ConfigError, ConfigWarning, Environment, Setting, TradePointSpec, variables};
use crate::base::{Bin, DeviceToken, TradePoint, TradePointId};

/// Whether merchant.toml itself holds a device token.
pub(super) fn holds_token(raw: &RawMerchant) -> bool {
    raw.device_token.is_some() || list(raw).iter().any(|point| point.value.device_token.is_some())
}

/// All trade points, the default one first; one without number and token where nothing is said.
pub(super) fn read(
    file: &Path,
    raw: &RawMerchant,
    bin: Bin,
    environment: &Environment,
    warnings: &mut Vec<ConfigWarning>,
) -> Result<Vec<TradePointSpec>, ConfigError> {
    refuse_both_forms(raw)?;
    let mut points = if list(raw).is_empty() {
        vec![TradePointSpec {
            point: TradePoint {
                id: raw.trade_point_id.as_ref().map(id).transpose()?,
                device_token: token(
                    file,
                    raw.device_token.as_ref(),
                    raw.device_token_file.as_ref(),
                    warnings,
                )?,
            },
            device_token_file: token_file(file, raw.device_token_file.as_ref())?,
            default: true,
        }]
    } else {
        from_list(file, list(raw), warnings)?
    };
    points.sort_by_key(|point| !point.default);
    if let (Some((token, setting)), Some(first)) =
        (variables::device_token(bin, environment)?, points.first_mut())
    {
        if first.point.device_token.is_some() {
            return Err(ConfigError::Conflict {
                setting,
                other: format!("the device token in {}", file.display()),
            });
        }
        first.point.device_token = Some(token);
    }
    Ok(points)
}

fn list(raw: &RawMerchant) -> &[Located<RawTradePoint>] {
    raw.trade_point
        .as_ref()
        .map(|list| list.value.as_slice())
        .unwrap_or_default()
}

/// The short form is for one trade point, the list for several.
fn refuse_both_forms(raw: &RawMerchant) -> Result<(), ConfigError> {
    let Some(first) = list(raw).first() else {
        return Ok(());
    };
    let short = [
        raw.device_token.as_ref().map(|given| &given.setting),
        raw.device_token_file.as_ref().map(|given| &given.setting),
        raw.trade_point_id.as_ref().map(|given| &given.setting),
    ];
    match short.into_iter().flatten().next() {
        Some(setting) => Err(ConfigError::Conflict {
            setting: setting.clone(),
            other: first.setting.to_string(),
        }),
        None => Ok(()),
    }
}

fn from_list(
    file: &Path,
    list: &[Located<RawTradePoint>],
    warnings: &mut Vec<ConfigWarning>,
) -> Result<Vec<TradePointSpec>, ConfigError> {
    let alone = list.len() == 1;
    let mut points: Vec<TradePointSpec> = Vec::new();
    for given in list {
        let raw = &given.value;
        let Some(number) = &raw.id else {
            return Err(ConfigError::Missing {
                setting: below(&given.setting, "id"),
                hint: "write the number that `kaspi tradepoints` shows",
            });
        };
        let id = id(number)?;
        if points.iter().any(|point| point.point.id == Some(id)) {
            return Err(refuse(number, id, "another trade point has this number"));
        }
        let default = alone || raw.default.as_ref().is_some_and(|given| given.value);
        if let (Some(given), true) = (&raw.default, default && points.iter().any(|point| point.default)) {
            return Err(refuse(given, true, "another trade point is the default already"));
        }
        points.push(TradePointSpec {
            point: TradePoint {
                id: Some(id),
                device_token: token(
                    file,
                    raw.device_token.as_ref(),
                    raw.device_token_file.as_ref(),
                    warnings,
                )?,
            },
            device_token_file: token_file(file, raw.device_token_file.as_ref())?,
            default,
        });
    }
    if !points.iter().any(|point| point.default) {
        return Err(ConfigError::Missing {
            setting: Setting::new(file, "trade_point.default", None),
            hint: "write `default = true` in the trade point that calls go to when they name none",
        });
    }
    Ok(points)
}

fn id(given: &Located<i64>) -> Result<TradePointId, ConfigError> {
    TradePointId::new(given.value).map_err(|_| refuse(given, given.value, "a trade point id is above zero"))
}

fn token(
    file: &Path,
    literal: Option<&Located<Hidden>>,
    named: Option<&Located<String>>,
    warnings: &mut Vec<ConfigWarning>,
) -> Result<Option<DeviceToken>, ConfigError> {
    match (literal, named) {
        (Some(literal), Some(named)) => Err(ConfigError::Conflict {
            setting: literal.setting.clone(),
            other: named.setting.to_string(),
        }),
        (Some(literal), None) => DeviceToken::parse(literal.value.expose())
            .map(Some)
            .map_err(|error| unusable(&literal.setting, None, error.to_string())),
        (None, Some(named)) => from_file(file, named, warnings).map(Some),
        (None, None) => Ok(None),
    }
}

fn token_file(file: &Path, given: Option<&Located<String>>) -> Result<Option<PathBuf>, ConfigError> {
    given.map(|given| path(file, given)).transpose()
}

fn from_file(
    file: &Path,
    given: &Located<String>,
    warnings: &mut Vec<ConfigWarning>,
) -> Result<DeviceToken, ConfigError> {
    let named = path(file, given)?;
    let contents = read::named(&named, SECRET_LIMIT, &given.setting)?;
    warnings.extend(contents.exposure(&named));
    let refuse = |problem| unusable(&given.setting, Some(shown(&given.value)), problem);
    let text =
        std::str::from_utf8(&contents.bytes).map_err(|_| refuse("the file is not UTF-8 text".to_owned()))?;
    DeviceToken::parse(text).map_err(|error| refuse(error.to_string()))
}

fn refuse<T, V: ToString>(given: &Located<T>, value: V, problem: &str) -> ConfigError {
    unusable(&given.setting, Some(value.to_string()), problem.to_owned())
}

fn unusable(setting: &Setting, given: Option<String>, problem: String) -> ConfigError {
    ConfigError::Invalid {
        setting: setting.clone(),
        given,
        problem,
        hint: None,
    }
}

fn below(section: &Setting, key: &str) -> Setting {
    Setting::new(section.file(), format!("{}.{key}", section.key()), section.line())
}
