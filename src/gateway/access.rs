//! Who may call, for which BINs, and what.

use std::sync::Arc;

use arc_swap::ArcSwap;
use http::{HeaderMap, Uri, header};
use percent_encoding::percent_decode_str;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use super::problem::Problem;
use crate::base::Bin;
use crate::config::{GatewayToken, Verb};

/// The configured tokens; none where the gateway stands in front of a sandbox.
#[derive(Debug)]
pub(super) struct Door(ArcSwap<Vec<Arc<GatewayToken>>>);

/// Who calls.
#[derive(Clone, Debug)]
pub(super) enum Visitor {
    /// A caller with a token.
    Known(Arc<GatewayToken>),
    /// Anybody: no token is configured.
    Anybody,
}

impl Door {
    pub(super) fn new(tokens: &[GatewayToken]) -> Self {
        Self(ArcSwap::from_pointee(shared(tokens)))
    }

    /// Takes other tokens from now on.
    pub(super) fn reload(&self, tokens: &[GatewayToken]) {
        self.0.store(Arc::new(shared(tokens)));
    }

    /// Whether anybody may come in.
    pub(super) fn is_open(&self) -> bool {
        self.0.load().is_empty()
    }

    /// Whether somebody who came in earlier may still do the same.
    pub(super) fn still_admits(&self, visitor: &Visitor) -> bool {
        let tokens = self.0.load();
        match visitor {
            Visitor::Anybody => tokens.is_empty(),
            Visitor::Known(had) => tokens.iter().any(|token| {
                token.name == had.name
                    && token.sha256 == had.sha256
                    && token.bins == had.bins
                    && token.verbs == had.verbs
            }),
        }
    }

    /// Finds out who calls. `query_token` is the `access_token` of the one contract that has it.
    pub(super) fn visitor(
        &self,
        headers: &HeaderMap,
        uri: &Uri,
        query_token: QueryToken,
    ) -> Result<Visitor, Problem> {
        let tokens = self.0.load_full();
        if tokens.is_empty() {
            // a token that is presented where none is configured is ignored
            refuse_from_afar(headers, uri)?;
            return Ok(Visitor::Anybody);
        }
        let hash = presented(headers, query_token)?;
        self.of_hash(&hash)
            .map(Visitor::Known)
            .ok_or(Problem::Unauthorized("this token is nobody's"))
    }

    /// Whose a token is, as it stands now.
    pub(super) fn of_hash(&self, hash: &[u8; 32]) -> Option<Arc<GatewayToken>> {
        let tokens = self.0.load_full();
        // every token is compared, whichever fits, so that time tells nothing
        let mut found = None;
        for token in tokens.iter() {
            let fits: Choice = token.sha256.bytes().ct_eq(hash);
            if bool::from(fits) {
                found = Some(Arc::clone(token));
            }
        }
        found
    }
}

impl Visitor {
    /// The caller's name, for the log and the books.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Known(token) => &token.name,
            Self::Anybody => "anybody",
        }
    }

    /// Whether the caller may do this at all.
    pub(super) fn may(&self, verb: Verb) -> bool {
        match self {
            Self::Known(token) => token.verbs.contains(&verb),
            Self::Anybody => true,
        }
    }

    /// Whether the caller may act for this BIN.
    pub(super) fn may_for(&self, bin: Bin) -> bool {
        self.bins().is_none_or(|bins| bins.contains(&bin))
    }

    /// The BINs that the caller may act for; none for every one.
    pub(super) fn bins(&self) -> Option<&[Bin]> {
        match self {
            Self::Known(token) => Some(&token.bins),
            Self::Anybody => None,
        }
    }

    /// The BIN of a call that names none: the caller's only one, else the default if it is among the
    /// caller's. Never guessed.
    pub(super) fn bin_of_unnamed(&self, default: Option<Bin>) -> Option<Bin> {
        match self.bins() {
            Some([only]) => Some(*only),
            _ => default.filter(|bin| self.may_for(*bin)),
        }
    }
}

/// `access_token` of a query.
pub(super) enum QueryToken {
    /// The contract has none.
    NotHere,
    /// What stands in the query: as many as were given, decoded.
    Given(Vec<Vec<u8>>),
}

impl QueryToken {
    pub(super) fn of(uri: &Uri) -> Self {
        let given = uri
            .query()
            .unwrap_or_default()
            .split('&')
            .filter_map(|pair| pair.strip_prefix("access_token="))
            .filter(|value| !value.is_empty())
            .map(|value| percent_decode_str(&value.replace('+', " ")).collect())
            .collect();
        Self::Given(given)
    }
}

fn shared(tokens: &[GatewayToken]) -> Vec<Arc<GatewayToken>> {
    tokens.iter().cloned().map(Arc::new).collect()
}

/// The hash of the one token that the caller shows, wherever it stands.
fn presented(headers: &HeaderMap, query_token: QueryToken) -> Result<[u8; 32], Problem> {
    let bearers = headers
        .get_all(header::AUTHORIZATION)
        .iter()
        .filter_map(|value| bearer(value.as_bytes()));
    let keys = headers.get_all("x-api-key").iter().map(|value| value.as_bytes());
    let mut hashes: Vec<[u8; 32]> = bearers.chain(keys).map(sha256).collect();
    if let QueryToken::Given(given) = query_token {
        hashes.extend(given.iter().map(|token| sha256(token)));
    }
    hashes.dedup();
    match hashes.as_slice() {
        [one] => Ok(*one),
        [] => Err(Problem::Unauthorized(
            "a token is needed: `Authorization: Bearer …` or `X-API-Key: …`",
        )),
        _ => Err(Problem::Unauthorized("several tokens are given that differ")),
    }
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| token.trim_ascii())
}

pub(super) fn sha256(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// Where no token guards the gateway, only a program on this machine may call: no page in a browser, and
/// nobody behind a proxy.
pub(super) fn refuse_from_afar(headers: &HeaderMap, uri: &Uri) -> Result<(), Problem> {
    let refused = |why: String| {
        Err(Problem::Forbidden(format!(
            "{why}, and without `[[gateway.token]]` only programs on this machine may call"
        )))
    };
    for name in headers.keys() {
        let name = name.as_str();
        if matches!(name, "origin" | "forwarded" | "via" | "x-real-ip") || name.starts_with("x-forwarded") {
            return refused(format!("the request has a header `{name}`"));
        }
    }
    let from_page = headers
        .get("sec-fetch-site")
        .is_some_and(|site| !matches!(site.as_bytes(), b"none" | b"same-origin"));
    if from_page {
        return refused("the request comes from a page of another site".to_owned());
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().unwrap_or_default(),
        _ => return refused("the request has not one `Host`".to_owned()),
    };
    // a whole address in the request line says it too, and counts for more than `Host`
    let named = uri.authority().map(http::uri::Authority::as_str);
    match [Some(host), named]
        .into_iter()
        .flatten()
        .find(|host| !is_loopback_host(host))
    {
        None => Ok(()),
        Some(host) => refused(format!(
            "the request is for host `{}`",
            host.escape_debug().take(80).collect::<String>()
        )),
    }
}

/// Whether a `Host` names this machine, with or without a port.
pub(super) fn is_loopback_host(host: &str) -> bool {
    let Ok(authority) = host.parse::<http::uri::Authority>() else {
        return false;
    };
    if authority.as_str().contains('@') {
        return false;
    }
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    name.parse::<HeaderName>().unwrap(),
                    HeaderValue::from_str(value).unwrap(),
                )
            })
            .collect()
    }

    #[test]
    fn hosts_of_this_machine() {
        for host in [
            "localhost",
            "LOCALHOST:8014",
            "127.0.0.1:1",
            "127.9.9.9",
            "[::1]:8014",
        ] {
            assert!(is_loopback_host(host), "{host}");
        }
        for host in [
            "",
            "shop.example",
            "localhost.shop.example",
            "127.0.0.1.shop.example:8014",
            "10.0.0.1",
            "x@localhost",
            "localhost/",
        ] {
            assert!(!is_loopback_host(host), "{host}");
        }
    }

    #[test]
    fn an_open_door_is_open_to_programs_of_this_machine_only() {
        let door = Door::new(&[]);
        let here = Uri::from_static("/api/v1/kaspi/create");
        let visit = |pairs: &[(&str, &str)]| door.visitor(&headers(pairs), &here, QueryToken::NotHere);
        assert!(visit(&[("host", "127.0.0.1:8014")]).is_ok());
        assert!(visit(&[("host", "127.0.0.1:8014"), ("authorization", "Bearer x")]).is_ok());
        for more in [
            ("origin", "http://localhost:8014"),
            ("forwarded", "for=1.2.3.4"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-proto", "https"),
            ("via", "1.1 proxy"),
            ("sec-fetch-site", "cross-site"),
            ("host", "127.0.0.1:8014"),
        ] {
            let mut given = headers(&[("host", "127.0.0.1:8014")]);
            given.append(
                more.0.parse::<HeaderName>().unwrap(),
                HeaderValue::from_static(more.1),
            );
            assert!(
                door.visitor(&given, &here, QueryToken::NotHere).is_err(),
                "{more:?}"
            );
        }
        assert!(visit(&[]).is_err());
        assert!(visit(&[("host", "shop.example")]).is_err());
        let given = headers(&[("host", "127.0.0.1:8014")]);
        for (whole, let_in) in [
            ("http://127.0.0.1:8014/api/v1/kaspi/create", true),
            ("http://shop.example/api/v1/kaspi/create", false),
        ] {
            let uri = Uri::from_static(whole);
            let visited = door.visitor(&given, &uri, QueryToken::NotHere);
            assert_eq!(visited.is_ok(), let_in, "{whole}");
        }
    }
}
