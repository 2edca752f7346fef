//! `GET /api/v1/kaspi/events`: who gets which events, from where on, how many streams, and when they end.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use kaspi_direct::config::{self, Environment};
use kaspi_direct::gateway::Patience;
use kaspi_direct::payments::{EventFacts, NewEvent};
use serde_json::json;

use super::cli_kit::{Running, Scene};
use super::events_kit::{Block, EVENTS, Stream};
use super::gateway_kit::{ADMIN, BOTH, READER, SHOP, Served, add_lines, token, tokens};
use super::kit::{FLOWERS, GIFTS, bin, has_program, in_time};

fn key(token: &str) -> [(&str, &str); 1] {
    [("x-api-key", token)]
}

fn order(bin: &str) -> serde_json::Value {
    json!({"phone": "77000000000", "amount": 1500, "message": "Order 17", "organization_bin": bin})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_tells_what_happens_and_goes_on_where_it_was() {
    let served = Served::guarded().await;
    let mut stream = Stream::open(served.address, "", &key(SHOP)).await;
    for header in [
        "content-type: text/event-stream",
        "cache-control: no-store",
        "x-accel-buffering: no",
    ] {
        assert!(stream.headers.iter().any(|given| given == header), "{header}");
    }
    let hello = in_time(stream.block()).await.unwrap();
    assert_eq!((hello.id, hello.data), (Some(0), None));

    let id = served.invoice(&key(SHOP), &order(FLOWERS)).await;
    let number: i64 = id.parse().unwrap();
    let created = stream.event().await.unwrap();
    assert_eq!(created.told(), ("payment.created", number));
    let data = created.data.as_ref().unwrap();
    assert_eq!(
        (&data["amount"], &data["bin"]),
        (&json!("1500.00"), &json!(FLOWERS))
    );
    assert!(data["at"].as_str().unwrap().ends_with('Z'), "{data}");
    assert!(data["operation_id"].is_string(), "{data}");
    served.pay(&id);
    let reply = served
        .ask("GET", &format!("/api/v1/kaspi/status/{id}"), &key(SHOP), None)
        .await;
    assert_eq!(reply.json()["status"], "Processed");
    let paid = stream.event().await.unwrap();
    assert_eq!(paid.told(), ("payment.status_changed", number));
    assert_eq!(paid.data.as_ref().unwrap()["to"], "Processed");
    drop(stream);

    // meanwhile: another BIN's payment, a refund
    served.invoice(&key(BOTH), &order(GIFTS)).await;
    let refund = json!({"external_id": id, "amount": 500});
    let reply = served
        .post_with("/api/v1/kaspi/refund", &key(SHOP), &refund)
        .await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let last = paid.id.unwrap().to_string();
    let headers = [("x-api-key", SHOP), ("last-event-id", last.as_str())];
    let mut stream = Stream::open(served.address, "?last_event_id=0", &headers).await;
    let refunded = stream.event().await.unwrap();
    assert_eq!(refunded.told(), ("payment.refunded", number));
    let data = refunded.data.as_ref().unwrap();
    assert_eq!(
        (&data["amount"], &data["rest"]),
        (&json!("500.00"), &json!("1000.00"))
    );
    assert!(refunded.id > paid.id.map(|id| id + 1));

    // an id is a place among the events of all: another BIN's serves as well
    let of_gifts = (refunded.id.unwrap() - 1).to_string();
    let headers = [("x-api-key", SHOP), ("last-event-id", of_gifts.as_str())];
    let mut again = Stream::open(served.address, "", &headers).await;
    assert_eq!(again.event().await, Some(refunded.clone()));
    let query = "?last_event_id=0&type=payment.refunded,payment.status_changed";
    let mut some = Stream::open(served.address, query, &key(BOTH)).await;
    assert_eq!(some.event().await, Some(paid));
    assert_eq!(some.event().await, Some(refunded));
    let query = format!("?last_event_id=0&organization_bin={GIFTS}");
    let mut gifts = Stream::open(served.address, &query, &key(BOTH)).await;
    let created = gifts.event().await.unwrap();
    assert_eq!(created.data.as_ref().unwrap()["bin"], GIFTS);
    let whole = format!("{created:?}");
    assert!(!whole.contains("7700") && !whole.contains("Order"), "{whole}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_told_is_refused() {
    let served = Served::guarded().await;
    served.invoice(&key(SHOP), &order(FLOWERS)).await;
    let ask = async |query: &str, headers: &[(&str, &str)]| {
        served
            .ask("GET", &format!("{EVENTS}{query}"), headers, None)
            .await
    };
    for place in ["abc", "-1", "1.0", " ", "9223372036854775808", "1,2"] {
        let reply = ask("", &[("x-api-key", SHOP), ("last-event-id", place)]).await;
        assert_eq!(reply.status, 422, "{place}: {reply:?}");
        assert_eq!(
            reply.json()["detail"][0]["loc"],
            json!(["header", "last-event-id"])
        );
        assert_eq!(reply.header("connection"), Some("close"));
    }
    let reply = ask("?last_event_id=99", &key(SHOP)).await;
    assert_eq!(reply.status, 422, "{reply:?}");
    assert_eq!(
        reply.json()["detail"][0]["loc"],
        json!(["query", "last_event_id"])
    );
    assert_eq!(
        reply.json()["detail"][0]["msg"],
        "the last event is `1`, so `99` is none of this journal's"
    );
    for query in [
        "?type=payment.paid",
        "?organization_bin=1",
        "?from=0",
        "?last_event_id=x",
    ] {
        assert_eq!(ask(query, &key(SHOP)).await.status, 422, "{query}");
    }
    assert_eq!(ask("", &[]).await.status, 401);
    assert_eq!(ask("", &key(ADMIN)).await.status, 403);
    let foreign = format!("?organization_bin={GIFTS}");
    assert_eq!(ask(&foreign, &key(SHOP)).await.status, 403);
    let head = served.ask("HEAD", EVENTS, &key(SHOP), None).await;
    assert_eq!(head.status, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_is_turned_away_and_other_calls_go_on() {
    let limits = format!("[gateway]\ntoken_streams = 3\nmax_streams = 5\n{}", tokens());
    let served = Served::with(&limits, Patience::default()).await;
    let mut crowd = tokio::task::JoinSet::new();
    for _ in 0..300 {
        let address = served.address;
        crowd.spawn(async move { in_time(Stream::try_open(address, "", &key(SHOP))).await.unwrap() });
    }
    let mut open = Vec::new();
    for stream in crowd.join_all().await {
        match stream.status {
            200 => open.push(stream),
            429 => {
                let has = |wanted: &str| stream.headers.iter().any(|given| given.starts_with(wanted));
                assert!(has("retry-after: 5"), "{:?}", stream.headers);
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!(open.len(), 3);
    let both = [
        Stream::open(served.address, "", &key(BOTH)).await,
        Stream::open(served.address, "", &key(BOTH)).await,
    ];
    let full = served.ask("GET", EVENTS, &key(READER), None).await;
    assert_eq!(full.status, 503, "{full:?}");
    assert_eq!(full.header("retry-after"), Some("1"));
    assert!(full.body.contains("all 5 event streams are taken"), "{full:?}");
    let metrics = served.ask("GET", "/metrics", &key(ADMIN), None).await;
    assert!(
        metrics.body.contains("kaspi_gateway_event_streams 5"),
        "{}",
        metrics.body
    );
    let id = served.invoice(&key(SHOP), &order(FLOWERS)).await;
    for stream in &mut open {
        assert_eq!(stream.event().await.unwrap().told().1.to_string(), id);
    }
    // whoever hangs up makes room
    drop(both);
    in_time(async {
        while Stream::try_open(served.address, "", &key(READER))
            .await
            .unwrap()
            .status
            != 200
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

/// Events so long that no buffer on the way holds them all.
async fn long_events(served: &Served, count: usize) {
    for number in 0..count {
        let event = NewEvent {
            bin: bin(FLOWERS),
            facts: EventFacts::IdentityRotated {
                identity: "9".repeat(200_000),
                certificate_sha256: "ab".to_owned(),
                not_after: "2027-01-01T00:00:00Z".to_owned(),
            },
            mark: number.to_string(),
        };
        assert!(served.app.payments().tell(event).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_nothing_is_cut_off_and_may_come_back() {
    const COUNT: usize = 80;
    let patience = Patience {
        write: Duration::from_millis(300),
        ..Patience::default()
    };
    let served = Served::with("", patience).await;
    let mut stream = Stream::open(served.address, "?last_event_id=0", &[]).await;
    long_events(&served, COUNT).await;
    in_time(async {
        while !served
            .get("/metrics")
            .await
            .body
            .contains("kaspi_gateway_event_streams 0")
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let mut seen = Vec::new();
    while seen.len() < COUNT {
        match stream.event().await {
            Some(event) => seen.push(event.id.unwrap()),
            None => {
                let query = format!("?last_event_id={}", seen.last().unwrap_or(&0));
                stream = Stream::open(served.address, &query, &[]).await;
            }
        }
    }
    let all: Vec<i64> = (1..).take(COUNT).collect();
    assert_eq!(seen, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_no_stream() {
    let mut served = Served::open().await;
    let mut reading = Stream::open(served.address, "", &[]).await;
    let _stuck = Stream::open(served.address, "", &[]).await;
    long_events(&served, 40).await;
    for _ in 0..40 {
        assert!(reading.event().await.is_some());
    }
    assert!(in_time(served.begin_stop()).await.unwrap());
    reading.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_taken_away_ends_its_streams() {
    let served = Served::guarded().await;
    let mut shop = Stream::open(served.address, "", &key(SHOP)).await;
    let mut changed = Stream::open(served.address, "", &key(BOTH)).await;
    let mut reader = Stream::open(served.address, "", &key(READER)).await;
    let file = served.scene.path("kaspi.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let left = [
        token("reader", READER, &[FLOWERS], &["read"]),
        token("both", BOTH, &[FLOWERS], &["create", "refund", "read"]),
    ];
    std::fs::write(&file, text.replace(&tokens(), &left.concat())).unwrap();
    let settings = config::load(&file, &Environment::default()).unwrap().gateway;
    assert_eq!(settings.tokens.len(), 2);
    served.gateway.reload(&settings).unwrap();
    shop.ends().await;
    changed.ends().await;
    served.invoice(&key(BOTH), &order(FLOWERS)).await;
    assert_eq!(reader.event().await.unwrap().told().0, "payment.created");
    let reply = served.ask("GET", EVENTS, &key(SHOP), None).await;
    assert_eq!(reply.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_stream_shows_that_it_lives_and_how_far_it_has_come() {
    let patience = Patience {
        heartbeat: Duration::from_millis(20),
        ..Patience::default()
    };
    let served = Served::with(&tokens(), patience).await;
    let mut stream = Stream::open(served.address, "", &key(READER)).await;
    let beat = in_time(async {
        loop {
            let block = stream.block().await.unwrap();
            if block.comment {
                return block;
            }
        }
    });
    assert_eq!(beat.await.id, None);
    served.invoice(&key(BOTH), &order(GIFTS)).await;
    let passed = in_time(async {
        loop {
            let block = stream.block().await.unwrap();
            if !block.comment {
                return block;
            }
        }
    });
    let expected = Block {
        id: Some(1),
        ..Block::default()
    };
    assert_eq!(passed.await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_come_over_http2_and_the_unix_socket_too() {
    if !has_program("curl") {
        return;
    }
    let scene = Scene::start().await;
    let authority = super::kit::authority();
    let server = authority.server().unwrap();
    for (file, text) in [
        ("gate.crt", server.chain_pem()),
        ("gate.key", server.key_pem()),
        ("callers.pem", authority.chain_pem()),
    ] {
        std::fs::write(scene.path(file), text).unwrap();
    }
    add_lines(
        &scene,
        &format!(
            "[gateway]\ntls_certificate = \"gate.crt\"\ntls_key = \"gate.key\"\nunix_socket = \"gate.sock\"\n{}",
            tokens()
        ),
    );
    let folder = scene.path("");
    let read = tokio::task::spawn_blocking(move || {
        let running = Running::start(&["serve", "-o", "json", "--listen", "127.0.0.1:0"], &folder);
        let address = running.ready["listen"].as_str().unwrap().to_owned();
        let curl = |arguments: &[&str]| {
            Command::new("curl")
                .args(["-sN", "--noproxy", "*", "-H", &format!("X-API-Key: {SHOP}")])
                .args(arguments)
                .current_dir(&folder)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        };
        let mut streams = [
            curl(&[
                "-i",
                "--http2",
                "--cacert",
                "callers.pem",
                &format!("https://{address}{EVENTS}"),
            ]),
            curl(&[
                "-i",
                "--unix-socket",
                "gate.sock",
                &format!("http://localhost{EVENTS}"),
            ]),
        ];
        let mut lines = streams
            .each_mut()
            .map(|stream| BufReader::new(stream.stdout.take().unwrap()).lines());
        let until = |lines: &mut std::io::Lines<_>, wanted: &str| {
            let found = lines
                .map(Result::unwrap)
                .find(|line: &String| line.starts_with(wanted));
            found.unwrap_or_else(|| panic!("`{wanted}` never came"))
        };
        assert_eq!(until(&mut lines[0], "HTTP/").trim(), "HTTP/2 200");
        assert_eq!(until(&mut lines[1], "HTTP/").trim(), "HTTP/1.1 200 OK");
        for lines in &mut lines {
            until(lines, "id: 0");
        }
        let made = curl(&[
            "--unix-socket",
            "gate.sock",
            "-H",
            "Content-Type: application/json",
            "-d",
            &order(FLOWERS).to_string(),
            "http://localhost/api/v1/kaspi/create",
        ]);
        assert!(made.wait_with_output().unwrap().status.success());
        for lines in &mut lines {
            until(lines, "event: payment.created");
        }
        assert_eq!(running.stop(), Some(0));
        for stream in &mut streams {
            assert!(
                stream.wait().unwrap().success(),
                "the stream was not ended in order"
            );
        }
    });
    read.await.unwrap();
}
