//! The page of a day's books: the filter, the sums, the accountant's files, and what the bank says beside.
//! Only what stands inside the page; who may see it and what stands round it is not its business.

use std::fmt::Write as _;

use time::Date;

use super::accountant::File;
use super::chart::escaped;
use super::choice;
use super::comparison::{Comparison, Stands};
use super::report_words::{Lang, ReportWords, words};
use super::span::Span;
use crate::base::Bin;
use crate::payments::{DayBook, DayComparison, Tally};

/// What the page shows.
pub(super) struct Page<'a> {
    pub(super) lang: Lang,
    /// Where the page itself, its files and its question to the bank live.
    pub(super) address: &'a str,
    /// What its form has to bring along.
    pub(super) proof: &'a str,
    /// The BINs that may be chosen, and their names.
    pub(super) own: &'a [(Bin, String)],
    pub(super) span: &'a Span,
    pub(super) books: &'a [DayBook],
    /// The BIN and day that were compared with the bank last, and how that stands.
    pub(super) compared: Option<(Bin, Date, &'a Comparison)>,
}

impl Page<'_> {
    pub(super) fn html(&self) -> String {
        let words = words(self.lang);
        let mut html = format!("<h1>{}</h1>\n", words.reconciliation);
        let _ = writeln!(html, "<p class=\"hint\">{}</p>", words.reconciliation_intro);
        html += &filter(self.lang, self.address, self.own, self.span);
        html += &self.table(words);
        html += &self.files(words);
        html += &self.bank(words);
        html
    }

    fn table(&self, words: &ReportWords) -> String {
        if self.books.is_empty() {
            return format!("<p class=\"empty\">{}</p>\n", words.nothing);
        }
        let columns = columns(words, self.books);
        let mut html = format!(
            "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{0}\">\n<table class=\"books\">\n\
             <caption>{0}, {1} – {2}</caption>\n<thead><tr><th scope=\"col\">{3}</th><th scope=\"col\">{4}</th>",
            words.reconciliation, self.span.first, self.span.last, words.day, words.bin
        );
        for (name, _) in &columns {
            let _ = write!(html, "<th scope=\"col\" class=\"num\">{name}</th>");
        }
        html.push_str("</tr></thead>\n<tbody>\n");
        let mut latest_first: Vec<&DayBook> = self.books.iter().collect();
        latest_first.sort_by_key(|book| (std::cmp::Reverse(book.day), book.bin));
        for book in latest_first {
            let _ = write!(
                html,
                "<tr><th scope=\"row\">{}</th><td>{}</td>",
                book.day,
                self.name(book.bin)
            );
            for (_, tally) in &columns {
                html += &self.cell(tally(book));
            }
            html.push_str("</tr>\n");
        }
        let _ = write!(
            html,
            "</tbody>\n<tfoot><tr><th scope=\"row\" colspan=\"2\">{}</th>",
            words.total
        );
        for (_, tally) in &columns {
            let sum = self.books.iter().map(tally).fold(Tally::default(), Tally::and);
            html += &self.cell(sum);
        }
        html.push_str("</tr></tfoot>\n</table>\n</div>\n");
        let unpriced: u64 = self.books.iter().map(|book| book.paid.unpriced).sum();
        if unpriced > 0 {
            let _ = writeln!(
                html,
                "<p class=\"hint\">{}: {unpriced} {}</p>",
                words.paid, words.unpriced
            );
        }
        html
    }

    fn cell(&self, tally: Tally) -> String {
        match tally {
            Tally { count: 0, .. } => "<td class=\"num none\">–</td>".to_owned(),
            Tally {
                count,
                tiyn: 0,
                unpriced,
            } if unpriced == count => format!("<td class=\"num\">{count}</td>"),
            Tally { count, tiyn, .. } => format!(
                "<td class=\"num\">{count}<br><span class=\"sum\">{}</span></td>",
                tenge(self.lang, tiyn)
            ),
        }
    }

    fn files(&self, words: &ReportWords) -> String {
        let mut html = format!(
            "<section aria-labelledby=\"files\">\n<h2 id=\"files\">{}</h2>\n<p class=\"hint\">{}</p>\n<ul class=\"files\">\n",
            words.files, words.files_intro
        );
        // the form that suits the language stands first
        let mut dialects = [("comma", words.file_comma), ("point", words.file_point)];
        if self.lang == Lang::En {
            dialects.reverse();
        }
        for (numbers, says) in dialects {
            let _ = write!(html, "<li>{says}: ");
            for (place, file) in File::ALL.into_iter().enumerate() {
                let title = match file {
                    File::Daily => words.file_daily,
                    File::Paid => words.file_paid,
                    File::Operations => words.file_operations,
                };
                let _ = write!(
                    html,
                    "{}<a href=\"{}/file?file={}&amp;numbers={numbers}&amp;lang={}&amp;{}\" aria-label=\"{title}, CSV, {says}\">{title}</a>",
                    if place == 0 { "" } else { ", " },
                    escaped(self.address),
                    file.name(),
                    self.lang.code(),
                    escaped(&self.span.query())
                );
            }
            html.push_str("</li>\n");
        }
        html.push_str("</ul>\n</section>\n");
        html
    }

    fn bank(&self, words: &ReportWords) -> String {
        let running = matches!(
            self.compared,
            Some((
                _,
                _,
                Comparison {
                    stands: Stands::Running(..),
                    ..
                }
            ))
        );
        let (bin, day) = match self.compared {
            Some((bin, day, _)) => (Some(bin), day),
            None => (self.span.bin, self.span.last),
        };
        let mut html = format!(
            "<section aria-labelledby=\"bank\">\n<h2 id=\"bank\">{}</h2>\n<p class=\"hint\">{}</p>\n\
             <form method=\"post\" action=\"{}/bank\" class=\"filter\">{}{}\n{}",
            words.bank,
            words.bank_intro,
            escaped(self.address),
            super::guard::proof_field(self.proof),
            spoken(self.lang),
            choice::bins(words, "bank-bin", self.own, bin, None)
        );
        let _ = writeln!(
            html,
            "<p><label for=\"bank-day\">{}</label><input id=\"bank-day\" type=\"date\" name=\"day\" value=\"{day}\" required></p>\n\
             <button type=\"submit\"{}>{}</button>\n</form>",
            words.day,
            if running { " disabled" } else { "" },
            words.ask_bank
        );
        if let Some((bin, day, comparison)) = self.compared {
            let _ = writeln!(html, "<div role=\"status\"><h3>{}, {day}</h3>", self.name(bin));
            html += &self.stands(words, &comparison.stands);
            html.push_str("</div>\n");
        }
        html.push_str("</section>\n");
        html
    }

    fn stands(&self, words: &ReportWords, stands: &Stands) -> String {
        match stands {
            Stands::Running(done, of) => format!(
                "<p>{}: <progress max=\"{of}\" value=\"{done}\" aria-label=\"{0}\"></progress> {done} / {of}</p>\n",
                words.asking
            ),
            Stands::Failed(why) => format!(
                "<p class=\"bad\">{}: <span lang=\"en\">{}</span></p>\n",
                words.ask_failed,
                escaped(why)
            ),
            Stands::Over(found) => self.found(words, found),
        }
    }

    fn found(&self, words: &ReportWords, found: &DayComparison) -> String {
        let mut html = format!(
            "<p>{}: {}. {}: {}.</p>\n",
            words.asked, found.compared, words.unpaid, found.unpaid
        );
        if found.left_out {
            let _ = writeln!(html, "<p class=\"bad\">{}</p>", words.left_out);
        }
        if found.differences.is_empty() {
            let _ = writeln!(html, "<p class=\"good\">{}</p>", words.no_difference);
            return html;
        }
        let _ = write!(
            html,
            "<p class=\"bad\">{0}</p>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{0}\"><table>\n\
             <thead><tr><th scope=\"col\">{1}</th><th scope=\"col\" class=\"num\">{2}</th>\
             <th scope=\"col\" class=\"num\">{3}</th><th scope=\"col\">{4}</th></tr></thead>\n<tbody>\n",
            words.differences, words.payment, words.refunded_by_kaspi, words.refunded_by_journal, words.note
        );
        for difference in &found.differences {
            let by_kaspi = difference
                .refunded_by_kaspi
                .map_or_else(|| "–".to_owned(), |sum| tenge(self.lang, sum.tiyn()));
            let _ = writeln!(
                html,
                "<tr><th scope=\"row\">{}</th><td class=\"num\">{by_kaspi}</td><td class=\"num\">{}</td><td lang=\"en\">{}</td></tr>",
                difference.payment_id,
                tenge(self.lang, difference.refunded_by_journal.tiyn()),
                escaped(&difference.note)
            );
        }
        html.push_str("</tbody></table></div>\n");
        html
    }

    fn name(&self, bin: Bin) -> String {
        called(self.own, bin)
    }
}

/// A BIN with its name, as it may stand in markup.
fn called(own: &[(Bin, String)], bin: Bin) -> String {
    match own.iter().find(|(one, _)| *one == bin) {
        Some((_, name)) if *name != bin.to_string() => format!("{} <small>{bin}</small>", escaped(name)),
        _ => bin.to_string(),
    }
}

/// BIN and days, for every page of figures.
pub(super) fn filter(lang: Lang, address: &str, own: &[(Bin, String)], span: &Span) -> String {
    let words = words(lang);
    format!(
        "<form method=\"get\" action=\"{}\" class=\"filter\">{}\n{}\
         <p><label for=\"from\">{}</label><input id=\"from\" type=\"date\" name=\"from\" value=\"{}\" required></p>\n\
         <p><label for=\"to\">{}</label><input id=\"to\" type=\"date\" name=\"to\" value=\"{}\" required></p>\n\
         <button type=\"submit\">{}</button>\n</form>\n",
        escaped(address),
        spoken(lang),
        choice::bins(words, "bin", own, span.bin, Some(words.every_bin)),
        words.from,
        span.first,
        words.to,
        span.last,
        words.show
    )
}

/// The language goes on to the next page.
fn spoken(lang: Lang) -> String {
    format!("<input type=\"hidden\" name=\"lang\" value=\"{}\">", lang.code())
}

type Column = (&'static str, fn(&DayBook) -> Tally);

/// The first of them are always shown, the others where there is something in them: a table that has to be
/// scrolled hides more than it shows.
fn columns(words: &ReportWords, books: &[DayBook]) -> Vec<Column> {
    const ALWAYS: usize = 4;
    let all: [Column; 12] = [
        (words.made, DayBook::made),
        (words.paid, |book| book.paid),
        (words.refunded, |book| book.refunded),
        (words.unknown, |book| book.unknown),
        (words.late, |book| book.late),
        (words.refused, |book| book.refused),
        (words.not_sent, |book| book.not_sent),
        (words.not_made, |book| book.not_made),
        (words.canceled, |book| book.canceled),
        (words.invoices, |book| book.invoices),
        (words.qr, |book| book.qr),
        (words.links, |book| book.links),
    ];
    let shown = |(place, (_, tally)): &(usize, Column)| {
        *place < ALWAYS || books.iter().any(|book| tally(book).count > 0)
    };
    let kept = all.into_iter().enumerate().filter(shown);
    kept.map(|(_, column)| column).collect()
}

/// Tenge with thousands apart, as the language writes them.
pub(super) fn tenge(lang: Lang, tiyn: u64) -> String {
    format!("{}{}{:02}", whole(tiyn / 100), lang.point(), tiyn % 100)
}

/// A whole number with its thousands apart, by a space that does not break.
pub(super) fn whole(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 * 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}
