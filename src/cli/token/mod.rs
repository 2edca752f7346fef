//! `kaspi token`: what a caller of the gateway presents, and what the configuration knows of it.

pub(super) mod args;
mod strength;

use std::io::{IsTerminal, Read};

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::exit::Exit;
use super::failure::Failure;
use super::report::Report;
use crate::base::{Bin, Explain, Fault};
use args::{Caller, Token, Verb};

/// What stands before every token of ours, so that a scan for lost secrets finds one.
const MARK: &str = "kaspi_gw_";
/// The longest token that is read.
const MOST: usize = 4096;

pub(super) fn run(command: Token, bins: &[Bin], report: &Report) -> Result<(), Failure> {
    match command {
        Token::New(caller) => {
            let lines = Lines::of(&caller, bins, report)?;
            let token = fresh()?;
            let section = lines.section(&token);
            report.result(
                |_| format!("{}\n\n{section}", *token),
                &lines.json(&token, Some(&token)),
            );
        }
        Token::Hash(caller) => {
            let lines = Lines::of(&caller, bins, report)?;
            let token = read()?;
            if let Some(weakness) = strength::weakness(&token) {
                report.warning(format!(
                    "the token {weakness}: whoever reads the hash can guess it; `kaspi token new` makes one that nobody guesses"
                ));
            }
            report.result(|_| lines.section(&token), &lines.json(&token, None));
        }
    }
    Ok(())
}

/// What the section says besides the hash.
struct Lines {
    name: String,
    bins: Vec<String>,
    verbs: Vec<&'static str>,
}

impl Lines {
    fn of(caller: &Caller, bins: &[Bin], report: &Report) -> Result<Self, Failure> {
        if bins.is_empty() {
            return Err(Failure {
                exit: Exit::Usage,
                ..TokenError::NoBin.into()
            });
        }
        for bin in bins.iter().filter(|bin| !bin.has_valid_control_digit()) {
            report.warning(format!(
                "the control digit of BIN `{bin}` is wrong; no real organisation has it"
            ));
        }
        let mut bins = bins.to_vec();
        bins.sort_unstable();
        bins.dedup();
        let mut verbs = match caller.verbs.as_slice() {
            [] => vec![Verb::Create, Verb::Refund, Verb::Read],
            verbs => verbs.to_vec(),
        };
        verbs.sort_unstable();
        verbs.dedup();
        Ok(Self {
            name: caller.name.clone(),
            bins: bins.iter().map(Bin::to_string).collect(),
            verbs: verbs.into_iter().map(Verb::as_str).collect(),
        })
    }

    fn section(&self, token: &str) -> String {
        let list = |words: &[String]| {
            let quoted: Vec<String> = words.iter().map(|word| quoted(word)).collect();
            format!("[{}]", quoted.join(", "))
        };
        let verbs: Vec<String> = self.verbs.iter().map(|verb| (*verb).to_owned()).collect();
        format!(
            "[[gateway.token]]\nname = {}\nsha256 = \"{}\"\nbins = {}\nverbs = {}",
            quoted(&self.name),
            hash(token),
            list(&self.bins),
            list(&verbs),
        )
    }

    fn json(&self, token: &str, shown: Option<&str>) -> Value {
        let mut json = json!({
            "name": self.name,
            "sha256": hash(token),
            "bins": self.bins,
            "verbs": self.verbs,
            "section": self.section(token),
        });
        if let (Some(object), Some(shown)) = (json.as_object_mut(), shown) {
            object.insert("token".to_owned(), shown.into());
        }
        json
    }
}

/// 256 bits from the system.
fn fresh() -> Result<Zeroizing<String>, Failure> {
    let mut bytes = Zeroizing::new([0; 32]);
    rustls::crypto::aws_lc_rs::default_provider()
        .secure_random
        .fill(bytes.as_mut_slice())
        .map_err(|_| TokenError::NoRandomness)?;
    let text = Zeroizing::new(BASE64URL_NOPAD.encode(bytes.as_slice()));
    Ok(Zeroizing::new(format!("{MARK}{}", *text)))
}

/// A token from standard input or, where a person sits there, typed unseen.
fn read() -> Result<Zeroizing<String>, Failure> {
    let failed = |error| Failure::from_io("the token cannot be read", error);
    let text = if std::io::stdin().is_terminal() {
        Zeroizing::new(rpassword::prompt_password("token: ").map_err(failed)?)
    } else {
        let mut bytes = Zeroizing::new(Vec::with_capacity(2 * MOST));
        let limit = u64::try_from(MOST).unwrap_or(u64::MAX) + 3;
        std::io::stdin()
            .lock()
            .take(limit)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| TokenError::NotText)?;
        Zeroizing::new(text.to_owned())
    };
    // The end of the line is the editor's, not the token's.
    let token = text.strip_suffix('\n').unwrap_or(&text);
    let token = token.strip_suffix('\r').unwrap_or(token);
    if token.is_empty() {
        return Err(TokenError::Empty.into());
    }
    if token.len() > MOST {
        return Err(TokenError::TooLong.into());
    }
    if token.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(TokenError::Blank.into());
    }
    Ok(Zeroizing::new(token.to_owned()))
}

fn hash(token: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(token.as_bytes()))
}

/// A text of TOML. A name has no control characters, so two need care.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Why there is no token. Never quotes one.
#[derive(Debug, thiserror::Error)]
enum TokenError {
    #[error("no `--bin` says for which organisations the caller may act")]
    NoBin,
    #[error("the system gives no randomness")]
    NoRandomness,
    #[error("the token is empty")]
    Empty,
    #[error("the token has more than {MOST} bytes")]
    TooLong,
    #[error("the token is not UTF-8")]
    NotText,
    #[error("the token has white space or control characters inside")]
    Blank,
}

impl Explain for TokenError {
    fn kind(&self) -> &'static str {
        match self {
            Self::NoBin => "usage",
            Self::NoRandomness => "no_randomness",
            Self::Empty | Self::TooLong | Self::NotText | Self::Blank => "bad_token",
        }
    }

    fn fault(&self) -> Fault {
        Fault::Operator
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoBin => Some("name each of them: `--bin BIN`".to_owned()),
            Self::Empty => Some("write it to standard input: `kaspi token hash ... < shop.token`".to_owned()),
            Self::Blank => Some("one token, on one line".to_owned()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_and_are_one_plain_word() {
        let (one, other) = (fresh().ok().unwrap(), fresh().ok().unwrap());
        assert_ne!(*one, *other);
        let random = one.strip_prefix(MARK).unwrap();
        assert_eq!(random.len(), 43);
        assert!(
            random
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        );
        assert_eq!(strength::weakness(&one), None);
    }
}
