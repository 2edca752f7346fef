//! Plain HTTPS to others than the bank: the old wrapper, and the merchant's own systems.
//!
//! No client certificate goes this way, whoever asks for one. Every call has a connection of its own,
//! so that one that dies can be told from one that answers; there is a limit for its time and for the
//! size of its answer; a redirect is an answer like any other and never followed.

mod address;
mod connect;
mod error;
mod tls;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::{Instant, timeout_at};

pub use address::Reach;
use connect::Target;
pub use error::{Error, Failure};

use crate::base::Delivery;

/// How long a call may take, and how long its answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Name look-up, TCP and TLS together.
    pub connect: Duration,
    /// The whole call, to the last byte of the answer.
    pub total: Duration,
    /// The longest answer that is read, in bytes.
    pub answer: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            total: Duration::from_secs(20),
            answer: 1024 * 1024,
        }
    }
}

/// One request.
#[derive(Clone)]
pub struct Call {
    /// Its method.
    pub method: Method,
    /// The whole address. It may hold secrets, so no error and no `Debug` shows more than its host.
    pub uri: Uri,
    /// Its headers, besides `Host` and `User-Agent`.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// What came back, whatever its status.
#[derive(Clone)]
pub struct Answer {
    /// Its HTTP status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, whole.
    pub body: Bytes,
}

/// What becomes of a body that is longer than is read, or breaks off.
#[derive(Clone, Copy)]
enum Rest {
    Fails,
    IsLeft,
}

/// Makes calls. Cheap to clone.
#[derive(Clone)]
pub struct Outbound {
    tls: Arc<ClientConfig>,
    limits: Limits,
    reach: Reach,
}

impl Call {
    /// A GET.
    #[must_use]
    pub fn get(uri: Uri) -> Self {
        Self {
            method: Method::GET,
            uri,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    /// A POST.
    #[must_use]
    pub fn post(uri: Uri, body: impl Into<Bytes>) -> Self {
        Self {
            method: Method::POST,
            uri,
            headers: HeaderMap::new(),
            body: body.into(),
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn with(mut self, name: http::HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }
}

impl Outbound {
    /// Calls to servers whose certificates lead to one of these roots.
    ///
    /// # Errors
    ///
    /// rustls cannot be set up.
    pub fn new(roots: Arc<RootCertStore>, limits: Limits, reach: Reach) -> Result<Self, Error> {
        Ok(Self {
            tls: Arc::new(tls::anonymous(roots)?),
            limits,
            reach,
        })
    }

    /// The certificate authorities that browsers believe.
    #[must_use]
    pub fn public_roots() -> Arc<RootCertStore> {
        Arc::new(RootCertStore::from_iter(
            webpki_roots::TLS_SERVER_ROOTS.iter().cloned(),
        ))
    }

    /// Sends a request once, and reads its answer.
    ///
    /// # Errors
    ///
    /// No whole answer came. The error's `delivery` tells whether the request can have arrived.
    pub async fn send(&self, call: Call) -> Result<Answer, Error> {
        self.sent(call, Rest::Fails).await
    }

    /// The same where the answer's status is what counts: its body is read up to the limit and no further,
    /// and one that breaks off or never ends is the answer as far as it came.
    ///
    /// # Errors
    ///
    /// No status came.
    pub async fn send_for_status(&self, call: Call) -> Result<Answer, Error> {
        self.sent(call, Rest::IsLeft).await
    }

    async fn sent(&self, call: Call, rest: Rest) -> Result<Answer, Error> {
        let target = Target::of(&call.uri)?;
        let request = written(call, &target)?;
        let deadline = Instant::now() + self.limits.total;
        let connecting = deadline.min(Instant::now() + self.limits.connect);
        let stream = timeout_at(
            connecting,
            connect::open(&target, &self.tls, &self.reach, connecting),
        )
        .await
        .map_err(|_| Error::timed_out(&target, self.limits.connect, Delivery::NotSent))??;
        let (mut sender, connection) = http1::handshake(stream)
            .await
            .map_err(|error| Error::closed(&target, Delivery::NotSent, error))?;
        // Ends with the answer, or when `sender` and the answer's body are dropped.
        let driver = tokio::spawn(connection);
        let answer = self.answered(&mut sender, request, &target, rest, deadline).await;
        driver.abort();
        answer
    }

    async fn answered(
        &self,
        sender: &mut http1::SendRequest<Full<Bytes>>,
        request: Request<Full<Bytes>>,
        target: &Target,
        rest: Rest,
        deadline: Instant,
    ) -> Result<Answer, Error> {
        let too_late = |_| Error::timed_out(target, self.limits.total, Delivery::Unknown);
        let (head, body) = timeout_at(deadline, self.exchange(sender, request, target))
            .await
            .map_err(too_late)??;
        let body = match rest {
            Rest::Fails => timeout_at(deadline, self.whole(body, target))
                .await
                .map_err(too_late)??,
            Rest::IsLeft => self.beginning(body, deadline).await,
        };
        Ok(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        })
    }

    async fn exchange(
        &self,
        sender: &mut http1::SendRequest<Full<Bytes>>,
        request: Request<Full<Bytes>>,
        target: &Target,
    ) -> Result<(http::response::Parts, Incoming), Error> {
        let response = sender.send_request(request).await.map_err(|error| {
            // Given back before a byte of it was written.
            let delivery = if error.is_canceled() {
                Delivery::NotSent
            } else {
                Delivery::Unknown
            };
            Error::closed(target, delivery, error)
        })?;
        Ok(response.into_parts())
    }

    async fn whole(&self, body: Incoming, target: &Target) -> Result<Bytes, Error> {
        let whole = Limited::new(body, self.limits.answer)
            .collect()
            .await
            .map_err(|error| {
                if error.is::<LengthLimitError>() {
                    Error::too_large(target, self.limits.answer)
                } else {
                    Error::broken(target, error)
                }
            })?;
        Ok(whole.to_bytes())
    }

    async fn beginning(&self, mut body: Incoming, deadline: Instant) -> Bytes {
        let mut read = Vec::new();
        while read.len() < self.limits.answer {
            let Ok(Some(Ok(frame))) = timeout_at(deadline, body.frame()).await else {
                break;
            };
            if let Ok(data) = frame.into_data() {
                let room = self.limits.answer - read.len();
                read.extend(data.into_iter().take(room));
            }
        }
        read.into()
    }
}

fn written(call: Call, target: &Target) -> Result<Request<Full<Bytes>>, Error> {
    let path = call
        .uri
        .path_and_query()
        .map_or_else(|| "/".to_owned(), ToString::to_string);
    let mut request = Request::builder()
        .method(call.method)
        .uri(path)
        .body(Full::new(call.body))
        .map_err(|_| Error::bad_address("its path cannot be written"))?;
    *request.headers_mut() = call.headers;
    let host = HeaderValue::from_str(target.authority())
        .map_err(|_| Error::bad_address("its host cannot be written"))?;
    request.headers_mut().insert(HOST, host);
    request
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
    request
        .headers_mut()
        .entry(USER_AGENT)
        .or_insert(HeaderValue::from_static(concat!(
            "kaspi-direct/",
            env!("CARGO_PKG_VERSION")
        )));
    Ok(request)
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("method", &self.method)
            .field("host", &self.uri.host())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound")
            .field("limits", &self.limits)
            .field("reach", &self.reach)
            .finish_non_exhaustive()
    }
}
