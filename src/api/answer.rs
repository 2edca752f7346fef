//! Kaspi's envelope `{StatusCode, Message, Data}`, read as tolerantly as its writers are various.
//!
//! Sources: official document v3.9, section 1.3 and the examples in section 4; integrators' reports
//! of other casings, of numbers as text and of `Data: null`. Key names are matched in any casing.

use std::fmt;

use bytes::Bytes;
use http::HeaderMap;

use super::json::{self, Object, Value};
use crate::base::Balance;
use crate::transport::Reply;

/// Why an answer cannot be used. Holds no value of the answer: it may be about a person.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnswerFault {
    /// There is no body.
    Empty,
    /// The body is a web page: a proxy or a gateway answered, not Kaspi's application.
    Html,
    /// The body is a web page by which a server in front of the application refuses our certificate.
    CertificatePage,
    /// The body is no JSON, or only the beginning of it, or JSON that names a field twice.
    NotJson,
    /// JSON, but not Kaspi's envelope.
    NotAnEnvelope,
    /// `StatusCode` says success, the HTTP status says failure.
    Contradiction,
    /// A success without the field that says what was done.
    Field(FieldFault),
}

/// A field that is not there, or is something else than documented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFault {
    /// The documented name.
    pub name: &'static str,
    /// What was found: `nothing`, `text`, `a number` and so on; never the value itself.
    pub found: &'static str,
}

impl fmt::Display for AnswerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("an empty body"),
            Self::Html => f.write_str("a web page instead of JSON"),
            Self::CertificatePage => f.write_str("a web page that refuses our certificate"),
            Self::NotJson => f.write_str("JSON that is broken, cut off or says a thing twice"),
            Self::NotAnEnvelope => f.write_str("JSON without `StatusCode`"),
            Self::Contradiction => f.write_str("`StatusCode` 0 under an HTTP error"),
            Self::Field(FieldFault { name, found }) => write!(f, "{found} where `{name}` should be"),
        }
    }
}

/// What an answer says.
pub(super) enum Answer<'a> {
    /// `StatusCode` 0.
    Done(Option<Value<'a>>),
    /// Any other code.
    Refused { code: i64, message: Option<String> },
}

pub(super) fn read(reply: &Reply) -> Result<Answer<'_>, AnswerFault> {
    let body = reply
        .body
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(&reply.body)
        .trim_ascii();
    match body.first() {
        None => return Err(AnswerFault::Empty),
        Some(b'<') if refuses_certificate(body) => return Err(AnswerFault::CertificatePage),
        Some(b'<') => return Err(AnswerFault::Html),
        Some(_) => {}
    }
    let Value::Object(envelope) = json::read(body).map_err(|_| AnswerFault::NotJson)? else {
        return Err(AnswerFault::NotAnEnvelope);
    };
    let (mut code, mut message, mut data) = (None, None, None);
    for (name, value) in envelope {
        // no two names are the same
        if name.eq_ignore_ascii_case("StatusCode") {
            code = whole(&value);
        } else if name.eq_ignore_ascii_case("Message") {
            message = words(&value);
        } else if name.eq_ignore_ascii_case("Data") {
            data = Some(value).filter(|value| *value != Value::Null);
        }
    }
    let code = code.ok_or(AnswerFault::NotAnEnvelope)?;
    if code != 0 {
        return Ok(Answer::Refused { code, message });
    }
    if !(200..300).contains(&reply.status) {
        return Err(AnswerFault::Contradiction);
    }
    Ok(Answer::Done(data))
}

/// The `StatusCode` of an answer that was fetched past the typed calls, over a
/// [`Channel`](crate::transport::Channel): 0 is a success. `status` is that of HTTP.
///
/// # Errors
///
/// It is not an answer of Kaspi's application.
pub fn status_code(status: u16, body: &Bytes) -> Result<i64, AnswerFault> {
    let reply = Reply {
        status,
        headers: HeaderMap::new(),
        body: body.clone(),
        connection: None,
    };
    Ok(match read(&reply)? {
        Answer::Done(_) => 0,
        Answer::Refused { code, .. } => code,
    })
}

/// nginx ends the handshake well and refuses the certificate by a page of HTTP 400: "The SSL certificate
/// error", "No required SSL certificate was sent".
fn refuses_certificate(page: &[u8]) -> bool {
    let beginning = page.get(..512).unwrap_or(page);
    String::from_utf8_lossy(beginning)
        .to_ascii_lowercase()
        .contains("ssl certificate")
}

/// The fields of a JSON object, by their documented names, in whatever casing they came.
pub(super) struct Fields<'a>(Object<'a>);

impl<'a> Fields<'a> {
    /// The object in `Data`.
    pub(super) fn of_data(data: Option<Value<'a>>) -> Result<Self, AnswerFault> {
        match data {
            Some(value) => Self::of(value),
            None => Err(wrong("Data", None)),
        }
    }

    pub(super) fn of(value: Value<'a>) -> Result<Self, AnswerFault> {
        match value {
            Value::Object(fields) => Ok(Self(fields)),
            other => Err(wrong("Data", Some(&other))),
        }
    }

    fn get(&self, name: &str) -> Option<&Value<'a>> {
        self.0
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .filter(|value| **value != Value::Null)
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Value<'a>> {
        let place = self
            .0
            .iter()
            .position(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(self.0.swap_remove(place).1).filter(|value| *value != Value::Null)
    }

    /// A whole number, also where it came as text.
    pub(super) fn integer(&self, name: &'static str) -> Result<i64, AnswerFault> {
        let value = self.get(name).ok_or_else(|| wrong(name, None))?;
        whole(value).ok_or_else(|| wrong(name, Some(value)))
    }

    /// A whole number, where it is there and is one.
    pub(super) fn optional_integer(&self, name: &'static str) -> Option<i64> {
        self.get(name).and_then(whole)
    }

    /// An id: a whole number above zero.
    pub(super) fn id<T>(
        &self,
        name: &'static str,
        make: impl FnOnce(i64) -> Result<T, crate::base::IdError>,
    ) -> Result<T, AnswerFault> {
        make(self.integer(name)?).map_err(|_| wrong(name, self.get(name)))
    }

    /// Money in tenge, also where it came as text.
    pub(super) fn money(&self, name: &'static str) -> Result<Balance, AnswerFault> {
        self.optional_money(name)
            .ok_or_else(|| wrong(name, self.get(name)))
    }

    /// Money in tenge, where it is there and is money.
    pub(super) fn optional_money(&self, name: &'static str) -> Option<Balance> {
        match self.get(name)? {
            Value::Number(number) => Balance::parse(&number.to_string()).ok(),
            Value::String(text) => Balance::parse(text).ok(),
            _ => None,
        }
    }

    /// Text that is not empty.
    pub(super) fn text(&self, name: &'static str) -> Result<String, AnswerFault> {
        self.optional_text(name)
            .ok_or_else(|| wrong(name, self.get(name)))
    }

    /// Text, where it is there and not empty; a number is taken as its text.
    pub(super) fn optional_text(&self, name: &'static str) -> Option<String> {
        words(self.get(name)?)
    }

    /// A list of texts; empty where it is not there.
    pub(super) fn texts(&self, name: &'static str) -> Vec<String> {
        let Some(Value::Array(list)) = self.get(name) else {
            return Vec::new();
        };
        let texts = list.iter().filter_map(|item| match item {
            Value::String(text) => Some(text.clone().into_owned()),
            _ => None,
        });
        texts.collect()
    }

    /// Yes or no, where it is there.
    pub(super) fn optional_flag(&self, name: &'static str) -> Option<bool> {
        match self.get(name)? {
            Value::Bool(flag) => Some(*flag),
            _ => None,
        }
    }
}

fn words(value: &Value<'_>) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone().into_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn whole(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

pub(super) fn wrong(name: &'static str, found: Option<&Value<'_>>) -> AnswerFault {
    let found = match found {
        None | Some(Value::Null) => "nothing",
        Some(Value::Bool(_)) => "yes or no",
        Some(Value::Number(_)) => "another number",
        Some(Value::String(_)) => "other text",
        Some(Value::Array(_)) => "a list",
        Some(Value::Object(_)) => "an object",
    };
    AnswerFault::Field(FieldFault { name, found })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &str) -> Reply {
        Reply {
            status,
            headers: HeaderMap::new(),
            body: body.to_owned().into(),
            connection: None,
        }
    }

    #[test]
    fn envelopes_of_every_kind() {
        for body in [
            r#"{"StatusCode":0,"Message":"OK","Data":{"a":1}}"#,
            r#"{"Data":{"a":1},"StatusCode":0}"#,
            r#"{"statusCode":"0","message":null,"data":{"a":1}}"#,
            "\u{feff} {\"STATUSCODE\":0,\"DATA\":{\"a\":1}}\r\n",
        ] {
            match read(&reply(200, body)) {
                Ok(Answer::Done(Some(data))) => {
                    assert_eq!(Fields::of(data).unwrap().integer("a"), Ok(1));
                }
                _ => panic!("{body}"),
            }
        }
        for body in [r#"{"StatusCode":0}"#, r#"{"StatusCode":0,"Data":null}"#] {
            assert!(
                matches!(read(&reply(200, body)), Ok(Answer::Done(None))),
                "{body}"
            );
        }
    }

    #[test]
    fn a_code_counts_whatever_the_http_status() {
        for status in [200, 400, 500] {
            match read(&reply(status, r#"{"StatusCode":-1501,"Message":"","Data":null}"#)) {
                Ok(Answer::Refused {
                    code: -1501,
                    message: None,
                }) => {}
                _ => panic!("{status}"),
            }
        }
    }

    #[test]
    fn what_is_no_envelope() {
        for (status, body, fault) in [
            (200, "", AnswerFault::Empty),
            (200, " \n", AnswerFault::Empty),
            (502, "<html>Bad gateway</html>", AnswerFault::Html),
            (
                400,
                "<html><title>400 The SSL certificate error</title>",
                AnswerFault::CertificatePage,
            ),
            (
                400,
                "<html><title>400 No required SSL certificate was sent</title>",
                AnswerFault::CertificatePage,
            ),
            (200, "{\"StatusCode\":0,\"Da", AnswerFault::NotJson),
            (200, "[]", AnswerFault::NotAnEnvelope),
            (400, r#"{"message":"bad"}"#, AnswerFault::NotAnEnvelope),
            (200, r#"{"StatusCode":"OK"}"#, AnswerFault::NotAnEnvelope),
            (500, r#"{"StatusCode":0}"#, AnswerFault::Contradiction),
            (200, "{\"StatusCode\":0,\"Data\":1e400}", AnswerFault::NotJson),
        ] {
            match read(&reply(status, body)) {
                Err(found) => assert_eq!(found, fault, "{body}"),
                Ok(_) => panic!("{body}"),
            }
        }
    }

    #[test]
    fn fields_in_any_casing_as_number_or_text() {
        let text = br#"{"qrPaymentId": "12800000774", "TOTALAMOUNT": 100.1, "text": "", "null": null, "amount": "5.005"}"#;
        let fields = Fields::of(json::read(text).unwrap()).unwrap();
        assert_eq!(fields.integer("QrPaymentId"), Ok(12_800_000_774));
        assert_eq!(fields.money("TotalAmount").unwrap().tiyn(), 10_010);
        assert_eq!(fields.optional_text("text"), None);
        assert_eq!(
            fields.integer("null").unwrap_err().to_string(),
            "nothing where `null` should be"
        );
        assert_eq!(
            fields.money("Amount").unwrap_err().to_string(),
            "other text where `Amount` should be"
        );
    }
}
