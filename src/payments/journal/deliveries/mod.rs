//! Deliveries: one for each event and each endpoint that wants it, shared out among processes, in order
//! for each payment.

mod attempted;
mod fan_out;
mod handle;
mod read;
mod record;
mod take;

pub(in crate::payments) use attempted::{AttemptNote, Next};
pub use record::{
    DeliveryAttempt, DeliveryFilter, DeliveryState, DueDelivery, EndpointState, Subscription, WebhookDelivery,
};
