//! One thread that writes lines and makes them durable, as many at a time as have come together.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;

use tokio::sync::watch;

use super::super::error::SandboxError;
use super::Change;
use super::file::{self, Opened};

/// The file can no longer be written, so nothing that the bank says could be relied on.
#[derive(Clone, Debug)]
pub(in crate::sandbox) struct Lost(pub(in crate::sandbox) Arc<str>);

/// How far the file is.
#[derive(Clone, Debug)]
struct Progress {
    /// Lines that are on disk.
    saved: u64,
    lost: Option<Lost>,
}

/// Takes changes in, in their order. Dropping it writes what is queued, and lets the file go.
pub(in crate::sandbox) struct Writer {
    path: PathBuf,
    lines: Sender<Vec<u8>>,
    queued: u64,
    progress: watch::Receiver<Progress>,
    thread: JoinHandle<()>,
}

/// The lines up to here, on their way to the disk.
pub(in crate::sandbox) struct Saved {
    number: u64,
    progress: watch::Receiver<Progress>,
}

impl Writer {
    pub(in crate::sandbox) fn start(path: &Path, opened: Opened) -> Result<Self, SandboxError> {
        let (lines, queue) = mpsc::channel();
        let (tell, progress) = watch::channel(Progress { saved: 0, lost: None });
        let thread = std::thread::Builder::new()
            .name("sandbox-state".to_owned())
            .spawn(move || {
                // Held to the end: the older one is what an earlier caller of `open` may have locked.
                let Opened {
                    mut file,
                    older: _older,
                    ..
                } = opened;
                write_all(&mut file, &queue, &tell);
            })
            .map_err(SandboxError::file("start the writer of", path))?;
        Ok(Self {
            path: path.to_owned(),
            lines,
            queued: 0,
            progress,
            thread,
        })
    }

    /// Puts a change behind those before it.
    pub(in crate::sandbox) fn queue(&mut self, change: &Change) {
        // A thread that is gone has told why.
        if self.lines.send(file::line(change)).is_ok() {
            self.queued += 1;
        }
    }

    /// What has been queued so far.
    pub(in crate::sandbox) fn so_far(&self) -> Saved {
        Saved {
            number: self.queued,
            progress: self.progress.clone(),
        }
    }

    pub(in crate::sandbox) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes what is queued and waits for that. Blocks.
    pub(in crate::sandbox) fn finish(self) {
        drop(self.lines);
        // A panic of the thread has left the lines before it on disk; there is no more to be done.
        let _ = self.thread.join();
    }
}

impl Saved {
    /// Waits until those lines are on disk.
    pub(in crate::sandbox) async fn wait(mut self) -> Result<(), Lost> {
        let number = self.number;
        match self
            .progress
            .wait_for(|progress| progress.lost.is_some() || progress.saved >= number)
            .await
        {
            Ok(progress) if progress.saved >= number && progress.lost.is_none() => Ok(()),
            Ok(progress) => Err(progress.lost.clone().unwrap_or_else(ended)),
            Err(_) => Err(ended()),
        }
    }

    /// Waits until the file cannot be written any more, which may be never.
    pub(in crate::sandbox) async fn loss(mut self) -> Lost {
        match self.progress.wait_for(|progress| progress.lost.is_some()).await {
            Ok(progress) => progress.lost.clone().unwrap_or_else(ended),
            // Ended in peace.
            Err(_) => std::future::pending().await,
        }
    }
}

fn ended() -> Lost {
    Lost("it has ended".into())
}

/// Whatever has come together while the disk was busy goes to it at once.
fn write_all(file: &mut File, queue: &Receiver<Vec<u8>>, tell: &watch::Sender<Progress>) {
    while let Ok(mut group) = queue.recv() {
        let mut lines = 1;
        while let Ok(further) = queue.try_recv() {
            group.extend_from_slice(&further);
            lines += 1;
        }
        match file.write_all(&group).and_then(|()| file.sync_data()) {
            Ok(()) => tell.send_modify(|progress| progress.saved += lines),
            Err(error) => {
                tell.send_modify(|progress| progress.lost = Some(Lost(error.to_string().into())));
                return;
            }
        }
    }
}
