//! JSON that says each thing once.
//!
//! Readers differ about an object that names a field twice, and Kaspi's casing varies, so two casings
//! of one name are one name here. An answer that says both `StatusCode` 0 and `StatusCode` -999 must not
//! be taken for either.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

/// What was read. Text is borrowed from the bytes where nothing in it is escaped: an answer is read with
/// every call, and its names are of no use afterwards.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    Number(Number),
    String(Cow<'a, str>),
    Array(Vec<Self>),
    Object(Object<'a>),
}

/// The fields of an object in their order, no two of them the same in any casing.
pub(super) type Object<'a> = Vec<(Cow<'a, str>, Value<'a>)>;

/// Reads JSON in which no object names a field twice.
pub(super) fn read(bytes: &[u8]) -> Result<Value<'_>, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Once.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// A name, borrowed where nothing in it is escaped.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

struct Once;

impl<'de> DeserializeSeed<'de> for Once {
    type Value = Value<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Once {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Self::Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("a number without a value"))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Value::String(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Value::String(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut object = Object::new();
        while let Some(name) = fields.next_key_seed(Name)? {
            if object.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name)) {
                return Err(de::Error::custom("a field is named twice"));
            }
            object.push((name, fields.next_value_seed(Self)?));
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same as others hold it.
    fn plain(value: &Value<'_>) -> serde_json::Value {
        match value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Number(number) => serde_json::Value::Number(number.clone()),
            Value::String(text) => text.as_ref().into(),
            Value::Array(items) => items.iter().map(plain).collect(),
            Value::Object(fields) => fields
                .iter()
                .map(|(name, value)| (name.as_ref().to_owned(), plain(value)))
                .collect(),
        }
    }

    #[test]
    fn what_says_a_thing_twice_is_refused() {
        for text in [
            r#"{"StatusCode":0,"StatusCode":-999}"#,
            r#"{"StatusCode":0,"statusCode":0}"#,
            r#"{"StatusCode":0,"Status\u0043ode":0}"#,
            r#"{"StatusCode":0,"Data":{"QrPaymentId":1,"QrPaymentId":2}}"#,
            r#"{"Data":[{"a":1,"A":1}]}"#,
            r#"{"a":1} {"a":1}"#,
        ] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn nesting_has_an_end() {
        let deep = "[".repeat(100_000);
        assert!(read(deep.as_bytes()).is_err());
        let deep = r#"{"a":"#.repeat(100_000);
        assert!(read(deep.as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn everything_else_is_read_as_ever(
            text in r#"\{("a":(1|-2|3\.5|"x"|"\\u0041\\n"|null|true|\[1,"y"\]|\{"c":0,"\\td":\[\]\}))?\}"#
        ) {
            let known: serde_json::Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(plain(&read(text.as_bytes()).unwrap()), known);
        }
    }
}
