//! Operations of which nobody knows whether they were made, and a person's word on them.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;

use super::chart::escaped;
use super::desk::{Desk, moment, traced};
use super::frame::{self, Place};
use super::pages::{Refused, drawn, spoken};
use super::payment::course;
use super::reconciliation::tenge;
use super::report_words::{Lang, words as figures};
use super::table::{
    self,
    Column::{Number, Text},
};
use super::words::words;
use crate::base::{OperationId, PaymentId, ReturnOperationId};
use crate::gateway::hall::Hall;
use crate::gateway::problem::Problem;
use crate::payments::{Filter, OperationKind, OperationRecord, OperationState, Resolution};

pub(super) async fn unknown(State(hall): State<Arc<Hall>>, request: Request) -> Response {
    let lang = spoken(&request);
    drawn(lang, Place::Unknown, list(&hall, request, lang).await)
}

async fn list(hall: &Hall, request: Request, lang: Lang) -> Result<Response, Refused> {
    let desk = Desk::of(hall, request, lang, &["lang", "cursor"]).await?;
    let filter = Filter {
        bins: desk.bins(),
        states: vec![OperationState::Unknown],
        cursor: desk.field("cursor").and_then(|text| text.parse().ok()),
        ..Filter::default()
    };
    let found = hall
        .payments
        .operations(&filter)
        .await
        .map_err(Problem::Payment)?;
    let (words, figures) = (words(lang), figures(lang));
    let mut html = format!(
        "<h1>{}</h1>\n<p class=\"hint\">{}</p>\n",
        words.unknown, words.unknown_intro
    );
    if found.items.is_empty() {
        let _ = writeln!(html, "<p class=\"empty\">{}</p>", words.nothing);
        return Ok(frame::page(lang, Place::Unknown, "", &html));
    }
    html += &table::begun(
        words.unknown,
        words.unknown,
        &[
            Text(words.at),
            Text(words.age),
            Text(figures.bin),
            Number(figures.amount),
            Text(figures.kind),
            Text(words.why),
        ],
    );
    let now = hall.surroundings.now();
    for operation in &found.items {
        let minutes = (now - operation.recorded_at).whole_minutes().max(0);
        let age = format!("{}:{:02}", minutes / 60, minutes % 60);
        let _ = writeln!(
            html,
            "<tr><th scope=\"row\"><a href=\"/admin/unknown/{}\">{}</a></th><td>{age}</td><td>{}</td>\
             <td class=\"num\">{}</td><td>{}</td><td lang=\"en\">{}</td></tr>",
            operation.id,
            moment(operation.recorded_at),
            desk.name(operation.bin),
            operation
                .amount
                .map_or_else(|| "–".to_owned(), |amount| tenge(lang, amount.tiyn())),
            figures.operation(operation.kind),
            escaped(operation.failure.as_ref().map_or("", |failure| &failure.message))
        );
    }
    html += table::END;
    if let Some(next) = found.next {
        let _ = writeln!(
            html,
            "<p><a rel=\"next\" href=\"/admin/unknown?cursor={next}\">{}</a></p>",
            words.earlier
        );
    }
    Ok(frame::page(lang, Place::Unknown, "", &html))
}

/// An operation of a BIN that may be seen. Another one's does not exist.
async fn operation(hall: &Hall, desk: &Desk, text: &str) -> Result<OperationRecord, Refused> {
    let id: OperationId = text.parse().map_err(|_| Refused::Missing)?;
    let known = hall.payments.operation(id).await.map_err(Problem::Payment)?;
    let known = known.filter(|known| desk.call.visitor.may_for(known.bin));
    known.ok_or(Refused::Missing)
}

pub(super) async fn one(State(hall): State<Arc<Hall>>, Path(id): Path<String>, request: Request) -> Response {
    let lang = spoken(&request);
    drawn(lang, Place::Unknown, shown(&hall, &id, request, lang).await)
}

async fn shown(hall: &Hall, id: &str, request: Request, lang: Lang) -> Result<Response, Refused> {
    let desk = Desk::of(hall, request, lang, &["lang"]).await?;
    let known = operation(hall, &desk, id).await?;
    page(hall, &desk, &known).await
}

async fn page(hall: &Hall, desk: &Desk, known: &OperationRecord) -> Result<Response, Refused> {
    let (lang, words) = (desk.lang, words(desk.lang));
    let steps = hall.payments.history(known.id).await.map_err(Problem::Payment)?;
    let mut html = format!(
        "<h1>{}</h1>\n<p>{}</p>\n<h2>{}</h2>\n{}",
        words.operation,
        desk.name(known.bin),
        words.history,
        course(desk, known, &steps)
    );
    if known.state == OperationState::Unknown {
        let _ = writeln!(html, "<h2>{}</h2>\n<p>{}</p>", words.resolve, words.resolve_intro);
        html += &desk.form(&format!("/admin/unknown/{}", known.id));
        let _ = write!(
            html,
            "<fieldset><legend>{}</legend>\n\
             <label><input type=\"radio\" name=\"how\" value=\"accepted\" required> {}</label>\n\
             <label><input type=\"radio\" name=\"how\" value=\"not_made\"> {}</label>\n</fieldset>\n",
            words.what_happened, words.was_made, words.not_made
        );
        if known.kind != OperationKind::Cancel {
            let _ = writeln!(
                html,
                "<p><label for=\"number\">{}</label><input id=\"number\" name=\"number\" inputmode=\"numeric\"></p>",
                words.kaspi_number
            );
        }
        let _ = writeln!(
            html,
            "<p><label for=\"why\">{}</label><input id=\"why\" name=\"why\" maxlength=\"500\" required></p>\n\
             <button type=\"submit\">{}</button>\n</form>",
            words.reason, words.resolve
        );
    }
    Ok(frame::page(lang, Place::Unknown, "", &html))
}

pub(super) async fn resolve(
    State(hall): State<Arc<Hall>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let lang = spoken(&request);
    drawn(lang, Place::Unknown, resolved(&hall, &id, request, lang).await)
}

async fn resolved(hall: &Hall, id: &str, request: Request, lang: Lang) -> Result<Response, Refused> {
    let desk = Desk::of_form(hall, request, lang, &["lang", "how", "number", "why"]).await?;
    let known = operation(hall, &desk, id).await?;
    let why = desk
        .field("why")
        .ok_or(Refused::Text(words(lang).reason_wanted))?;
    let why: String = why.chars().take(500).collect();
    let resolution = resolution(&desk, known.kind)?;
    let word = match &resolution {
        Resolution::Accepted { .. } => "resolve_accepted",
        Resolution::NotMade => "resolve_not_made",
    };
    let what = (known.bin, word, format!("{}: {why}", known.id));
    let who = desk.call.visitor.name().to_owned();
    let (payments, id) = (hall.payments.clone(), known.id);
    let settling = async move { payments.resolve(id, resolution, &who, &why).await };
    let settled = traced(hall, &desk, what, settling).await?;
    page(hall, &desk, &settled).await
}

fn resolution(desk: &Desk, kind: OperationKind) -> Result<Resolution, Refused> {
    let wrong = || Refused::Text(words(desk.lang).bad_search);
    match desk.field("how") {
        Some("not_made") => Ok(Resolution::NotMade),
        Some("accepted") => {
            let number = desk.field("number");
            let (mut payment_id, mut return_operation_id) = (None, None);
            match (kind, number) {
                (OperationKind::Refund, Some(text)) => {
                    return_operation_id = Some(text.parse::<ReturnOperationId>().map_err(|_| wrong())?);
                }
                (_, Some(text)) => payment_id = Some(text.parse::<PaymentId>().map_err(|_| wrong())?),
                (_, None) => {}
            }
            Ok(Resolution::Accepted {
                payment_id,
                return_operation_id,
            })
        }
        _ => Err(wrong()),
    }
}
