//! What the books add up to.

use time::macros::datetime;
use time::{Duration as Span, UtcOffset};

use super::*;

on_both! {
    sums_are_by_bin_kind_state_and_day,
    a_day_begins_where_the_zone_says,
    what_was_paid_late_counts_as_paid,
    half_and_ninety_five_of_a_hundred_took_no_longer,
    sums_read_an_index,
}

const ALMATY: UtcOffset = time::macros::offset!(+5);

fn days(from: OffsetDateTime, until: OffsetDateTime) -> Window {
    Window {
        bins: vec![bin(FLOWERS), bin(GIFTS)],
        from,
        until,
        stretch: Span::DAY,
        zone: ALMATY,
    }
}

/// All that there is.
fn ever() -> Window {
    days(datetime!(2020-01-01 00:00 UTC), datetime!(2100-01-01 00:00 UTC))
}

/// Moves an operation in time, behind the journal's back.
async fn at(place: &Place, id: OperationId, moment: OffsetDateTime, took: Span) {
    let sent = moment.unix_timestamp() * 1_000_000;
    let settled = sent + i64::try_from(took.whole_microseconds()).unwrap();
    place
        .sql(&format!(
            "UPDATE operations SET recorded_at = {sent}, sent_at = {sent}, settled_at = {settled} WHERE id = '{id}'"
        ))
        .await;
}

/// Moves what is known of a payment in time.
async fn heard(place: &Place, number: i64, moment: OffsetDateTime) {
    let heard = moment.unix_timestamp() * 1_000_000;
    place
        .sql(&format!(
            "UPDATE payments SET status_at = {heard} WHERE payment_id = {number}"
        ))
        .await;
}

async fn note(journal: &Journal, number: i64, word: &str, next: NextLook) {
    let status = payments::says(word);
    journal.note_status(payment(number), &status, next).await.unwrap();
}

fn words(tallies: &Tallies) -> Vec<String> {
    let mut lines: Vec<String> = tallies
        .operations
        .iter()
        .map(|one| {
            let Heap {
                count,
                tiyn,
                unpriced,
            } = one.heap;
            let day = one.start.date();
            format!(
                "{} {day} {} {} {count} {tiyn} {unpriced}",
                one.bin, one.kind, one.state
            )
        })
        .collect();
    lines.sort();
    lines
}

async fn sums_are_by_bin_kind_state_and_day(place: Place) {
    let journal = place.journal();
    let gift = || NewOperation {
        bin: bin(GIFTS),
        amount: Some("0.01".parse().unwrap()),
        ..invoice()
    };
    let first = datetime!(2026-03-10 10:00 +5);
    let second = datetime!(2026-03-11 10:00 +5);
    for (number, new, outcome, moment) in [
        (1, invoice(), made(1), first),
        (2, invoice(), made(2), first),
        (3, invoice(), made(3), second),
        (4, gift(), made(4), first),
        (5, gift(), Outcome::Refused(why("no")), first),
        (6, gift(), Outcome::NotSent(why("no_route")), second),
        (7, refund(1), paid_back(70), second),
        (8, refund(2), Outcome::Unknown(why("timeout")), second),
    ] {
        let record = end(&journal, new, outcome).await;
        at(&place, record.id, moment, Span::seconds(number)).await;
    }
    let cancel = NewOperation {
        kind: OperationKind::Cancel,
        amount: None,
        ..refund(3)
    };
    let status = "RemotePaymentCanceled".to_owned();
    let record = end(&journal, cancel, Outcome::Accepted(Answer::Cancel { status })).await;
    at(&place, record.id, second, Span::SECOND).await;
    let tallies = journal.tallies(ever()).await.unwrap();
    assert_eq!(
        words(&tallies),
        [
            "210440028324 2026-03-10 create accepted 1 1 0",
            "210440028324 2026-03-10 create refused 1 1 0",
            "210440028324 2026-03-11 create not_sent 1 1 0",
            "891027350515 2026-03-10 create accepted 2 300000 0",
            "891027350515 2026-03-11 cancel accepted 1 0 1",
            "891027350515 2026-03-11 create accepted 1 150000 0",
            "891027350515 2026-03-11 refund accepted 1 10000 0",
            "891027350515 2026-03-11 refund unknown 1 10000 0",
        ]
    );
    assert!(tallies.paid.is_empty(), "{:?}", tallies.paid);
    let gifts = Window {
        bins: vec![bin(GIFTS)],
        ..ever()
    };
    assert_eq!(words(&journal.tallies(gifts).await.unwrap()).len(), 3);
    let all = Window {
        bins: Vec::new(),
        ..ever()
    };
    assert_eq!(words(&journal.tallies(all).await.unwrap()).len(), 8);
}

async fn a_day_begins_where_the_zone_says(place: Place) {
    let journal = place.journal();
    for (number, moment) in [
        (1, datetime!(2026-03-10 18:59:59 UTC)),
        (2, datetime!(2026-03-10 19:00 UTC)),
        (3, datetime!(2026-03-11 18:59:59 UTC)),
        (4, datetime!(2026-03-11 19:00 UTC)),
    ] {
        let record = end(&journal, invoice(), made(number)).await;
        at(&place, record.id, moment, Span::ZERO).await;
        note(&journal, number, "Processed", NextLook::Keep).await;
        heard(&place, number, moment).await;
    }
    let day = days(datetime!(2026-03-11 00:00 +5), datetime!(2026-03-12 00:00 +5));
    let tallies = journal.tallies(day.clone()).await.unwrap();
    assert_eq!(
        words(&tallies),
        ["891027350515 2026-03-11 create accepted 2 300000 0"]
    );
    let paid: Vec<_> = tallies
        .paid
        .iter()
        .map(|one| (one.start, one.late, one.heap.count, one.heap.tiyn))
        .collect();
    assert_eq!(paid, [(datetime!(2026-03-11 00:00 +5), false, 2, 300_000)]);
    let hours = Window {
        stretch: Span::HOUR,
        ..day
    };
    let tallies = journal.tallies(hours).await.unwrap();
    let starts: Vec<_> = tallies.operations.iter().map(|one| one.start).collect();
    assert_eq!(
        starts,
        [datetime!(2026-03-11 00:00 +5), datetime!(2026-03-11 23:00 +5)]
    );
}

async fn what_was_paid_late_counts_as_paid(place: Place) {
    let journal = place.journal();
    for number in 1..=4 {
        end(&journal, invoice(), made(number)).await;
    }
    note(&journal, 1, "Processed", NextLook::Keep).await;
    note(&journal, 2, "Error", NextLook::Keep).await;
    note(&journal, 3, "Error", NextLook::Keep).await;
    note(&journal, 3, "Processed", NextLook::Keep).await;
    note(&journal, 4, "Wait", NextLook::Keep).await;
    let paid = journal.tallies(ever()).await.unwrap().paid;
    let paid: Vec<_> = paid.iter().map(|one| (one.late, one.heap.count)).collect();
    assert_eq!(paid, [(false, 1), (true, 1)]);
    let filter = PaymentFilter {
        paid_from: Some(datetime!(2020-01-01 00:00 UTC)),
        paid_until: Some(datetime!(2100-01-01 00:00 UTC)),
        ..PaymentFilter::default()
    };
    let found = journal.payments(&filter).await.unwrap().items;
    let found: Vec<i64> = found.iter().map(|one| one.payment_id.get()).collect();
    assert_eq!(found, [3, 1]);
}

async fn half_and_ninety_five_of_a_hundred_took_no_longer(place: Place) {
    let journal = place.journal();
    let moment = datetime!(2026-03-10 10:00 +5);
    for number in 1..=20 {
        let record = end(&journal, invoice(), made(number)).await;
        at(&place, record.id, moment, Span::milliseconds(number * 10)).await;
    }
    // what was settled by a person a day later is no answer, nor is what never got one
    let lost = end(&journal, refund(1), Outcome::Unknown(why("timeout"))).await;
    let resolution = Resolution::Accepted {
        payment_id: None,
        return_operation_id: None,
    };
    journal
        .settle(lost.id, resolution, false, "Aigul", "seen at the bank")
        .await
        .unwrap();
    at(&place, lost.id, moment, Span::DAY).await;
    let unsent = end(&journal, refund(2), Outcome::NotSent(why("no_route"))).await;
    at(&place, unsent.id, moment, Span::DAY).await;
    let paces = journal.tallies(ever()).await.unwrap().paces;
    let paces: Vec<_> = paces
        .iter()
        .map(|one| (one.start, one.answers, one.median, one.p95))
        .collect();
    let day = datetime!(2026-03-10 00:00 +5);
    assert_eq!(
        paces,
        [(day, 20, Span::milliseconds(100), Span::milliseconds(190))]
    );
}

/// The plan of SQLite; PostgreSQL reads small tables whole whatever indices they have.
async fn sums_read_an_index(place: Place) {
    let journal = place.journal();
    journal.open().await.unwrap();
    if !place.is_sqlite() {
        return;
    }
    for (sql, index) in [
        (
            "SELECT bin, (status_at + 1) / 2 AS stretch, late FROM payments WHERE (state = 'paid' OR late = 1) \
             AND status_at >= 1 AND status_at < 2 AND bin IN ('1', '2') GROUP BY bin, stretch, late",
            "payments_paid (bin=? AND status_at>? AND status_at<?)",
        ),
        (
            "SELECT bin, (recorded_at + 1) / 2 AS stretch, kind, state FROM operations WHERE recorded_at >= 1 \
             AND recorded_at < 2 AND bin IN ('1', '2') GROUP BY bin, stretch, kind, state",
            "operations_day (bin=? AND recorded_at>? AND recorded_at<?)",
        ),
    ] {
        let plan = sqlite_plan(&place.file(), sql).await;
        assert!(plan.contains(index), "{plan}");
    }
}

async fn sqlite_plan(path: &std::path::Path, statement: &str) -> String {
    use sqlx::{ConnectOptions as _, Connection as _, Row as _};
    let mut connection = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(path)
        .connect()
        .await
        .unwrap();
    let rows = sqlx::query(&format!("EXPLAIN QUERY PLAN {statement}"))
        .fetch_all(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    rows.iter()
        .map(|row| row.get::<String, _>("detail"))
        .collect::<Vec<_>>()
        .join("\n")
}
