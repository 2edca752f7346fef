//! Calls for one BIN, and the one executor that runs them.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::answer::{self, Answer};
use super::call::{Call, Caller, WireRequest};
use super::client_info::{ClientInfo, ClientInfoLimit, ClientInfoOf};
use super::devices::{DeleteDevice, RegisterDevice, RegisteredDevice};
use super::emulator::{Emulate, EmulatorStep};
use super::qr::{CreateLink, CreateQr, LinkCreated, QrCreated};
use super::refunds::{DetailsOf, PaymentDetails, RefundDone, RefundPayment};
use super::remote::{CancelRemotePayment, CreateRemotePayment, RemotePaymentCanceled, RemotePaymentCreated};
use super::repeat::{Attempt, Next, jittered, next};
use super::settings::ApiSettings;
use super::status::{PaymentStatus, StatusOf};
use super::trade_points::{Ping, TradePointInfo, TradePoints};
use super::{Effect, Error, MoneyPermit};
#[cfg(feature = "journal")]
use crate::base::DeviceToken;
use crate::base::{Bin, OperationId, PaymentId, PhoneNumber, TradePointId};
use crate::transport::{Channel, Request, Transport};

/// The header that a call's repeats do not share (official document, section 1.3).
const REQUEST_ID: &str = "x-request-id";

/// No attempt begins later than this after the call began: callers of today give up at 30 s, and one
/// attempt may take 20.
const REPEAT_WITHIN: Duration = Duration::from_secs(8);

/// Kaspi's calls, for every configured BIN.
#[derive(Clone, Debug)]
pub struct Api {
    transport: Arc<Transport>,
    settings: ApiSettings,
    limits: ClientInfoLimit,
}

/// Kaspi's calls for one BIN: merchant, device token and certificate of one look-up.
#[derive(Clone, Debug)]
pub struct Session {
    channel: Channel,
    settings: ApiSettings,
    trade_point: Option<TradePointId>,
    limits: ClientInfoLimit,
}

impl Api {
    /// Kaspi's calls over a transport.
    #[must_use]
    pub fn new(transport: Arc<Transport>, settings: ApiSettings) -> Self {
        Self {
            transport,
            settings,
            limits: ClientInfoLimit::default(),
        }
    }

    /// Pins one BIN, or `default_bin` where none is named. Sends nothing.
    ///
    /// # Errors
    ///
    /// The BIN is unknown, switched off or broken, or none was named and there is no default.
    pub fn session(&self, bin: Option<Bin>) -> Result<Session, Error> {
        let channel = self.transport.channel(bin).map_err(|source| Error::Transport {
            call: "look-up",
            effect: Effect::SameAgain,
            source,
        })?;
        Ok(self.session_over(channel))
    }

    /// Whose calls these are where none is named.
    #[cfg(feature = "journal")]
    pub(crate) fn default_bin(&self) -> Result<Bin, Error> {
        self.transport.default_bin().map_err(|source| Error::Transport {
            call: "look-up",
            effect: Effect::SameAgain,
            source,
        })
    }

    /// Everybody who is configured, in order.
    #[cfg(feature = "journal")]
    pub(crate) fn bins(&self) -> Vec<Bin> {
        self.transport.registry().bins()
    }

    /// Calls over a channel that is there already.
    pub(crate) fn session_over(&self, channel: Channel) -> Session {
        Session {
            channel,
            settings: self.settings,
            trade_point: None,
            limits: self.limits.clone(),
        }
    }
}

impl Session {
    /// The same session for another of the merchant's trade points.
    ///
    /// # Errors
    ///
    /// The merchant has no such trade point.
    pub fn at(mut self, trade_point: TradePointId) -> Result<Self, Error> {
        if !self.channel.has_trade_point(trade_point) {
            return Err(Error::NoTradePoint {
                bin: self.bin(),
                trade_point,
            });
        }
        self.trade_point = Some(trade_point);
        Ok(self)
    }

    /// Whose calls these are.
    #[must_use]
    pub fn bin(&self) -> Bin {
        self.channel.bin()
    }

    /// The token of the session's trade point, for whoever carries its calls another way.
    #[cfg(feature = "journal")]
    pub(crate) fn device_token(&self) -> Option<&DeviceToken> {
        self.channel.device_token(self.trade_point)
    }

    /// The way that the calls take: certificate and generation.
    #[must_use]
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Whether Kaspi takes this identity: `health/ping` (official document 5.1).
    ///
    /// # Errors
    ///
    /// It does not, or no answer came.
    pub async fn ping(&self) -> Result<(), Error> {
        self.run(&Ping).await
    }

    /// The trade points that the bank knows: `partner/tradepoints` (official document 4.2.2).
    ///
    /// # Errors
    ///
    /// Kaspi refuses, or no answer came.
    pub async fn trade_points(&self) -> Result<Vec<TradePointInfo>, Error> {
        self.run(&TradePoints).await
    }

    /// Registers a device at a trade point and gets its token: `device/register` (official document 4.2.3).
    ///
    /// Registering the same device again gives the same token, so this is repeated where an answer is lost.
    ///
    /// # Errors
    ///
    /// Kaspi refuses, or no answer came.
    pub async fn register_device(&self, device: &RegisterDevice) -> Result<RegisteredDevice, Error> {
        self.run(device).await
    }

    /// Sends a customer an invoice by phone number: `remote/create` (official document 4.6.2).
    ///
    /// # Errors
    ///
    /// The error's `delivery` tells whether an invoice can exist. Where it is `Unknown`, nothing at
    /// Kaspi can be asked for it: a person has to look.
    pub async fn create_remote_payment(
        &self,
        permit: MoneyPermit,
        payment: &CreateRemotePayment,
    ) -> Result<RemotePaymentCreated, Error> {
        self.run_permitted(permit, payment).await
    }

    /// How a payment stands: `payment/status`, of the configured version (official document 4.3.3).
    ///
    /// # Errors
    ///
    /// Kaspi refuses, or no answer came.
    pub async fn payment_status(&self, payment: PaymentId) -> Result<PaymentStatus, Error> {
        self.run(&StatusOf(payment)).await
    }

    /// What was paid and what is left to refund: `payment/details` (official document 4.4).
    ///
    /// # Errors
    ///
    /// Kaspi refuses, or no answer came.
    pub async fn payment_details(&self, payment: PaymentId) -> Result<PaymentDetails, Error> {
        self.run(&DetailsOf(payment)).await
    }

    /// Pays money back: `payment/return` (official document 4.5). Not idempotent at Kaspi.
    ///
    /// # Errors
    ///
    /// The error's `delivery` tells whether money can have moved. Where it is `Unknown`,
    /// [`payment_details`](Self::payment_details) shows.
    pub async fn refund(&self, permit: MoneyPermit, refund: &RefundPayment) -> Result<RefundDone, Error> {
        self.run_permitted(permit, refund).await
    }

    /// Deletes a device: `device/delete` (official document 4.2.4). Its token is dead afterwards.
    ///
    /// The device is the one whose token this session carries.
    ///
    /// # Errors
    ///
    /// Kaspi refuses, or no answer came; then the error's `delivery` tells whether it may be deleted.
    pub async fn delete_device(&self) -> Result<(), Error> {
        self.run(&DeleteDevice).await
    }

    /// Makes a purchase to be paid by QR code: `qr/create` (official document 4.3.1).
    ///
    /// # Errors
    ///
    /// The error's `delivery` tells whether there can be a purchase. One whose answer was lost was shown
    /// to nobody and expires.
    pub async fn create_qr(&self, permit: MoneyPermit, qr: &CreateQr) -> Result<QrCreated, Error> {
        self.run_permitted(permit, qr).await
    }

    /// Makes a purchase to be paid by a link: `qr/create-link` (official document 4.3.2).
    ///
    /// # Errors
    ///
    /// The error's `delivery` tells whether there can be a purchase. One whose answer was lost was shown
    /// to nobody and expires.
    pub async fn create_link(&self, permit: MoneyPermit, link: &CreateLink) -> Result<LinkCreated, Error> {
        self.run_permitted(permit, link).await
    }

    /// Takes an unpaid invoice back: `remote/cancel` (official document 4.6.3).
    ///
    /// After any failure read the status: the customer may have paid meanwhile.
    ///
    /// # Errors
    ///
    /// Kaspi refuses, or no answer came.
    pub async fn cancel_remote_payment(
        &self,
        permit: MoneyPermit,
        payment: PaymentId,
    ) -> Result<RemotePaymentCanceled, Error> {
        self.run_permitted(permit, &CancelRemotePayment(payment)).await
    }

    /// Whether a phone number can get an invoice, and whose it is: `remote/client-info` (official
    /// document 4.6.1). At most 50 times a minute for each device, which is kept here.
    ///
    /// # Errors
    ///
    /// Kaspi refuses, no answer came, or it was asked too often.
    pub async fn client_info(&self, phone: PhoneNumber) -> Result<ClientInfo, Error> {
        // the default trade point has the same device whether it is named or not
        let trade_point = self.channel.trade_point_id(self.trade_point);
        let allowance = self.limits.of((self.bin(), trade_point));
        self.run(&ClientInfoOf { phone, allowance }).await
    }

    /// Lets the bank's emulated customer act on a QR or link payment: `test/payment/*` (official
    /// document 5.2-5.5). Only against the bank's test server or a sandbox.
    ///
    /// # Errors
    ///
    /// The configured server is not a test server, Kaspi refuses, or no answer came.
    pub async fn emulate(&self, payment: PaymentId, step: Emulate) -> Result<(), Error> {
        self.run(&EmulatorStep { step, payment }).await
    }

    async fn run<C: Call>(&self, call: &C) -> Result<C::Output, Error> {
        self.execute(call, None).await
    }

    async fn run_permitted<C: Call>(&self, permit: MoneyPermit, call: &C) -> Result<C::Output, Error> {
        self.execute(call, Some(permit.operation())).await
    }

    async fn execute<C: Call>(&self, call: &C, operation: Option<OperationId>) -> Result<C::Output, Error> {
        let request = call.request(&Caller::new(&self.channel, self.trade_point, &self.settings))?;
        let began = Instant::now();
        let mut made = 0;
        let mut last = None;
        loop {
            if let Err(limit) = call.admit() {
                return Err(last.unwrap_or(limit));
            }
            made += 1;
            let error = match self.attempt::<C>(&request).await {
                Ok(output) => return Ok(output),
                Err(error) => error,
            };
            let attempt = Attempt {
                effect: C::EFFECT,
                delivery: error.outcome(),
                may_pass: error.may_pass(),
                made,
            };
            let Next::Again(pause) = next(attempt) else {
                return Err(error);
            };
            let pause = jittered(pause);
            if began.elapsed() + pause > REPEAT_WITHIN {
                return Err(error);
            }
            tracing::debug!(
                call = C::NAME, bin = %self.bin(), operation = operation.map(tracing::field::display),
                made, ?pause, %error, "another attempt follows"
            );
            sleep(pause).await;
            last = Some(error);
        }
    }

    async fn attempt<C: Call>(&self, request: &WireRequest) -> Result<C::Output, Error> {
        let (call, effect) = (C::NAME, C::EFFECT);
        let request = Request {
            method: request.method.clone(),
            path_and_query: request.path_and_query.clone(),
            headers: headers(),
            body: request.body.clone(),
        };
        let reply = self
            .channel
            .send(request)
            .await
            .map_err(|source| Error::Transport { call, effect, source })?;
        let foreign = |fault| Error::Answer {
            call,
            effect,
            http_status: reply.status,
            fault,
        };
        match answer::read(&reply).map_err(foreign)? {
            Answer::Done(data) => C::read(data).map_err(foreign),
            Answer::Refused { code, message } => Err(Error::Refused {
                call,
                effect,
                code,
                message,
            }),
        }
    }
}

/// The headers of a call, beside those that HTTP itself wants.
pub(crate) fn headers() -> HeaderMap {
    const JSON: HeaderValue = HeaderValue::from_static("application/json");
    const AGENT: HeaderValue = HeaderValue::from_static(concat!("kaspi-direct/", env!("CARGO_PKG_VERSION")));
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(header::ACCEPT, JSON);
    headers.insert(header::CONTENT_TYPE, JSON);
    headers.insert(header::USER_AGENT, AGENT);
    // 32 hexadecimal digits, as in the document's example; unique, and no secret
    let id = uuid::Builder::from_random_bytes(fastrand::u128(..).to_ne_bytes()).into_uuid();
    let mut digits = Uuid::encode_buffer();
    if let Ok(id) = HeaderValue::from_str(id.simple().encode_lower(&mut digits)) {
        headers.insert(REQUEST_ID, id);
    }
    headers
}
