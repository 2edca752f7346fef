//! One connection: HTTP over it, its time limits, and the moment an answer has left.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, interval, sleep, timeout};

use super::Patience;
use super::delivery::Deliveries;
use super::service::{Endless, Peer, Service, Settles};
use crate::base::OperationId;

/// The longest request head.
const HEAD_BYTES: usize = 32 * 1024;
const HEADERS: usize = 64;
const STREAMS: u32 = 64;

/// After a refusal the rest of a request is read for a while and thrown away, because a connection that
/// is closed with unread bytes takes the answer with it.
const LINGER: Duration = Duration::from_secs(10);
const LINGER_IDLE: Duration = Duration::from_secs(2);

/// How often it is looked whether a connection may go.
const WATCH: Duration = Duration::from_millis(250);

/// How long a stop lets the last bytes of an event stream leave.
const FAREWELL: Duration = Duration::from_secs(1);

/// A stream that connections come over.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Which HTTP was agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Http {
    One,
    Two,
}

/// Serves a connection to its end. `stop` lets the call under way finish and closes then.
pub(super) async fn serve(
    stream: Box<dyn Stream>,
    http: Http,
    peer: Peer,
    service: Service,
    mut stop: watch::Receiver<bool>,
) {
    let patience = service.hall().patience;
    let line = Arc::new(Line {
        deliveries: service.hall().deliveries.clone(),
        handed: Mutex::default(),
        head_since: Mutex::default(),
        busy: AtomicUsize::new(0),
        endless: AtomicUsize::new(0),
    });
    let wire = Wire {
        stream,
        line: Arc::clone(&line),
        write_limit: patience.write,
        stalled: None,
    };
    let answering = Arc::clone(&line);
    let answer = service_fn(move |request: hyper::Request<Incoming>| {
        let (line, service, peer) = (Arc::clone(&answering), service.clone(), peer.clone());
        Box::pin(async move {
            let mut busy = Busy::new(&line);
            let response = service.answer(request.map(Body::new), peer).await;
            if response.extensions().get::<Endless>().is_some() {
                busy.without_end();
            }
            let settles = response.extensions().get::<Settles>().map(|settles| settles.0);
            Ok::<_, Infallible>(response.map(|body| Outgoing {
                body,
                settles,
                line,
                _busy: busy,
            }))
        })
    });
    match http {
        Http::One => {
            let mut serving = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(patience.idle)
                .max_buf_size(HEAD_BYTES)
                .max_headers(HEADERS)
                .serve_connection(TokioIo::new(wire), answer);
            let mut watch = interval(WATCH.min(patience.head));
            let mut stopping = None;
            loop {
                tokio::select! {
                    // what ends a connection badly is the caller's affair: the log has its requests
                    _ = poll_fn(|context| serving.poll_without_shutdown(context)) => break,
                    _ = watch.tick() => {
                        if line.head_is_late(patience) || line.may_go(stopping) { return }
                    }
                    _ = stop.wait_for(|stop| *stop), if stopping.is_none() => {
                        stopping = Some(Instant::now());
                        Pin::new(&mut serving).graceful_shutdown();
                    }
                }
            }
            close(serving.into_parts().io.into_inner(), stopping.is_some()).await;
        }
        Http::Two => {
            let serving = http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .keep_alive_interval(patience.idle)
                .keep_alive_timeout(patience.head)
                .max_concurrent_streams(STREAMS)
                .max_header_list_size(32 * 1024)
                .serve_connection(TokioIo::new(wire), answer);
            tokio::pin!(serving);
            let mut watch = interval(WATCH);
            let mut stopping = None;
            loop {
                tokio::select! {
                    _ = serving.as_mut() => return,
                    _ = watch.tick(), if stopping.is_some() => if line.may_go(stopping) { return },
                    _ = stop.wait_for(|stop| *stop), if stopping.is_none() => {
                        stopping = Some(Instant::now());
                        serving.as_mut().graceful_shutdown();
                    }
                }
            }
        }
    }
}

async fn close(mut wire: Wire, stopping: bool) {
    let shut = timeout(LINGER_IDLE, wire.shutdown()).await;
    if stopping || !matches!(shut, Ok(Ok(()))) {
        return;
    }
    let drain = async {
        let mut rest = vec![0; 16 * 1024];
        while matches!(
            timeout(LINGER_IDLE, wire.stream.read(&mut rest)).await,
            Ok(Ok(1..))
        ) {}
    };
    let _ = timeout(LINGER, drain).await;
}

/// What is known of a connection from both of its sides, HTTP and bytes.
struct Line {
    deliveries: Deliveries,
    /// Operations whose answers have been handed over for writing.
    handed: Mutex<Vec<OperationId>>,
    /// When the first byte of a request came whose head is not whole yet.
    head_since: Mutex<Option<Instant>>,
    /// Requests that are being answered.
    busy: AtomicUsize,
    /// Those among them that have no end of their own.
    endless: AtomicUsize,
}

impl Line {
    fn read_something(&self) {
        if self.busy.load(Ordering::Acquire) == 0 {
            self.head().get_or_insert_with(Instant::now);
        }
    }

    fn head_is_late(&self, patience: Patience) -> bool {
        self.head().is_some_and(|since| since.elapsed() > patience.head)
    }

    /// Whether a stop need not wait: whoever takes nothing of an event stream gets the rest of it later.
    fn may_go(&self, stopping: Option<Instant>) -> bool {
        let endless = self.endless.load(Ordering::Acquire);
        endless > 0
            && stopping.is_some_and(|since| since.elapsed() > FAREWELL)
            && self.busy.load(Ordering::Acquire) == endless
            && self.handed().is_empty()
    }

    fn handed(&self) -> std::sync::MutexGuard<'_, Vec<OperationId>> {
        self.handed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn head(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.head_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hand_over(&self, operation: OperationId) {
        self.handed().push(operation);
    }

    fn flushed(&self) {
        let handed = std::mem::take(&mut *self.handed());
        for operation in handed {
            self.deliveries.delivered(operation);
        }
    }
}

/// A request that is being answered, until the last of its answer is handed over.
struct Busy {
    line: Arc<Line>,
    endless: bool,
}

impl Busy {
    fn new(line: &Arc<Line>) -> Self {
        line.busy.fetch_add(1, Ordering::AcqRel);
        *line.head() = None;
        Self {
            line: Arc::clone(line),
            endless: false,
        }
    }

    fn without_end(&mut self) {
        self.line.endless.fetch_add(1, Ordering::AcqRel);
        self.endless = true;
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.line.busy.fetch_sub(1, Ordering::AcqRel);
        if self.endless {
            self.line.endless.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// The body of an answer, which notices its own end.
struct Outgoing {
    body: Body,
    settles: Option<OperationId>,
    line: Arc<Line>,
    _busy: Busy,
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        let over = match &polled {
            Poll::Ready(None) => true,
            Poll::Ready(Some(Ok(_))) => self.body.is_end_stream(),
            _ => false,
        };
        // hyper writes what it was given before it flushes
        if over && let Some(operation) = self.settles.take() {
            self.line.hand_over(operation);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The bytes of a connection.
struct Wire {
    stream: Box<dyn Stream>,
    line: Arc<Line>,
    write_limit: Duration,
    /// Runs while the caller takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Wire {
    /// Lets a write that stands still end in an error.
    fn limited<T>(&mut self, polled: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stalled = None;
            return polled;
        }
        let limit = self.write_limit;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(limit)));
        match stalled.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.line.read_something();
        }
        polled
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.limited(polled, context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        if matches!(polled, Poll::Ready(Ok(()))) {
            self.line.flushed();
        }
        self.limited(polled, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.limited(polled, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
