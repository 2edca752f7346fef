//! The demo's steps themselves.

use std::path::Path;

use serde_json::json;

use super::super::sandbox::Unusable;
use super::rotation;
use super::seen::{self, Seen};
use super::tale::{Broken, Held, Tale};
use crate::api::PaymentState;
use crate::app::App;
use crate::base::{Amount, Balance, Bin, Delivery, Explain, PaymentId, PhoneNumber};
use crate::config::Environment;
use crate::payments::{NewPayment, NewRefund, Origin, Payments};
use crate::sandbox::{CustomerStep, Options, Sandbox, layout};

const PHONE: &str = "77000000000";

/// One BIN of the scene, and the certificates that its calls must show.
#[derive(Clone)]
pub(super) struct Actor {
    pub(super) bin: Bin,
    name: String,
    /// The one it began with, then those that took its place.
    certificates: Vec<String>,
}

pub(super) type Step<T> = Result<(T, Held), Broken>;

pub(super) fn held<T>(value: T, text: impl Into<String>, facts: serde_json::Value) -> Step<T> {
    Ok((
        value,
        Held {
            text: text.into(),
            facts,
        },
    ))
}

/// Plays the scene in a folder, and gives what the server saw of it, as far as it came.
pub(super) async fn play(tale: &mut Tale<'_>, folder: &Path) -> Vec<Seen> {
    let started = start_kaspi(folder).await;
    let Some(sandbox) = tale.tell("sandbox", started) else {
        return Vec::new();
    };
    // the tale tells itself of a step that does not hold; what the server saw is wanted all the same
    let _ = play_against(tale, folder, &sandbox).await;
    let seen = seen::count(&sandbox.requests());
    sandbox.shutdown().await;
    seen
}

async fn play_against(tale: &mut Tale<'_>, folder: &Path, sandbox: &Sandbox) -> Option<()> {
    let (app, mut actors) = tale.tell("identities", load(folder))?;
    let payments = app.payments();
    let [first, second] = &actors;

    let accepted = accepted(&app, &actors).await;
    tale.tell("accepted", accepted)?;
    let first_payment = tale.tell("create", create(payments, first, "1500").await)?;
    let second_payment = tale.tell("create", create(payments, second, "990.50").await)?;
    tale.tell("pay", pay(sandbox, payments, first, first_payment).await)?;
    tale.tell("pay", pay(sandbox, payments, second, second_payment).await)?;
    tale.tell("refund", refund(payments, first, first_payment, "500").await)?;
    tale.tell(
        "wrong_bin",
        wrong_bin(payments, first, second, first_payment).await,
    )?;
    tale.tell("unknown_bin", unknown_bin(sandbox, payments).await)?;
    let (rotated, other) = ((second, second_payment), (first, first_payment));
    let renewed = tale.tell("rotate", rotation::play(&app, folder, rotated, other).await)?;
    let [_, second] = &mut actors;
    second.certificates.push(renewed);
    tale.tell("seen", seen_apart(sandbox, &actors))
}

async fn start_kaspi(folder: &Path) -> Step<Sandbox> {
    layout::init(folder, &layout::Init::default()).map_err(Unusable)?;
    let options = Options::from_dir(folder).map_err(Unusable)?;
    let sandbox = Sandbox::start(options).await.map_err(Unusable)?;
    let text = format!(
        "a simulated Kaspi listens on {} and has issued a certificate to each of two BINs",
        sandbox.address()
    );
    let facts = json!({ "listen": sandbox.address(), "control": sandbox.control_address() });
    held(sandbox, text, facts)
}

fn load(folder: &Path) -> Step<(App, [Actor; 2])> {
    let environment = Environment::from_pairs::<String, String>([]);
    let app = App::open(&folder.join("kaspi.toml"), &environment)?;
    let actors: Vec<Actor> = app
        .transport()
        .registry()
        .status()
        .into_iter()
        .filter_map(|row| {
            Some(Actor {
                bin: row.bin,
                name: row.name,
                certificates: vec![row.facts.map(|facts| facts.sha256)?],
            })
        })
        .collect();
    let Ok(actors) = <[Actor; 2]>::try_from(actors) else {
        return Err(Broken::because("two BINs with a certificate each were expected"));
    };
    let [first, second] = &actors;
    if first.certificates == second.certificates {
        return Err(Broken::because("both BINs have the same certificate"));
    }
    let text = format!(
        "loaded two identities from encrypted keys: {} ({}) and {} ({})",
        first.bin, first.name, second.bin, second.name
    );
    let facts = json!({ "identities": actors.iter().map(|actor| json!({
        "bin": actor.bin, "name": actor.name, "certificate_sha256": actor.certificates.first(),
    })).collect::<Vec<_>>() });
    held((app, actors), text, facts)
}

async fn accepted(app: &App, actors: &[Actor; 2]) -> Step<()> {
    let mut names = Vec::new();
    for actor in actors {
        let session = app.api().session(Some(actor.bin))?;
        session.ping().await?;
        for point in session.trade_points().await? {
            names.push(format!("{} `{}`", point.trade_point_id, point.trade_point_name));
        }
    }
    let text = format!(
        "Kaspi accepts both identities and names their trade points: {}",
        names.join(", ")
    );
    held((), text, json!({ "trade_points": names }))
}

async fn create(payments: &Payments, actor: &Actor, tenge: &str) -> Step<PaymentId> {
    let amount = Amount::parse(tenge).map_err(|error| Broken::because(error.to_string()))?;
    let phone = PhoneNumber::parse(PHONE).map_err(|error| Broken::because(error.to_string()))?;
    let new = NewPayment {
        bin: Some(actor.bin),
        trade_point: None,
        phone,
        amount,
        message: "Demo order".to_owned(),
        origin: Origin::default(),
    };
    let created = payments.create(new).await?;
    let text = format!(
        "{}: invoice {} of {amount} tenge sent to {phone}, status {}",
        actor.bin, created.payment_id, created.status
    );
    held(
        created.payment_id,
        text,
        json!({ "bin": actor.bin, "payment_id": created.payment_id, "amount": amount }),
    )
}

async fn pay(sandbox: &Sandbox, payments: &Payments, actor: &Actor, payment: PaymentId) -> Step<()> {
    sandbox
        .customer(payment.get(), CustomerStep::Pay)
        .map_err(|error| Broken::because(error.to_string()))?;
    let status = payments.check(Some(actor.bin), payment).await?.status;
    if status.status.state() != PaymentState::Paid {
        return Err(Broken::because(format!(
            "payment {payment} was paid, and its status is {}",
            status.status
        )));
    }
    let text = format!(
        "{}: the customer paid invoice {payment}, status {}",
        actor.bin, status.status
    );
    held(
        (),
        text,
        json!({ "bin": actor.bin, "payment_id": payment, "status": status.status }),
    )
}

async fn refund(payments: &Payments, actor: &Actor, payment: PaymentId, tenge: &str) -> Step<()> {
    let amount = Amount::parse(tenge).map_err(|error| Broken::because(error.to_string()))?;
    let new = NewRefund {
        bin: Some(actor.bin),
        trade_point: None,
        payment_id: payment,
        amount,
        origin: Origin::default(),
    };
    let before = left(payments, actor, payment).await?;
    let refunded = payments.refund(new).await?;
    let after = left(payments, actor, payment).await?;
    if before.tiyn() != after.tiyn() + amount.tiyn() {
        return Err(Broken::because(format!(
            "{amount} of {before} tenge were refunded, and {after} are left"
        )));
    }
    let text = format!(
        "{}: refunded {amount} tenge of payment {payment}; {after} tenge are left",
        actor.bin
    );
    let facts = json!({
        "bin": actor.bin, "payment_id": payment, "amount": amount,
        "return_operation_id": refunded.return_operation_id, "available_return_amount": after,
    });
    held((), text, facts)
}

async fn left(payments: &Payments, actor: &Actor, payment: PaymentId) -> Result<Balance, Broken> {
    Ok(payments
        .details(Some(actor.bin), None, payment)
        .await?
        .available_return_amount)
}

/// A refund through the BIN that did not make the payment must be refused, and must not move money.
async fn wrong_bin(payments: &Payments, owner: &Actor, other: &Actor, payment: PaymentId) -> Step<()> {
    let amount = Amount::parse("100").map_err(|error| Broken::because(error.to_string()))?;
    let before = left(payments, owner, payment).await?;
    let new = NewRefund {
        bin: Some(other.bin),
        trade_point: None,
        payment_id: payment,
        amount,
        origin: Origin::default(),
    };
    let Err(error) = payments.refund(new).await else {
        return Err(Broken::because(format!(
            "BIN {} refunded a payment of BIN {}",
            other.bin, owner.bin
        )));
    };
    if error.delivery() != Some(Delivery::NotSent) {
        return Err(error.into());
    }
    let after = left(payments, owner, payment).await?;
    if after != before {
        return Err(Broken::because(format!(
            "a refused refund moved money: {before} tenge became {after}"
        )));
    }
    let text = format!(
        "{}: refunding payment {payment} of the other BIN is refused: {error}",
        other.bin
    );
    held(
        (),
        text,
        json!({ "bin": other.bin, "payment_id": payment, "refused_with": error.code(), "kind": error.kind() }),
    )
}

/// A BIN that is not configured must be refused before anything leaves.
async fn unknown_bin(sandbox: &Sandbox, payments: &Payments) -> Step<()> {
    let bin = Bin::parse("123456789012").map_err(|error| Broken::because(error.to_string()))?;
    let amount = Amount::parse("100").map_err(|error| Broken::because(error.to_string()))?;
    let phone = PhoneNumber::parse(PHONE).map_err(|error| Broken::because(error.to_string()))?;
    let before = sandbox.requests().len();
    let new = NewPayment {
        bin: Some(bin),
        trade_point: None,
        phone,
        amount,
        message: "Demo order".to_owned(),
        origin: Origin::default(),
    };
    let Err(error) = payments.create(new).await else {
        return Err(Broken::because(format!(
            "an invoice was made for BIN {bin}, which is not configured"
        )));
    };
    let sent = sandbox.requests().len() - before;
    if sent != 0 || error.delivery() != Some(Delivery::NotSent) {
        return Err(Broken::because(format!(
            "{sent} requests left for BIN {bin}, which is not configured"
        )));
    }
    held(
        (),
        format!("nothing leaves for a BIN that is not configured: {error}"),
        json!({ "bin": bin, "kind": error.kind(), "requests": sent }),
    )
}

/// Every call that names a BIN must have come with a certificate that was issued for that BIN, and
/// each certificate must have been seen.
fn seen_apart(sandbox: &Sandbox, actors: &[Actor; 2]) -> Step<()> {
    let seen = seen::count(&sandbox.requests());
    let belongs = |row: &Seen, actor: &Actor| {
        let shown = row.client_cert_sha256.as_ref();
        row.bin == actor.bin.to_string() && shown.is_some_and(|shown| actor.certificates.contains(shown))
    };
    for row in &seen {
        if !actors.iter().any(|actor| belongs(row, actor)) {
            return Err(Broken::because(format!(
                "calls of BIN {} came with certificate {:?}",
                row.bin, row.client_cert_sha256
            )));
        }
    }
    let wanted = actors.iter().flat_map(|actor| &actor.certificates);
    for certificate in wanted {
        if !seen
            .iter()
            .any(|row| row.client_cert_sha256.as_ref() == Some(certificate))
        {
            return Err(Broken::because(format!(
                "the server saw no call with certificate {certificate}"
            )));
        }
    }
    let calls: usize = seen.iter().map(|row| row.requests).sum();
    held(
        (),
        format!("the server's log: {calls} calls that name a BIN, each with a certificate of that BIN"),
        json!({ "requests": calls }),
    )
}
