//! `kaspi qr` and `kaspi link`: payments that a customer scans or opens.

use std::path::Path;

use serde_json::json;

use super::args::Purchase;
use super::context::Context;
use super::failure::Failure;
use super::{qr_code, watch};
use crate::api::{KaspiTime, PollTiming};
use crate::app::App;
use crate::base::{Bin, PaymentId};
use crate::payments::{NewPurchase, Pace};

pub(super) async fn qr(purchase: Purchase, png: Option<&Path>, context: &Context<'_>) -> Result<(), Failure> {
    let app = context.open()?;
    let outcome = make_qr(&app, purchase, png, context).await;
    app.payments().journal().close().await;
    outcome
}

pub(super) async fn link(purchase: Purchase, context: &Context<'_>) -> Result<(), Failure> {
    let app = context.open()?;
    let outcome = make_link(&app, purchase, context).await;
    app.payments().journal().close().await;
    outcome
}

async fn make_qr(
    app: &App,
    purchase: Purchase,
    png: Option<&Path>,
    context: &Context<'_>,
) -> Result<(), Failure> {
    let watched = purchase.watch;
    let order = new(purchase, context)?;
    // before anything is made: a code that cannot be written down would be lost
    let picture_file = png
        .map(|file| Ok::<_, Failure>((file, qr_code::open(file)?)))
        .transpose()?;
    let created = app.payments().create_qr(order).await?;
    let qr = &created.qr;
    let picture = qr_code::encode(&qr.qr_token)?;
    if let Some((path, file)) = picture_file {
        qr_code::write_png(&picture, file, path)?;
    }
    let json = json!({
        "payment_id": qr.payment_id, "bin": created.bin, "amount": created.amount, "qr_token": qr.qr_token,
        "expire_date": qr.expire_date, "payment_methods": qr.payment_methods, "png": png,
        "operation_id": created.operation_id, "replayed": created.replayed,
    });
    let text = |paint: &super::report::Paint| {
        format!(
            "{}\n{} payment {} of {} tenge for BIN {}, to be scanned {}",
            qr_code::drawn(&picture, paint),
            made(paint, created.replayed),
            paint.strong(qr.payment_id),
            created.amount,
            created.bin,
            until(qr.expire_date.as_ref()),
        )
    };
    context.report.result(text, &json);
    if watched {
        follow(
            app,
            created.bin,
            qr.payment_id,
            qr.timing,
            qr.expire_date.as_ref(),
            context,
        )
        .await?;
    }
    Ok(())
}

async fn make_link(app: &App, purchase: Purchase, context: &Context<'_>) -> Result<(), Failure> {
    let watched = purchase.watch;
    let order = new(purchase, context)?;
    let created = app.payments().create_link(order).await?;
    let link = &created.link;
    let json = json!({
        "payment_id": link.payment_id, "bin": created.bin, "amount": created.amount,
        "payment_link": link.payment_link, "expire_date": link.expire_date,
        "payment_methods": link.payment_methods, "operation_id": created.operation_id,
        "replayed": created.replayed,
    });
    let text = |paint: &super::report::Paint| {
        format!(
            "{}\n{} payment {} of {} tenge for BIN {}, to be opened {}",
            paint.strong(&link.payment_link),
            made(paint, created.replayed),
            link.payment_id,
            created.amount,
            created.bin,
            until(link.expire_date.as_ref()),
        )
    };
    context.report.result(text, &json);
    if watched {
        follow(
            app,
            created.bin,
            link.payment_id,
            link.timing,
            link.expire_date.as_ref(),
            context,
        )
        .await?;
    }
    Ok(())
}

async fn follow(
    app: &App,
    bin: Bin,
    payment: PaymentId,
    timing: PollTiming,
    expire_date: Option<&KaspiTime>,
    context: &Context<'_>,
) -> Result<(), Failure> {
    let watch = app
        .payments()
        .watch(Some(bin), payment, Pace::Polled(timing), expire_date)?;
    // it was made here as a QR or link payment, so it may be polled whatever its status is called
    watch::follow(watch, payment, true, true, context).await
}

fn new(purchase: Purchase, context: &Context<'_>) -> Result<NewPurchase, Failure> {
    Ok(NewPurchase {
        bin: context.bin(),
        trade_point: purchase.trade_point,
        amount: purchase.amount,
        external_id: purchase.external_id,
        origin: purchase.key.origin()?,
    })
}

/// A code or link that was made before is shown again.
fn made(paint: &super::report::Paint, replayed: bool) -> String {
    if replayed {
        paint.warning("was created before:")
    } else {
        paint.good("created")
    }
}

fn until(date: Option<&KaspiTime>) -> String {
    date.map_or_else(
        || "within minutes".to_owned(),
        |date| format!("until {}", date.as_text()),
    )
}
