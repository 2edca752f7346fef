//! Ours, room by room.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use kaspi_direct::api::{Api, CreateRemotePayment, MoneyPermit};
use kaspi_direct::app::App;
use kaspi_direct::base::{Amount, Bin, OperationId, PhoneNumber};
use kaspi_direct::config::Environment;
use kaspi_direct::payments::{NewPayment, Origin};
use kaspi_direct::transport::{Request, Transport};

use super::{Job, Kind, Use};
use crate::load;

pub(super) async fn run(job: Job) {
    let app = Arc::new(App::open(&job.config, &Environment::default()).unwrap());
    let who = Who::new(app.transport().registry().bins(), job.use_of_bins);
    load::serve(move |task| {
        let (app, bin) = (Arc::clone(&app), who.next(task));
        async move {
            match job.kind {
                Kind::Transport => send(app.transport(), bin).await,
                Kind::Payments | Kind::PaymentsPostgres => pay(&app, bin).await,
                _ => create(app.api(), bin).await,
            }
        }
    })
    .await;
}

/// What is ordered, and by whom. The others are not given these as text either.
static ORDER: LazyLock<(Amount, PhoneNumber)> = LazyLock::new(|| {
    let (amount, phone) = ("1500.50", "77000000001");
    (amount.parse().unwrap(), phone.parse().unwrap())
});

/// Who is called for next.
struct Who {
    bins: Vec<Bin>,
    order: Use,
    /// How often the first, the first two, the first three and so on are called for.
    shares: Vec<f64>,
}

impl Who {
    fn new(bins: Vec<Bin>, order: Use) -> Self {
        let mut total = 0.0;
        let shares = (1..=bins.len())
            .map(|place| {
                total += 1.0 / place as f64;
                total
            })
            .collect();
        Self { bins, order, shares }
    }

    fn next(&self, task: usize) -> Bin {
        match self.order {
            Use::First => self.bins[0],
            Use::OneEach => self.bins[task % self.bins.len()],
            Use::Zipf => {
                let drawn = fastrand::f64() * self.shares[self.shares.len() - 1];
                let place = self.shares.partition_point(|share| *share < drawn);
                self.bins[place.min(self.bins.len() - 1)]
            }
        }
    }
}

/// A typed call that the caller keeps the books of.
pub(crate) async fn create(api: &Api, bin: Bin) -> Result<(), String> {
    let session = api.session(Some(bin)).map_err(|error| error.to_string())?;
    let permit = MoneyPermit::caller_keeps_the_books(OperationId::new());
    let (amount, phone) = *ORDER;
    let payment = CreateRemotePayment {
        amount,
        phone,
        comment: "Order 17".to_owned(),
    };
    session
        .create_remote_payment(permit, &payment)
        .await
        .map(drop)
        .map_err(|error| error.to_string())
}

async fn pay(app: &App, bin: Bin) -> Result<(), String> {
    let (amount, phone) = *ORDER;
    let new = NewPayment {
        bin: Some(bin),
        trade_point: None,
        phone,
        amount,
        message: "Order 17".to_owned(),
        origin: Origin::default(),
    };
    let created = app.payments().create(new).await;
    created.map(drop).map_err(|error| error.to_string())
}

async fn send(transport: &Transport, bin: Bin) -> Result<(), String> {
    const BODY: &[u8] = br#"{"OrganizationBin":"891000000001","Amount":1500.50,"PhoneNumber":"77000000001","DeviceToken":"00000000-0000-4000-8000-000000000001","Comment":"Order 17"}"#;
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let request = Request {
        method: Method::POST,
        path_and_query: "/v01/remote/create".to_owned(),
        headers,
        body: Bytes::from_static(BODY),
    };
    let channel = transport.channel(Some(bin)).map_err(|error| error.to_string())?;
    let reply = channel.send(request).await.map_err(|error| error.to_string())?;
    (reply.status == 200)
        .then_some(())
        .ok_or_else(|| reply.status.to_string())
}
