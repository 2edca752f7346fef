//! What the wrapper answered, in any of its shapes.
//!
//! A good answer is `{"status": true, "data": {...}, "http_code": 200}`, or the same with `success`, or
//! without either; ids are numbers or texts. A refusal has `status: false` and either `data.errors`, a
//! map of code and text, or `error`. An empty body has been taken for success by callers; whether it
//! was one, nobody knows. For a call that moves money everything that is not clearly yes or clearly no
//! is unknown.

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::Error;
use super::error::Shape;
use crate::base::{PaymentId, ReturnOperationId};
use crate::payments::kaspi_meaning;

/// Longest text of the wrapper's that is repeated.
const MOST_TEXT: usize = 200;

/// Whether a call changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It asks.
    Reads,
    /// It moves money, or asks somebody for some.
    Writes,
}

/// What a good answer says.
#[derive(Debug)]
pub(super) struct Fields {
    operation: &'static str,
    effect: Effect,
    fields: Map<String, Value>,
}

/// Understands an answer. `hidden` is what must not be repeated, should the wrapper do so.
pub(super) fn read(
    operation: &'static str,
    effect: Effect,
    status: u16,
    body: &[u8],
    hidden: &[Zeroizing<String>],
) -> Result<Fields, Error> {
    let odd = |shape| Error::Odd {
        operation,
        effect,
        shape,
        status,
    };
    match status {
        401 | 403 | 405 => {
            return Err(Error::NoAccess {
                operation,
                effect,
                status,
            });
        }
        404 => return Err(Error::NotFound { operation, effect }),
        300..=399 => return Err(odd(Shape::Redirect)),
        500.. => return Err(odd(Shape::ServerError)),
        _ => {}
    }
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii();
    if body.is_empty() {
        return Err(odd(Shape::Empty));
    }
    let Ok(Value::Object(mut answer)) = serde_json::from_slice::<Value>(body) else {
        let shape = if body.starts_with(b"<") {
            Shape::Html
        } else {
            Shape::NoObject
        };
        return Err(odd(shape));
    };
    let truth = flag(answer.get("status")).or_else(|| flag(answer.get("success")));
    let data = match answer.remove("data") {
        Some(Value::Object(data)) => data,
        // `data` of a refusal may be null; `status` beside it is the flag then, not the payment's word
        Some(_) => Map::new(),
        None => {
            let mut bare = answer.clone();
            bare.retain(|key, value| key != "status" || value.is_string());
            bare
        }
    };
    let told = refusal(&answer, &data, hidden);
    let names_a_payment = find(&data, "externalId")
        .or_else(|| find(&data, "paymentId"))
        .is_some();
    match (truth, told) {
        // a yes under a status that says no
        (Some(true), None) if status >= 400 && effect == Effect::Writes => {
            return Err(odd(Shape::Contradiction));
        }
        (Some(true), None) => {}
        (None, None) if names_a_payment && status < 300 => {}
        // an id beside a no: which of both is true, nobody knows
        (_, Some(_)) | (Some(false), None) if names_a_payment && effect == Effect::Writes => {
            return Err(odd(Shape::Contradiction));
        }
        (_, Some(told)) => return Err(refused(operation, effect, told)),
        (Some(false), None) => {
            let told = Told {
                code: None,
                text: "Unknown error".to_owned(),
            };
            return Err(refused(operation, effect, told));
        }
        (None, None) => return Err(odd(Shape::NoAnswer)),
    }
    Ok(Fields {
        operation,
        effect,
        fields: data,
    })
}

/// A reason that the wrapper gave.
struct Told {
    code: Option<String>,
    text: String,
}

fn refusal(
    answer: &Map<String, Value>,
    data: &Map<String, Value>,
    hidden: &[Zeroizing<String>],
) -> Option<Told> {
    let clean = |text: &str| harmless(text, hidden);
    let errors = data.get("errors").or_else(|| answer.get("errors"));
    match errors {
        Some(Value::Object(map)) => {
            // Of several the one that leaves most open decides.
            let entry = map
                .iter()
                .find(|(code, text)| !certainly_refused(Some(code), &words(text)))
                .or_else(|| map.iter().next());
            if let Some((code, text)) = entry {
                return Some(Told {
                    code: Some(clean(code)),
                    text: clean(&words(text)),
                });
            }
        }
        Some(Value::Array(list)) if !list.is_empty() => {
            return Some(Told {
                code: None,
                text: clean(&list.iter().map(words).collect::<Vec<_>>().join("; ")),
            });
        }
        Some(Value::String(text)) if !text.is_empty() => {
            return Some(Told {
                code: None,
                text: clean(text),
            });
        }
        _ => {}
    }
    match answer.get("error").or_else(|| data.get("error")) {
        None | Some(Value::Null | Value::Bool(_)) => None,
        Some(value) => Some(clean(&words(value)))
            .filter(|text| !text.is_empty())
            .map(|text| Told { code: None, text }),
    }
}

fn refused(operation: &'static str, effect: Effect, told: Told) -> Error {
    let number = told.code.as_deref().and_then(|code| code.trim().parse().ok());
    Error::Refused {
        operation,
        effect,
        certain: certainly_refused(told.code.as_deref(), &told.text),
        text: told.text,
        number,
        code: told.code,
    }
}

/// Whether such a reason tells that nothing happened. A code of Kaspi's says so itself; a number that
/// nobody explains leaves it open, as it would if Kaspi had answered us; and what sounds as if the
/// wrapper had lost its own call does too.
fn certainly_refused(code: Option<&str>, text: &str) -> bool {
    if let Some(number) = code.and_then(|code| code.trim().parse::<i64>().ok()) {
        return kaspi_meaning(number).is_some_and(|meaning| meaning.certain);
    }
    const LOST: [&str; 29] = [
        "unknown",
        "timeout",
        "timed out",
        "time-out",
        "curl",
        "connection",
        "gateway",
        "unavailable",
        "internal",
        "ssl",
        "empty",
        "server",
        "json",
        "retries",
        "try again",
        "недоступ",
        "неизвестн",
        "таймаут",
        "тайм-аут",
        "время ожидания",
        "времени ожидания",
        "соединени",
        "подключени",
        "внутренн",
        "сервер",
        "сбой",
        "повторите",
        "попробуйте",
        "в обработке",
    ];
    let said = format!("{} {text}", code.unwrap_or_default()).to_lowercase();
    !LOST.iter().any(|word| said.contains(word))
}

impl Fields {
    pub(super) fn payment_id(&self) -> Result<PaymentId, Error> {
        ["externalId", "paymentId", "QrPaymentId"]
            .into_iter()
            .find_map(|name| number(find(&self.fields, name)?))
            .and_then(|number| PaymentId::new(number).ok())
            .ok_or_else(|| self.lacks("externalId"))
    }

    /// Absent is fine, nonsense is as good as absent: the money is back.
    pub(super) fn return_operation_id(&self) -> Result<Option<ReturnOperationId>, Error> {
        Ok(find(&self.fields, "returnOperationId")
            .and_then(number)
            .and_then(|number| ReturnOperationId::new(number).ok()))
    }

    pub(super) fn status(&self) -> Result<String, Error> {
        self.text("status")
    }

    pub(super) fn text(&self, name: &'static str) -> Result<String, Error> {
        self.optional_text(name).ok_or_else(|| self.lacks(name))
    }

    pub(super) fn optional_text(&self, name: &str) -> Option<String> {
        match find(&self.fields, name)? {
            Value::String(text) if !text.trim().is_empty() => Some(harmless(text, &[])),
            _ => None,
        }
    }

    fn lacks(&self, field: &'static str) -> Error {
        Error::Lacks {
            operation: self.operation,
            effect: self.effect,
            field,
        }
    }
}

fn find<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let value = fields.get(name).or_else(|| {
        fields
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    })?;
    (!value.is_null()).then_some(value)
}

fn flag(value: Option<&Value>) -> Option<bool> {
    match value? {
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(1) => Some(true),
            Some(0) => Some(false),
            _ => None,
        },
        Value::String(text) if text == "true" => Some(true),
        Value::String(text) if text == "false" => Some(false),
        _ => None,
    }
}

fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(words).collect::<Vec<_>>().join("; "),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// One line of bearable length without anything that we sent and that must stay between us.
fn harmless(text: &str, hidden: &[Zeroizing<String>]) -> String {
    let mut text = text.replace(char::is_control, " ");
    for secret in hidden.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret.as_str(), "***");
    }
    text.trim().chars().take(MOST_TEXT).collect()
}

#[cfg(test)]
mod tests;
