//! One TOML file, read into sections whose keys are declared once.
//!
//! The parser's own messages are not used for values: they quote them, and a value may be a secret.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

use super::error::{Suggestion, shown};
use super::read::{self, Contents};
use super::setting::Located;
use super::{ConfigError, ConfigWarning, Setting, suggestion};

/// A key that a section has, and the keys below it where it is a section itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
}

/// What stands under a key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    Value,
    /// `[key]`
    Section(&'static [Field]),
    /// `[[key]]`
    Sections(&'static [Field]),
}

/// Something that a TOML value can be read as.
pub(super) trait FromToml: Sized {
    const SHAPE: Shape = Shape::Value;

    fn from_toml(value: &DeValue<'_>, at: &At<'_>) -> Result<Self, ConfigError>;
}

/// Declares a section: the struct, its keys and how it is read, which therefore cannot disagree.
macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $kind:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub(super) struct $name {
            $(pub(super) $field: Option<Located<$kind>>,)*
        }

        impl $name {
            pub(super) const FIELDS: &'static [Field] = &[
                $(Field { name: stringify!($field), shape: <$kind as FromToml>::SHAPE },)*
            ];
        }

        impl FromToml for $name {
            const SHAPE: Shape = Shape::Section(Self::FIELDS);

            fn from_toml(value: &DeValue<'_>, at: &At<'_>) -> Result<Self, ConfigError> {
                let table = at.table(value, Self::FIELDS)?;
                Ok(Self { $($field: table.get(stringify!($field))?,)* })
            }
        }
    };
}
pub(super) use section;

/// The text of one file.
struct Source {
    file: PathBuf,
    text: Zeroizing<String>,
    root: &'static [Field],
}

/// A place in a file, while it is being read.
pub(super) struct At<'a> {
    source: &'a Source,
    /// Dotted, empty for the file itself.
    key: String,
    /// As written in the file, such as `[kaspi]`; for keys, the section they are in.
    section: String,
    offset: Option<usize>,
}

/// A section's content, its keys already checked.
pub(super) struct Table<'a, 'v, 'i> {
    at: &'a At<'a>,
    entries: &'v DeTable<'i>,
}

/// Reads a file as the section `T`, unless it is absent; with the warning for when it holds a secret.
pub(super) fn load<T: FromToml>(
    file: &Path,
    root: &'static [Field],
) -> Result<Option<(T, Option<ConfigWarning>)>, ConfigError> {
    let Some(contents) = read::optional(file, read::TOML_LIMIT, None)? else {
        return Ok(None);
    };
    let exposure = contents.exposure(file);
    Ok(Some((parse(file, contents, root)?, exposure)))
}

fn parse<T: FromToml>(file: &Path, contents: Contents, root: &'static [Field]) -> Result<T, ConfigError> {
    let source = Source {
        file: file.to_owned(),
        text: text_of(file, contents)?,
        root,
    };
    let document = DeTable::parse(&source.text).map_err(|error| source.syntax_error(&error))?;
    let at = At {
        source: &source,
        key: String::new(),
        section: "the top level".to_owned(),
        offset: None,
    };
    T::from_toml(&DeValue::Table(document.into_inner()), &at)
}

impl At<'_> {
    pub(super) fn setting(&self) -> Setting {
        let line = self.offset.map(|offset| self.source.line(offset));
        Setting::new(&self.source.file, self.key.clone(), line)
    }

    pub(super) fn table<'a, 'v, 'i>(
        &'a self,
        value: &'v DeValue<'i>,
        fields: &'static [Field],
    ) -> Result<Table<'a, 'v, 'i>, ConfigError> {
        let DeValue::Table(entries) = value else {
            return Err(self.wrong_type("a section", value));
        };
        for key in entries.keys() {
            let name: &str = key.get_ref();
            if !fields.iter().any(|field| field.name == name) {
                return Err(self.unknown_key(name, key.span().start, fields));
            }
        }
        Ok(Table { at: self, entries })
    }

    fn unknown_key(&self, name: &str, offset: usize, fields: &'static [Field]) -> ConfigError {
        let known: Vec<&'static str> = fields.iter().map(|field| field.name).collect();
        let suggestion = match suggestion::nearest(name, &known) {
            Some(key) => Suggestion::Key(key),
            None => {
                suggestion::section_of(name, self.source.root).map_or(Suggestion::None, Suggestion::Section)
            }
        };
        ConfigError::UnknownKey {
            key: shown(name),
            setting: self.below(&shown(name), Shape::Value, offset).setting(),
            section: self.section.clone(),
            suggestion,
            known,
        }
    }

    fn wrong_type(&self, expected: &'static str, value: &DeValue<'_>) -> ConfigError {
        ConfigError::WrongType {
            setting: self.setting(),
            expected,
            found: type_name(value),
        }
    }

    fn below(&self, name: &str, shape: Shape, offset: usize) -> At<'_> {
        let key = if self.key.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.key)
        };
        let section = match shape {
            Shape::Value => self.section.clone(),
            Shape::Section(_) => format!("[{key}]"),
            Shape::Sections(_) => format!("[[{key}]]"),
        };
        At {
            source: self.source,
            key,
            section,
            offset: Some(offset),
        }
    }
}

impl Table<'_, '_, '_> {
    pub(super) fn get<T: FromToml>(&self, name: &str) -> Result<Option<Located<T>>, ConfigError> {
        let Some((key, value)) = self
            .entries
            .iter()
            .find(|(key, _)| key.get_ref().as_ref() == name)
        else {
            return Ok(None);
        };
        let at = self.at.below(name, T::SHAPE, key.span().start);
        Ok(Some(Located {
            value: T::from_toml(value.get_ref(), &at)?,
            setting: at.setting(),
        }))
    }
}

impl Source {
    /// Line of a byte, counted from 1.
    fn line(&self, offset: usize) -> usize {
        line_of(self.text.as_bytes(), offset)
    }

    fn syntax_error(&self, error: &toml::de::Error) -> ConfigError {
        let offset = error.span().map_or(0, |span| span.start);
        let column =
            self.text
                .char_indices()
                .take_while(|(at, _)| *at < offset)
                .fold(
                    1,
                    |column, (_, character)| if character == '\n' { 1 } else { column + 1 },
                );
        ConfigError::Syntax {
            file: self.file.clone(),
            line: self.line(offset),
            column,
            // Only ever a fixed sentence: its `Display` would quote the line.
            message: error.message().trim().to_owned(),
        }
    }
}

fn text_of(file: &Path, contents: Contents) -> Result<Zeroizing<String>, ConfigError> {
    let bytes = contents
        .bytes
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(&contents.bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(error) => Err(ConfigError::NotUtf8 {
            file: file.to_owned(),
            line: line_of(bytes, error.valid_up_to()),
        }),
    }
}

fn line_of(text: &[u8], offset: usize) -> usize {
    1 + text.iter().take(offset).filter(|byte| **byte == b'\n').count()
}

fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    }
}

impl FromToml for String {
    fn from_toml(value: &DeValue<'_>, at: &At<'_>) -> Result<Self, ConfigError> {
        match value {
            DeValue::String(text) => Ok(text.clone().into_owned()),
            other => Err(at.wrong_type("a text", other)),
        }
    }
}

impl FromToml for bool {
    fn from_toml(value: &DeValue<'_>, at: &At<'_>) -> Result<Self, ConfigError> {
        match value {
            DeValue::Boolean(answer) => Ok(*answer),
            other => Err(at.wrong_type("true or false", other)),
        }
    }
}

impl FromToml for i64 {
    fn from_toml(value: &DeValue<'_>, at: &At<'_>) -> Result<Self, ConfigError> {
        let DeValue::Integer(number) = value else {
            return Err(at.wrong_type("a whole number", value));
        };
        Self::from_str_radix(number.as_str(), number.radix()).map_err(|_| ConfigError::Invalid {
            setting: at.setting(),
            given: Some(shown(number.as_str())),
            problem: "the number does not fit 64 bits".to_owned(),
            hint: None,
        })
    }
}

impl<T: FromToml> FromToml for Vec<Located<T>> {
    const SHAPE: Shape = match T::SHAPE {
        Shape::Section(fields) | Shape::Sections(fields) => Shape::Sections(fields),
        Shape::Value => Shape::Value,
    };

    fn from_toml(value: &DeValue<'_>, at: &At<'_>) -> Result<Self, ConfigError> {
        let DeValue::Array(items) = value else {
            let expected = match T::SHAPE {
                Shape::Value => "a list",
                Shape::Section(_) | Shape::Sections(_) => {
                    "a list of sections (`[[` and `]]` around its name)"
                }
            };
            return Err(at.wrong_type(expected, value));
        };
        items.iter().map(|item| located(item, at)).collect()
    }
}

/// A list's item has the list's key and its own line.
fn located<T: FromToml>(item: &Spanned<DeValue<'_>>, list: &At<'_>) -> Result<Located<T>, ConfigError> {
    let at = At {
        source: list.source,
        key: list.key.clone(),
        section: list.section.clone(),
        offset: Some(item.span().start),
    };
    Ok(Located {
        value: T::from_toml(item.get_ref(), &at)?,
        setting: at.setting(),
    })
}
