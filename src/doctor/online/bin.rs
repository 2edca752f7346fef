//! Stage `bin`: whether the bank knows the BIN with this certificate, and the device tokens with the BIN.

use std::fmt::Display;
use std::sync::Arc;

use serde_json::{Value, json};

use super::accepted::meaning;
use crate::api::{Api, ApiSettings, Error, Session, StatusVersion, TradePointInfo};
use crate::base::{Clock, Explain, PhoneNumber, TradePoint, TradePointId, chain_text};
use crate::config::{self, Config, MerchantFolder};
use crate::doctor::draft::Draft;
use crate::doctor::offline::config::Subject;
use crate::doctor::{Cause, Stage, StageId};
use crate::transport::Transport;

/// Nobody's number: Kazakhstan has no code 000. Of the reads that carry a device token, `payment/details`
/// says the same of a wrong token as of a payment that is not there; `remote/client-info` tells them
/// apart, and asked for nobody it names nobody.
const NOBODY: &str = "+70000000000";

/// The bank allows a device 50 of these questions a minute; so many trade points are asked for at most.
const MOST_POINTS: usize = 20;

const NOT_THE_DEVICE: [i64; 6] = [-1401, -1404, 990_000_029, 990_000_031, 990_000_032, -1601];

/// Asks for the trade points, then with each device token.
pub(in crate::doctor) async fn check(config: &Config, subject: &Subject, clock: Arc<dyn Clock>) -> Stage {
    let mut draft = Draft::new(StageId::Bin);
    let session = match open(config, subject, clock).await {
        Ok(session) => session,
        Err(why) => {
            draft.find(
                Cause::BinUnanswered,
                &[("call", &"partner/tradepoints"), ("why", &why)],
            );
            return draft.done("");
        }
    };
    let desk = Desk {
        subject,
        session: &session,
    };
    match session.trade_points().await {
        Ok(points) => {
            desk.points(&points, &mut draft);
            desk.tokens(&mut draft).await;
            let noun = if points.len() == 1 {
                "trade point"
            } else {
                "trade points"
            };
            draft.done(format!("Kaspi knows the BIN and {} {noun}", points.len()))
        }
        Err(error) => {
            desk.refused(&error, &mut draft);
            draft.done("")
        }
    }
}

/// The key is opened once more for it, which is work: off the threads that serve.
async fn open(config: &Config, subject: &Subject, clock: Arc<dyn Clock>) -> Result<Session, String> {
    let (config, subject) = (config.clone(), subject.clone());
    tokio::task::spawn_blocking(move || session(&config, &subject, clock))
        .await
        .unwrap_or_else(|error| Err(error.to_string()))
}

/// Calls for the one BIN. It may be switched off, which is no reason not to ask.
fn session(config: &Config, subject: &Subject, clock: Arc<dyn Clock>) -> Result<Session, String> {
    let mut spec = subject.spec.clone();
    spec.active = true;
    spec.identity = config::IdentitySource::Own(subject.identity.clone());
    let bin = spec.bin;
    // whoever lends the identity need not be served for it, and is not asked for
    if let config::IdentitySource::Own(own) = &mut spec.identity {
        own.owner = bin;
    }
    let folder = MerchantFolder {
        folder: spec.folder.clone(),
        bin: Some(bin),
        merchant: Ok(spec),
        warnings: Vec::new(),
    };
    let (transport, _) = Transport::open(config, &[folder], clock).map_err(|error| chain_text(&error))?;
    let settings = ApiSettings {
        phone_format: config.kaspi.phone_format,
        status_version: StatusVersion::default(),
    };
    Api::new(Arc::new(transport), settings)
        .session(Some(bin))
        .map_err(|error| chain_text(&error))
}

struct Desk<'a> {
    subject: &'a Subject,
    session: &'a Session,
}

impl Desk<'_> {
    fn points(&self, points: &[TradePointInfo], draft: &mut Draft) {
        let known: Vec<Value> = points
            .iter()
            .map(|point| json!({ "trade_point_id": point.trade_point_id, "name": point.trade_point_name }))
            .collect();
        draft.facts.add("trade_points", known);
        let ids: Vec<String> = points
            .iter()
            .map(|point| point.trade_point_id.to_string())
            .collect();
        for configured in self.configured().filter_map(|point| point.id) {
            if !points.iter().any(|point| point.trade_point_id == configured) {
                self.find(
                    Cause::TradePointUnknown,
                    &[("trade_point", &configured), ("known", &ids.join(", "))],
                    draft,
                );
            }
        }
    }

    async fn tokens(&self, draft: &mut Draft) {
        let mut learnt = Vec::new();
        for point in self.configured().take(MOST_POINTS) {
            let place = self.place(point.id);
            if point.device_token.is_none() {
                learnt.push(json!({ "trade_point_id": point.id, "device_token": "none" }));
                self.find(Cause::NoDeviceToken, &[("place", &place)], draft);
                continue;
            }
            let (word, code) = self.token(point.id, &place, draft).await;
            learnt.push(json!({ "trade_point_id": point.id, "device_token": word, "status_code": code }));
        }
        draft.facts.add("device_tokens", learnt);
    }

    /// What the bank says of the token of one trade point: a word, and its code.
    async fn token(
        &self,
        point: Option<TradePointId>,
        place: &str,
        draft: &mut Draft,
    ) -> (&'static str, Option<i64>) {
        let session = match point {
            Some(id) => self.session.clone().at(id),
            None => Ok(self.session.clone()),
        };
        let answer = match (session, NOBODY.parse::<PhoneNumber>()) {
            (Ok(session), Ok(nobody)) => session.client_info(nobody).await.map(drop),
            (Err(error), _) => Err(error),
            // the number is a constant, and a test reads it
            (_, Err(_)) => return ("not checked", None),
        };
        let error = match answer {
            Ok(()) => return ("known", Some(0)),
            Err(error) => error,
        };
        let Some(code) = error.code() else {
            let why = chain_text(&error);
            self.find(
                Cause::BinUnanswered,
                &[("call", &"remote/client-info"), ("why", &why)],
                draft,
            );
            return ("not checked", None);
        };
        let (cause, word) = match code {
            -1501 => (Cause::DeviceTokenUnknown, "unknown"),
            -1502 => (Cause::DeviceTokenInactive, "inactive"),
            990_000_018 | -99_000_002 => (Cause::TradePointOff, "trade point off"),
            // the number is what the bank says no to, so the device has passed
            code if NOT_THE_DEVICE.contains(&code) => return ("not refused", Some(code)),
            _ => {
                self.find(
                    Cause::BinUnanswered,
                    &[("call", &"remote/client-info"), ("why", &chain_text(&error))],
                    draft,
                );
                return ("not checked", Some(code));
            }
        };
        self.find(cause, &[("place", &place), ("code", &code)], draft);
        (word, Some(code))
    }

    fn refused(&self, error: &Error, draft: &mut Draft) {
        const NO_TRADE_POINTS: i64 = -14_000_002;
        match error.code() {
            Some(NO_TRADE_POINTS) => {
                self.find(Cause::NoTradePoints, &[("code", &NO_TRADE_POINTS)], draft);
            }
            Some(code) if error.may_pass() => {
                draft.facts.add("status_code", code);
                let answer = format!("code {code}{}", meaning(code));
                self.find(Cause::KaspiUnavailable, &[("answer", &answer)], draft);
            }
            Some(code) => {
                draft.facts.add("status_code", code);
                let told = error
                    .kaspi_message()
                    .map(|text| format!(" («{}»)", text.escape_debug()));
                let meaning = format!("{}{}", meaning(code), told.unwrap_or_default());
                self.find(
                    Cause::BinNotDeclared,
                    &[("code", &code), ("meaning", &meaning)],
                    draft,
                );
            }
            None => {
                let why = chain_text(error);
                self.find(
                    Cause::BinUnanswered,
                    &[("call", &"partner/tradepoints"), ("why", &why)],
                    draft,
                );
            }
        }
    }

    fn configured(&self) -> impl Iterator<Item = &TradePoint> {
        self.subject.spec.trade_points.iter().map(|point| &point.point)
    }

    fn place(&self, point: Option<TradePointId>) -> String {
        let file = self.subject.spec.folder.join("merchant.toml");
        match point {
            Some(id) => format!("trade point {id} in `{}`", file.display()),
            None => format!("`{}`", file.display()),
        }
    }

    fn find(&self, cause: Cause, values: &[(&str, &dyn Display)], draft: &mut Draft) {
        let file = self.subject.spec.folder.join("merchant.toml");
        let sha256 = self.session.channel().certificate_sha256();
        let shown = file.display();
        let mut all: Vec<(&str, &dyn Display)> = vec![
            ("bin", &self.subject.spec.bin),
            ("file", &shown),
            ("sha256", &sha256),
        ];
        all.extend(values);
        draft.find(cause, &all);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobodys_number_is_a_number() {
        assert!(NOBODY.parse::<PhoneNumber>().is_ok());
    }
}
