//! What is known about a write after each way in which it can fail, and what the server got of it.
//!
//! Every row runs against a server that does exactly that, over TLS 1.2 and 1.3, HTTP/1.1 and 2, on a
//! fresh connection and on one that was used before.

use std::time::Duration;

use kaspi_direct::app::App;
use kaspi_direct::base::{Delivery, Explain, PaymentId};
use kaspi_direct::config::Environment;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;

use super::kit::{FLOWERS, Operator, bin, create, in_time, told};
use super::server::{Act, Server, Setup};

use Delivery::{NotSent, Refused, Unknown};

#[derive(Clone)]
struct Row {
    act: Act,
    kind: &'static str,
    delivery: Delivery,
    /// Whether a read that failed so is tried again.
    read_again: bool,
    http1_only: bool,
}

fn row(act: Act, kind: &'static str, delivery: Delivery, read_again: bool) -> Row {
    let http1_only = matches!(act, Act::Raw(_) | Act::EndlessHead | Act::ResetMidRequest);
    Row {
        act,
        kind,
        delivery,
        read_again,
        http1_only,
    }
}

fn code(code: i64) -> Act {
    Act::Answer(
        200,
        format!(r#"{{"StatusCode":{code},"Message":"","Data":null}}"#),
    )
}

fn text(status: u16, body: &str) -> Act {
    Act::Answer(status, body.to_owned())
}

fn table() -> Vec<Row> {
    let gzip = [
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 10\r\n\r\n".as_slice(),
        &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3],
    ]
    .concat();
    vec![
        // the connection ends
        row(Act::ResetMidRequest, "connection_closed", Unknown, true),
        row(Act::ResetAfterRequest, "connection_closed", Unknown, true),
        row(Act::CloseAfterRequest, "connection_closed", Unknown, true),
        row(Act::ResetMidAnswer, "connection_closed", Unknown, true),
        row(Act::CloseMidAnswer, "connection_closed", Unknown, true),
        // the answer is not Kaspi's
        row(
            text(502, "<html>Bad gateway</html>"),
            "html_answer",
            Unknown,
            true,
        ),
        row(text(200, "<html>Welcome</html>"), "html_answer", Unknown, true),
        row(text(404, "<html>Not here</html>"), "html_answer", Unknown, false),
        row(
            text(400, "<html><title>400 The SSL certificate error</title></html>"),
            "certificate_refused",
            Unknown,
            false,
        ),
        row(text(200, ""), "empty_answer", Unknown, true),
        row(text(302, ""), "empty_answer", Unknown, false),
        row(
            text(200, r#"{"StatusCode":0,"Da"#),
            "broken_answer",
            Unknown,
            true,
        ),
        row(
            text(
                200,
                r#"{"StatusCode":0,"statusCode":-999,"Data":{"QrPaymentId":15,"Status":"Wait"}}"#,
            ),
            "broken_answer",
            Unknown,
            true,
        ),
        row(text(200, "[]"), "foreign_answer", Unknown, false),
        row(
            text(200, r#"{"StatusCode":0}"#),
            "incomplete_answer",
            Unknown,
            false,
        ),
        row(
            text(
                200,
                r#"{"StatusCode":0,"Data":{"QrPaymentId":"none","Status":{}}}"#,
            ),
            "incomplete_answer",
            Unknown,
            false,
        ),
        row(
            text(
                500,
                r#"{"StatusCode":0,"Data":{"QrPaymentId":15,"Status":"Wait"}}"#,
            ),
            "foreign_answer",
            Unknown,
            false,
        ),
        row(Act::Raw(gzip), "broken_answer", Unknown, true),
        row(
            Act::Raw(b"SSH-2.0-OpenSSH_9.6\r\n".to_vec()),
            "protocol",
            Unknown,
            true,
        ),
        row(Act::EndlessHead, "protocol", Unknown, true),
        row(Act::EndlessBody, "answer_too_large", Unknown, false),
        // Kaspi says no, or something like it
        row(code(-10_000), "no_client_certificate", Refused, false),
        row(code(-1501), "device_not_found", Refused, false),
        row(code(-99_000_005), "refund_exceeds_rest", Refused, false),
        row(code(-999), "kaspi_unavailable", Unknown, true),
        row(code(-99_000_006), "refund_failed", Unknown, false),
        row(code(-123_456), "unknown_code", Unknown, false),
    ]
}

/// The page that people read says the same as the table that is tested.
#[test]
fn the_page_of_outcomes_is_this_table() {
    let page = include_str!("../../docs/outcomes.md");
    let section = page.split("## After the request").nth(1).unwrap();
    let mut told: Vec<(String, String, bool)> = section
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains('`'))
        .filter_map(|line| {
            let cells: Vec<_> = line
                .trim_matches('|')
                .split('|')
                .map(|cell| cell.trim().trim_matches('`'))
                .collect();
            let [.., kind, delivery, again] = cells[..] else {
                return None;
            };
            Some((kind.to_owned(), delivery.to_owned(), again == "yes"))
        })
        .filter(|(kind, ..)| kind != "timeout")
        .collect();
    let mut tested: Vec<(String, String, bool)> = table()
        .into_iter()
        .map(|row| (row.kind.to_owned(), row.delivery.to_string(), row.read_again))
        .collect();
    for rows in [&mut told, &mut tested] {
        rows.sort();
        rows.dedup();
    }
    assert_eq!(told, tested);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_failed_says_what_is_known_and_is_not_sent_twice() {
    let operator = Operator::of_two();
    let mut runs = JoinSet::new();
    for setup in Setup::all(&operator.authority) {
        for used_before in [false, true] {
            for row in table().into_iter().filter(|row| !(row.http1_only && setup.http2)) {
                let server = Server::start(&operator.authority, setup.clone()).await;
                let app = operator.open(server.address, "");
                runs.spawn(fails_to_write(server, app, setup.clone(), used_before, row));
            }
        }
    }
    all(runs).await;
}

async fn fails_to_write(server: Server, app: App, setup: Setup, used_before: bool, row: Row) {
    let name = format!("{}, used before: {used_before}, {:?}", setup.name(), row.act);
    if used_before {
        create(&app, FLOWERS).await.unwrap();
    }
    server.will([row.act.clone()]);
    let error = create(&app, FLOWERS).await.unwrap_err();
    assert_eq!(error.kind(), row.kind, "{name}: {error:?}");
    assert_eq!(error.delivery(), Some(row.delivery), "{name}: {error:?}");
    let seen = server.seen();
    let whole = usize::from(!matches!(row.act, Act::ResetMidRequest));
    assert_eq!(seen.requests.len(), usize::from(used_before) + whole, "{name}");
    // over HTTP/1.1 the used connection may not be back in the pool yet
    assert!(seen.accepted <= 1 + usize::from(used_before), "{name}");
    if row.delivery == Unknown {
        let mark = error.operation().unwrap().short();
        assert!(error.hint().unwrap().contains(&mark), "{name}");
    }
    // the next one is served, whatever became of the connection
    let stays = matches!(row.act, Act::Answer(..)) || setup.http2 && matches!(row.act, Act::EndlessBody);
    if !stays {
        server.until(|seen| seen.ended >= 1).await;
    }
    create(&app, FLOWERS).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_failed_is_repeated_twice_where_that_can_help() {
    let operator = Operator::of_two();
    let mut runs = JoinSet::new();
    for http2 in [false, true] {
        for row in table().into_iter().filter(|row| !(row.http1_only && http2)) {
            for failures in [2, 3] {
                let setup = Setup {
                    http2,
                    ..Setup::of(&operator.authority)
                };
                let server = Server::start(&operator.authority, setup).await;
                let app = operator.open(server.address, "");
                runs.spawn(fails_to_read(server, app, row.clone(), failures));
            }
        }
    }
    all(runs).await;
}

async fn fails_to_read(server: Server, app: App, row: Row, failures: usize) {
    let name = format!("{:?}", row.act);
    server.will(vec![row.act.clone(); failures]);
    let payment = PaymentId::new(15).unwrap();
    let outcome = in_time(app.payments().status(Some(bin(FLOWERS)), payment)).await;
    let whole = usize::from(!matches!(row.act, Act::ResetMidRequest));
    let attempts = match (row.read_again, failures, &outcome) {
        (true, 2, Ok(_)) => 2 * whole + 1,
        (true, 3, Err(error)) if error.kind() == row.kind => 3 * whole,
        (false, _, Err(error)) if error.kind() == row.kind => whole,
        _ => panic!("{name}: {failures} failures: {outcome:?}"),
    };
    if let Err(error) = &outcome {
        assert_eq!(error.delivery(), None, "{name}: nobody's money hangs on a read");
    }
    let seen = server.seen();
    assert_eq!(seen.requests.len(), attempts, "{name}");
    let mut ids: Vec<_> = seen
        .requests
        .iter()
        .map(|request| request.header("x-request-id").unwrap())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), attempts, "{name}: each attempt has an id of its own");
}

async fn all(mut runs: JoinSet<()>) {
    while let Some(run) = runs.join_next().await {
        run.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_nobody_documents_is_kept_and_is_not_final() {
    let operator = Operator::of_two();
    let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
    let app = operator.open(server.address, "");
    server.will([text(
        200,
        r#"{"StatusCode":0,"Data":{"Status":"RemotePaymentPaid"}}"#,
    )]);
    let payment = PaymentId::new(15).unwrap();
    let status = in_time(app.payments().check(Some(bin(FLOWERS)), payment))
        .await
        .unwrap()
        .status;
    assert_eq!(status.status.as_str(), "RemotePaymentPaid");
    assert!(!status.status.is_final());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_refused_or_a_name_that_nobody_has_sends_nothing() {
    let operator = Operator::of_two();
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let app = operator.open(address, "");
    let error = create(&app, FLOWERS).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        ("connect", Some(NotSent)),
        "{error:?}"
    );
    assert!(
        error
            .to_string()
            .starts_with(&format!("no connection to `{address}`: ")),
        "{error}"
    );

    let file = operator.configure_url("https://kaspi.invalid/r3", "");
    let app = App::open(&file, &Environment::default()).unwrap();
    let error = create(&app, FLOWERS).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        ("dns", Some(NotSent)),
        "{error:?}"
    );
    assert!(
        error
            .to_string()
            .starts_with("the name `kaspi.invalid` could not be resolved: "),
        "{error}"
    );
}

/// Whether our bytes were on their way already decides between the two; the server got none either way.
#[tokio::test(flavor = "multi_thread")]
async fn a_reset_right_after_the_handshake_is_never_told_as_sent() {
    let operator = Operator::of_two();
    let mut runs = JoinSet::new();
    for setup in Setup::all(&operator.authority) {
        for _ in 0..10 {
            let server = Server::start(&operator.authority, setup.clone()).await;
            let app = operator.open(server.address, "");
            let name = setup.name();
            runs.spawn(async move {
                server.will(vec![Act::ResetUnread; 3]);
                let outcome = create(&app, FLOWERS).await;
                let seen = server.seen();
                assert_eq!(seen.requests.len(), 0);
                match told(outcome) {
                    ("connection_closed" | "tls", NotSent) => assert_eq!(seen.accepted, 3, "{name}"),
                    ("connection_closed", Unknown) => assert!(seen.accepted <= 3, "{name}"),
                    other => panic!("{name}: {other:?}"),
                }
            });
        }
    }
    all(runs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_was_closed_while_idle_costs_nothing() {
    let operator = Operator::of_two();
    for setup in Setup::all(&operator.authority) {
        for _ in 0..20 {
            let server = Server::start(&operator.authority, setup.clone()).await;
            let app = operator.open(server.address, "");
            server.will([Act::AnswerAndClose(super::server::as_kaspi("/remote/create"))]);
            create(&app, FLOWERS).await.unwrap();
            server.until(|seen| seen.ended == 1).await;
            create(&app, FLOWERS).await.unwrap();
            let seen = server.seen();
            assert_eq!(seen.requests.len(), 2, "{}", setup.name());
            assert_eq!(seen.accepted, 2, "{}", setup.name());
        }
    }
}

mod time_limits {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn nobody_accepts() {
        let operator = Operator::of_two();
        // a queue that is full takes no further connection, and says nothing
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queued = Vec::new();
        while let Ok(connected) =
            tokio::time::timeout(Duration::from_millis(500), TcpStream::connect(address)).await
        {
            queued.push(connected.unwrap());
            assert!(queued.len() < 100, "the queue never fills");
        }
        let app = operator.open(address, "connect_timeout = \"200ms\"");
        let error = create(&app, FLOWERS).await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), ("timeout", Some(NotSent)));
        assert_eq!(
            error.to_string(),
            format!("no end of the connection to `{address}` within 0.2 s")
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nobody_speaks_tls() {
        let operator = Operator::of_two();
        let setup = Setup {
            mute: true,
            ..Setup::of(&operator.authority)
        };
        let server = Server::start(&operator.authority, setup).await;
        let app = operator.open(server.address, "tls_timeout = \"200ms\"");
        let error = create(&app, FLOWERS).await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), ("timeout", Some(NotSent)));
        assert_eq!(
            error.to_string(),
            format!("no end of the TLS handshake to `{}` within 0.2 s", server.address)
        );
        assert_eq!(server.until(|seen| seen.ended == 3).await.accepted, 3);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn no_answer_or_one_without_end() {
        let operator = Operator::of_two();
        for setup in Setup::all(&operator.authority) {
            for (act, limits, part, limit) in [
                (
                    Act::Silence,
                    "first_byte_timeout = \"500ms\"",
                    "wait for the answer",
                    "0.5 s",
                ),
                (
                    Act::Silence,
                    "request_timeout = \"500ms\"",
                    "whole request",
                    "0.5 s",
                ),
                (
                    Act::Drip(Duration::from_millis(20)),
                    "request_timeout = \"700ms\"",
                    "whole request",
                    "0.7 s",
                ),
            ] {
                let server = Server::start(&operator.authority, setup.clone()).await;
                let app = operator.open(server.address, limits);
                server.will([act]);
                let error = create(&app, FLOWERS).await.unwrap_err();
                assert_eq!(
                    (error.kind(), error.delivery()),
                    ("timeout", Some(Unknown)),
                    "{}",
                    setup.name()
                );
                assert_eq!(
                    error.to_string(),
                    format!("no end of the {part} to `{}` within {limit}", server.address)
                );
                assert_eq!(server.seen().requests.len(), 1);
            }
        }
    }
}
