//! A private key and the request for a certificate, the way the bank asks for them.
//!
//! The bank's instructions (official document, appendix 1): RSA 2048; key usages digitalSignature,
//! nonRepudiation, keyEncipherment, dataEncipherment; extended key usage clientAuth; name with
//! C=KZ, ST, L, O in Latin letters, CN the partner's host as address or DNS name, email; OU and extras
//! blank; the key under a password.

use std::net::IpAddr;

use rcgen::string::{Ia5String, PrintableString};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, DnValue, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
    RsaKeySize,
};
use zeroize::Zeroizing;

use super::encrypt::{self, KeyWriteError};
use super::key::PlainKey;
use crate::base::{Explain, Fault, Password};

/// Whose certificate is asked for. Checked: only [`Subject::new`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    names: Names,
}

/// The name of a [`Subject`], part by part, as a person gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// CN: the partner's host, as address or DNS name.
    pub common_name: String,
    /// O: the organisation, in Latin letters.
    pub organization: String,
    /// ST: region, in Latin letters.
    pub state: Option<String>,
    /// L: town, in Latin letters.
    pub locality: Option<String>,
    /// emailAddress.
    pub email: Option<String>,
}

/// A request for a certificate and the key that belongs to it.
#[derive(Debug)]
pub struct KeyAndRequest {
    /// The request (PKCS#10) as PEM: what is mailed to the bank.
    pub request_pem: String,
    /// The key as `ENCRYPTED PRIVATE KEY` in PEM: what stays.
    pub encrypted_key_pem: String,
}

/// Why a request cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// A part of the name with other letters than Latin ones.
    #[error(
        "{part} is `{given}`, and the bank takes Latin letters: character {place}, `{character}`, is U+{:04X}",
        u32::from(*character)
    )]
    NotLatin {
        /// The part.
        part: &'static str,
        /// What was given.
        given: String,
        /// The first character that is not allowed.
        character: char,
        /// Its place, counted from 1.
        place: usize,
    },
    /// A part of the name that is too long, or empty.
    #[error("{part} has {length} characters, allowed are 1 to {limit}")]
    Length {
        /// The part.
        part: &'static str,
        /// How many characters it has.
        length: usize,
        /// The most there may be (RFC 5280, appendix A.1).
        limit: usize,
    },
    /// No host.
    #[error("the common name is `{given}`: {problem}")]
    Host {
        /// What was given.
        given: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// No address of mail.
    #[error("the email is `{given}`: it needs one `@` with something on both sides")]
    Email {
        /// What was given.
        given: String,
    },
    /// The key or the request could not be made.
    #[error(transparent)]
    Key(#[from] KeyWriteError),
}

impl Subject {
    /// Checks a name as the bank asks for it. White space around its parts is dropped.
    ///
    /// ```
    /// use kaspi_direct::identity::{Names, Subject};
    ///
    /// let names = Names {
    ///     common_name: "pay.example.kz".into(),
    ///     organization: "TOO Flowers".into(),
    ///     ..Names::default()
    /// };
    /// assert!(Subject::new(names.clone()).is_ok());
    /// let cyrillic = Names { organization: "ТОО Flowers".into(), ..names };
    /// assert!(Subject::new(cyrillic).is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// Letters that are not Latin, an empty or too long part, a common name that is no host.
    pub fn new(names: Names) -> Result<Self, RequestError> {
        let trimmed = |text: String| text.trim().to_owned();
        let names = Names {
            common_name: trimmed(names.common_name),
            organization: trimmed(names.organization),
            state: names.state.map(trimmed),
            locality: names.locality.map(trimmed),
            email: names.email.map(trimmed),
        };
        // the limits are those of RFC 5280, appendix A.1; a longer name is no certificate's
        latin("the organization", &names.organization, 64)?;
        for (part, given) in [("the state", &names.state), ("the locality", &names.locality)] {
            if let Some(given) = given {
                latin(part, given, 128)?;
            }
        }
        latin("the common name", &names.common_name, 64)?;
        host(&names.common_name)?;
        if let Some(given) = &names.email {
            latin("the email", given, 255)?;
            email(given)?;
        }
        Ok(Self { names })
    }

    /// The name, part by part.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }

    fn distinguished_name(&self) -> Result<DistinguishedName, rcgen::Error> {
        let mut name = DistinguishedName::new();
        name.push(
            DnType::CountryName,
            DnValue::PrintableString(PrintableString::try_from("KZ")?),
        );
        let Names {
            common_name,
            organization,
            state,
            locality,
            email,
        } = &self.names;
        if let Some(state) = state {
            name.push(DnType::StateOrProvinceName, state.as_str());
        }
        if let Some(locality) = locality {
            name.push(DnType::LocalityName, locality.as_str());
        }
        name.push(DnType::OrganizationName, organization.as_str());
        name.push(DnType::CommonName, common_name.as_str());
        if let Some(email) = email {
            // emailAddress of PKCS#9
            let oid = DnType::CustomDnType(vec![1, 2, 840, 113_549, 1, 9, 1]);
            name.push(oid, DnValue::Ia5String(Ia5String::try_from(email.as_str())?));
        }
        Ok(name)
    }
}

/// Makes an RSA key of 2048 bits and the request for its certificate. The key leaves this function
/// under `password` alone.
///
/// # Errors
///
/// When the system gives no randomness.
pub fn request(subject: &Subject, password: &Password) -> Result<KeyAndRequest, RequestError> {
    let failed = |error: rcgen::Error| KeyWriteError::new("made", error);
    let key = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).map_err(failed)?;
    let key = Zeroizing::new(key);
    let mut params = CertificateParams::default();
    params.distinguished_name = subject.distinguished_name().map_err(failed)?;
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::ContentCommitment, // which openssl calls nonRepudiation
        KeyUsagePurpose::KeyEncipherment,
        KeyUsagePurpose::DataEncipherment,
    ];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let request = params.serialize_request(&*key).map_err(failed)?;
    let plain = PlainKey::new(Zeroizing::new(key.serialize_der()))
        .ok_or_else(|| KeyWriteError::new("made", "what was made is no PKCS#8"))?;
    Ok(KeyAndRequest {
        request_pem: encrypt::pem_text("CERTIFICATE REQUEST", request.der()),
        encrypted_key_pem: encrypt::encrypted_pem(&plain, password)?,
    })
}

fn latin(part: &'static str, given: &str, limit: usize) -> Result<(), RequestError> {
    let allowed =
        |character: char| character.is_ascii_alphanumeric() || " '\"&()+,-./:=?_@#!".contains(character);
    if let Some((index, character)) = given.chars().enumerate().find(|(_, one)| !allowed(*one)) {
        return Err(RequestError::NotLatin {
            part,
            given: given.chars().take(limit).flat_map(char::escape_debug).collect(),
            character,
            place: index + 1,
        });
    }
    let length = given.chars().count();
    if length == 0 || length > limit {
        return Err(RequestError::Length { part, length, limit });
    }
    Ok(())
}

fn host(given: &str) -> Result<(), RequestError> {
    let problem = if given.parse::<IpAddr>().is_ok() {
        return Ok(());
    } else if given.contains("://") || given.contains('/') {
        "that is a URL, and the host alone belongs there"
    } else if given.contains(':') {
        "a host has no port"
    } else if given.contains('@') {
        "that is an address of mail"
    } else if !given.contains('.') {
        "a DNS name has a dot in it, as `pay.example.kz`"
    } else if given.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        "that is no IP address"
    } else if !given.split('.').all(is_label) {
        "a DNS name has letters, digits and dashes between its dots"
    } else {
        return Ok(());
    };
    Err(RequestError::Host {
        given: given.to_owned(),
        problem,
    })
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn email(given: &str) -> Result<(), RequestError> {
    match given.split('@').collect::<Vec<_>>().as_slice() {
        [user, host] if !user.is_empty() && host.contains('.') && !given.contains(' ') => Ok(()),
        _ => Err(RequestError::Email {
            given: given.to_owned(),
        }),
    }
}

impl Explain for RequestError {
    fn kind(&self) -> &'static str {
        match self {
            Self::NotLatin { .. } => "not_latin",
            Self::Length { .. } => "name_length",
            Self::Host { .. } => "not_a_host",
            Self::Email { .. } => "not_an_email",
            Self::Key(error) => error.kind(),
        }
    }

    fn fault(&self) -> Fault {
        match self {
            Self::Key(error) => error.fault(),
            _ => Fault::Caller,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotLatin {
                part: "the common name",
                ..
            } => "a name with other letters has a form that begins with `xn--`; the IP address does as well",
            Self::NotLatin { character, .. } if character.is_alphabetic() => {
                "write it as it is written in Latin letters, as `TOO Flowers`; some letters look alike, so type it anew"
            }
            Self::NotLatin { .. } => "leave the character out",
            Self::Length { length: 0, .. } => "give it, or leave the option out",
            Self::Length { .. } => "shorten it",
            Self::Host { .. } => "name the host that calls Kaspi, as `pay.example.kz` or its IP address",
            Self::Email { .. } => "give the address that the bank's agreement names",
            Self::Key(error) => return error.hint(),
        };
        Some(hint.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut Names)) -> String {
        let mut names = Names {
            common_name: "pay.example.kz".to_owned(),
            organization: "TOO Flowers".to_owned(),
            state: Some("Almaty".to_owned()),
            locality: Some("Almaty".to_owned()),
            email: Some("it@example.kz".to_owned()),
        };
        change(&mut names);
        let error = Subject::new(names).unwrap_err();
        format!("{error}\n  {}: {}", error.kind(), error.hint().unwrap())
    }

    #[test]
    fn what_the_bank_would_send_back_is_refused_here() {
        let said = [
            refused(|names| names.organization = "ТОО Цветы".to_owned()),
            refused(|names| names.organization = "TOO Cvetу".to_owned()),
            refused(|names| names.locality = Some("Алматы".to_owned())),
            refused(|names| names.state = Some("Almaty*".to_owned())),
            refused(|names| names.organization = "  ".to_owned()),
            refused(|names| names.organization = "x".repeat(65)),
            refused(|names| names.common_name = "оплата.kz".to_owned()),
            refused(|names| names.common_name = "https://pay.example.kz/".to_owned()),
            refused(|names| names.common_name = "pay.example.kz:443".to_owned()),
            refused(|names| names.common_name = "10.0.0.256".to_owned()),
            refused(|names| names.common_name = "flowers".to_owned()),
            refused(|names| names.common_name = "-pay.example.kz".to_owned()),
            refused(|names| names.common_name = "it@example.kz".to_owned()),
            refused(|names| names.email = Some("it.example.kz".to_owned())),
            refused(|names| names.email = Some("it@@example.kz".to_owned())),
        ];
        insta::assert_snapshot!(said.join("\n"), @r"
        the organization is `ТОО Цветы`, and the bank takes Latin letters: character 1, `Т`, is U+0422
          not_latin: write it as it is written in Latin letters, as `TOO Flowers`; some letters look alike, so type it anew
        the organization is `TOO Cvetу`, and the bank takes Latin letters: character 9, `у`, is U+0443
          not_latin: write it as it is written in Latin letters, as `TOO Flowers`; some letters look alike, so type it anew
        the locality is `Алматы`, and the bank takes Latin letters: character 1, `А`, is U+0410
          not_latin: write it as it is written in Latin letters, as `TOO Flowers`; some letters look alike, so type it anew
        the state is `Almaty*`, and the bank takes Latin letters: character 7, `*`, is U+002A
          not_latin: leave the character out
        the organization has 0 characters, allowed are 1 to 64
          name_length: give it, or leave the option out
        the organization has 65 characters, allowed are 1 to 64
          name_length: shorten it
        the common name is `оплата.kz`, and the bank takes Latin letters: character 1, `о`, is U+043E
          not_latin: a name with other letters has a form that begins with `xn--`; the IP address does as well
        the common name is `https://pay.example.kz/`: that is a URL, and the host alone belongs there
          not_a_host: name the host that calls Kaspi, as `pay.example.kz` or its IP address
        the common name is `pay.example.kz:443`: a host has no port
          not_a_host: name the host that calls Kaspi, as `pay.example.kz` or its IP address
        the common name is `10.0.0.256`: that is no IP address
          not_a_host: name the host that calls Kaspi, as `pay.example.kz` or its IP address
        the common name is `flowers`: a DNS name has a dot in it, as `pay.example.kz`
          not_a_host: name the host that calls Kaspi, as `pay.example.kz` or its IP address
        the common name is `-pay.example.kz`: a DNS name has letters, digits and dashes between its dots
          not_a_host: name the host that calls Kaspi, as `pay.example.kz` or its IP address
        the common name is `it@example.kz`: that is an address of mail
          not_a_host: name the host that calls Kaspi, as `pay.example.kz` or its IP address
        the email is `it.example.kz`: it needs one `@` with something on both sides
          not_an_email: give the address that the bank's agreement names
        the email is `it@@example.kz`: it needs one `@` with something on both sides
          not_an_email: give the address that the bank's agreement names
        ");
    }

    #[test]
    fn what_the_bank_takes_is_taken() {
        for host in ["pay.example.kz", "93.184.216.34", "2001:db8::1", "a-b.xn--90ais"] {
            let names = Names {
                common_name: format!(" {host} "),
                organization: "\"Flowers & Co.\" TOO (Almaty), No. 1".to_owned(),
                ..Names::default()
            };
            assert_eq!(Subject::new(names).unwrap().names().common_name, host);
        }
    }
}
