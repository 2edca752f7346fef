//! One event stream: a task that tells what comes, as fast as its caller takes it.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::access::Visitor;
use super::hall::Hall;
use super::streams::{Ends, LOOK, Seat, Wanted};

/// How many events wait for a caller. One that does not take them is cut off, and may come back.
const WAITING: usize = 16;

/// After how many milliseconds a browser comes back.
const RETRY: u32 = 2000;

/// Begins to tell what comes after a place.
pub(super) fn begin(hall: &Arc<Hall>, seat: Seat, visitor: Visitor, wanted: Wanted, after: i64) -> Body {
    let (frames, waiting) = mpsc::channel(WAITING);
    let teller = Teller {
        ends: hall.streams.ends(),
        newest: hall.streams.newest(),
        hall: Arc::clone(hall),
        visitor,
        wanted,
        place: after,
        told: after,
        events: 0,
        said_at: Instant::now(),
        frames,
    };
    tokio::spawn(async move {
        teller.run().await;
        drop(seat);
    });
    Body::from_stream(futures_util::stream::unfold(waiting, async |mut waiting| {
        let frame = waiting.recv().await?;
        Some((Ok::<_, Infallible>(frame), waiting))
    }))
}

/// Why a stream ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Gone,
    Slow,
    Stopping,
    Revoked,
}

struct Teller {
    hall: Arc<Hall>,
    visitor: Visitor,
    wanted: Wanted,
    /// Up to here everything is told that is wanted.
    place: i64,
    /// The last id that the caller has.
    told: i64,
    events: u64,
    said_at: Instant,
    frames: mpsc::Sender<Bytes>,
    newest: watch::Receiver<i64>,
    ends: watch::Receiver<Ends>,
}

impl Teller {
    async fn run(mut self) {
        let end = match self.tell().await {
            Ok(never) => match never {},
            Err(end) => end,
        };
        let why = match end {
            End::Gone => "the caller hung up",
            End::Slow => "the caller does not take what is told",
            End::Stopping => "the gateway stops",
            End::Revoked => "the token was taken away or changed",
        };
        tracing::info!(
            target: "kaspi::access",
            caller = self.visitor.name(),
            events = self.events,
            last = self.told,
            why,
            "an event stream ended"
        );
    }

    async fn tell(&mut self) -> Result<Infallible, End> {
        // an id without data reaches nobody, but is remembered: whoever comes back before the first event
        // goes on from here
        let hello = format!("retry: {RETRY}\nid: {}\n\n", self.place);
        self.say(hello.into()).await?;
        loop {
            let read = match self.hall.streams.after(self.place, &self.wanted).await {
                Ok(page) => {
                    for told in page.told {
                        self.say(told.frame).await?;
                        self.told = told.position;
                        self.events += 1;
                    }
                    self.place = page.upto;
                    true
                }
                // whoever reads for all warns of it
                Err(_) => false,
            };
            self.wait(read).await?;
        }
    }

    /// Until there is something to tell, or it is time to ask again.
    async fn wait(&mut self, read: bool) -> Result<(), End> {
        let again = Instant::now() + LOOK;
        loop {
            let (place, heartbeat) = (self.place, self.said_at + self.hall.patience.heartbeat);
            tokio::select! {
                biased;
                end = over(&mut self.ends, &self.hall, &self.visitor) => return Err(end),
                () = self.frames.closed() => return Err(End::Gone),
                _ = self.newest.wait_for(|newest| *newest > place), if read => return Ok(()),
                () = sleep_until(again), if !read => return Ok(()),
                () = sleep_until(heartbeat) => {}
            }
            // what was not for this caller need not be looked through again
            let beat = if place > self.told {
                format!("id: {place}\n\n")
            } else {
                ":\n\n".to_owned()
            };
            self.say(beat.into()).await?;
            self.told = place;
        }
    }

    async fn say(&mut self, frame: Bytes) -> Result<(), End> {
        let patience = self.hall.patience.write;
        tokio::select! {
            biased;
            end = over(&mut self.ends, &self.hall, &self.visitor) => Err(end),
            sent = timeout(patience, self.frames.send(frame)) => match sent {
                Ok(Ok(())) => {
                    self.said_at = Instant::now();
                    Ok(())
                }
                Ok(Err(_)) => Err(End::Gone),
                Err(_) => Err(End::Slow),
            },
        }
    }
}

/// Until the stream has to end whatever its caller does.
async fn over(ends: &mut watch::Receiver<Ends>, hall: &Hall, visitor: &Visitor) -> End {
    loop {
        if ends.borrow_and_update().stopping {
            return End::Stopping;
        }
        if !hall.door.still_admits(visitor) {
            return End::Revoked;
        }
        if ends.changed().await.is_err() {
            return End::Stopping;
        }
    }
}
