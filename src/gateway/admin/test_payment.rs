//! A payment to try a BIN with: of real money, unless a sandbox stands behind.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;

use super::chart::escaped;
use super::choice;
use super::desk::{Desk, traced};
use super::frame::{self, Place};
use super::pages::{Refused, drawn, spoken};
use super::report_words::{Lang, words as figures};
use super::words::words;
use crate::base::{Amount, Bin, PaymentId, PhoneNumber};
use crate::config::Verb;
use crate::gateway::hall::Hall;
use crate::payments::{NewPayment, NewPurchase, Payments};

pub(super) async fn form(State(hall): State<Arc<Hall>>, request: Request) -> Response {
    let lang = spoken(&request);
    drawn(lang, Place::Test, page(&hall, request, lang).await)
}

async fn page(hall: &Hall, request: Request, lang: Lang) -> Result<Response, Refused> {
    let desk = Desk::of(hall, request, lang, &["lang"]).await?;
    desk.must(Verb::Create)?;
    let (words, figures) = (words(lang), figures(lang));
    let mut html = format!("<h1>{}</h1>\n", words.test);
    let _ = if hall.sandboxed {
        writeln!(html, "<p class=\"hint\">{}</p>", words.sandbox)
    } else {
        writeln!(html, "<p class=\"bad\"><strong>{}</strong></p>", words.real_money)
    };
    html += &desk.form(Place::Test.address());
    let _ = write!(
        html,
        "<input type=\"hidden\" name=\"key\" value=\"{}\">\n{}\
         <p><label for=\"kind\">{}</label><select id=\"kind\" name=\"kind\"><option value=\"invoice\">{}</option>\
         <option value=\"qr\">{}</option><option value=\"link\">{}</option></select></p>\n",
        Desk::fresh_key()?,
        choice::bins(figures, "bin", &desk.own, None, None),
        figures.kind,
        figures.invoice,
        figures.qr,
        figures.link
    );
    for (name, label, kind) in [
        (
            "amount",
            figures.amount,
            "inputmode=\"decimal\" size=\"8\" required",
        ),
        ("phone", words.phone, "type=\"tel\" autocomplete=\"off\""),
        ("message", words.message, "maxlength=\"200\""),
    ] {
        let _ = writeln!(
            html,
            "<p><label for=\"{name}\">{label}</label><input id=\"{name}\" name=\"{name}\" {kind}></p>"
        );
    }
    let _ = writeln!(html, "<button type=\"submit\">{}</button>\n</form>", words.create);
    Ok(frame::page(lang, Place::Test, "", &html))
}

pub(super) async fn make(State(hall): State<Arc<Hall>>, request: Request) -> Response {
    let lang = spoken(&request);
    drawn(lang, Place::Test, made(&hall, request, lang).await)
}

/// What is to be made.
enum New {
    Invoice(NewPayment),
    Qr(NewPurchase),
    Link(NewPurchase),
}

async fn made(hall: &Hall, request: Request, lang: Lang) -> Result<Response, Refused> {
    let known = ["lang", "key", "bin", "kind", "amount", "phone", "message"];
    let desk = Desk::of_form(hall, request, lang, &known).await?;
    desk.must(Verb::Create)?;
    let origin = desk.origin()?;
    let (bin, new) = wanted(&desk, origin).ok_or(Refused::Text(words(lang).fill_in))?;
    desk.call.notes.bin(bin);
    let kind = desk.field("kind").unwrap_or_default();
    let subject = format!("{kind} {}", desk.field("amount").unwrap_or_default());
    let payments = hall.payments.clone();
    let work = async move { carried_out(&payments, new).await };
    let (payment, link) = traced(hall, &desk, (bin, "test_payment", subject), work).await?;
    let words = words(lang);
    let mut html = format!(
        "<h1>{}</h1>\n<p class=\"good\" role=\"status\">{}: <a href=\"/admin/payment/{payment}\">{payment}</a></p>\n",
        words.test, words.made
    );
    if let Some(link) = link {
        let _ = writeln!(html, "<p><code>{}</code></p>", escaped(&link));
    }
    Ok(frame::page(lang, Place::Test, "", &html))
}

fn wanted(desk: &Desk, origin: crate::payments::Origin) -> Option<(Bin, New)> {
    let bin = desk.own_bin(desk.field("bin")?)?;
    let amount = Amount::parse(&desk.field("amount")?.replace(',', ".")).ok()?;
    let purchase = |origin| NewPurchase {
        bin: Some(bin),
        trade_point: None,
        amount,
        external_id: None,
        origin,
    };
    let new = match desk.field("kind")? {
        "invoice" => New::Invoice(NewPayment {
            bin: Some(bin),
            trade_point: None,
            phone: PhoneNumber::parse(desk.field("phone")?).ok()?,
            amount,
            message: desk.field("message")?.to_owned(),
            origin,
        }),
        "qr" => New::Qr(purchase(origin)),
        "link" => New::Link(purchase(origin)),
        _ => return None,
    };
    Some((bin, new))
}

/// The payment, and what the customer is shown.
async fn carried_out(
    payments: &Payments,
    new: New,
) -> Result<(PaymentId, Option<String>), crate::payments::Error> {
    Ok(match new {
        New::Invoice(new) => (payments.create(new).await?.payment_id, None),
        New::Qr(new) => {
            let made = payments.create_qr(new).await?.qr;
            (made.payment_id, Some(made.qr_token))
        }
        New::Link(new) => {
            let made = payments.create_link(new).await?.link;
            (made.payment_id, Some(made.payment_link))
        }
    })
}
