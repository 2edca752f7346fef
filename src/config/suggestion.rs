//! What was probably meant by a word that is not known.

use super::document::{Field, Shape};

/// The known word that is nearest to the one given, if any is near.
pub(super) fn nearest(given: &str, known: &[&'static str]) -> Option<&'static str> {
    let given = plain(given);
    let (distance, word) = known
        .iter()
        .map(|word| (strsim::damerau_levenshtein(&given, &plain(word)), *word))
        .min()?;
    let allowed = (given.chars().count().max(word.chars().count()) / 3).max(1);
    (distance <= allowed).then_some(word)
}

/// The section that has this very key, as it is written in the file.
pub(super) fn section_of(given: &str, root: &'static [Field]) -> Option<String> {
    if root.iter().any(|field| field.name == given) {
        return Some("the top level, above the first section".to_owned());
    }
    search(given, "", root)
}

fn search(given: &str, prefix: &str, fields: &'static [Field]) -> Option<String> {
    fields.iter().find_map(|field| {
        let key = format!("{prefix}{}", field.name);
        let (below, written) = match field.shape {
            Shape::Value => return None,
            Shape::Section(below) => (below, format!("[{key}]")),
            Shape::Sections(below) => (below, format!("[[{key}]]")),
        };
        if below.iter().any(|inner| inner.name == given) {
            return Some(written);
        }
        search(given, &format!("{key}."), below)
    })
}

/// Case and the two ways to join words are no difference that anybody means.
fn plain(word: &str) -> String {
    word.chars()
        .filter(|character| !matches!(character, '_' | '-'))
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::raw::RawFile;
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let known = ["base_url", "proxy", "connect_timeout", "warm"];
        for (given, meant) in [
            ("basurl", Some("base_url")),
            ("base-url", Some("base_url")),
            ("BaseURL", Some("base_url")),
            ("conect_timeout", Some("connect_timeout")),
            ("worm", Some("warm")),
            ("verify", None),
            ("", None),
        ] {
            assert_eq!(nearest(given, &known), meant, "{given}");
        }
        assert_eq!(nearest("anything", &[]), None);
    }

    #[test]
    fn a_key_in_the_wrong_place_is_sent_to_the_right_one() {
        for (given, section) in [
            ("base_url", Some("[kaspi]")),
            ("sha256", Some("[[gateway.token]]")),
            ("default_bin", Some("the top level, above the first section")),
            ("nowhere", None),
        ] {
            assert_eq!(section_of(given, RawFile::FIELDS).as_deref(), section);
        }
    }
}
