//! The first two steps: the name, and the TCP connection, straight or through the proxy.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::str;
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::facts::{Attempt, Lookup, LookupFailure, ProxyFailure, Reach, ReachFailure, TcpFailure};
use super::records::printable;
use super::tap::{Tap, Tape};
use crate::config::{KaspiSettings, ProxyScheme, ProxySettings};
use crate::transport::connect::Established;
use crate::transport::proxy::Way;

const HTTPS: u16 = 443;

/// The most addresses of one name that are tried.
const MAX_ADDRESSES: usize = 16;

/// How long the other addresses are waited for once one has answered: long enough for a live one.
const GRACE: Duration = Duration::from_millis(250);

/// A connection to Kaspi's TCP port on which nothing has been said to Kaspi yet.
pub struct Reached {
    pub(super) io: TokioIo<Tap>,
    pub(super) tape: Tape,
}

impl fmt::Debug for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reached").finish_non_exhaustive()
    }
}

pub(super) async fn look_up(settings: &KaspiSettings) -> Lookup {
    let (host, port, proxy) = match &settings.proxy {
        Some(proxy) => (proxy.host.as_str(), proxy.port, Some(proxy.scheme)),
        None => (
            host(&settings.base_url),
            settings.base_url.port_u16().unwrap_or(HTTPS),
            None,
        ),
    };
    let started = Instant::now();
    let limit = settings.timeouts.connect;
    let outcome = match timeout(limit, tokio::net::lookup_host((host, port))).await {
        Err(_) => Err(LookupFailure::TimedOut(limit)),
        Ok(Err(error)) => Err(lookup_failure(&error)),
        Ok(Ok(addresses)) => distinct(addresses.map(|address| address.ip())),
    };
    Lookup {
        host: host.to_owned(),
        port,
        proxy,
        took: started.elapsed(),
        outcome,
    }
}

/// An IPv6 address stands in brackets in a URL, and nowhere else.
pub(super) fn host(url: &Uri) -> &str {
    url.host().unwrap_or_default().trim_matches(['[', ']'])
}

fn distinct(addresses: impl Iterator<Item = IpAddr>) -> Result<Vec<IpAddr>, LookupFailure> {
    let mut found = Vec::new();
    for address in addresses {
        if !found.contains(&address) {
            found.push(address);
        }
    }
    if found.is_empty() {
        return Err(LookupFailure::NoSuchName(
            "the answer holds no address".to_owned(),
        ));
    }
    Ok(found)
}

/// `getaddrinfo` tells its reasons by numbers that the standard library turns into text (glibc, musl
/// and macOS each have their own).
fn lookup_failure(error: &io::Error) -> LookupFailure {
    let text = error.to_string();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&[
        "Name or service not known",
        "No address associated with hostname",
        "Name does not resolve",
        "nodename nor servname provided",
        "Name has no usable address",
    ]) {
        LookupFailure::NoSuchName(text)
    } else if says(&[
        "Temporary failure in name resolution",
        "Try again",
        "Non-recoverable failure in name resolution",
        "Unrecoverable error",
    ]) {
        LookupFailure::NoServer(text)
    } else {
        LookupFailure::Other(text)
    }
}

pub(super) async fn reach(settings: &KaspiSettings, lookup: &Lookup) -> (Reach, Option<Reached>) {
    let started = Instant::now();
    let addresses: Vec<SocketAddr> = lookup
        .outcome
        .iter()
        .flatten()
        .take(MAX_ADDRESSES)
        .map(|ip| SocketAddr::new(*ip, lookup.port))
        .collect();
    let limit = settings.timeouts.connect;
    let (attempts, connected) = connect(&addresses, limit).await;

    let outcome = match connected {
        None => Err(ReachFailure::Tcp(most_telling(&attempts))),
        Some((address, tcp)) => match &settings.proxy {
            None => Ok((address, Reached::new(Tap::new(tcp)))),
            Some(proxy) => through(proxy, &settings.base_url, tcp, limit)
                .await
                .map(|reached| (address, reached))
                .map_err(ReachFailure::Proxy),
        },
    };
    let (outcome, reached) = match outcome {
        Ok((address, reached)) => (Ok(address), Some(reached)),
        Err(failure) => (Err(failure), None),
    };
    let facts = Reach {
        proxy: settings
            .proxy
            .as_ref()
            .map(|proxy| (proxy.scheme, format!("{}:{}", proxy.host, proxy.port))),
        attempts,
        took: started.elapsed(),
        outcome,
    };
    (facts, reached)
}

impl Reached {
    fn new(tap: Tap) -> Self {
        Self {
            tape: tap.tape().clone(),
            io: TokioIo::new(tap),
        }
    }
}

/// Tries all addresses at once; the first that answers is it.
async fn connect(
    addresses: &[SocketAddr],
    limit: Duration,
) -> (Vec<Attempt>, Option<(SocketAddr, TcpStream)>) {
    let started = Instant::now();
    let mut tries = JoinSet::new();
    for (index, address) in addresses.iter().copied().enumerate() {
        tries.spawn(async move { (index, TcpStream::connect(address).await, started.elapsed()) });
    }
    let mut attempts: Vec<Attempt> = addresses
        .iter()
        .map(|address| Attempt {
            address: *address,
            took: limit,
            end: Err(TcpFailure::TimedOut(limit)),
        })
        .collect();
    let mut connected = None;
    let mut until = started + limit;
    loop {
        let ended = tokio::select! {
            ended = tries.join_next() => ended,
            () = sleep_until(until) => break,
        };
        let Some(ended) = ended else { break };
        let Ok((index, result, took)) = ended else {
            continue;
        };
        let Some(attempt) = attempts.get_mut(index) else {
            continue;
        };
        attempt.took = took;
        attempt.end = match result {
            Ok(tcp) => {
                if connected.is_none() {
                    // as for calls; a connection that does not take it works all the same
                    let _ = tcp.set_nodelay(true);
                    connected = Some((attempt.address, tcp));
                    until = until.min(Instant::now() + GRACE);
                }
                Ok(())
            }
            Err(error) => Err(tcp_failure(&error, limit)),
        };
    }
    if connected.is_some() {
        let waited = started.elapsed();
        for attempt in &mut attempts {
            if attempt.end == Err(TcpFailure::TimedOut(limit)) {
                attempt.took = waited;
                attempt.end = Err(TcpFailure::Late);
            }
        }
    }
    (attempts, connected)
}

fn tcp_failure(error: &io::Error, limit: Duration) -> TcpFailure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => TcpFailure::Refused,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => TcpFailure::Reset,
        io::ErrorKind::TimedOut => TcpFailure::TimedOut(limit),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            TcpFailure::Unreachable(error.to_string())
        }
        io::ErrorKind::PermissionDenied => TcpFailure::Forbidden(error.to_string()),
        _ => TcpFailure::Other(error.to_string()),
    }
}

/// A machine without IPv6 finds every IPv6 address unreachable, which says nothing about the server.
fn most_telling(attempts: &[Attempt]) -> TcpFailure {
    let rank = |failure: &TcpFailure| match failure {
        TcpFailure::Refused => 0,
        TcpFailure::Reset => 1,
        TcpFailure::TimedOut(_) => 2,
        TcpFailure::Forbidden(_) => 3,
        TcpFailure::Unreachable(_) => 4,
        TcpFailure::Other(_) | TcpFailure::Late => 5,
    };
    attempts
        .iter()
        .filter_map(|attempt| attempt.end.as_ref().err())
        .min_by_key(|failure| rank(failure))
        .cloned()
        .unwrap_or_else(|| TcpFailure::Other("there is no address to connect to".to_owned()))
}

async fn through(
    proxy: &ProxySettings,
    to: &Uri,
    tcp: TcpStream,
    limit: Duration,
) -> Result<Reached, ProxyFailure> {
    let tap = Tap::new(tcp);
    let tape = tap.tape().clone();
    let mut way = Way::over(Established(Some(TokioIo::new(tap))), Some(proxy))
        .map_err(|error| ProxyFailure::Other(error.to_string()))?;
    match timeout(limit, way.connect(to.clone())).await {
        Err(_) => Err(ProxyFailure::TimedOut(limit)),
        Ok(Err(error)) => Err(proxy_failure(
            proxy,
            &tape.lock().head,
            &crate::base::chain_text(error.as_ref()),
        )),
        Ok(Ok(io)) => {
            tape.rewind();
            Ok(Reached { io, tape })
        }
    }
}

/// What the proxy answered tells more than the library's error does.
fn proxy_failure(proxy: &ProxySettings, answer: &[u8], error: &str) -> ProxyFailure {
    let given = proxy.auth.is_some();
    match proxy.scheme {
        ProxyScheme::Http => http_refusal(answer, given),
        ProxyScheme::Socks5 => socks_refusal(answer, given),
    }
    .unwrap_or_else(|| ProxyFailure::Other(error.to_owned()))
}

fn http_refusal(answer: &[u8], given: bool) -> Option<ProxyFailure> {
    if answer.is_empty() {
        return Some(ProxyFailure::Closed);
    }
    let status = answer
        .strip_prefix(b"HTTP/")
        .and_then(|rest| rest.split(|byte| *byte == b' ').nth(1))
        .and_then(|digits| str::from_utf8(digits.get(..3)?).ok()?.parse().ok());
    match status {
        Some(407) => Some(ProxyFailure::Credentials { given }),
        Some(200) => Some(ProxyFailure::Closed),
        Some(status) => Some(ProxyFailure::Status(status)),
        None => Some(ProxyFailure::NotAProxy(printable(answer))),
    }
}

/// RFC 1928 and 1929: the choice of a method, the word on the password, the reply.
fn socks_refusal(answer: &[u8], given: bool) -> Option<ProxyFailure> {
    const VERSION: u8 = 5;
    const NO_METHOD: u8 = 0xff;
    const PASSWORD: u8 = 2;
    const DONE: u8 = 0;
    let reply = |rest: &[u8]| match rest {
        [VERSION, code, ..] if *code != DONE => Some(ProxyFailure::Socks(*code)),
        [] | [_] => Some(ProxyFailure::Closed),
        [VERSION, ..] => None,
        _ => Some(ProxyFailure::NotAProxy(printable(answer))),
    };
    match answer {
        [] | [VERSION] => Some(ProxyFailure::Closed),
        [VERSION, NO_METHOD, ..] => Some(ProxyFailure::Credentials { given }),
        [VERSION, PASSWORD, rest @ ..] if given => match rest {
            [] | [_] => Some(ProxyFailure::Closed),
            [_, DONE, rest @ ..] => reply(rest),
            _ => Some(ProxyFailure::Credentials { given }),
        },
        [VERSION, PASSWORD, ..] => Some(ProxyFailure::Credentials { given }),
        [VERSION, _, rest @ ..] => reply(rest),
        _ => Some(ProxyFailure::NotAProxy(printable(answer))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_getaddrinfo_says() {
        let failure = |text: &str| {
            lookup_failure(&io::Error::other(format!(
                "failed to lookup address information: {text}"
            )))
        };
        for text in [
            "Name or service not known",
            "No address associated with hostname",
            "Name does not resolve",
            "nodename nor servname provided, or not known",
        ] {
            assert!(matches!(failure(text), LookupFailure::NoSuchName(_)), "{text}");
        }
        for text in ["Temporary failure in name resolution", "Try again"] {
            assert!(matches!(failure(text), LookupFailure::NoServer(_)), "{text}");
        }
        assert!(matches!(failure("Out of memory"), LookupFailure::Other(_)));
    }

    #[test]
    fn reads_what_an_http_proxy_says() {
        let read = |answer: &[u8]| http_refusal(answer, true).unwrap();
        assert_eq!(
            read(b"HTTP/1.1 407 Proxy Authentication Required\r\n"),
            ProxyFailure::Credentials { given: true }
        );
        assert_eq!(read(b"HTTP/1.0 403 Forbidden\r\n\r\n"), ProxyFailure::Status(403));
        assert_eq!(read(b"HTTP/1.1 502\r\n\r\n"), ProxyFailure::Status(502));
        assert_eq!(read(b""), ProxyFailure::Closed);
        assert_eq!(
            read(b"SSH-2.0-OpenSSH_9\r\n"),
            ProxyFailure::NotAProxy("SSH-2.0-OpenSSH_9".to_owned())
        );
        assert_eq!(
            read(b"HTTP/1.1 x"),
            ProxyFailure::NotAProxy("HTTP/1.1 x".to_owned())
        );
    }

    #[test]
    fn reads_what_a_socks_proxy_says() {
        let bare = |answer: &[u8]| socks_refusal(answer, false);
        assert_eq!(bare(b""), Some(ProxyFailure::Closed));
        assert_eq!(
            bare(b"\x05\xff"),
            Some(ProxyFailure::Credentials { given: false })
        );
        assert_eq!(bare(b"\x05\x00\x05\x02\x00\x01"), Some(ProxyFailure::Socks(2)));
        assert_eq!(bare(b"\x05\x00"), Some(ProxyFailure::Closed));
        assert_eq!(
            bare(b"HTTP/1.1 400"),
            Some(ProxyFailure::NotAProxy("HTTP/1.1 400".to_owned()))
        );
        let with = |answer: &[u8]| socks_refusal(answer, true);
        assert_eq!(
            with(b"\x05\x02\x01\x01"),
            Some(ProxyFailure::Credentials { given: true })
        );
        assert_eq!(
            with(b"\x05\x02\x01\x00\x05\x05\x00\x01"),
            Some(ProxyFailure::Socks(5))
        );
    }

    #[test]
    fn of_several_failures_the_most_telling_is_told() {
        let attempts: Vec<Attempt> = [
            TcpFailure::Unreachable("no route".to_owned()),
            TcpFailure::TimedOut(Duration::from_secs(5)),
            TcpFailure::Refused,
        ]
        .into_iter()
        .map(|failure| Attempt {
            address: ([127, 0, 0, 1], 1).into(),
            took: Duration::ZERO,
            end: Err(failure),
        })
        .collect();
        assert_eq!(most_telling(&attempts), TcpFailure::Refused);
        assert_eq!(
            most_telling(&attempts[..2]),
            TcpFailure::TimedOut(Duration::from_secs(5))
        );
    }
}
