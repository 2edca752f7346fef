//! What happened, for those who want to be told rather than ask.

use tokio::sync::watch;

use super::{Error, Event, EventFilter, NewEvent, Payments};

impl Payments {
    /// Events, the earliest first. Whoever asks again with the place of the last one that he got misses
    /// none, over restarts and among several gateways on one journal.
    ///
    /// # Errors
    ///
    /// The journal cannot be read.
    pub async fn events(&self, filter: &EventFilter) -> Result<Vec<Event>, Error> {
        if !self.journal.exists() {
            return Ok(Vec::new());
        }
        self.journal.events(filter).await.map_err(Error::books)
    }

    /// The place of the last event; 0 where there is none.
    ///
    /// # Errors
    ///
    /// The journal cannot be read.
    pub async fn newest_event(&self) -> Result<i64, Error> {
        if !self.journal.exists() {
            return Ok(0);
        }
        self.journal.newest_event().await.map_err(Error::books)
    }

    /// Changes whenever this process may have written events down. Those that other processes write to the
    /// same journal have to be asked for.
    #[must_use]
    pub fn events_written(&self) -> watch::Receiver<u64> {
        self.journal.told()
    }

    /// Tells of something that the journal does not see by itself. `false` where it has been told before,
    /// by whomever.
    ///
    /// # Errors
    ///
    /// The journal cannot be written.
    pub async fn tell(&self, event: NewEvent) -> Result<bool, Error> {
        self.journal.tell(event).await.map_err(Error::books)
    }
}
