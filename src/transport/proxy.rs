//! The way to Kaspi's TCP port: straight, or through a proxy that sees only ciphertext.

use std::error::Error;
use std::fmt;
use std::str;
use std::time::Duration;

use http::{HeaderValue, Uri};
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use tower_service::Service;

use super::resolver::Resolver;
use crate::config::{ProxyScheme, ProxySettings};

type BoxError = Box<dyn Error + Send + Sync>;
type Tcp = HttpConnector<Resolver>;

/// How a TCP connection to Kaspi is made. Proxy variables of the environment are not looked at.
///
/// `C` makes the connection to Kaspi or to the proxy.
#[derive(Clone)]
pub(super) enum Way<C = Tcp> {
    Direct(C),
    Connect(Tunnel<C>),
    Socks(SocksV5<C>),
}

/// The libraries' own `Debug` shows the proxy's password.
impl<C> fmt::Debug for Way<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Direct(_) => "Direct",
            Self::Connect(_) => "Connect(..)",
            Self::Socks(_) => "Socks(..)",
        })
    }
}

/// A proxy setting that cannot be put into a request.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProxyError {
    #[error("the address of the proxy `{host}:{port}` is not usable: {source}")]
    Address {
        host: String,
        port: u16,
        source: http::Error,
    },
    #[error("the proxy's password is not text, which SOCKS5 needs here")]
    Password,
    #[error("the proxy's credentials cannot stand in a header: {source}")]
    Header {
        source: http::header::InvalidHeaderValue,
    },
}

impl Way {
    pub(super) fn new(proxy: Option<&ProxySettings>, connect_timeout: Duration) -> Result<Self, ProxyError> {
        let mut tcp = HttpConnector::new_with_resolver(Resolver);
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(connect_timeout));
        Self::over(tcp, proxy)
    }
}

impl<C> Way<C> {
    /// The way that begins with connections of `tcp`.
    pub(super) fn over(tcp: C, proxy: Option<&ProxySettings>) -> Result<Self, ProxyError> {
        let Some(proxy) = proxy else {
            return Ok(Self::Direct(tcp));
        };

        let address = Uri::builder()
            .scheme("http")
            .authority(format!("{}:{}", proxy.host, proxy.port))
            .path_and_query("/")
            .build()
            .map_err(|source| ProxyError::Address {
                host: proxy.host.clone(),
                port: proxy.port,
                source,
            })?;
        Ok(match proxy.scheme {
            ProxyScheme::Http => {
                let tunnel = Tunnel::new(address, tcp);
                Self::Connect(match &proxy.auth {
                    Some(auth) => tunnel.with_auth(basic(&auth.user, auth.password.expose())?),
                    None => tunnel,
                })
            }
            ProxyScheme::Socks5 => {
                let socks = SocksV5::new(address, tcp);
                Self::Socks(match &proxy.auth {
                    Some(auth) => {
                        let password =
                            str::from_utf8(auth.password.expose()).map_err(|_| ProxyError::Password)?;
                        socks.with_auth(auth.user.clone(), password.to_owned())
                    }
                    None => socks,
                })
            }
        })
    }

    pub(super) fn is_proxied(&self) -> bool {
        !matches!(self, Self::Direct(_))
    }
}

impl<C> Way<C>
where
    C: Service<Uri>,
    C::Response: Read + Write + Send + Unpin + 'static,
    C::Error: Error + Send + Sync + 'static,
    C::Future: Send + 'static,
{
    pub(super) async fn connect(&mut self, to: Uri) -> Result<C::Response, BoxError> {
        match self {
            Self::Direct(tcp) => tcp.call(to).await.map_err(Into::into),
            Self::Connect(tunnel) => tunnel.call(to).await.map_err(Into::into),
            Self::Socks(socks) => socks.call(to).await.map_err(Into::into),
        }
    }
}

fn basic(user: &str, password: &[u8]) -> Result<HeaderValue, ProxyError> {
    let mut credentials = user.as_bytes().to_vec();
    credentials.push(b':');
    credentials.extend_from_slice(password);
    let encoded = data_encoding::BASE64.encode(&credentials);
    let mut value =
        HeaderValue::try_from(format!("Basic {encoded}")).map_err(|source| ProxyError::Header { source })?;
    value.set_sensitive(true);
    Ok(value)
}
