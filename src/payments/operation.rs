//! One operation: its own name, its own session, its own task.

use std::future::Future;

use super::{Error, Payments};
use crate::api::{self, MoneyPermit, Session};
use crate::base::{Bin, OperationId, TradePointId};

/// What one operation works with.
pub(super) struct Operation {
    pub(super) id: OperationId,
    pub(super) session: Session,
    pub(super) permit: MoneyPermit,
}

impl Payments {
    /// Runs an operation on a task of its own: a future that is dropped must not take a sent request
    /// with it.
    pub(super) async fn operate<T, W>(
        &self,
        id: OperationId,
        bin: Option<Bin>,
        trade_point: Option<TradePointId>,
        work: impl FnOnce(Operation) -> W,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, api::Error>> + Send + 'static,
    {
        let failed = |source| Error::Kaspi {
            operation: Some(id),
            source,
        };
        let session = self.session(bin, trade_point).map_err(failed)?;
        // reads may go straight to Kaspi for any BIN; what moves money keeps to the BIN's route
        if !session.channel().is_direct() {
            return Err(Error::NotDirect {
                operation: id,
                bin: session.bin(),
            });
        }
        let work = work(Operation {
            id,
            session,
            permit: MoneyPermit::recorded(id),
        });
        match tokio::spawn(work).await {
            Ok(outcome) => outcome.map_err(failed),
            Err(source) => Err(Error::Lost {
                operation: id,
                source,
            }),
        }
    }
}
