//! A shop with books: a simulated Kaspi, an operator's folder, a journal in one store or the other.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kaspi_direct::app::App;
use kaspi_direct::base::{Amount, OperationId, PaymentId, SystemClock};
use kaspi_direct::config::Environment;
use kaspi_direct::payments::{
    Caller, CreatedPayment, Error, NewPayment, NewRefund, Origin, Patience, PaymentsSettings, Refunded,
    RequestKey,
};
use kaspi_direct::sandbox::{CustomerStep, Merchant, Options, Sandbox, TradePoint};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::kit::{FLOWERS, GIFTS, Operator, bin, in_time, invoice, token, trade_point};

/// Where the journal is kept.
#[derive(Clone, Copy, Debug)]
pub enum Books {
    Sqlite,
    Postgres,
}

pub struct Shop {
    pub operator: Operator,
    pub sandbox: Sandbox,
    config: PathBuf,
}

impl Shop {
    /// None where the store is not to be had on this machine; a line has said so then.
    pub async fn open(books: Books) -> Option<Self> {
        let operator = Operator::of_two();
        let mut options = Options::new(operator.authority.clone());
        for bin in [FLOWERS, GIFTS] {
            let point = TradePoint::new(trade_point(bin), "Till").with_token(token(bin));
            options
                .merchants
                .push(Merchant::new(bin, "Shop").with_trade_point(point));
        }
        let sandbox = Sandbox::start(options).await.unwrap();
        let journal = match books {
            Books::Sqlite => String::new(),
            Books::Postgres => format!(
                "[journal]\nurl = \"{}\"\n",
                tokio::task::spawn_blocking(super::postgres::database)
                    .await
                    .unwrap()?
            ),
        };
        let config = operator.configure(sandbox.address(), &journal);
        Some(Self {
            operator,
            sandbox,
            config,
        })
    }

    /// A process's working set; a second one stands for a second process, or the next.
    pub fn app(&self) -> App {
        self.app_with(|_| {})
    }

    pub fn app_with(&self, change: impl FnOnce(&mut PaymentsSettings)) -> App {
        let mut settings = PaymentsSettings::default();
        // long enough for fifty refunds one after the other on a busy machine
        settings.wait = Duration::from_secs(60);
        change(&mut settings);
        App::open_patiently(
            &self.config,
            &Environment::default(),
            Arc::new(SystemClock),
            settings,
        )
        .unwrap()
    }

    /// How many requests have come to a path that ends so.
    pub fn asked(&self, path: &str) -> usize {
        let rows = self.sandbox.requests();
        rows.iter().filter(|row| row.path.contains(path)).count()
    }

    /// What the bank has paid back of a payment, as text.
    pub fn refunded(&self, payment: PaymentId) -> String {
        let payments = self.sandbox.payments();
        let row = payments
            .iter()
            .find(|row| row["payment_id"] == payment.get())
            .unwrap();
        row["refunded"].as_str().unwrap().to_owned()
    }

    /// An invoice that the customer has paid.
    pub async fn paid(&self, app: &App, bin_text: &str, amount: &str) -> PaymentId {
        let new = NewPayment {
            amount: amount.parse().unwrap(),
            ..invoice(bin_text)
        };
        let created = in_time(app.payments().create(new)).await.unwrap();
        self.sandbox
            .customer(created.payment_id.get(), CustomerStep::Pay)
            .unwrap();
        created.payment_id
    }

    /// At the till: past this program.
    pub async fn cashier_refunds(&self, payment: PaymentId, amount: &str) {
        cashier_refunds(&self.sandbox, payment, amount).await;
    }
}

/// At the till: past this program.
pub async fn cashier_refunds(sandbox: &Sandbox, payment: PaymentId, amount: &str) {
    let address = sandbox.control_address();
    let body = format!("{{\"amount\": {amount}}}");
    let request = format!(
        "POST /payments/{payment}/refund HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    in_time(stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

pub fn keyed(key: &str) -> Origin {
    Origin::keyed(key.parse().unwrap())
}

pub fn of_caller(caller: &str, key: &str) -> Origin {
    Origin {
        caller: caller.parse::<Caller>().unwrap(),
        ..keyed(key)
    }
}

/// A request of an old contract: no key of its own.
pub fn derived(window: Duration) -> Origin {
    Origin {
        caller: "shop-backend".parse().unwrap(),
        key: RequestKey::Derived {
            window,
            bins: vec![bin(FLOWERS), bin(GIFTS)],
        },
    }
}

pub async fn create_as(app: &App, origin: Origin) -> Result<CreatedPayment, Error> {
    let new = NewPayment {
        origin,
        ..invoice(FLOWERS)
    };
    in_time(app.payments().create(new)).await
}

pub async fn refund(app: &App, payment: PaymentId, amount: &str) -> Result<Refunded, Error> {
    refund_as(app, payment, amount, Origin::default()).await
}

pub async fn refund_as(
    app: &App,
    payment: PaymentId,
    amount: &str,
    origin: Origin,
) -> Result<Refunded, Error> {
    let new = NewRefund {
        bin: None,
        trade_point: None,
        payment_id: payment,
        amount: amount.parse::<Amount>().unwrap(),
        origin,
    };
    in_time(app.payments().refund(new)).await
}

/// The state of an operation, as its word.
pub async fn state(app: &App, id: OperationId) -> &'static str {
    app.payments()
        .operation(id)
        .await
        .unwrap()
        .unwrap()
        .state
        .as_str()
}

/// Settles what stays unchanged at once.
pub fn impatient(settings: &mut PaymentsSettings) {
    settings.patience = Patience {
        reads: 3,
        over: Duration::ZERO,
    };
}

/// A test on both stores, in a [`Shop`], or in whatever is named first.
macro_rules! on_both_stores {
    ($place:path; $($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                if let Some(place) = <$place>::open(crate::money_kit::Books::Sqlite).await {
                    super::$name(place).await;
                }
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                if let Some(place) = <$place>::open(crate::money_kit::Books::Postgres).await {
                    super::$name(place).await;
                }
            })+
        }
    };
    ($($name:ident),+ $(,)?) => {
        crate::money_kit::on_both_stores!(crate::money_kit::Shop; $($name),+);
    };
}
pub(crate) use on_both_stores;
