//! Words that every other room uses. No input, no output, no other room.

mod bin;
mod clock;
mod delivery;
mod explain;
mod formula;
mod ids;
mod money;
mod phone;
mod secret;
mod shell;
mod trace;
mod trade_point;
mod webhook_secret;

pub use bin::{Bin, BinError};
pub use clock::{Clock, FixedClock, SystemClock};
pub use delivery::Delivery;
pub use explain::{Explain, Fault, chain_text};
pub use formula::no_formula;
pub use ids::{DeviceId, ExternalId, IdError, OperationId, PaymentId, ReturnOperationId, TradePointId};
pub use money::{Amount, AmountError, Balance};
pub use phone::{PhoneError, PhoneFormat, PhoneNumber};
pub use secret::{DeviceToken, DeviceTokenError, Password, Secret};
pub use shell::shell_word;
pub use trace::TRACE;
pub use trade_point::TradePoint;
pub use webhook_secret::{WebhookSecret, WebhookSecretError};
