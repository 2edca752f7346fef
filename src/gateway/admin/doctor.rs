//! What is wrong with a BIN: the doctor's stages, shown as they end.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;

use super::chart::escaped;
use super::desk::{Desk, moment};
use super::diagnoses::{Examined, Stands};
use super::doctor_words::{Words, words};
use super::frame::{self, Place};
use super::pages::{self, Refused, drawn, spoken};
use super::report_words::Lang;
use crate::base::Bin;
use crate::gateway::hall::Hall;
use crate::gateway::{DiagnosisStage, StageVerdict};

/// The button of a BIN.
pub(super) fn button(desk: &Desk, bin: Bin) -> String {
    let mut html = desk.button_form(&address(bin));
    let _ = writeln!(
        html,
        "<button type=\"submit\">{}</button>\n</form>",
        words(desk.lang).run
    );
    html
}

fn address(bin: Bin) -> String {
    format!("/admin/doctor/{bin}")
}

pub(super) async fn run(
    State(hall): State<Arc<Hall>>,
    Path(bin): Path<String>,
    request: Request,
) -> Response {
    let lang = spoken(&request);
    drawn(lang, Place::Bins, begun(&hall, &bin, request, lang).await)
}

async fn begun(hall: &Hall, bin: &str, request: Request, lang: Lang) -> Result<Response, Refused> {
    let desk = Desk::of_form(hall, request, lang, &["lang"]).await?;
    let bin = own(&desk, bin)?;
    let _turn = hall.turn(&desk.call.visitor, Some(bin)).await?;
    let entry = desk.entry(hall, (bin, "doctor", String::new()));
    hall.diagnoses.begin(&hall.surroundings, bin, entry);
    let there = format!("{}?lang={}", address(bin), lang.code());
    Ok(pages::see_other(&there))
}

/// A BIN that may be seen. Another one does not exist.
fn own(desk: &Desk, text: &str) -> Result<Bin, Refused> {
    let bin = desk.own_bin(text).ok_or(Refused::Missing)?;
    desk.call.notes.bin(bin);
    Ok(bin)
}

pub(super) async fn shown(
    State(hall): State<Arc<Hall>>,
    Path(bin): Path<String>,
    request: Request,
) -> Response {
    let lang = spoken(&request);
    drawn(lang, Place::Bins, page(&hall, &bin, request, lang).await)
}

async fn page(hall: &Hall, bin: &str, request: Request, lang: Lang) -> Result<Response, Refused> {
    let desk = Desk::of(hall, request, lang, &["lang"]).await?;
    let bin = own(&desk, bin)?;
    let words = words(lang);
    let known = hall.diagnoses.of(bin);
    let mut html = format!(
        "<h1>{}: {}</h1>\n<p class=\"hint\">{}</p>\n",
        words.doctor,
        desk.name(bin),
        words.intro
    );
    html += &standing(words, known.as_ref());
    if let Some(known) = &known {
        html += &stages(words, &known.stages);
    }
    let runs = known.is_some_and(|one| one.stands == Stands::Running);
    if !runs {
        html += &button(&desk, bin);
    }
    let mut response = frame::page(lang, Place::Bins, "", &html);
    if runs {
        frame::come_again(
            &mut response,
            1,
            &format!("{}?lang={}", address(bin), lang.code()),
        );
    }
    Ok(response)
}

/// Whether it goes on, or what came of it.
fn standing(words: &Words, known: Option<&Examined>) -> String {
    let Some(known) = known else {
        return format!("<p role=\"status\">{}</p>\n", words.never);
    };
    let (ended, class, text) = match known.stands {
        Stands::Running => {
            let began = moment(known.began);
            return format!(
                "<p role=\"status\">{} <small>{began}</small></p>\n",
                words.running
            );
        }
        Stands::BrokenOff(at) => (at, "bad", words.broken_off),
        Stands::Over(at) => match known.verdict() {
            StageVerdict::Pass | StageVerdict::Skip => (at, "good", words.healthy),
            StageVerdict::Warn => (at, "warn", words.works),
            StageVerdict::Fail => (at, "bad", words.ill),
        },
    };
    format!(
        "<p role=\"status\" class=\"{class}\"><strong>{text}</strong> <small>{}</small></p>\n",
        moment(ended)
    )
}

fn stages(words: &Words, stages: &[DiagnosisStage]) -> String {
    let mut html = "<ol class=\"stages\">\n".to_owned();
    for stage in stages {
        let (class, verdict) = match stage.verdict {
            StageVerdict::Skip => ("none", words.skip),
            StageVerdict::Pass => ("good", words.pass),
            StageVerdict::Warn => ("warn", words.warn),
            StageVerdict::Fail => ("bad", words.fail),
        };
        let _ = writeln!(
            html,
            "<li><h2>{} <code>{}</code> <span class=\"{class}\">{verdict}</span> <small>{} ms</small></h2>\n\
             <p lang=\"en\">{}</p>",
            words.stage(stage.id),
            stage.id,
            stage.duration.as_millis(),
            escaped(&stage.summary)
        );
        for finding in &stage.findings {
            let _ = writeln!(
                html,
                "<dl class=\"finding\" lang=\"en\"><dt><code>{}</code></dt><dd>{}</dd><dd class=\"next\">{}</dd></dl>",
                finding.cause,
                escaped(&finding.message),
                escaped(&finding.hint)
            );
        }
        html += "</li>\n";
    }
    html += "</ol>\n";
    html
}
