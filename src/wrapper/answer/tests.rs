use super::*;
use crate::base::{Delivery, Explain};

fn writes(status: u16, body: &str) -> Result<Fields, Error> {
    read("create", Effect::Writes, status, body.as_bytes(), &[])
}

#[test]
fn every_shape_of_a_yes_is_taken() {
    for body in [
        r#"{"status": true, "data": {"externalId": "12800000774", "status": "Wait"}, "http_code": 200}"#,
        r#"{"status": true, "data": {"externalId": 12800000774, "status": "Wait"}, "http_code": 200}"#,
        r#"{"success": true, "data": {"externalId": 12800000774}}"#,
        r#"{"data": {"externalId": 12800000774, "status": "Wait"}}"#,
        r#"{"externalId": 12800000774, "status": "Wait"}"#,
        r#"{"status": true, "externalId": "12800000774"}"#,
        r#"{"status": 1, "data": {"paymentId": " 12800000774 "}}"#,
        r#"{"status": "true", "error": null, "data": {"ExternalID": 12800000774}}"#,
        "\u{feff} {\"status\": true, \"data\": {\"externalId\": 12800000774, \"errors\": {}}}\r\n",
    ] {
        let fields = writes(200, body).unwrap_or_else(|error| panic!("{body}: {error}"));
        assert_eq!(fields.payment_id().unwrap().get(), 12_800_000_774, "{body}");
    }
    let status = read(
        "status",
        Effect::Reads,
        200,
        br#"{"status": true, "data": {"externalId": 1, "status": "Processed"}}"#,
        &[],
    );
    assert_eq!(status.unwrap().status().unwrap(), "Processed");
}

/// What is known after each answer to a call that moves money.
#[test]
fn a_no_is_a_no_only_where_it_is_clear() {
    use Delivery::{Refused, Unknown};
    for (status, body, kind, delivery) in [
        (200, "", "wrapper_empty", Unknown),
        (200, " \r\n", "wrapper_empty", Unknown),
        (204, "", "wrapper_empty", Unknown),
        (200, "<html>ok</html>", "wrapper_answer", Unknown),
        (200, "[]", "wrapper_answer", Unknown),
        (200, "null", "wrapper_answer", Unknown),
        (200, "{}", "wrapper_answer", Unknown),
        (
            200,
            r#"{"status": true, "data": {"ext"#,
            "wrapper_answer",
            Unknown,
        ),
        (301, "", "wrapper_answer", Unknown),
        (
            500,
            r#"{"status": false, "error": "no"}"#,
            "wrapper_answer",
            Unknown,
        ),
        (502, "<html>Bad gateway</html>", "wrapper_answer", Unknown),
        (401, "", "wrapper_access", Refused),
        (403, "<html>", "wrapper_access", Refused),
        (404, "<html>", "wrapper_not_found", Refused),
        (
            200,
            r#"{"status": false, "data": {"errors": {"-99000005": "more than the rest"}}}"#,
            "refund_exceeds_rest",
            Refused,
        ),
        (
            200,
            r#"{"status": false, "data": {"errors": {"-999": "later"}}}"#,
            "kaspi_unavailable",
            Unknown,
        ),
        (
            200,
            r#"{"status": false, "data": {"errors": {"777": "?"}}}"#,
            "wrapper_refused",
            Unknown,
        ),
        (
            200,
            r#"{"status": false, "data": {"errors": {"PHONE": "no such client", "-999": "later"}}}"#,
            "kaspi_unavailable",
            Unknown,
        ),
        (
            200,
            r#"{"status": false, "data": {"errors": {"PHONE": "no such client"}}}"#,
            "wrapper_refused",
            Refused,
        ),
        (
            200,
            r#"{"status": false, "data": null, "error": "Insufficient funds"}"#,
            "wrapper_refused",
            Refused,
        ),
        (
            200,
            r#"{"status": false, "error": "cURL error 28: Operation timed out"}"#,
            "wrapper_refused",
            Unknown,
        ),
        (
            200,
            r#"{"status": false, "error": "Превышено время ожидания ответа"}"#,
            "wrapper_refused",
            Unknown,
        ),
        (
            200,
            r#"{"status": false, "data": null, "error": "Ошибка соединения с Kaspi"}"#,
            "wrapper_refused",
            Unknown,
        ),
        (
            200,
            r#"{"status": false, "data": {"errors": ["Внутренняя ошибка, попробуйте позже"]}}"#,
            "wrapper_refused",
            Unknown,
        ),
        (
            200,
            r#"{"status": false, "error": "Max retries exceeded"}"#,
            "wrapper_refused",
            Unknown,
        ),
        (
            200,
            r#"{"status": false, "error": "Клиент не найден"}"#,
            "wrapper_refused",
            Refused,
        ),
        (
            400,
            r#"{"status": true, "data": {"externalId": 5}}"#,
            "wrapper_answer",
            Unknown,
        ),
        (
            200,
            r#"{"status": false, "data": {"errors": {"OUTCOME_UNKNOWN": "see the journal"}}}"#,
            "wrapper_refused",
            Unknown,
        ),
        (200, r#"{"status": false}"#, "wrapper_refused", Unknown),
        (
            200,
            r#"{"success": false, "data": null}"#,
            "wrapper_refused",
            Unknown,
        ),
        (
            400,
            r#"{"status": false, "data": {"errors": ["amount is wrong"]}}"#,
            "wrapper_refused",
            Refused,
        ),
        (
            200,
            r#"{"status": false, "data": {"externalId": 5}}"#,
            "wrapper_answer",
            Unknown,
        ),
        (
            200,
            r#"{"status": true, "error": "odd", "data": {"externalId": 5}}"#,
            "wrapper_answer",
            Unknown,
        ),
        (
            200,
            r#"{"status": true, "error": "declined", "data": {}}"#,
            "wrapper_refused",
            Refused,
        ),
    ] {
        let error = writes(status, body).unwrap_err();
        assert_eq!(
            (error.kind(), error.delivery()),
            (kind, Some(delivery)),
            "{status} {body}: {error}"
        );
    }
}

#[test]
fn a_yes_without_an_id_is_open() {
    for body in [
        r#"{"status": true, "data": {}}"#,
        r#"{"status": true, "data": null}"#,
        r#"{"status": true, "data": []}"#,
        r#"{"status": true, "data": {"externalId": null}}"#,
        r#"{"status": true, "data": {"externalId": "abc"}}"#,
        r#"{"status": true, "data": {"externalId": -5}}"#,
        r#"{"status": true, "data": {"externalId": 1.5}}"#,
    ] {
        let error = writes(200, body).unwrap().payment_id().unwrap_err();
        assert_eq!(error.delivery(), Some(Delivery::Unknown), "{body}");
    }
}

#[test]
fn a_read_leaves_nothing_open() {
    for (status, body) in [
        (200, ""),
        (502, ""),
        (404, ""),
        (200, r#"{"status": false, "error": "no"}"#),
    ] {
        let error = read("status", Effect::Reads, status, body.as_bytes(), &[]).unwrap_err();
        assert_eq!(error.delivery(), None, "{status} {body}");
    }
}

#[test]
fn what_was_sent_does_not_come_back_in_a_message() {
    let hidden = ["the-token", "7000000001"].map(|text| Zeroizing::new(text.to_owned()));
    let body = r#"{"status": false, "error": "no client +77000000001 at ?access_token=the-token\u001b[2J"}"#;
    let error = read("create", Effect::Writes, 200, body.as_bytes(), &hidden).unwrap_err();
    let told = error.to_string();
    assert!(told.contains("no client +7*** at ?access_token=***"), "{told}");
    assert!(!told.contains('\u{1b}'), "{told}");
    let long = format!(r#"{{"status": false, "error": "{}"}}"#, "ы".repeat(5000));
    let error = writes(200, &long).unwrap_err();
    assert!(error.to_string().chars().count() < 300);
}
