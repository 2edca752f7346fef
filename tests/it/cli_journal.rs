//! `kaspi journal`, and commands that go through it, as people and programs see them.

use kaspi_direct::sandbox::{CustomerStep, Fault, FaultKind};
use serde_json::Value;

use super::cli_kit::{Ran, Scene, Transcript};
use super::kit::{FLOWERS, GIFTS};

struct Day {
    scene: Scene,
    transcript: Transcript,
}

impl Day {
    async fn start() -> Self {
        let scene = Scene::start().await;
        let mut transcript = Transcript::default();
        transcript.name(scene.path("").display(), "DIR/");
        Self { scene, transcript }
    }

    /// Runs a command that is to be seen.
    async fn shown(&mut self, code: i32, words: &[&str]) -> Ran {
        let ran = self.scene.run(words).await;
        assert_eq!(ran.code, code, "{words:?}: {ran:?}");
        self.transcript.add(words, &ran);
        ran
    }

    async fn json(&self, code: i32, words: &[&str]) -> Value {
        let words: Vec<&str> = words.iter().copied().chain(["-o", "json"]).collect();
        let ran = self.scene.run(&words).await;
        assert_eq!(ran.code, code, "{words:?}: {ran:?}");
        ran.json()
    }

    /// The latest operation's id, named in what is seen from now on.
    async fn latest(&mut self, name: &'static str, mark: &'static str) -> String {
        let listed = self.json(0, &["journal", "list", "--limit", "1"]).await;
        let id = listed["operations"][0]["operation_id"]
            .as_str()
            .unwrap()
            .to_owned();
        self.transcript.name(&id, name);
        self.transcript.name(id[28..].to_owned(), mark);
        id
    }
}

/// Without the time of day and without ages.
fn timeless(text: &str) -> String {
    let is_time = |word: &str| {
        word.len() == 8
            && word.bytes().enumerate().all(|(at, byte)| match at {
                2 | 5 => byte == b':',
                _ => byte.is_ascii_digit(),
            })
    };
    let lines = text.lines().map(|line| {
        let mut words: Vec<&str> = line.split(' ').collect();
        for at in 0..words.len() {
            if is_time(words[at]) {
                words[at] = "TIME";
            } else if at > 1 && words[at] == "s" && words[at - 2] == "for" {
                words[at - 1] = "AGE";
            }
        }
        words.join(" ")
    });
    lines.collect::<Vec<String>>().join("\n")
}

const ORDER: [&str; 10] = [
    "payment",
    "create",
    "--phone",
    "+77000000001",
    "--amount",
    "1500",
    "--message",
    "Order 17",
    "--idempotency-key",
    "order-17",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_day_in_the_books() {
    let mut day = Day::start().await;
    let created = day.json(0, &ORDER).await;
    let payment = created["payment_id"].to_string();
    day.transcript.name(&payment, "PAYMENT");
    day.latest("OPERATION-1", "MARK-1").await;
    day.shown(0, &ORDER).await;
    let other: Vec<&str> = ORDER
        .iter()
        .map(|word| if *word == "1500" { "1501" } else { word })
        .collect();
    day.shown(1, &other).await;
    day.shown(1, &["payment", "refund", &payment, "--amount", "1"])
        .await;
    day.scene
        .sandbox
        .customer(payment.parse().unwrap(), CustomerStep::Pay)
        .unwrap();
    day.shown(
        1,
        &["payment", "refund", &payment, "--amount", "1", "--bin", GIFTS],
    )
    .await;
    day.shown(1, &["payment", "refund", &payment, "--amount", "1500.01"])
        .await;
    day.shown(1, &["payment", "refund", "15", "--amount", "1"]).await;

    day.scene
        .sandbox
        .arm(Fault::new(FaultKind::ResetAfterCommit).on("/r3/v01/payment/return"))
        .await;
    let lost = day
        .json(6, &["payment", "refund", &payment, "--amount", "500"])
        .await;
    assert_eq!(lost["error"]["delivery"], "unknown");
    day.latest("OPERATION-2", "MARK-2").await;
    day.shown(1, &["payment", "refund", &payment, "--amount", "10"])
        .await;
    day.shown(0, &["journal", "list", "--state", "unknown", "--kind", "refund"])
        .await;
    day.shown(0, &["journal", "reconcile"]).await;
    day.shown(0, &["journal", "reconcile"]).await;

    day.scene
        .sandbox
        .arm(Fault::new(FaultKind::UnavailableAfterCommit).on("/r3/v01/remote/create"))
        .await;
    let mut lost = ORDER.to_vec();
    lost[9] = "order-18";
    day.json(6, &lost).await;
    let operation = day.latest("OPERATION-3", "MARK-3").await;
    day.shown(6, &lost).await;
    day.shown(0, &["journal", "reconcile"]).await;
    let made = day.scene.sandbox.payments()[1]["payment_id"].to_string();
    day.transcript.name(&made, "FOUND");
    let resolve = [
        "journal",
        "resolve",
        &operation,
        "--accepted",
        "--payment-id",
        &made,
        "--why",
        "found in the app",
    ];
    let settled = day.json(0, &resolve).await;
    assert_eq!(
        (&settled["state"], &settled["payment_id"].to_string()),
        (&"accepted".into(), &made)
    );
    day.shown(1, &resolve).await;
    let mut again = lost.clone();
    again.extend(["-o", "json"]);
    let again = day.scene.run(&again).await.json();
    assert_eq!(
        (&again["payment_id"].to_string(), &again["replayed"]),
        (&made, &true.into())
    );
    let history = day.json(0, &["journal", "show", &operation]).await;
    let steps: Vec<&str> = history["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["to"].as_str().unwrap())
        .collect();
    assert_eq!(steps, ["recorded", "sent", "unknown", "accepted"]);
    day.shown(0, &["journal", "verify"]).await;
    insta::assert_snapshot!(timeless(&day.transcript.finish()));
}

#[tokio::test(flavor = "multi_thread")]
async fn books_are_exported_taken_in_and_copied() {
    let mut day = Day::start().await;
    let mut risky = ORDER.to_vec();
    risky[9] = "=SUM(A1:A9)";
    day.json(0, &risky).await;
    let payment = day.scene.sandbox.payments()[0]["payment_id"].as_i64().unwrap();
    let csv = day.scene.run(&["journal", "export"]).await;
    let lines: Vec<&str> = csv.out.lines().collect();
    assert_eq!(lines.len(), 2, "{csv:?}");
    assert!(lines[0].starts_with("operation_id,mark,recorded_at,"));
    assert!(lines[1].contains(&format!(",{FLOWERS},")), "{csv:?}");
    assert!(lines[1].contains(",create,accepted,1500.00,"), "{csv:?}");
    assert!(lines[1].contains("7700***0001,cli,'=SUM(A1:A9),"), "{csv:?}");
    let json = day.json(0, &["journal", "export"]).await;
    assert_eq!(json[0]["payment_id"], payment);
    let none = day.json(0, &["journal", "export", "--bin", GIFTS]).await;
    assert_eq!(none, serde_json::json!([]));
    let none = day.json(0, &["journal", "list", "--day", "2001-01-01"]).await;
    assert_eq!(none["operations"], serde_json::json!([]));

    let list = day.scene.path("old.csv");
    std::fs::write(
        &list,
        format!("payment_id,bin,amount\n77,{GIFTS},100\n{payment},{FLOWERS},\n"),
    )
    .unwrap();
    let list = list.to_str().unwrap();
    let import = day.json(0, &["journal", "import", list]).await;
    assert_eq!(
        import,
        serde_json::json!({"added": 1, "known": 1, "contradicted": []})
    );
    std::fs::write(list, format!("payment_id,bin\n{payment},{GIFTS}\n")).unwrap();
    day.shown(1, &["journal", "import", list]).await;
    std::fs::write(list, "payment_id,bin\n78,891027350516\n").unwrap();
    day.shown(2, &["journal", "import", list]).await;

    let copy = day.scene.path("copy.db");
    day.json(0, &["journal", "backup", copy.to_str().unwrap()]).await;
    assert!(copy.metadata().unwrap().len() > 0);
    day.shown(3, &["journal", "backup", copy.to_str().unwrap()]).await;
    // the copy takes the place of a journal that has gone on
    day.json(0, &["qr", "create", "--amount", "100"]).await;
    for name in ["kaspi.db", "kaspi.db-wal", "kaspi.db-shm"] {
        let _ = std::fs::remove_file(day.scene.path(name));
    }
    std::fs::copy(&copy, day.scene.path("kaspi.db")).unwrap();
    let refused = day.json(3, &["qr", "create", "--amount", "100"]).await;
    assert_eq!(
        (&refused["error"]["kind"], &refused["error"]["delivery"]),
        (&"journal_behind".into(), &"not_sent".into())
    );
    day.json(0, &["payment", "status", &payment.to_string()]).await;
    let report = day.json(0, &["journal", "reconcile", "--after-restore"]).await;
    assert_eq!(report["payments_read"], 2, "{report}");
    day.json(0, &["qr", "create", "--amount", "100"]).await;
    insta::assert_snapshot!(timeless(&day.transcript.finish()));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_none_are_refused_before_anything_is_sent() {
    let day = Day::start().await;
    let long = "k".repeat(300);
    for key in ["", long.as_str(), "order\u{7}17", "order 17"] {
        let mut words = ORDER.to_vec();
        words[9] = key;
        let told = day.json(2, &words).await;
        assert_eq!(told["error"]["kind"], "bad_idempotency_key", "{key:?}");
    }
    assert!(day.scene.sandbox.requests().is_empty());
}
