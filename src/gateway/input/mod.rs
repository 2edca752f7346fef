//! What callers send, field by field. Everything that is wrong is told at once, in FastAPI's shape.

mod complaint;
mod value;

use std::fmt;

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

pub(super) use self::complaint::{Complaint, Wrong};
pub(super) use self::value::{Given, amount, bin, external_id, payment, phone, text, trade_point};
use super::problem::Problem;

/// The fields of one request.
#[derive(Debug)]
pub(in crate::gateway) struct Fields {
    place: &'static str,
    given: Vec<(String, Given)>,
    complaints: Vec<Complaint>,
}

impl Fields {
    /// The fields of a JSON object.
    pub(in crate::gateway) fn of_json(body: &[u8], known: &[&'static str]) -> Result<Self, Problem> {
        let place = "body";
        if body.iter().all(u8::is_ascii_whitespace) {
            let wrong = ("missing", "Field required".to_owned());
            return Err(Problem::Input(vec![Complaint::new(place, None, wrong)]));
        }
        let Object(pairs) =
            serde_json::from_slice(body).map_err(|error| Problem::Input(vec![malformed(&error, body)]))?;
        let given = pairs
            .into_iter()
            .map(|(name, raw)| (name, Given::of_json(&raw)))
            .collect();
        Ok(Self::known_only(place, given, known))
    }

    /// The parameters of a query. Only names are ever repeated in an error: a value may be a token.
    pub(in crate::gateway) fn of_query(query: Option<&str>, known: &[&'static str]) -> Self {
        let place = "query";
        let mut unreadable = Vec::new();
        let mut given = Vec::new();
        for pair in query
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty())
        {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match (decoded(name), decoded(value)) {
                (Some(name), Some(value)) => given.push((name, Given::Text(value))),
                (name, _) => {
                    let wrong = (
                        "string_unicode",
                        "Input should be percent-encoded UTF-8".to_owned(),
                    );
                    unreadable.push(Complaint::new(place, Some(&name.unwrap_or_default()), wrong));
                }
            }
        }
        let mut fields = Self::known_only(place, given, known);
        fields.complaints.extend(unreadable);
        fields
    }

    fn known_only(place: &'static str, given: Vec<(String, Given)>, known: &[&'static str]) -> Self {
        let mut fields = Self {
            place,
            given: Vec::with_capacity(given.len()),
            complaints: Vec::new(),
        };
        for (name, value) in given {
            let wrong = if !known.contains(&name.as_str()) {
                Some(("extra_forbidden", unknown(&name, known)))
            } else if fields.given.iter().any(|(earlier, _)| *earlier == name) {
                Some((
                    "value_error",
                    "Value error, the same name is given twice".to_owned(),
                ))
            } else {
                None
            };
            match wrong {
                Some(wrong) => fields.complaints.push(Complaint::new(place, Some(&name), wrong)),
                None => fields.given.push((name, value)),
            }
        }
        fields
    }

    /// A field that must be there.
    pub(in crate::gateway) fn required<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Given) -> Result<T, Wrong>,
    ) -> Option<T> {
        let value = self.take(name);
        let outcome = match &value {
            None => Err(("missing", "Field required".to_owned())),
            Some(value) => read(value),
        };
        self.kept(name, outcome)
    }

    /// A field that may be absent or null.
    pub(in crate::gateway) fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Given) -> Result<T, Wrong>,
    ) -> Option<T> {
        match self.take(name) {
            None | Some(Given::Null) => None,
            Some(value) => {
                let outcome = read(&value);
                self.kept(name, outcome)
            }
        }
    }

    /// The values, which are there where nothing is wrong; or everything that is.
    pub(in crate::gateway) fn all<T>(self, values: Option<T>) -> Result<T, Problem> {
        match values {
            Some(values) if self.complaints.is_empty() => Ok(values),
            _ => Err(Problem::Input(self.complaints)),
        }
    }

    /// Nothing, or everything that is wrong.
    pub(in crate::gateway) fn finish(self) -> Result<(), Problem> {
        if self.complaints.is_empty() {
            Ok(())
        } else {
            Err(Problem::Input(self.complaints))
        }
    }

    /// Adds to what is wrong.
    pub(in crate::gateway) fn complain(&mut self, name: &'static str, wrong: Wrong) {
        self.complaints
            .push(Complaint::new(self.place, Some(name), wrong));
    }

    fn take(&mut self, name: &str) -> Option<Given> {
        let at = self.given.iter().position(|(given, _)| given == name)?;
        Some(self.given.swap_remove(at).1)
    }

    fn kept<T>(&mut self, name: &'static str, outcome: Result<T, Wrong>) -> Option<T> {
        match outcome {
            Ok(value) => Some(value),
            Err(wrong) => {
                // a name that was complained about already is not missing besides
                let told = self.complaints.iter().any(|earlier| {
                    wrong.0 == "missing" && earlier.name.as_deref().is_some_and(|other| alike(other, name))
                });
                if !told {
                    self.complain(name, wrong);
                }
                None
            }
        }
    }
}

/// The object of a body, each name as often as it was written.
struct Object(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Object(pairs))
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}

fn malformed(error: &serde_json::Error, body: &[u8]) -> Complaint {
    let (kind, msg) = if error.is_data() {
        (
            "model_attributes_type",
            "Input should be a valid dictionary or object to extract fields from".to_owned(),
        )
    } else {
        ("json_invalid", "JSON decode error".to_owned())
    };
    let mut complaint = Complaint::new("body", None, (kind, msg));
    if !error.is_data() {
        // the end is one behind the last character
        let column = error.column() + usize::from(error.is_eof());
        complaint.at = Some(offset(body, error.line(), column));
    }
    complaint
}

/// Where in the body a line and a column are, as FastAPI tells it.
fn offset(body: &[u8], line: usize, column: usize) -> usize {
    let before: usize = body
        .split_inclusive(|byte| *byte == b'\n')
        .take(line.saturating_sub(1))
        .map(<[u8]>::len)
        .sum();
    before + column.saturating_sub(1)
}

fn unknown(name: &str, known: &[&'static str]) -> String {
    match known.iter().find(|known| alike(known, name)) {
        Some(meant) => format!("Extra inputs are not permitted; did you mean `{meant}`?"),
        None if known.is_empty() => {
            "Extra inputs are not permitted; there is nothing to be given here".to_owned()
        }
        None => {
            let list: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
            format!("Extra inputs are not permitted; known here: {}", list.join(", "))
        }
    }
}

/// Whether two names differ in case, dashes or underscores only.
fn alike(one: &str, other: &str) -> bool {
    let bare = |name: &str| -> String {
        name.chars()
            .filter(|character| !matches!(character, '_' | '-'))
            .flat_map(char::to_lowercase)
            .collect()
    };
    bare(one) == bare(other)
}

fn decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced)
        .decode_utf8()
        .ok()
        .map(|text| text.into_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const KNOWN: &[&str] = &["phone", "amount", "organization_bin"];

    fn complaints(body: &str) -> serde_json::Value {
        let read = |body: &str| {
            let mut fields = Fields::of_json(body.as_bytes(), KNOWN)?;
            fields.required("phone", phone);
            fields.required("amount", amount);
            fields.optional("organization_bin", bin);
            fields.finish()
        };
        match read(body) {
            Ok(()) => json!([]),
            Err(Problem::Input(complaints)) => json!(complaints),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn numbers_and_texts_are_taken_for_each_other() {
        for body in [
            r#"{"phone":"+7 700 000 00 00","amount":100}"#,
            r#"{"phone":77000000000,"amount":"100.50"}"#,
            r#"{"phone":"87000000000","amount":1e2,"organization_bin":null}"#,
            r#"{"phone":"87000000000","amount":100.0,"organization_bin":891027350515}"#,
        ] {
            assert_eq!(complaints(body), json!([]), "{body}");
        }
    }

    #[test]
    fn everything_that_is_wrong_is_told_with_its_place() {
        assert_eq!(
            complaints(r#"{"phone":true,"amount":0,"organizationBin":"891027350515"}"#),
            json!([
                {"loc": ["body", "organizationBin"], "type": "extra_forbidden",
                 "msg": "Extra inputs are not permitted; did you mean `organization_bin`?"},
                {"loc": ["body", "phone"], "type": "string_type",
                 "msg": "Input should be a valid string, not true or false"},
                {"loc": ["body", "amount"], "type": "greater_than", "msg": "an amount must be more than zero"},
            ])
        );
        assert_eq!(
            complaints(r#"{"Phone":"77000000000","amount":1,"amount":2}"#),
            json!([
                {"loc": ["body", "Phone"], "type": "extra_forbidden",
                 "msg": "Extra inputs are not permitted; did you mean `phone`?"},
                {"loc": ["body", "amount"], "type": "value_error",
                 "msg": "Value error, the same name is given twice"},
            ])
        );
        for (body, kind) in [
            ("", "missing"),
            (" \n", "missing"),
            ("[]", "model_attributes_type"),
            ("17", "model_attributes_type"),
            ("{", "json_invalid"),
            ("{\"amount\": NaN}", "json_invalid"),
            ("{\"phone\": \"\u{0}\"}", "json_invalid"),
        ] {
            assert_eq!(complaints(body)[0]["type"], kind, "{body}");
        }
        assert_eq!(complaints("{\n \"phone\" 7}")[0]["loc"], json!(["body", 11]));
    }

    #[test]
    fn digits_beyond_a_double_are_seen() {
        let body = r#"{"phone":"77000000000","amount":100.00000000000000001}"#;
        assert_eq!(complaints(body)[0]["type"], "value_error");
    }

    #[test]
    fn queries() {
        let mut fields = Fields::of_query(
            Some("phone=%2B7+700+000+00+00&amount=100.0&access_token=secret&x=%ff"),
            &["phone", "amount"],
        );
        assert!(fields.required("phone", phone).is_some());
        assert!(fields.required("amount", amount).is_some());
        let Err(Problem::Input(complaints)) = fields.finish() else {
            panic!("nothing is wrong")
        };
        let text = json!(complaints).to_string();
        assert!(
            text.contains("access_token") && !text.contains("secret"),
            "{text}"
        );
        assert_eq!(complaints.len(), 2);
    }
}
