//! A process that can be killed: this test program once more, working through commands that come over a
//! socket, and stopping at a step of an operation where it is told to.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kaspi_direct::app::App;
use kaspi_direct::base::{Explain, OperationId, PaymentId, SystemClock};
use kaspi_direct::config::Environment;
use kaspi_direct::payments::{
    Error, NewCancel, NewPayment, NewPurchase, NewRefund, OperationKind, Origin, Patience, PaymentsSettings,
    Step, Steps,
};
use serde::{Deserialize, Serialize};

use super::kit::{FLOWERS, PATIENCE, bin, invoice};
use super::money_kit::keyed;

const SOCKET: &str = "KASPI_TEST_WORKER_SOCKET";
const CONFIG: &str = "KASPI_TEST_WORKER_CONFIG";

/// What moves money, in the words of the tests.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    pub kind: String,
    /// Empty for none.
    pub key: String,
    pub amount: String,
    pub payment: Option<i64>,
}

/// What a worker is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Tell {
    /// Do it, beside whatever else is under way.
    Do(Order),
    /// The next operation that comes to this step stays there.
    StopAt(String),
    /// Look after the journal, as a gateway does.
    Keep,
}

/// What a worker says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Said {
    Ready,
    Stopped { step: String, operation: String },
    Done { key: String, outcome: Outcome },
}

/// What a caller was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    Accepted {
        operation: String,
        payment: Option<i64>,
        replayed: bool,
    },
    Failed {
        kind: String,
        delivery: Option<String>,
        operation: Option<String>,
    },
}

pub const STEPS: [(&str, Step); 6] = [
    ("before_row", Step::BeforeRow),
    ("after_row", Step::AfterRow),
    ("before_send", Step::BeforeSend),
    ("after_send", Step::AfterSend),
    ("after_answer", Step::AfterAnswer),
    ("after_outcome", Step::AfterOutcome),
];

impl Order {
    pub fn new(kind: OperationKind, key: &str, amount: &str) -> Self {
        Self {
            kind: kind.as_str().to_owned(),
            key: key.to_owned(),
            amount: amount.to_owned(),
            payment: None,
        }
    }

    pub fn about(mut self, payment: i64) -> Self {
        self.payment = Some(payment);
        self
    }

    pub fn kind(&self) -> OperationKind {
        OperationKind::of_word(&self.kind).unwrap()
    }

    /// Does it, wherever this runs.
    pub async fn run(&self, app: &App) -> Outcome {
        let payment = self.payment.map(|id| PaymentId::new(id).unwrap());
        let origin = || match self.key.as_str() {
            "" => Origin::default(),
            key => keyed(key),
        };
        let purchase = || NewPurchase {
            bin: Some(bin(FLOWERS)),
            trade_point: None,
            amount: self.amount.parse().unwrap(),
            external_id: Some(self.key.parse().unwrap()),
            origin: origin(),
        };
        let payments = app.payments();
        let done: Result<(OperationId, Option<PaymentId>, bool), Error> = match self.kind() {
            OperationKind::Create => {
                let new = NewPayment {
                    amount: self.amount.parse().unwrap(),
                    message: self.key.clone(),
                    origin: origin(),
                    ..invoice(FLOWERS)
                };
                let done = payments.create(new).await;
                done.map(|done| (done.operation_id, Some(done.payment_id), done.replayed))
            }
            OperationKind::Qr => {
                let done = payments.create_qr(purchase()).await;
                done.map(|done| (done.operation_id, Some(done.qr.payment_id), done.replayed))
            }
            OperationKind::Link => {
                let done = payments.create_link(purchase()).await;
                done.map(|done| (done.operation_id, Some(done.link.payment_id), done.replayed))
            }
            OperationKind::Refund => {
                let new = NewRefund {
                    bin: None,
                    trade_point: None,
                    payment_id: payment.unwrap(),
                    amount: self.amount.parse().unwrap(),
                    origin: origin(),
                };
                let done = payments.refund(new).await;
                done.map(|done| (done.operation_id, None, done.replayed))
            }
            OperationKind::Cancel => {
                let new = NewCancel {
                    bin: None,
                    trade_point: None,
                    payment_id: payment.unwrap(),
                    origin: origin(),
                };
                let done = payments.cancel(new).await;
                done.map(|done| (done.operation_id, None, done.replayed))
            }
        };
        match done {
            Ok((operation, payment, replayed)) => Outcome::Accepted {
                operation: operation.to_string(),
                payment: payment.map(PaymentId::get),
                replayed,
            },
            Err(error) => Outcome::Failed {
                kind: error.kind().to_owned(),
                delivery: error.delivery().map(|delivery| format!("{delivery:?}")),
                operation: error.operation().map(|id| id.to_string()),
            },
        }
    }
}

impl Outcome {
    pub fn accepted(&self) -> bool {
        matches!(self, Self::Accepted { .. })
    }

    pub fn replayed(&self) -> bool {
        matches!(self, Self::Accepted { replayed: true, .. })
    }

    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Failed { delivery: Some(delivery), .. } if delivery == "Unknown")
    }

    pub fn kind(&self) -> &str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Failed { kind, .. } => kind,
        }
    }

    pub fn operation(&self) -> Option<&str> {
        match self {
            Self::Accepted { operation, .. } => Some(operation),
            Self::Failed { operation, .. } => operation.as_deref(),
        }
    }

    pub fn payment(&self) -> Option<i64> {
        match self {
            Self::Accepted { payment, .. } => *payment,
            Self::Failed { .. } => None,
        }
    }
}

/// Settles as soon as it is sure: in a test nothing is on its way for longer.
pub fn hasty(settings: &mut PaymentsSettings) {
    settings.wait = PATIENCE;
    settings.round = Duration::from_millis(50);
    settings.patience = Patience {
        reads: 3,
        over: Duration::from_millis(100),
    };
}

/// The other side: a process that does what it is told, until it is killed.
pub struct Worker {
    child: Child,
    tells: UnixStream,
    says: BufReader<UnixStream>,
}

impl Worker {
    /// Starts one for a configuration.
    pub fn start(config: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "worker::works_for_another_test",
                "--ignored",
                "--nocapture",
            ])
            .env(SOCKET, &socket)
            .env(CONFIG, config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let stream = accepted(&listener, &mut child);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut worker = Self {
            child,
            tells: stream.try_clone().unwrap(),
            says: BufReader::new(stream),
        };
        assert!(matches!(worker.said(), Said::Ready));
        worker
    }

    pub fn tell(&mut self, tell: &Tell) {
        writeln!(self.tells, "{}", serde_json::to_string(tell).unwrap()).unwrap();
    }

    pub fn order(&mut self, order: &Order) {
        self.tell(&Tell::Do(order.clone()));
    }

    pub fn stop_at(&mut self, step: &str) {
        self.tell(&Tell::StopAt(step.to_owned()));
    }

    /// The next thing it says.
    pub fn said(&mut self) -> Said {
        let mut line = String::new();
        self.says.read_line(&mut line).unwrap();
        assert!(
            !line.is_empty(),
            "the worker has ended: {:?}",
            self.child.try_wait()
        );
        serde_json::from_str(&line).unwrap()
    }

    /// The next outcome that it tells, whatever else it says before.
    pub fn done(&mut self) -> (String, Outcome) {
        loop {
            if let Said::Done { key, outcome } = self.said() {
                return (key, outcome);
            }
        }
    }

    /// Waits until an operation stays where it was told to.
    pub fn stopped(&mut self) -> String {
        loop {
            if let Said::Stopped { operation, .. } = self.said() {
                return operation;
            }
        }
    }

    /// As `kill -9` does. Gives what it had said until then and nobody has read.
    pub fn kill(mut self) -> Vec<(String, Outcome)> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let mut told = Vec::new();
        let mut line = String::new();
        while self.says.read_line(&mut line).is_ok_and(|length| length > 0) {
            // the last line may be half of one
            if let Ok(Said::Done { key, outcome }) = serde_json::from_str(&line) {
                told.push((key, outcome));
            }
            line.clear();
        }
        told
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The worker's connection; fails where it ends before it makes one.
fn accepted(listener: &UnixListener, child: &mut Child) -> UnixStream {
    listener.set_nonblocking(true).unwrap();
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).unwrap();
                return stream;
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                assert!(child.try_wait().unwrap().is_none(), "the worker has ended");
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Stays at a step for ever, once it is told to.
#[derive(Debug)]
struct Gate {
    says: Arc<Mutex<UnixStream>>,
    at: Mutex<Option<Step>>,
}

impl Steps for Gate {
    fn at(&self, step: Step, operation: OperationId) {
        {
            let mut at = unpoisoned(&self.at);
            if *at != Some(step) {
                return;
            }
            *at = None;
        }
        let step = STEPS
            .iter()
            .find(|(_, known)| *known == step)
            .unwrap()
            .0
            .to_owned();
        let operation = operation.to_string();
        say(&self.says, &Said::Stopped { step, operation });
        // everything else goes on, until the whole process is killed
        tokio::task::block_in_place(|| {
            loop {
                std::thread::park();
            }
        });
    }
}

/// Not a test: what [`Worker::start`] starts. Does nothing where nobody has.
#[test]
#[ignore = "the process that other tests kill"]
#[expect(clippy::exit, reason = "an operation that was stopped never ends")]
fn works_for_another_test() {
    let (Some(socket), Some(config)) = (std::env::var_os(SOCKET), std::env::var_os(CONFIG)) else {
        return;
    };
    let tells = UnixStream::connect(socket).unwrap();
    let says = Arc::new(Mutex::new(tells.try_clone().unwrap()));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap();
    let gate = Arc::new(Gate {
        says: Arc::clone(&says),
        at: Mutex::default(),
    });
    let mut settings = PaymentsSettings::default();
    hasty(&mut settings);
    settings.steps = Some(Arc::clone(&gate) as Arc<dyn Steps>);
    let inside = runtime.enter();
    let app = App::open_patiently(
        Path::new(&config),
        &Environment::default(),
        Arc::new(SystemClock),
        settings,
    )
    .unwrap();
    let app = Arc::new(app);
    let mut keepers = Vec::new();
    say(&says, &Said::Ready);
    for line in BufReader::new(tells).lines() {
        let Ok(line) = line else { break };
        match serde_json::from_str(&line).unwrap() {
            Tell::StopAt(step) => {
                *unpoisoned(&gate.at) = STEPS
                    .iter()
                    .find(|(name, _)| *name == step)
                    .map(|(_, step)| *step);
            }
            Tell::Keep => keepers.push(app.keep_payments()),
            Tell::Do(order) => {
                let (app, says) = (Arc::clone(&app), Arc::clone(&says));
                runtime.spawn(async move {
                    let outcome = order.run(&app).await;
                    let key = order.key;
                    say(&says, &Said::Done { key, outcome });
                });
            }
        }
    }
    // whoever started it has gone
    drop(inside);
    std::process::exit(0);
}

fn say(says: &Mutex<UnixStream>, said: &Said) {
    let line = serde_json::to_string(said).unwrap();
    // an error means that whoever listened has gone
    let _ = writeln!(unpoisoned(says), "{line}");
}

fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
