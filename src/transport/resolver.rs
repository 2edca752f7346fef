//! Name lookup, with an error that says so.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::vec;

use hyper_util::client::legacy::connect::dns::Name;
use tower_service::Service;

/// The operating system's name lookup.
#[derive(Clone, Debug)]
pub(super) struct Resolver;

/// A name that could not be looked up.
#[derive(Debug, thiserror::Error)]
#[error("the name `{name}` could not be resolved: {source}")]
pub(super) struct ResolveError {
    pub(super) name: String,
    source: io::Error,
}

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = ResolveError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ResolveError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ResolveError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(async move {
            let name = name.as_str().to_owned();
            match tokio::net::lookup_host((name.as_str(), 0)).await {
                Ok(addresses) => Ok(addresses.collect::<Vec<_>>().into_iter()),
                Err(source) => Err(ResolveError {
                    name: name.clone(),
                    source,
                }),
            }
        })
    }
}
