//! The doctor in front of the bank: what it says of answers, and that it leaves nothing behind.

use std::sync::Arc;
use std::time::Duration;

use kaspi_direct::app::App;
use kaspi_direct::app::live::ask_for_rescan;
use kaspi_direct::base::{Bin, Clock, SystemClock};
use kaspi_direct::config::Environment;
use kaspi_direct::doctor::{Doctor, Examine, Options, Report, StageId, Verdict};
use kaspi_direct::sandbox::pki::KeyKind;
use kaspi_direct::sandbox::{ClientAuth, Fault, FaultKind, Options as Bank, Sandbox, layout};
use serde_json::Value;
use tempfile::TempDir;
use time::OffsetDateTime;

use super::cert_kit::Bank as CertBank;
use super::cli_kit::{Ran, Scene, Transcript, redacted, run_in};
use super::doctor_files::assert_whole;
use super::kit::{FLOWERS, GIFTS, Operator, in_time, trade_point};
use super::live_state::row;
use super::server::{Act, Server, Setup};

/// What differs between runs of the doctor beside ports, dates and fingerprints.
fn timeless(text: &str) -> String {
    let text = redacted(text);
    let mut lines = Vec::new();
    for line in text.lines() {
        let line = match line.strip_suffix(" ms") {
            // the time stands at the end of a stage's line
            Some(rest) => {
                let rest = rest.trim_end_matches(|letter: char| letter.is_ascii_digit());
                format!("{} TIME", rest.trim_end())
            }
            None => line.to_owned(),
        };
        let line = match line.split_once("\"duration_ms\": ") {
            Some((before, after)) => {
                let after = after.trim_start_matches(|letter: char| letter.is_ascii_digit());
                format!("{before}\"duration_ms\": TIME{after}")
            }
            None => line,
        };
        let line = without_number(&without_number(&line, "(", " days)"), "\"days_left\": ", ",");
        lines.push(line);
    }
    lines.join("\n")
}

/// A line without the number that stands between two texts.
fn without_number(line: &str, before: &str, after: &str) -> String {
    let number = line
        .split_once(before)
        .and_then(|(_, rest)| rest.split_once(after))
        .map(|(number, _)| number)
        .filter(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()));
    match number {
        Some(number) => line.replace(&format!("{before}{number}{after}"), &format!("{before}N{after}")),
        None => line.to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_bin_in_text_and_json() {
    let scene = Scene::start().await;
    let mut transcript = Transcript::default();
    transcript.name(scene.path("").display(), "DIR/");
    for words in [
        &["doctor"][..],
        &["doctor", "--bin", GIFTS, "--offline"],
        &["doctor", "--all", "--fail-on", "warn", "-q"],
        &["doctor", "-o", "json"],
    ] {
        let ran = in_time(scene.run(words)).await;
        assert_eq!(ran.code, 0, "{words:?}: {ran:?}");
        transcript.add(words, &ran);
    }
    insta::assert_snapshot!("doctor_healthy", timeless(&transcript.finish()));
    reads_only(&scene.sandbox);
}

/// What the server saw was looked at, and nothing was made or changed.
fn reads_only(sandbox: &Sandbox) {
    let seen = sandbox.requests();
    assert!(!seen.is_empty());
    for row in &seen {
        assert_eq!(row.method.as_ref(), "GET", "{row:?}");
    }
    assert!(sandbox.payments().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_of_the_promised_shape() {
    let scene = Scene::start().await;
    let ran = scene.run(&["doctor", "-o", "json"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let report = ran.json();
    assert_eq!(report["version"], 1);
    assert_eq!(report["bin"], FLOWERS);
    assert_eq!(report["verdict"], "pass");
    let ids: Vec<&str> = report["stages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|stage| stage["id"].as_str().unwrap())
        .collect();
    assert_eq!(
        ids,
        [
            "config",
            "files",
            "certificate",
            "key",
            "trust",
            "dns",
            "tcp",
            "tls",
            "accepted",
            "bin"
        ]
    );
    for stage in report["stages"].as_array().unwrap() {
        assert!(
            stage["duration_ms"].is_u64() && stage["facts"].is_object(),
            "{stage}"
        );
    }
    // the open questions about the bank are answered as facts
    let fact = |stage: &str, name: &str| {
        let stages = report["stages"].as_array().unwrap();
        let stage = stages.iter().find(|known| known["id"] == stage).unwrap();
        stage["facts"][name].clone()
    };
    assert_eq!(fact("tls", "tls_version"), "TLS 1.3");
    assert_eq!(fact("tls", "certificate_asked"), true);
    assert_eq!(fact("tls", "our_issuer_listed"), true);
    assert!(fact("tls", "server_ca").as_str().unwrap().contains("kbs-root-ca"));
    assert_eq!(fact("accepted", "keeps_connections"), "yes");
    assert_eq!(fact("accepted", "resumes_sessions"), "yes");
    assert_eq!(fact("bin", "device_tokens")[0]["device_token"], "known");

    // several BINs are a list of the same
    let all = scene.run(&["doctor", "--all", "-o", "json"]).await;
    let bins: Vec<Value> = all
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|report| report["bin"].clone())
        .collect();
    assert_eq!(bins, [GIFTS, FLOWERS]);
}

/// A bank that does not read the operator's folder anew, so that the two can differ.
struct Apart {
    folder: TempDir,
    sandbox: Sandbox,
}

impl Apart {
    async fn start(change: impl FnOnce(&mut Bank)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let theirs = folder.path().join("bank");
        let init = layout::Init {
            keys: KeyKind::P256,
            ..layout::Init::default()
        };
        layout::init(&theirs, &init).unwrap();
        let mut options = Bank::from_dir(&theirs).unwrap();
        options.folder = None;
        change(&mut options);
        let sandbox = Sandbox::start(options).await.unwrap();
        let ours = folder.path().join("ours");
        copy(&theirs, &ours);
        let apart = Self { folder, sandbox };
        let base_url = apart.sandbox.base_url();
        apart.edit("kaspi.toml", |text| {
            text.replace("https://127.0.0.1:0/r3", &base_url)
        });
        apart
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join("ours").join(name)).unwrap()
    }

    /// Changes a file of the operator's.
    fn edit(&self, name: &str, change: impl FnOnce(String) -> String) {
        let text = change(self.read(name));
        std::fs::write(self.folder.path().join("ours").join(name), text).unwrap();
    }

    async fn report(&self) -> Report {
        self.report_at(Arc::new(SystemClock)).await
    }

    async fn report_at(&self, clock: Arc<dyn Clock>) -> Report {
        let file = self.folder.path().join("ours/kaspi.toml");
        let doctor = Doctor::open(Some(&file), &Environment::default(), clock);
        let bin: Bin = FLOWERS.parse().unwrap();
        let report = in_time(doctor.examine(Some(bin), &Options::default(), &|_| {})).await;
        assert_whole(&report);
        for row in self.sandbox.requests() {
            assert_eq!(row.method.as_ref(), "GET", "{row:?}");
        }
        report
    }

    async fn run(&self, arguments: &[&str]) -> Ran {
        run_in(&self.folder.path().join("ours"), arguments).await
    }
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn found(report: &Report) -> Vec<(StageId, &'static str)> {
    report
        .stages
        .iter()
        .flat_map(|stage| {
            stage
                .findings
                .iter()
                .map(|finding| (stage.id, finding.cause.id()))
        })
        .collect()
}

const MERCHANT: &str = "certs/891027350515/merchant.toml";

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_not_the_applications() {
    let ping = "/r3/v01/health/ping";
    for (fault, cause) in [
        (FaultKind::Html502, "kaspi_unavailable"),
        (FaultKind::EmptyBody, "foreign_answer"),
        (FaultKind::TruncatedJson, "foreign_answer"),
        (FaultKind::UnavailableBeforeCommit, "kaspi_unavailable"),
        (FaultKind::ResetBeforeCommit, "connection_lost"),
    ] {
        let scene = Apart::start(|_| {}).await;
        scene.sandbox.arm(Fault::new(fault).on(ping)).await;
        let report = scene.report().await;
        assert_eq!(
            found(&report),
            [(StageId::Accepted, cause)],
            "{fault:?}: {report:#?}"
        );
        assert_eq!(report.stage(StageId::Tls).unwrap().verdict, Verdict::Pass);
        assert_eq!(
            report.stage(StageId::Bin).unwrap().summary,
            "not checked because the stage `accepted` failed"
        );
    }
}

/// What the first call, the ping, is answered with, and what the doctor makes of it.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_bank_answers_to_a_ping() {
    let code = |code: i64| Act::Answer(200, format!("{{\"StatusCode\": {code}}}"));
    let page = |status: u16, title: &str| Act::Answer(status, format!("<html><title>{title}</title>"));
    for (act, cause) in [
        (code(-10_000), "no_client_certificate"),
        (code(-999), "kaspi_unavailable"),
        (code(-1501), "kaspi_refused"),
        (code(-7), "kaspi_refused"),
        (page(400, "400 The SSL certificate error"), "certificate_page"),
        (page(404, "Not found"), "wrong_path"),
        (page(200, "Welcome"), "wrong_path"),
        (page(403, "Forbidden"), "foreign_answer"),
        (page(503, "Maintenance"), "kaspi_unavailable"),
        (Act::Answer(302, String::new()), "wrong_path"),
        (Act::Answer(200, "[]".to_owned()), "foreign_answer"),
        (
            Act::Answer(404, "{\"message\": \"No HTTP resource\"}".to_owned()),
            "wrong_path",
        ),
        (Act::Raw(b"220 mail.example ESMTP\r\n".to_vec()), "not_http"),
        (Act::CloseAfterRequest, "connection_lost"),
        (Act::ResetAfterRequest, "connection_lost"),
    ] {
        let shop = Operator::of_two();
        let server = Server::start(&shop.authority, Setup::of(&shop.authority)).await;
        server.will([act]);
        let report = examine(&shop, &server).await;
        assert_eq!(found(&report), [(StageId::Accepted, cause)], "{report:#?}");
        for request in server.seen().requests {
            assert_eq!(request.method, "GET", "{request:?}");
        }
    }
}

/// The same for the trade points, and then for the device.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_bank_answers_about_the_bin() {
    let ok = || Act::Answer(200, "{\"StatusCode\": 0}".to_owned());
    let code = |code: i64| Act::Answer(200, format!("{{\"StatusCode\": {code}, \"Message\": \"text\"}}"));
    let points = || {
        let id = trade_point(FLOWERS);
        Act::Answer(
            200,
            format!(
                "{{\"StatusCode\": 0, \"Data\": [{{\"TradePointId\": {id}, \"TradePointName\": \"Shop\"}}]}}"
            ),
        )
    };
    for (acts, expected) in [
        (vec![code(-14_000_002)], Some("no_trade_points")),
        (vec![code(-14_000_001)], Some("bin_not_declared")),
        (vec![code(-10_000)], Some("bin_not_declared")),
        (
            vec![Act::Answer(200, "{\"StatusCode\": 0}".to_owned())],
            Some("bin_unanswered"),
        ),
        (vec![points(), code(-1501)], Some("device_token_unknown")),
        (vec![points(), code(-1502)], Some("device_token_inactive")),
        (vec![points(), code(990_000_018)], Some("trade_point_off")),
        (vec![points(), code(-5)], Some("bin_unanswered")),
        // the bank says no to a number that nobody has, so it has let the device pass
        (vec![points(), code(-1404)], None),
    ] {
        let shop = Operator::of_two();
        let server = Server::start(&shop.authority, Setup::of(&shop.authority)).await;
        server.will([ok(), ok()].into_iter().chain(acts));
        let report = examine(&shop, &server).await;
        let expected: Vec<_> = expected.into_iter().map(|cause| (StageId::Bin, cause)).collect();
        assert_eq!(found(&report), expected, "{report:#?}");
        for request in server.seen().requests {
            assert_eq!(request.method, "GET", "{request:?}");
        }
    }
}

async fn examine(shop: &Operator, server: &Server) -> Report {
    let file = shop.configure(server.address, "");
    let doctor = Doctor::open(Some(&file), &Environment::default(), Arc::new(SystemClock));
    let report = in_time(doctor.examine(FLOWERS.parse().ok(), &Options::default(), &|_| {})).await;
    assert_whole(&report);
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_url_with_a_wrong_path() {
    let scene = Apart::start(|_| {}).await;
    scene.edit("kaspi.toml", |text| text.replace("/r3\"", "/r4\""));
    let report = scene.report().await;
    assert_eq!(found(&report), [(StageId::Accepted, "wrong_path")]);
    let finding = &report.stage(StageId::Accepted).unwrap().findings[0];
    assert!(
        finding
            .message
            .contains("/r4/v01/health/ping` is answered with HTTP 404"),
        "{finding:?}"
    );
    assert!(
        finding.hint.contains("correct the path of `kaspi.base_url` in"),
        "{finding:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_at_all() {
    let scene = Apart::start(|_| {}).await;
    scene.edit("kaspi.toml", |text| {
        text.replace(
            "[kaspi]",
            "[kaspi]\nrequest_timeout = \"300ms\"\nconnect_timeout = \"300ms\"",
        )
    });
    let fault = Fault::new(FaultKind::Delay)
        .on("/r3/v01/health/ping")
        .delayed(Duration::from_secs(600));
    scene.sandbox.arm(fault).await;
    let report = scene.report().await;
    assert_eq!(found(&report), [(StageId::Accepted, "no_answer")], "{report:#?}");
}

/// The two ways of saying no are told apart: an alert of TLS, and a code of the application.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_authority() {
    let other = tempfile::tempdir().unwrap();
    let init = layout::Init {
        keys: KeyKind::P256,
        ..layout::Init::default()
    };
    layout::init(&other.path().join("x"), &init).unwrap();
    let foreign = |scene: &Apart| {
        for name in ["certificate.cer", "private.key", "password"] {
            let name = format!("certs/{FLOWERS}/{name}");
            let text = std::fs::read_to_string(other.path().join("x").join(&name)).unwrap();
            scene.edit(&name, |_| text);
        }
    };
    let scene = Apart::start(|bank| bank.client_auth = ClientAuth::Strict).await;
    foreign(&scene);
    let report = scene.report().await;
    assert_eq!(
        found(&report),
        [
            (StageId::Certificate, "missing_intermediate"),
            (StageId::Tls, "issuer_not_listed"),
            (StageId::Accepted, "our_ca_unknown"),
            (StageId::Accepted, "intermediate_needed"),
        ],
        "{report:#?}"
    );
    let refused = &report.stage(StageId::Accepted).unwrap().summary;
    assert!(
        refused.starts_with("they refused us: ") && refused.ends_with("(TLS alert unknown_ca (48))"),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bin_that_the_bank_does_not_know_with_this_certificate() {
    let scene = Apart::start(|bank| bank.merchants.retain(|merchant| merchant.bin != FLOWERS)).await;
    let report = scene.report().await;
    assert_eq!(
        found(&report),
        [(StageId::Bin, "bin_not_declared")],
        "{report:#?}"
    );
    assert_eq!(report.stage(StageId::Accepted).unwrap().verdict, Verdict::Pass);
}

#[tokio::test(flavor = "multi_thread")]
async fn device_tokens_that_are_not_those_of_the_bin() {
    let scene = Apart::start(|_| {}).await;
    let own = scene.read(MERCHANT);
    let token_of = |text: &str| {
        text.split("device_token = \"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap()
            .to_owned()
    };
    let theirs = token_of(&scene.read("certs/210440028324/merchant.toml"));
    scene.edit(MERCHANT, |text| text.replace(&token_of(&text), &theirs));
    assert_eq!(
        found(&scene.report().await),
        [
            (StageId::Config, "shared_device_token"),
            (StageId::Bin, "device_token_unknown")
        ]
    );

    scene.edit(MERCHANT, |_| {
        own.lines()
            .filter(|line| !line.starts_with("device_token"))
            .collect::<Vec<_>>()
            .join("\n")
    });
    assert_eq!(found(&scene.report().await), [(StageId::Bin, "no_device_token")]);

    scene.edit(MERCHANT, |_| own.replace("385716", "385999"));
    assert_eq!(
        found(&scene.report().await),
        [(StageId::Bin, "trade_point_unknown")]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_was_deleted() {
    let scene = Scene::start().await;
    let deleted = scene.run(&["device", "delete", "--trade-point", "385716"]).await;
    assert_eq!(deleted.code, 0, "{deleted:?}");
    let ran = scene.run(&["doctor", "-o", "json"]).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    let report = ran.json();
    let bin = &report["stages"][9];
    assert_eq!(bin["cause"], "device_token_inactive", "{bin}");
    assert_eq!(bin["facts"]["device_tokens"][0]["status_code"], -1502);
}

/// A clock that is not the bank's.
#[derive(Debug)]
struct Off(time::Duration);

impl Clock for Off {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc() + self.0
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_wrong() {
    let scene = Apart::start(|_| {}).await;
    for (seconds, said) in [
        (600, Some("9 min ahead of")),
        (-600, Some("10 min behind")),
        (20, None),
    ] {
        let report = scene
            .report_at(Arc::new(Off(time::Duration::seconds(seconds))))
            .await;
        let accepted = report.stage(StageId::Accepted).unwrap();
        match said {
            None => assert_eq!(found(&report), []),
            Some(said) => {
                assert_eq!(found(&report), [(StageId::Accepted, "clock_skew")]);
                assert_eq!(report.verdict, Verdict::Warn);
                let line = accepted
                    .summary
                    .replace("10 min ahead", "9 min ahead")
                    .replace("9 min behind", "10 min behind");
                assert!(line.contains(said), "{line}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_and_healthy_side_by_side() {
    let scene = Scene::start().await;
    std::fs::write(
        scene.path("certs/210440028324/password"),
        "planted wrong password",
    )
    .unwrap();
    std::fs::create_dir(scene.path("certs/old")).unwrap();
    let ran = scene.run(&["doctor", "--all"]).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    let lines: Vec<&str> = ran.out.lines().collect();
    let (broken, rest) = lines.split_at(lines.len() - 3);
    assert_eq!(
        rest,
        [
            "210440028324 does not work: key: wrong_password (3 stages not checked)",
            "891027350515 healthy",
            "2 examined: 1 healthy, 0 with warnings, 1 with failures",
        ],
        "{ran:?}"
    );
    assert_eq!(broken[0], GIFTS);
    // the name and the way are looked at although no TLS follows
    for (mark, stage) in [("FAIL", "key"), ("ok", "dns"), ("ok", "tcp")] {
        let begin = format!("  {mark:<4}  {stage:<11}  ");
        assert!(
            broken.iter().any(|line| line.starts_with(&begin)),
            "{begin}: {broken:?}"
        );
    }
    let skipped = "  skip  tls          not checked because the stage `key` failed";
    assert!(broken.iter().any(|line| line.trim_end() == skipped), "{broken:?}");
    // progress comes as it comes
    assert!(
        ran.err.contains("2 of 2: ") && ran.err.contains("certs/old` is passed over"),
        "{}",
        ran.err
    );

    let quiet = scene.run(&["doctor", "--all", "-q"]).await;
    assert_eq!((quiet.code, quiet.err.as_str()), (1, ""), "{quiet:?}");
}

/// What a running gateway serves is told beside what the files hold.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_has_refused_the_files_of_now() {
    let bank = CertBank::open().await;
    let served = bank.serve();
    let before = row(&bank.live().await, FLOWERS)
        .certificate_sha256()
        .unwrap()
        .to_owned();
    let healthy = bank.run(&["doctor", "-o", "json"]).await;
    assert_eq!(healthy.code, 0, "{healthy:?}");
    let facts = &healthy.json()["stages"][2]["facts"];
    assert_eq!(facts["gateway_generation"], 1);
    assert_eq!(facts["gateway_sha256"], *before);

    let foreign = super::kit::authority().client(&[FLOWERS]).unwrap();
    let folder = bank.folder_of(FLOWERS);
    std::fs::write(folder.join("certificate.cer"), foreign.certificate_pem()).unwrap();
    std::fs::write(folder.join("private.key"), foreign.key_pem()).unwrap();
    in_time(ask_for_rescan(&bank.state_dir())).await.unwrap();
    let ran = bank.run(&["doctor", "-o", "json"]).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    let report = ran.json();
    let findings = report["stages"][2]["findings"].as_array().unwrap();
    let other = findings
        .iter()
        .find(|finding| finding["cause"] == "gateway_serves_other")
        .unwrap();
    let message = other["message"].as_str().unwrap();
    assert!(
        message.starts_with(&format!(
            "the running gateway serves generation 1 with the certificate {before}, the files hold {}: ",
            foreign.sha256()
        )),
        "{message}"
    );
    assert_eq!(report["stages"][8]["cause"], "our_ca_unknown", "{report}");
    assert_eq!(served.stop(), Some(0));
}

/// The way in for rooms that may not know this one: a trait object, told of each stage.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_serves_can_look_at_itself() {
    let scene = Scene::start().await;
    let app = App::open(&scene.path("kaspi.toml"), &Environment::default()).unwrap();
    let doctor: Arc<dyn Examine> = Arc::new(app.doctor());
    let told = std::sync::Mutex::new(Vec::new());
    let bin = GIFTS.parse().ok();
    let report = in_time(doctor.examine(bin, &Options::default(), &|stage| {
        told.lock().unwrap().push(stage.id);
    }))
    .await;
    assert_eq!(report.verdict, Verdict::Pass, "{report:#?}");
    assert_eq!(told.into_inner().unwrap(), StageId::ALL);
    reads_only(&scene.sandbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes() {
    let scene = Scene::start().await;
    let key = scene.path("certs/891027350515/private.key");
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    for (words, code) in [
        (&["doctor", "--offline"][..], 0),
        (&["doctor", "--offline", "--fail-on", "warn"], 1),
        (&["doctor", "--offline", "--bin", "990840000008"], 1),
        (&["doctor", "--all", "--bin", GIFTS], 2),
    ] {
        let ran = scene.run(words).await;
        assert_eq!(ran.code, code, "{words:?}: {ran:?}");
    }

    let config = std::fs::read_to_string(scene.path("kaspi.toml")).unwrap();
    let without_default: Vec<&str> = config
        .lines()
        .filter(|line| !line.starts_with("default_bin"))
        .collect();
    std::fs::write(scene.path("kaspi.toml"), without_default.join("\n")).unwrap();
    let ran = scene.run(&["doctor", "--offline", "-o", "json"]).await;
    assert_eq!(
        (ran.code, ran.json()["error"]["kind"].clone()),
        (2, "no_bin".into()),
        "{ran:?}"
    );

    // without a configuration the report is whole all the same
    std::fs::write(scene.path("kaspi.toml"), "[kaspi]\nbase_url = 1\n").unwrap();
    for (words, code) in [
        (&["doctor", "--bin", FLOWERS, "-o", "json"][..], 1),
        (&["doctor", "-o", "json"], 3),
        (&["doctor", "--all", "-o", "json"], 3),
    ] {
        let ran = scene.run(words).await;
        assert_eq!(ran.code, code, "{words:?}: {ran:?}");
        let report = ran.json();
        let report = report.as_array().map_or(&report, |list| &list[0]);
        assert_eq!(report["stages"][0]["cause"], "wrong_type", "{report}");
        assert_eq!(report["stages"].as_array().unwrap().len(), 10);
        for stage in &report["stages"].as_array().unwrap()[1..] {
            assert_eq!(stage["verdict"], "skip", "{stage}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_printed_shows_a_secret_and_the_bundle_shows_nobody() {
    let scene = Apart::start(|_| {}).await;
    let secrets = |bin: &str| {
        let merchant = scene.read(&format!("certs/{bin}/merchant.toml"));
        let token = merchant
            .split("device_token = \"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap()
            .to_owned();
        let password = scene.read(&format!("certs/{bin}/password")).trim().to_owned();
        [token, password]
    };
    let mut planted: Vec<String> = [FLOWERS, GIFTS].into_iter().flat_map(secrets).collect();
    planted.push("planted wrong password".to_owned());
    scene.edit("certs/210440028324/password", |_| {
        "planted wrong password".to_owned()
    });

    let mut told = String::new();
    for words in [
        &["doctor", "-vv"][..],
        &["doctor", "--bin", GIFTS, "-vv"],
        &["doctor", "--all", "-o", "json", "-vv", "--redact", "bundle.json"],
    ] {
        let ran = scene.run(words).await;
        told.push_str(&ran.out);
        told.push_str(&ran.err);
    }
    let bundle = scene.read("bundle.json");
    for secret in &planted {
        assert!(!told.contains(secret.as_str()), "`{secret}` is shown: {told}");
        assert!(
            !bundle.contains(secret.as_str()),
            "`{secret}` is in the bundle: {bundle}"
        );
    }
    let folder = scene.folder.path().display().to_string();
    let address = scene.sandbox.address().to_string();
    for name in [
        FLOWERS,
        GIFTS,
        "Flower",
        "Gift",
        "shop.example",
        "385716",
        &folder,
        &address,
        "Sandbox",
    ] {
        assert!(told.contains(name), "`{name}` was expected somewhere: {told}");
        assert!(!bundle.contains(name), "`{name}` is in the bundle: {bundle}");
    }
    assert!(
        bundle.contains("\"cause\": \"wrong_password\"") && bundle.contains("TLS 1.3"),
        "{bundle}"
    );

    // what is there is not written over
    let again = scene
        .run(&["doctor", "--redact", "bundle.json", "-o", "json"])
        .await;
    assert_eq!(
        (again.code, again.json()["error"]["kind"].clone()),
        (3, "file_exists".into())
    );
    assert_eq!(scene.read("bundle.json"), bundle);
}
