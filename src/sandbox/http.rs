//! Requests and answers as raw JSON.
//!
//! Keys of bodies and queries are matched without regard to case, ids are taken as numbers or text:
//! the real server was seen to do both. Everything else must have the documented JSON type.

use std::collections::BTreeMap;

use hyper::body::Bytes;
use hyper::{Method, StatusCode};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::bank::codes::Code;
use super::bank::money;

/// Why a call is not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The bank says no, with HTTP 200.
    Bank(Code),
    /// The request does not fit the call: HTTP 400 with the framework's own body.
    Malformed(String),
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Self::Bank(code)
    }
}

/// The fields of a body, or the parameters of a query, by lower-case name.
#[derive(Default)]
pub(super) struct Fields {
    values: BTreeMap<String, Field>,
}

enum Field {
    Json(Box<RawValue>),
    Query(String),
}

impl Fields {
    pub(super) fn from_body(body: &[u8]) -> Result<Self, Refusal> {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        let object: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(body)
            .map_err(|_| Refusal::Malformed("The request body is not a JSON object.".to_owned()))?;
        let values = object
            .into_iter()
            .map(|(name, value)| (name.to_lowercase(), Field::Json(value)))
            .collect();
        Ok(Self { values })
    }

    pub(super) fn from_query(query: &str) -> Self {
        let values = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                (decoded(name).to_lowercase(), Field::Query(decoded(value)))
            })
            .collect();
        Self { values }
    }

    /// A text that must be there.
    pub(super) fn text(&self, name: &str) -> Result<String, Refusal> {
        self.optional_text(name)?.ok_or_else(|| missing(name))
    }

    /// A text that may be absent or null.
    pub(super) fn optional_text(&self, name: &str) -> Result<Option<String>, Refusal> {
        match self.value(name) {
            None => Ok(None),
            Some(Field::Query(text)) => Ok(Some(text.clone())),
            Some(Field::Json(raw)) => match serde_json::from_str(raw.get()) {
                Ok(Value::String(text)) => Ok(Some(text)),
                Ok(Value::Null) => Ok(None),
                _ => Err(wrong_type(name)),
            },
        }
    }

    /// A token: the documents say number in some places and show text in others.
    pub(super) fn token(&self, name: &str) -> Result<String, Refusal> {
        match self.value(name) {
            None => Err(missing(name)),
            Some(Field::Query(text)) => Ok(text.clone()),
            Some(Field::Json(raw)) => match serde_json::from_str(raw.get()) {
                Ok(Value::String(text)) => Ok(text),
                Ok(Value::Number(number)) if number.is_i64() || number.is_u64() => Ok(number.to_string()),
                Ok(Value::Null) => Err(missing(name)),
                _ => Err(wrong_type(name)),
            },
        }
    }

    /// A 64-bit number, also as text.
    pub(super) fn id(&self, name: &str) -> Result<i64, Refusal> {
        self.token(name)?.trim().parse().map_err(|_| wrong_type(name))
    }

    /// An amount in tiyn; nothing where the number is no amount of money. It must be a JSON number.
    pub(super) fn amount(&self, name: &str) -> Result<Option<i64>, Refusal> {
        match self.value(name) {
            Some(Field::Json(raw)) if raw.get().starts_with(|c: char| c == '-' || c.is_ascii_digit()) => {
                Ok(money::tiyn(raw.get()))
            }
            Some(Field::Json(raw)) if raw.get() != "null" => Err(wrong_type(name)),
            _ => Err(missing(name)),
        }
    }

    fn value(&self, name: &str) -> Option<&Field> {
        self.values.get(&name.to_lowercase())
    }
}

/// An answer before it is written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) content: Content,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Content {
    Json(Value),
    Html(&'static str),
}

impl Answer {
    pub(super) fn json(status: StatusCode, value: Value) -> Self {
        Self {
            status,
            content: Content::Json(value),
        }
    }

    /// What the framework itself answers, outside the envelope.
    pub(super) fn framework(status: StatusCode, message: &str) -> Self {
        Self::json(status, json!({ "message": message }))
    }

    pub(super) fn not_found() -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            content: Content::Html(
                "<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head>\
                 <body><h1>404 Not Found</h1></body></html>\n",
            ),
        }
    }

    pub(super) fn bad_gateway() -> Self {
        Self {
            status: StatusCode::BAD_GATEWAY,
            content: Content::Html(
                "<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head>\
                 <body><h1>502 Bad Gateway</h1></body></html>\n",
            ),
        }
    }

    /// The envelope's `StatusCode`.
    pub(super) fn code(&self) -> Option<i64> {
        match &self.content {
            Content::Json(value) => value.get("StatusCode").and_then(Value::as_i64),
            Content::Html(_) => None,
        }
    }

    pub(super) fn content_type(&self) -> &'static str {
        match self.content {
            Content::Json(_) => "application/json; charset=utf-8",
            Content::Html(_) => "text/html; charset=utf-8",
        }
    }

    pub(super) fn bytes(&self) -> Bytes {
        match &self.content {
            Content::Json(value) => Bytes::from(value.to_string()),
            Content::Html(page) => Bytes::from_static(page.as_bytes()),
        }
    }
}

/// How a call dresses its success: the documents and live answers show all of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dress {
    /// `"Message": "OK"`.
    Ok,
    /// `"Message": null`.
    Null,
    /// `"Message": ""`.
    Empty,
    /// No `Message`.
    Bare,
    /// `"message": "OK"`, as the test calls are documented.
    LowerCase,
}

pub(super) fn success(dress: Dress, data: Option<Value>) -> Answer {
    let mut envelope = Map::new();
    envelope.insert("StatusCode".to_owned(), json!(0));
    let message = match dress {
        Dress::Ok => Some(("Message", json!("OK"))),
        Dress::Null => Some(("Message", Value::Null)),
        Dress::Empty => Some(("Message", json!(""))),
        Dress::Bare => None,
        Dress::LowerCase => Some(("message", json!("OK"))),
    };
    if let Some((name, text)) = message {
        envelope.insert(name.to_owned(), text);
    }
    if let Some(data) = data {
        envelope.insert("Data".to_owned(), data);
    }
    Answer::json(StatusCode::OK, Value::Object(envelope))
}

/// A business refusal: HTTP 200, `Data` null or absent (both were seen).
pub(super) fn refused(dress: Dress, null_data: bool, code: Code) -> Answer {
    let mut envelope = Map::new();
    envelope.insert("StatusCode".to_owned(), json!(code.number()));
    let name = if dress == Dress::LowerCase {
        "message"
    } else {
        "Message"
    };
    envelope.insert(name.to_owned(), json!(code.text()));
    if null_data {
        envelope.insert("Data".to_owned(), Value::Null);
    }
    Answer::json(StatusCode::OK, Value::Object(envelope))
}

/// What the routes need of a request.
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) body: Bytes,
}

fn missing(name: &str) -> Refusal {
    Refusal::Malformed(format!("The {name} field is required."))
}

fn wrong_type(name: &str) -> Refusal {
    Refusal::Malformed(format!(
        "The value of the field {name} cannot be converted to its type."
    ))
}

/// Undoes the percent-encoding of a query; what is no encoding stays as it is.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let mut ahead = rest.clone();
                let high = ahead.next().and_then(hex);
                let low = ahead.next().and_then(hex);
                if let (Some(high), Some(low)) = (high, low) {
                    bytes.push(high * 16 + low);
                    rest = ahead;
                } else {
                    bytes.push(byte);
                }
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn malformed(text: &str) -> Refusal {
        Refusal::Malformed(text.to_owned())
    }

    #[test]
    fn names_are_matched_without_case() {
        let fields = Fields::from_body(br#"{"organizationBIN": "1", "DEVICETOKEN": 321}"#).unwrap();
        assert_eq!(fields.text("OrganizationBin").unwrap(), "1");
        assert_eq!(fields.token("DeviceToken").unwrap(), "321");
        let fields = Fields::from_query("phonenumber=%2B7%207&DeviceToken=a+b%&x");
        assert_eq!(fields.text("phoneNumber").unwrap(), "+7 7");
        assert_eq!(fields.token("deviceToken").unwrap(), "a b%");
    }

    #[test]
    fn ids_are_numbers_or_text() {
        let fields =
            Fields::from_body(br#"{"a": 15, "b": "15", "c": 1.5, "d": "x", "e": null, "f": [1]}"#).unwrap();
        assert_eq!(fields.id("a"), Ok(15));
        assert_eq!(fields.id("b"), Ok(15));
        for name in ["c", "d", "f"] {
            assert!(matches!(fields.id(name), Err(Refusal::Malformed(_))), "{name}");
        }
        assert_eq!(fields.id("e"), Err(malformed("The e field is required.")));
    }

    #[test]
    fn amounts_are_numbers_only() {
        let fields =
            Fields::from_body(br#"{"a": 100.10, "b": "100", "c": 1.005, "d": true, "e": -5}"#).unwrap();
        assert_eq!(fields.amount("a"), Ok(Some(10_010)));
        assert_eq!(fields.amount("c"), Ok(None));
        assert_eq!(fields.amount("e"), Ok(None));
        for name in ["b", "d", "missing"] {
            assert!(
                matches!(fields.amount(name), Err(Refusal::Malformed(_))),
                "{name}"
            );
        }
    }

    #[test]
    fn what_is_no_json_object_is_malformed() {
        for body in ["", "[]", "{", "{\"a\":}", "null", "\"a\"", "{\"a\": NaN}"] {
            assert!(Fields::from_body(body.as_bytes()).is_err(), "{body}");
        }
    }
}
