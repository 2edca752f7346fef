//! Watching payments: what the caller is told, and how often the server is asked for it.

use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt;
use kaspi_direct::api::{KaspiTime, PollTiming};
use kaspi_direct::app::App;
use kaspi_direct::base::{Explain, PaymentId};
use kaspi_direct::payments::{Pace, Watch, WatchEnd, WatchEvent};

use super::kit::{FLOWERS, Operator, bin, create, in_time};
use super::server::{Act, Server, Setup};

fn status(word: &str) -> Act {
    Act::Answer(
        200,
        format!(r#"{{"StatusCode":0,"Message":null,"Data":{{"Status":"{word}"}}}}"#),
    )
}

fn refused(code: i64) -> Act {
    Act::Answer(
        200,
        format!(r#"{{"StatusCode":{code},"Message":"","Data":null}}"#),
    )
}

/// Kaspi's timing, a hundred times faster than any that the document shows.
fn fast() -> PollTiming {
    let mut timing = PollTiming::default();
    timing.interval = Duration::from_millis(50);
    timing.activation = Duration::from_millis(1_000);
    timing.confirmation = Duration::from_millis(500);
    timing
}

fn watch(app: &App, expire_date: Option<&KaspiTime>) -> Watch {
    let payment = PaymentId::new(15).unwrap();
    app.payments()
        .watch(Some(bin(FLOWERS)), payment, Pace::Polled(fast()), expire_date)
        .unwrap()
}

/// A word for each thing told.
async fn told(watch: Watch) -> Vec<String> {
    let mut events = pin!(watch.into_stream());
    let mut told = Vec::new();
    while let Some(event) = in_time(events.next()).await {
        told.push(match event {
            WatchEvent::Changed(status) => status.status.to_string(),
            WatchEvent::Trouble(error) => format!("trouble: {}", error.kind()),
            WatchEvent::Ended(WatchEnd::Final(word)) => format!("final: {word}"),
            WatchEvent::Ended(WatchEnd::TimedOut { last }) => {
                format!(
                    "timed out: {}",
                    last.map(|word| word.to_string()).unwrap_or_default()
                )
            }
            WatchEvent::Ended(WatchEnd::Refused(error)) => format!("refused: {}", error.kind()),
            other => panic!("{other:?}"),
        });
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_is_told_once_and_neither_trouble_nor_a_new_word_ends_it() {
    let operator = Operator::of_two();
    let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
    let app = operator.open(server.address, "");
    let page = || Act::Answer(502, "<html>Bad gateway</html>".to_owned());
    server.will([
        status("QrTokenCreated"),
        status("QrTokenCreated"),
        // one read, which is tried three times
        page(),
        page(),
        page(),
        status("SomethingNew"),
        status("Wait"),
        status("Wait"),
        status("Processed"),
    ]);
    let told = told(watch(&app, None)).await;
    assert_eq!(
        told,
        [
            "QrTokenCreated",
            "trouble: html_answer",
            "SomethingNew",
            "Wait",
            "Processed",
            "final: Processed"
        ]
    );
    assert_eq!(server.seen().requests.len(), 9, "nothing is asked after the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_nobody_scans_times_out_after_one_last_question() {
    let operator = Operator::of_two();
    let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
    let app = operator.open(server.address, "");
    server.will((0..100).map(|_| status("QrTokenCreated")));
    let told = told(watch(&app, None)).await;
    assert_eq!(told, ["QrTokenCreated", "timed out: QrTokenCreated"]);
    let asked = server.seen().requests.len();
    // one at once, at most one for each interval, one after the end
    assert!((2..=22).contains(&asked), "asked {asked} times");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expire_date_in_the_past_is_a_wrong_clock_and_not_a_dead_code() {
    let operator = Operator::of_two();
    let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
    let app = operator.open(server.address, "");
    server.will((0..100).map(|_| status("QrTokenCreated")));
    // a date in the past is a clock that is wrong: Kaspi's time-outs hold then
    let past = KaspiTime::new("2020-01-16T10:30:00+06");
    assert_eq!(
        told(watch(&app, Some(&past))).await.last().unwrap(),
        "timed out: QrTokenCreated"
    );
    assert!(server.seen().requests.len() > 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_has_to_mend_ends_it_with_the_reason() {
    let operator = Operator::of_two();
    let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
    let app = operator.open(server.address, "");
    server.will([status("Wait"), refused(-10_000)]);
    assert_eq!(
        told(watch(&app, None)).await,
        ["Wait", "refused: no_client_certificate"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_polls_a_phone_invoice_does_not_reach_kaspi_each_time() {
    let operator = Operator::of_two();
    let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
    let app = operator.open(server.address, "");
    let invoice = create(&app, FLOWERS).await.unwrap().payment_id;
    server.will([status("RemotePaymentCreated"), status("Processed")]);
    for _ in 0..50 {
        let known = in_time(app.payments().status(Some(bin(FLOWERS)), invoice))
            .await
            .unwrap();
        assert_eq!(known.status.status.as_str(), "RemotePaymentCreated");
    }
    assert_eq!(server.seen().requests.len(), 2, "the invoice and one question");

    // a person who wants to know now is always told what Kaspi says
    let known = in_time(app.payments().check(Some(bin(FLOWERS)), invoice))
        .await
        .unwrap();
    assert_eq!(
        (known.status.status.as_str(), known.age),
        ("Processed", Duration::ZERO)
    );
    assert_eq!(server.seen().requests.len(), 3);
    let known = in_time(app.payments().status(Some(bin(FLOWERS)), invoice))
        .await
        .unwrap();
    assert_eq!(
        known.status.status.as_str(),
        "Processed",
        "a final answer is not asked for again"
    );
    assert_eq!(server.seen().requests.len(), 3);
}
