//! Whether a token could be found by trying. Its hash has no salt, so trying is cheap.

/// Bits below which a token is called weak.
const ENOUGH: f64 = 96.0;
/// Different characters that anything made at random has.
const LEAST_DIFFERENT: usize = 10;

/// What makes a token easy to guess, to be put behind "the token".
pub(super) fn weakness(token: &str) -> Option<String> {
    let length = token.chars().count();
    let mut different: Vec<char> = token.chars().collect();
    different.sort_unstable();
    different.dedup();
    if different.len() < LEAST_DIFFERENT {
        return Some(match different.len() {
            1 => "repeats one character".to_owned(),
            count => format!("has only {count} different characters"),
        });
    }
    let bits = f64::from(u32::try_from(length).unwrap_or(u32::MAX)) * f64::from(alphabet(token)).log2();
    (bits < ENOUGH).then(|| format!("is short, it has {length} characters"))
}

/// How many characters whoever made the token chose from, as far as it shows.
fn alphabet(token: &str) -> u32 {
    let hex = token.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    let has = |kind: fn(char) -> bool| token.chars().any(kind);
    if hex {
        return if has(|c| c.is_ascii_alphabetic()) { 16 } else { 10 };
    }
    [
        (has(|c| c.is_ascii_digit()), 10),
        (has(|c| c.is_ascii_lowercase()), 26),
        (has(|c| c.is_ascii_uppercase()), 26),
        (has(|c| !c.is_ascii_alphanumeric()), 4),
    ]
    .into_iter()
    .filter_map(|(found, many)| found.then_some(many))
    .sum()
}

#[cfg(test)]
mod tests {
    use super::weakness;

    #[test]
    fn random_tokens_pass_and_words_do_not() {
        let random = uuid::Uuid::new_v4();
        for token in [
            random.hyphenated().to_string(),
            random.simple().to_string(),
            format!("sk-{}", random.simple()),
        ] {
            assert_eq!(weakness(&token), None, "{token}");
        }
        for token in [
            "secret",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "12345678901234567890",
            "abcabcabcabcabcabcabcabcabcabcabc",
            "flower-shop-2024",
            "пароль",
        ] {
            assert!(weakness(token).is_some(), "{token}");
        }
    }
}
