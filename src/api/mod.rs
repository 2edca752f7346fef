//! Kaspi's r3 calls as typed methods.
//!
//! [`Api::session`] pins one BIN: merchant, device token and certificate come from one look-up, and
//! the session itself fills in `OrganizationBin` and `DeviceToken`. Reads are methods like any other.
//! Calls that move money ask for a [`MoneyPermit`], which `payments` makes once the operation stands
//! in its books, or which an embedder without `payments` makes by
//! [`MoneyPermit::caller_keeps_the_books`].
//!
//! Every failure of a call that changes something says what is known about it:
//! [`Explain::delivery`](crate::base::Explain::delivery).

mod answer;
mod call;
mod client_info;
mod codes;
mod date;
mod devices;
mod emulator;
mod error;
mod json;
mod permit;
mod qr;
mod refunds;
mod remote;
mod repeat;
mod session;
mod settings;
mod status;
mod trade_points;

pub use answer::{AnswerFault, FieldFault, status_code};
pub use call::Effect;
pub use client_info::{ClientInfo, ClientName};
pub use codes::{CodeMeaning, meaning};
pub use date::KaspiTime;
pub use devices::{RegisterDevice, RegisteredDevice};
pub use emulator::Emulate;
pub(crate) use error::AboutIdentity;
pub use error::Error;
pub use permit::MoneyPermit;
pub use qr::{CreateLink, CreateQr, LinkCreated, PollTiming, QrCreated};
pub use refunds::{PaymentDetails, RefundDone, RefundPayment};
pub use remote::{CreateRemotePayment, RemotePaymentCanceled, RemotePaymentCreated};
pub use repeat::{Attempt, Next, next};
pub(crate) use session::headers;
pub use session::{Api, Session};
pub use settings::{ApiSettings, StatusVersion};
pub use status::{NotAState, PaymentState, PaymentStatus, StatusWord};
pub(crate) use trade_points::PING_PATH;
pub use trade_points::TradePointInfo;
