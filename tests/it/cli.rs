//! The program at its border: what it prints, in text and in JSON, and with which code it exits.

use kaspi_direct::sandbox::{CustomerStep, Fault, FaultKind};
use serde_json::json;

use super::cli_kit::{Scene, Transcript, run_in};
use super::kit::{FLOWERS, GIFTS, Operator, authority, stranger};
use super::server::{Auth, Server, Setup};

/// Every command that asks Kaspi something, once in each format.
async fn a_day_at_the_shop(format: &str) -> String {
    let scene = Scene::start().await;
    let mut transcript = Transcript::default();
    transcript.name(scene.path("").display(), "DIR/");
    let listed = scene.run(&["merchants", "list", "-o", "json"]).await.json();
    for row in listed.as_array().unwrap() {
        let fingerprint = row["certificate_sha256"].as_str().unwrap();
        transcript.name(fingerprint, "SHA256");
        // the table shows the beginning
        transcript.name(&fingerprint[..16], "FINGERPRINT     ");
    }
    let say = |words: &[&str]| -> Vec<String> {
        words
            .iter()
            .copied()
            .chain(["-o", format])
            .map(str::to_owned)
            .collect()
    };
    macro_rules! run {
        ($($word:expr),+ $(,)?) => {{
            let words = say(&[$($word),+]);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let ran = scene.run(&words).await;
            assert_eq!(ran.code, 0, "{words:?}: {ran:?}");
            transcript.add(&words, &ran);
        }};
    }
    run!("merchants", "list");
    run!("merchants", "show", "--bin", GIFTS);
    run!("tradepoints");
    run!(
        "payment",
        "create",
        "--phone",
        "+7 700 000 00 01",
        "--amount",
        "1500.5",
        "--message",
        "Order 17"
    );
    let payment = scene.sandbox.payments()[0]["payment_id"].as_i64().unwrap();
    let id = payment.to_string();
    transcript.name(&id, "PAYMENT");
    run!("payment", "status", &id);
    scene.sandbox.customer(payment, CustomerStep::Pay).unwrap();
    run!("payment", "status", &id);
    run!("payment", "details", &id);
    run!("payment", "refund", &id, "--amount", "500");
    run!("payment", "details", &id);
    run!(
        "device",
        "register",
        "--device-id",
        "till-1",
        "--trade-point",
        "385716",
        "--token-file",
        "till.token"
    );
    run!(
        "device",
        "register",
        "--device-id",
        "till-1",
        "--trade-point",
        "385716",
        "--print-token"
    );
    run!(
        "cert",
        "inspect",
        "certs/891027350515/certificate.cer",
        "certs/891027350515/private.key"
    );
    transcript.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_in_text() {
    insta::assert_snapshot!(a_day_at_the_shop("text").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_in_json() {
    insta::assert_snapshot!(a_day_at_the_shop("json").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_exits_with_a_code_of_its_own() {
    let scene = Scene::start().await;
    let mut transcript = Transcript::default();
    transcript.name(scene.path("").display(), "DIR/");
    macro_rules! run {
        ($code:expr, $($word:expr),+ $(,)?) => {{
            let words = [$($word),+];
            for format in ["text", "json"] {
                let words: Vec<&str> = words.iter().copied().chain(["-o", format]).collect();
                let ran = scene.run(&words).await;
                assert_eq!(ran.code, $code, "{words:?}: {ran:?}");
                if format == "json" {
                    assert!(ran.json()["error"]["kind"].is_string(), "{ran:?}");
                } else {
                    assert_eq!(ran.out, "", "{ran:?}");
                }
                transcript.add(&words, &ran);
            }
        }};
    }
    let create = |amount: &'static str, phone: &'static str| {
        [
            "payment",
            "create",
            "--phone",
            phone,
            "--amount",
            amount,
            "--message",
            "x",
        ]
    };
    macro_rules! create {
        ($code:expr, $amount:expr, $phone:expr) => {{
            let [a, b, c, d, e, f, g, h] = create($amount, $phone);
            run!($code, a, b, c, d, e, f, g, h);
        }};
    }
    const PHONE: &str = "77000000001";

    // 2: wrong use
    for amount in ["0", "-1", "10.005", "1e400", "NaN", ""] {
        create!(2, amount, PHONE);
    }
    create!(2, "1", "7700000000");
    run!(2, "tradepoints", "--bin", "89102735051");
    run!(2, "tradepoints", "--bin", "89102735051x");
    run!(2, "payment", "status", "0");
    run!(2, "payment", "status", "9223372036854775808");
    run!(2, "payment", "create", "--phone", PHONE);
    run!(2, "pay");
    // 3: configuration or identity unusable
    run!(3, "tradepoints", "--bin", "991011000048");
    run!(3, "tradepoints", "--bin", "891027350516");
    run!(3, "tradepoints", "--config", "none.toml");
    std::fs::write(
        scene.path("bad.toml"),
        "[kaspi]\nbase_url = \"https://127.0.0.1:1/r3\"\nconnect_timeot = \"1s\"\n",
    )
    .unwrap();
    run!(3, "tradepoints", "--config", "bad.toml");
    std::fs::write(
        scene.path("certs").join(GIFTS).join("password"),
        "another password\n",
    )
    .unwrap();
    run!(3, "tradepoints", "--bin", GIFTS);
    // 5: Kaspi refused
    run!(1, "payment", "refund", "15", "--amount", "1");
    run!(1, "payment", "refund", "15", "--amount", "1", "--bin", FLOWERS);
    run!(
        5,
        "device",
        "register",
        "--device-id",
        "till-1",
        "--trade-point",
        "1",
        "--print-token"
    );
    // 6: outcome unknown
    scene
        .sandbox
        .arm(
            Fault::new(FaultKind::ResetAfterCommit)
                .on("/r3/v01/remote/create")
                .times(2),
        )
        .await;
    create!(6, "1", PHONE);
    assert_eq!(scene.sandbox.payments().len(), 2, "sent once each");
    scene
        .sandbox
        .arm(
            Fault::new(FaultKind::Html502)
                .on("/r3/v01/remote/create")
                .times(2),
        )
        .await;
    create!(6, "1", PHONE);
    scene
        .sandbox
        .arm(
            Fault::new(FaultKind::UnavailableAfterCommit)
                .on("/r3/v01/remote/create")
                .times(2),
        )
        .await;
    create!(6, "1", PHONE);
    let text = transcript.finish();
    // our name for the operation differs each time
    let text: Vec<String> = text.lines().map(without_run).collect();
    insta::assert_snapshot!(text.join("\n"));
}

/// Without the eight characters of an operation id, and the system's words for a reset.
fn without_run(line: &str) -> String {
    const ENDED: &str = "ended before the answer: ";
    if let Some((before, after)) = line.split_once(ENDED) {
        let end = if after.ends_with("\",") { "\"," } else { "" };
        let end = if after.ends_with('"') { "\"" } else { end };
        return format!("{before}{ENDED}REASON{end}");
    }
    let mut result = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("`#") {
        result.push_str(before);
        result.push_str("`#MARK");
        rest = &after[8..];
    }
    result + rest
}

/// 4: network or TLS. Not in the snapshot above, since the system's words differ.
#[tokio::test(flavor = "multi_thread")]
async fn no_way_to_kaspi_is_exit_4() {
    let operator = Operator::of_two();
    let refusing = Setup {
        auth: Auth::Of(vec![stranger().0]),
        ..Setup::of(&operator.authority)
    };
    let unasking = Setup {
        auth: Auth::None,
        ..Setup::of(&operator.authority)
    };
    let refusing = Server::start(&operator.authority, refusing).await;
    let unasking = Server::start(&operator.authority, unasking).await;
    let foreign = Server::start(&authority(), Setup::of(&operator.authority)).await;
    let gone = {
        let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
        server.address
    };
    for (address, kind) in [
        (refusing.address, "certificate_refused"),
        (unasking.address, "certificate_not_asked"),
        (foreign.address, "server_not_trusted"),
        (gone, "connect"),
    ] {
        operator.configure(address, "");
        let words = [
            "payment",
            "create",
            "--bin",
            FLOWERS,
            "--phone",
            "77000000001",
            "--amount",
            "1",
            "--message",
            "x",
        ];
        let ran = run_in(&operator.path(""), &[&words[..], &["-o", "json"]].concat()).await;
        assert_eq!(ran.code, 4, "{ran:?}");
        let error = &ran.json()["error"];
        assert_eq!(error["kind"], kind);
        assert_eq!(error["delivery"], "not_sent");
        assert!(error["hint"].is_string(), "{error}");
        let ran = run_in(&operator.path(""), &words).await;
        assert_eq!((ran.code, ran.out.as_str()), (4, ""), "{ran:?}");
        assert!(
            ran.err.starts_with("error: ") && ran.err.contains("\n  hint: "),
            "{ran:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_holds() {
    let folder = tempfile::tempdir().unwrap();
    let ran = run_in(folder.path(), &["demo", "-o", "json", "--keep", "kept"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let told = ran.json();
    assert_eq!(told["ok"], true);
    let steps = told["steps"].as_array().unwrap();
    assert!(steps.len() > 3, "{told}");
    for step in steps {
        assert!(step["id"].is_string(), "{step}");
        assert_eq!(step["ok"], json!(true), "{step}");
    }
    let seen = told["seen"].as_array().unwrap();
    let mut bins: Vec<&str> = seen.iter().map(|row| row["bin"].as_str().unwrap()).collect();
    bins.sort_unstable();
    // one of them before and after its certificate was exchanged
    assert_eq!(bins, [GIFTS, FLOWERS, FLOWERS]);
    let certificates: std::collections::BTreeSet<&str> = seen
        .iter()
        .map(|row| row["client_cert_sha256"].as_str().unwrap())
        .collect();
    assert_eq!(certificates.len(), 3);
    let rotated = steps.iter().find(|step| step["id"] == "rotate").unwrap();
    assert_eq!(rotated["failed"], 0);
    assert!(rotated["calls"].as_u64().unwrap() >= 128, "{rotated}");
    for row in seen {
        assert_eq!(row["client_cert_sha256"].as_str().unwrap().len(), 64);
        assert!(row["requests"].as_u64().unwrap() > 0);
    }
    assert!(folder.path().join("kept/kaspi.toml").is_file());

    let ran = run_in(folder.path(), &["demo"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("ok  ") && !ran.out.contains("FAIL"), "{ran:?}");
    for row in seen {
        assert!(ran.out.contains(row["bin"].as_str().unwrap()), "{ran:?}");
    }
}
