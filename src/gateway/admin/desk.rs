//! What the pages of payments share: who sits there, whose things are shown, the trail of what is done.

use std::future::Future;

use axum::extract::Request;
use time::OffsetDateTime;
use time::macros::format_description;

use super::chart::escaped;
use super::choice;
use super::entry::Entry;
use super::guard::proof_field;
use super::pages::{Asked, Refused};
use super::report_words::{Lang, words as figures};
use super::words::words;
use crate::base::{Bin, Explain as _, PaymentId};
use crate::config::Verb;
use crate::gateway::call::Call;
use crate::gateway::hall::Hall;
use crate::gateway::problem::Problem;
use crate::payments::{self, ALMATY, Caller, IdempotencyKey, Origin, PaymentRecord, RequestKey};

/// Who sits at a page, and what he asks.
pub(super) struct Desk {
    pub(super) lang: Lang,
    pub(super) call: Call,
    /// The BINs that may be seen, with their names.
    pub(super) own: Vec<(Bin, String)>,
    fields: std::collections::HashMap<String, String>,
}

impl Desk {
    /// For a page.
    pub(super) async fn of(
        hall: &Hall,
        request: Request,
        lang: Lang,
        known: &[&'static str],
    ) -> Result<Self, Refused> {
        Self::over(lang, Asked::of(hall, request, known, false).await?)
    }

    /// For a form that does something.
    pub(super) async fn of_form(
        hall: &Hall,
        request: Request,
        lang: Lang,
        known: &[&'static str],
    ) -> Result<Self, Refused> {
        Self::over(lang, Asked::of(hall, request, known, true).await?)
    }

    fn over(lang: Lang, asked: Asked) -> Result<Self, Refused> {
        Ok(Self {
            lang,
            call: asked.call,
            own: asked.own,
            fields: asked.fields,
        })
    }

    /// A field that is filled in.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields
            .get(name)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
    }

    /// The BINs whose things may be seen: empty where that is all of them.
    pub(super) fn bins(&self) -> Vec<Bin> {
        self.call.visitor.bins().map(<[Bin]>::to_vec).unwrap_or_default()
    }

    /// A BIN that may be seen, by its digits.
    pub(super) fn own_bin(&self, text: &str) -> Option<Bin> {
        let bin = Bin::parse(text).ok()?;
        self.own.iter().any(|(own, _)| *own == bin).then_some(bin)
    }

    /// The BINs that a list is to be of: the one that was chosen, else all that may be seen. None where another
    /// one was chosen.
    pub(super) fn chosen_bins(&self) -> Option<Vec<Bin>> {
        match self.field("bin") {
            Some(text) => Some(vec![self.own_bin(text)?]),
            None => Some(self.bins()),
        }
    }

    /// The choice of a BIN for a list, with what was chosen.
    pub(super) fn bin_choice(&self) -> String {
        let words = figures(self.lang);
        let chosen = self.field("bin").and_then(|text| self.own_bin(text));
        choice::bins(words, "bin", &self.own, chosen, Some(words.every_bin))
    }

    /// Refuses whoever has not this verb besides `admin`.
    pub(super) fn must(&self, verb: Verb) -> Result<(), Refused> {
        if self.call.visitor.may(verb) {
            return Ok(());
        }
        let word = match verb {
            Verb::Create => "create",
            Verb::Refund => "refund",
            Verb::Read => "read",
            Verb::Admin => "admin",
        };
        Err(Problem::Forbidden(format!(
            "token `{}` has not the verb `{word}`",
            self.call.visitor.name()
        ))
        .into())
    }

    /// A payment of one of the BINs that may be seen. Another one's does not exist.
    pub(super) async fn payment(&self, hall: &Hall, text: &str) -> Result<PaymentRecord, Refused> {
        let id: PaymentId = text.parse().map_err(|_| Refused::Missing)?;
        let known = hall.payments.known_payment(id).await.map_err(Problem::Payment)?;
        let known = known.filter(|known| self.call.visitor.may_for(known.bin));
        let known = known.ok_or(Refused::Missing)?;
        self.call.notes.bin(known.bin);
        Ok(known)
    }

    /// A key for a form that is drawn now: however often it is sent, it is one operation.
    pub(super) fn fresh_key() -> Result<String, Problem> {
        Ok(format!("page-{}", super::session::random()?))
    }

    /// An action of whoever sits here, for the trail.
    pub(super) fn entry(&self, hall: &Hall, what: (Bin, &'static str, String)) -> Entry {
        Entry::new(&hall.payments, self.call.visitor.name(), what)
    }

    /// On whose behalf a form runs, under the key that was drawn with it.
    pub(super) fn origin(&self) -> Result<Origin, Refused> {
        let key = self
            .field("key")
            .and_then(|key| key.parse::<IdempotencyKey>().ok());
        let key = key.ok_or(Refused::Text(words(self.lang).no_key))?;
        Ok(Origin {
            caller: self.call.visitor.name().parse::<Caller>().unwrap_or_default(),
            key: RequestKey::Given(key),
        })
    }

    /// The beginning of a form that does something.
    pub(super) fn form(&self, action: &str) -> String {
        self.form_of("filter", action)
    }

    /// The same for a form that is a button and no more.
    pub(super) fn button_form(&self, action: &str) -> String {
        self.form_of("lone", action)
    }

    fn form_of(&self, class: &str, action: &str) -> String {
        format!(
            "<form method=\"post\" action=\"{}\" class=\"{class}\">\n\
             <input type=\"hidden\" name=\"lang\" value=\"{}\">{}\n",
            escaped(action),
            self.lang.code(),
            proof_field(&self.call.proof)
        )
    }

    /// What a BIN is called.
    pub(super) fn name(&self, bin: Bin) -> String {
        let name = self.own.iter().find(|(one, _)| *one == bin);
        let name = name.map_or("", |(_, name)| name.as_str());
        format!("{} <small>{bin}</small>", escaped(name))
    }
}

/// Does something that a person asked for: first it is written down, then done, then what came of it, also
/// where the person goes away meanwhile, as with a second click.
pub(super) async fn traced<T: Send + 'static>(
    hall: &Hall,
    desk: &Desk,
    (bin, action, subject): (Bin, &'static str, String),
    work: impl Future<Output = Result<T, payments::Error>> + Send + 'static,
) -> Result<T, Refused> {
    let turn = hall.turn(&desk.call.visitor, Some(bin)).await?;
    let entry = desk.entry(hall, (bin, action, subject));
    entry.begun().await.map_err(Problem::Payment)?;
    let work = async move {
        let outcome = work.await;
        entry.ended(told(&outcome)).await;
        outcome
    };
    Ok(hall.carry_out(turn, work).await?)
}

/// What came of an action, in a word.
pub(super) fn told<T>(outcome: &Result<T, payments::Error>) -> &'static str {
    match outcome {
        Ok(_) => "done",
        Err(error) => error.kind(),
    }
}

/// A moment, as the clock on the wall shows it in Kazakhstan.
pub(super) fn moment(at: OffsetDateTime) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    at.to_offset(ALMATY).format(format).unwrap_or_default()
}
