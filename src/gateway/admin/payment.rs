//! One payment: its whole history, and what can be done with it. What moves money is asked about first, on
//! a page whose form has a key of its own: sent again, it is the same operation.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;

use super::chart::escaped;
use super::desk::{Desk, moment, traced};
use super::frame::{self, Place};
use super::pages::{Refused, drawn, spoken};
use super::payments::standing;
use super::reconciliation::tenge;
use super::report_words::{Lang, words as figures};
use super::table::{self, Column::Text};
use super::words::words;
use crate::base::Amount;
use crate::config::Verb;
use crate::gateway::hall::Hall;
use crate::gateway::problem::Problem;
use crate::payments::{Filter, HistoryStep, NewCancel, NewRefund, OperationRecord, PaymentRecord};

pub(super) async fn payment(
    State(hall): State<Arc<Hall>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let lang = spoken(&request);
    drawn(lang, Place::Payments, shown(&hall, &id, request, lang).await)
}

async fn shown(hall: &Hall, id: &str, request: Request, lang: Lang) -> Result<Response, Refused> {
    let desk = Desk::of(hall, request, lang, &["lang"]).await?;
    let payment = desk.payment(hall, id).await?;
    page(hall, &desk, &payment, None).await
}

/// The page of a payment, with what has just been done.
async fn page(
    hall: &Hall,
    desk: &Desk,
    payment: &PaymentRecord,
    done: Option<&str>,
) -> Result<Response, Refused> {
    let (lang, words, figures) = (desk.lang, words(desk.lang), figures(desk.lang));
    let id = payment.payment_id;
    let mut html = format!("<h1>{} {id}</h1>\n", figures.payment);
    if let Some(done) = done {
        let _ = writeln!(html, "<p class=\"good\" role=\"status\">{}</p>", escaped(done));
    }
    html += "<dl class=\"facts\">\n";
    let mut fact = |name: &str, value: String| {
        let _ = writeln!(html, "<div><dt>{name}</dt><dd>{value}</dd></div>");
    };
    fact(figures.bin, desk.name(payment.bin));
    fact(figures.kind, figures.payment_kind(payment.kind).to_owned());
    if let Some(amount) = payment.amount {
        fact(figures.amount, tenge(lang, amount.tiyn()));
    }
    fact(words.state, standing(words, payment));
    if let Some(at) = payment.status_at {
        fact(words.heard, moment(at));
    }
    fact(figures.made_at, moment(payment.created_at));
    html += "</dl>\n";
    html += &desk.button_form(&format!("/admin/payment/{id}/check"));
    let _ = writeln!(html, "<button type=\"submit\">{}</button>\n</form>", words.check);
    html += "<ul class=\"actions\">\n";
    if desk.call.visitor.may(Verb::Refund) {
        let _ = writeln!(
            html,
            "<li><a href=\"/admin/payment/{id}/refund\">{}…</a></li>",
            figures.refund
        );
    }
    if desk.call.visitor.may(Verb::Create) {
        let _ = writeln!(
            html,
            "<li><a href=\"/admin/payment/{id}/cancel\">{}…</a></li>",
            figures.cancel
        );
    }
    html += "</ul>\n";
    let operations = hall
        .payments
        .operations(&Filter {
            bins: vec![payment.bin],
            payment: Some(id),
            ..Filter::default()
        })
        .await
        .map_err(Problem::Payment)?;
    let _ = writeln!(html, "<h2>{}</h2>", words.history);
    for operation in &operations.items {
        let steps = hall
            .payments
            .history(operation.id)
            .await
            .map_err(Problem::Payment)?;
        html += &course(desk, operation, &steps);
    }
    if operations.items.is_empty() {
        let _ = writeln!(html, "<p class=\"empty\">{}</p>", words.nothing);
    }
    Ok(frame::page(lang, Place::Payments, "", &html))
}

/// One operation and its steps.
pub(super) fn course(desk: &Desk, operation: &OperationRecord, steps: &[HistoryStep]) -> String {
    let (words, figures) = (words(desk.lang), figures(desk.lang));
    let title = format!(
        "{}: {}",
        figures.operation(operation.kind),
        figures.outcome(operation.state)
    );
    let mut html = format!(
        "<h3>{title}</h3>\n<p><code>{}</code> · {}{}{}</p>\n",
        operation.id,
        escaped(&operation.caller),
        operation
            .amount
            .map(|amount| format!(" · {}", tenge(desk.lang, amount.tiyn())))
            .unwrap_or_default(),
        operation
            .phone
            .as_ref()
            .map(|phone| format!(" · {}", escaped(phone)))
            .unwrap_or_default(),
    );
    if let Some(failure) = &operation.failure {
        let _ = writeln!(
            html,
            "<p class=\"bad\" lang=\"en\">{}</p>",
            escaped(&failure.message)
        );
    }
    html += &table::begun(
        &title,
        words.steps,
        &[
            Text(words.at),
            Text(words.state),
            Text(words.who),
            Text(words.why),
        ],
    );
    for step in steps {
        let _ = writeln!(
            html,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td></tr>",
            moment(step.at),
            figures.outcome(step.to),
            escaped(&step.who),
            escaped(&step.why)
        );
    }
    html += table::END;
    html
}

pub(super) async fn check(
    State(hall): State<Arc<Hall>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let lang = spoken(&request);
    drawn(lang, Place::Payments, checked(&hall, &id, request, lang).await)
}

async fn checked(hall: &Hall, id: &str, request: Request, lang: Lang) -> Result<Response, Refused> {
    let desk = Desk::of_form(hall, request, lang, &["lang"]).await?;
    let payment = desk.payment(hall, id).await?;
    let what = (payment.bin, "check", payment.payment_id.to_string());
    let payments = hall.payments.clone();
    let asked = async move { payments.check(Some(payment.bin), payment.payment_id).await };
    traced(hall, &desk, what, asked).await?;
    let payment = desk.payment(hall, id).await?;
    page(hall, &desk, &payment, Some(words(lang).checked)).await
}

pub(super) async fn ask_refund(
    State(hall): State<Arc<Hall>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let lang = spoken(&request);
    drawn(
        lang,
        Place::Payments,
        refund_form(&hall, &id, request, lang).await,
    )
}

/// What is left is Kaspi's word of now.
async fn refund_form(hall: &Hall, id: &str, request: Request, lang: Lang) -> Result<Response, Refused> {
    let desk = Desk::of(hall, request, lang, &["lang"]).await?;
    desk.must(Verb::Refund)?;
    let payment = desk.payment(hall, id).await?;
    let _turn = hall.turn(&desk.call.visitor, Some(payment.bin)).await?;
    let details = hall
        .payments
        .details(Some(payment.bin), None, payment.payment_id)
        .await
        .map_err(Problem::Payment)?;
    let (words, figures) = (words(lang), figures(lang));
    let rest = details.available_return_amount;
    let mut html = format!(
        "<h1>{}: {}</h1>\n<dl class=\"facts\">\n<div><dt>{}</dt><dd>{}</dd></div>\n<div><dt>{}</dt><dd>{}</dd></div>\n\
         <div><dt>{}</dt><dd>{}</dd></div>\n</dl>\n",
        figures.refund,
        payment.payment_id,
        figures.bin,
        desk.name(payment.bin),
        figures.paid,
        tenge(lang, details.total_amount.tiyn()),
        words.rest,
        tenge(lang, rest.tiyn()),
    );
    let _ = writeln!(html, "<p>{}</p>", words.ask_refund);
    html += &desk.form(&format!("/admin/payment/{}/refund", payment.payment_id));
    let _ = writeln!(
        html,
        "<input type=\"hidden\" name=\"key\" value=\"{}\">\n\
         <p><label for=\"amount\">{}</label><input id=\"amount\" name=\"amount\" inputmode=\"decimal\" value=\"{rest}\" required></p>\n\
         <button type=\"submit\">{}</button>\n</form>\n<p><a href=\"/admin/payment/{}\">{}</a></p>",
        Desk::fresh_key()?,
        figures.amount,
        words.do_refund,
        payment.payment_id,
        words.back
    );
    Ok(frame::page(lang, Place::Payments, "", &html))
}

pub(super) async fn refund(
    State(hall): State<Arc<Hall>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let lang = spoken(&request);
    drawn(lang, Place::Payments, refunded(&hall, &id, request, lang).await)
}

async fn refunded(hall: &Hall, id: &str, request: Request, lang: Lang) -> Result<Response, Refused> {
    let desk = Desk::of_form(hall, request, lang, &["lang", "amount", "key"]).await?;
    desk.must(Verb::Refund)?;
    let payment = desk.payment(hall, id).await?;
    let given = desk.field("amount").unwrap_or_default().replace(',', ".");
    let amount = Amount::parse(&given).map_err(|_| Refused::Text(words(lang).bad_amount))?;
    let new = NewRefund {
        bin: Some(payment.bin),
        trade_point: None,
        payment_id: payment.payment_id,
        amount,
        origin: desk.origin()?,
    };
    let what = (payment.bin, "refund", format!("{} {amount}", payment.payment_id));
    let payments = hall.payments.clone();
    let done = traced(hall, &desk, what, async move { payments.refund(new).await }).await?;
    desk.call.notes.operation(done.operation_id);
    let told = format!("{}: {}", words(lang).refunded, tenge(lang, done.amount.tiyn()));
    page(hall, &desk, &payment, Some(&told)).await
}

pub(super) async fn ask_cancel(
    State(hall): State<Arc<Hall>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let lang = spoken(&request);
    drawn(
        lang,
        Place::Payments,
        cancel_form(&hall, &id, request, lang).await,
    )
}

async fn cancel_form(hall: &Hall, id: &str, request: Request, lang: Lang) -> Result<Response, Refused> {
    let desk = Desk::of(hall, request, lang, &["lang"]).await?;
    desk.must(Verb::Create)?;
    let payment = desk.payment(hall, id).await?;
    let words = words(lang);
    let html = format!(
        "<h1>{}: {}</h1>\n<p>{}</p>\n{}<input type=\"hidden\" name=\"key\" value=\"{}\">\n\
         <button type=\"submit\">{}</button>\n</form>\n<p><a href=\"/admin/payment/{1}\">{}</a></p>\n",
        figures(lang).cancel,
        payment.payment_id,
        words.ask_cancel,
        desk.form(&format!("/admin/payment/{}/cancel", payment.payment_id)),
        Desk::fresh_key()?,
        words.do_cancel,
        words.back
    );
    Ok(frame::page(lang, Place::Payments, "", &html))
}

pub(super) async fn cancel(
    State(hall): State<Arc<Hall>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let lang = spoken(&request);
    drawn(lang, Place::Payments, canceled(&hall, &id, request, lang).await)
}

async fn canceled(hall: &Hall, id: &str, request: Request, lang: Lang) -> Result<Response, Refused> {
    let desk = Desk::of_form(hall, request, lang, &["lang", "key"]).await?;
    desk.must(Verb::Create)?;
    let payment = desk.payment(hall, id).await?;
    let new = NewCancel {
        bin: Some(payment.bin),
        trade_point: None,
        payment_id: payment.payment_id,
        origin: desk.origin()?,
    };
    let what = (payment.bin, "cancel", payment.payment_id.to_string());
    let payments = hall.payments.clone();
    let done = traced(hall, &desk, what, async move { payments.cancel(new).await }).await?;
    desk.call.notes.operation(done.operation_id);
    let payment = desk.payment(hall, id).await?;
    page(hall, &desk, &payment, Some(words(lang).canceled)).await
}
