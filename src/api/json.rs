//! JSON that says each thing once.
//!
//! Readers differ about an object that names a field twice, and Kaspi's casing varies, so two casings
//! of one name are one name here. An answer that says both `StatusCode` 0 and `StatusCode` -999 must not
//! be taken for either.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Reads JSON in which no object names a field twice.
pub(super) fn read(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Once.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// The fields of one object, each with its name.
type Named<'a> = Vec<(Cow<'a, str>, Value)>;

/// The fields of the outermost object in their order, on the same terms; none where the JSON is no
/// object. Names are not copied: an envelope is read with every call.
pub(super) fn fields(bytes: &[u8]) -> Result<Option<Named<'_>>, serde_json::Error> {
    if bytes.first() != Some(&b'{') {
        return read(bytes).map(|_| None);
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let fields = deserializer.deserialize_map(Outermost)?;
    deserializer.end()?;
    Ok(Some(fields))
}

struct Outermost;

impl<'de> Visitor<'de> for Outermost {
    type Value = Named<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut object = Named::with_capacity(4);
        while let Some(name) = fields.next_key_seed(Name)? {
            if object.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name)) {
                return Err(de::Error::custom("a field is named twice"));
            }
            object.push((name, fields.next_value_seed(Once)?));
        }
        Ok(object)
    }
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
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Once {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("a number without a value"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            if object.keys().any(|known| known.eq_ignore_ascii_case(&name)) {
                return Err(de::Error::custom("a field is named twice"));
            }
            object.insert(name, fields.next_value_seed(Self)?);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_says_a_thing_twice_is_refused() {
        for text in [
            r#"{"StatusCode":0,"StatusCode":-999}"#,
            r#"{"StatusCode":0,"statusCode":0}"#,
            r#"{"StatusCode":0,"Data":{"QrPaymentId":1,"QrPaymentId":2}}"#,
            r#"{"Data":[{"a":1,"A":1}]}"#,
            r#"{"a":1} {"a":1}"#,
        ] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
            assert!(fields(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn nesting_has_an_end() {
        let deep = "[".repeat(100_000);
        assert!(read(deep.as_bytes()).is_err());
        assert!(fields(deep.as_bytes()).is_err());
        let deep = r#"{"a":"#.repeat(100_000);
        assert!(fields(deep.as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn everything_else_is_read_as_ever(text in r#"\{("a":(1|-2|3\.5|"x"|null|true|\[1,"y"\]|\{"c":0\}))?\}"#) {
            let plain: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&read(text.as_bytes()).unwrap(), &plain);
            let outermost = fields(text.as_bytes()).unwrap().unwrap();
            let outermost = outermost.into_iter().map(|(name, value)| (name.into_owned(), value));
            prop_assert_eq!(Value::Object(outermost.collect()), plain);
        }
    }
}
