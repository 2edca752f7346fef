//! Calls one after the other, on as many tasks as are to be in flight, for a given time.
//!
//! The package of the peers that are not in our dependencies takes this file too: what measures is the
//! same for all.

use std::fs;
use std::future::Future;
use std::io::{BufRead, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// One round that a peer is told to make.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Round {
    /// How many calls are under way at any time.
    pub(crate) in_flight: usize,
    /// For how long.
    pub(crate) milliseconds: u64,
    /// At least so many calls by each task, however long they take.
    pub(crate) at_least: usize,
}

/// What a round came to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) calls: usize,
    pub(crate) failed: usize,
    /// Why the first one failed.
    pub(crate) why: Option<String>,
    pub(crate) per_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// Time on the processor of this process, children not counted.
    pub(crate) cpu_us_per_call: f64,
}

/// Makes one round. `call` is given the number of the task that makes it.
pub(crate) async fn round<F, C>(call: Arc<F>, round: Round) -> Sample
where
    F: Fn(usize) -> C + Send + Sync + 'static,
    C: Future<Output = Result<(), String>> + Send + 'static,
{
    let busy = processor_ns();
    let started = Instant::now();
    let until = started + Duration::from_millis(round.milliseconds);
    let tasks: Vec<_> = (0..round.in_flight)
        .map(|task| {
            let call = Arc::clone(&call);
            tokio::spawn(async move {
                let mut times = Vec::with_capacity(1 << 12);
                let mut faults = Vec::new();
                while times.len() + faults.len() < round.at_least || Instant::now() < until {
                    let began = Instant::now();
                    match call(task).await {
                        Ok(()) => times.push(began.elapsed().as_nanos() as u64),
                        Err(why) => faults.push(why),
                    }
                }
                (times, faults)
            })
        })
        .collect();
    let (mut times, mut faults) = (Vec::new(), Vec::new());
    for task in tasks {
        let (more, worse) = task.await.expect("a task that calls has panicked");
        times.extend(more);
        faults.extend(worse);
    }
    let seconds = started.elapsed().as_secs_f64();
    let busy = processor_ns() - busy;
    times.sort_unstable();
    let at = |share: f64| {
        let place = ((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1));
        times.get(place).map_or(0.0, |ns| *ns as f64 / 1000.0)
    };
    Sample {
        calls: times.len(),
        failed: faults.len(),
        per_second: times.len() as f64 / seconds,
        p50_us: at(0.50),
        p99_us: at(0.99),
        cpu_us_per_call: busy as f64 / 1000.0 / times.len().max(1) as f64,
        why: faults.into_iter().next(),
    }
}

/// Answers every round that comes in on the standard input, until that ends.
pub(crate) async fn serve<F, C>(call: F)
where
    F: Fn(usize) -> C + Send + Sync + 'static,
    C: Future<Output = Result<(), String>> + Send + 'static,
{
    let call = Arc::new(call);
    say(&serde_json::json!({"ready": true}));
    while let Some(line) = heard() {
        let asked: Round = serde_json::from_str(&line).expect("a round");
        let sample = round(Arc::clone(&call), asked).await;
        say(&serde_json::to_value(&sample).expect("a sample"));
    }
}

/// One line to whoever started this process.
pub(crate) fn say(value: &serde_json::Value) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{value}")
        .and_then(|()| out.flush())
        .expect("somebody listens");
}

/// One line from there; none once it is done.
pub(crate) fn heard() -> Option<String> {
    let mut line = String::new();
    let length = std::io::stdin().lock().read_line(&mut line).ok()?;
    (length > 0).then_some(line)
}

/// Time that the threads of this process have spent on a processor.
fn processor_ns() -> u64 {
    let Ok(threads) = fs::read_dir("/proc/self/task") else {
        return 0;
    };
    threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("schedstat")).ok())
        .filter_map(|text| text.split(' ').next()?.parse::<u64>().ok())
        .sum()
}
