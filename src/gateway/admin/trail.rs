//! What people did on these pages, and what came of it.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;

use super::chart::escaped;
use super::desk::{Desk, moment};
use super::frame::{self, Place};
use super::pages::{Refused, drawn, spoken};
use super::report_words::{Lang, words as figures};
use super::table::{self, Column::Text};
use super::words::words;
use crate::gateway::hall::Hall;
use crate::gateway::problem::Problem;

const LIMIT: u16 = 100;

pub(super) async fn trail(State(hall): State<Arc<Hall>>, request: Request) -> Response {
    let lang = spoken(&request);
    drawn(lang, Place::Trail, page(&hall, request, lang).await)
}

async fn page(hall: &Hall, request: Request, lang: Lang) -> Result<Response, Refused> {
    let desk = Desk::of(hall, request, lang, &["lang", "before"]).await?;
    let before = desk.field("before").and_then(|text| text.parse().ok());
    let lines = hall.payments.trail(&desk.bins(), before, LIMIT).await;
    let lines = lines.map_err(Problem::Payment)?;
    let (words, figures) = (words(lang), figures(lang));
    let mut html = format!(
        "<h1>{}</h1>\n<p class=\"hint\">{}</p>\n",
        words.trail, words.trail_intro
    );
    if lines.is_empty() {
        let _ = writeln!(html, "<p class=\"empty\">{}</p>", words.nothing);
        return Ok(frame::page(lang, Place::Trail, "", &html));
    }
    html += &table::begun(
        words.trail,
        words.trail,
        &[
            Text(words.at),
            Text(words.who),
            Text(figures.bin),
            Text(words.action),
            Text(words.subject),
            Text(words.outcome),
        ],
    );
    for line in &lines {
        let _ = writeln!(
            html,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            moment(line.at),
            escaped(&line.who),
            line.bin.map(|bin| bin.to_string()).unwrap_or_default(),
            escaped(&line.action),
            escaped(&line.subject),
            escaped(&line.outcome)
        );
    }
    html += table::END;
    if let Some(last) = lines.last().filter(|_| lines.len() >= usize::from(LIMIT)) {
        let _ = writeln!(
            html,
            "<p><a rel=\"next\" href=\"/admin/trail?before={}\">{}</a></p>",
            last.id, words.earlier
        );
    }
    Ok(frame::page(lang, Place::Trail, "", &html))
}
