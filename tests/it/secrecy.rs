//! Planted secrets and personal data come out nowhere: not in `Debug`, not in errors, not in logs.

use kaspi_direct::api::{CreateRemotePayment, RegisterDevice};
use kaspi_direct::app::App;
use kaspi_direct::base::Explain;
use kaspi_direct::config::{self, Environment};
use kaspi_direct::sandbox::{CustomerStep, Fault, FaultKind};

use super::cli_kit::Scene;
use super::kit::{FLOWERS, GIFTS, Operator, bin, create, in_time, invoice, token};
use super::server::{Act, Server, Setup};

const KEY_PASSWORD: &str = "planted key password";
const PROXY_PASSWORD: &str = "planted proxy password";
const NAME: &str = "Плантеев";

/// The phone of [`invoice`], in the middle of any form of it.
const PHONE: &str = "7000000001";

fn clean(what: &str, text: &str) {
    for planted in [
        KEY_PASSWORD,
        PROXY_PASSWORD,
        NAME,
        PHONE,
        &token(FLOWERS),
        &token(GIFTS),
    ] {
        assert!(!text.contains(planted), "{what} shows `{planted}`: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_can_be_printed_shows_a_secret() {
    let operator = Operator::new();
    for bin in [FLOWERS, GIFTS] {
        let issued = operator.add(bin);
        operator.write_for(
            bin,
            "private.key",
            issued.encrypted_key_pem(KEY_PASSWORD).unwrap(),
        );
        operator.write_for(bin, "password", KEY_PASSWORD);
    }
    // one whose password opens nothing
    operator.write_for(GIFTS, "password", format!("{KEY_PASSWORD} no more"));
    operator.write("proxy.credentials", format!("egress:{PROXY_PASSWORD}\n"));

    let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
    let proxied = "proxy = \"http://127.0.0.1:9\"\nproxy_credentials_file = \"proxy.credentials\"";
    let app = operator.open(server.address, proxied);
    clean("app", &format!("{app:?} {app:#?}"));
    clean("config", &format!("{:?}", app.config()));
    clean("transport", &format!("{:?}", app.transport()));
    clean("status", &format!("{:?}", app.transport().registry().status()));
    let folders = config::scan(app.config(), &Environment::default()).unwrap();
    clean("folders", &format!("{folders:?}"));
    let pinned = app.transport().registry().pin(bin(FLOWERS)).unwrap();
    clean("pinned", &format!("{pinned:?}"));
    let session = app.api().session(Some(bin(FLOWERS))).unwrap();
    clean("session", &format!("{session:?} {:?}", session.channel()));
    clean(
        "payments",
        &format!("{:?} {:?}", app.payments(), invoice(FLOWERS)),
    );
    let request = CreateRemotePayment {
        amount: invoice(FLOWERS).amount,
        phone: invoice(FLOWERS).phone,
        comment: "Order 17".to_owned(),
    };
    clean("request", &format!("{request:?}"));
    let error = create(&app, FLOWERS).await.unwrap_err();
    assert_eq!(error.kind(), "proxy");
    all_of("proxy", &error);
    let error = create(&app, GIFTS).await.unwrap_err();
    assert_eq!(error.kind(), "wrong_password");
    all_of("wrong password", &error);

    let app: App = operator.open(server.address, "");
    let told = format!(
        r#"{{"StatusCode":0,"Data":{{"ClientName":"{NAME}","DeviceToken":"{}"}}}}"#,
        token(GIFTS)
    );
    for act in [
        Act::ResetAfterRequest,
        Act::ResetMidAnswer,
        Act::Answer(200, told.clone()),
        Act::Answer(500, told.clone()),
        Act::Answer(200, format!("<html>{NAME} {}</html>", token(FLOWERS))),
        Act::Answer(200, format!("{{\"ClientName\":\"{NAME}\"")),
        Act::Answer(
            200,
            format!(r#"{{"StatusCode":0,"Data":{{"QrPaymentId":"{NAME}"}}}}"#),
        ),
    ] {
        let name = format!("{act:?}");
        server.will([act]);
        let error = create(&app, FLOWERS).await.unwrap_err();
        all_of(&name, &error);
    }

    let session = app.api().session(Some(bin(FLOWERS))).unwrap();
    server.will([Act::Answer(200, told.clone()), Act::Answer(200, told)]);
    let device = RegisterDevice {
        device_id: "till-1".parse().unwrap(),
        trade_point_id: "1".parse().unwrap(),
    };
    let registered = in_time(session.register_device(&device)).await.unwrap();
    assert_eq!(registered.device_token.expose(), token(GIFTS));
    clean("registered device", &format!("{registered:?}"));
    let info = in_time(session.client_info(invoice(FLOWERS).phone))
        .await
        .unwrap();
    assert_eq!(info.name.expose(), NAME);
    clean("client info", &format!("{info:?}"));
}

fn all_of(what: &str, error: &kaspi_direct::payments::Error) {
    clean(what, &format!("{error} {error:?} {error:#?} {:?}", error.hint()));
    clean(what, &kaspi_direct::base::chain_text(error));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_at_its_most_talkative_logs_no_secret() {
    let scene = Scene::start().await;
    let read = |path: &str| std::fs::read_to_string(scene.path("certs").join(path)).unwrap();
    let mut planted = vec![PHONE.to_owned()];
    for bin in [FLOWERS, GIFTS] {
        planted.push(read(&format!("{bin}/password")).trim().to_owned());
        let merchant = read(&format!("{bin}/merchant.toml"));
        let token = merchant
            .lines()
            .find_map(|line| line.strip_prefix("device_token = "))
            .unwrap();
        planted.push(token.trim_matches('"').to_owned());
    }
    assert_eq!(planted.len(), 5);
    const PHONE_ARGUMENT: &str = "+77000000001";
    let create = [
        "payment",
        "create",
        "--phone",
        PHONE_ARGUMENT,
        "--amount",
        "10",
        "--message",
        "x",
    ];
    let ran = scene.run(&create).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let payment = scene.sandbox.payments()[0]["payment_id"].as_i64().unwrap();
    scene.sandbox.customer(payment, CustomerStep::Pay).unwrap();
    let id = payment.to_string();

    let commands: Vec<Vec<&str>> = vec![
        create.to_vec(),
        vec!["payment", "status", &id],
        vec!["payment", "details", &id],
        vec!["payment", "refund", &id, "--amount", "1"],
        vec!["payment", "refund", &id, "--amount", "100"],
        vec!["tradepoints"],
        vec!["merchants", "list"],
        vec!["merchants", "show"],
        vec!["client-info", "--phone", PHONE_ARGUMENT],
        vec![
            "device",
            "register",
            "--device-id",
            "t",
            "--trade-point",
            "385716",
            "--token-file",
            "t",
        ],
        vec![
            "payment",
            "create",
            "--phone",
            PHONE_ARGUMENT,
            "--amount",
            "x",
            "--message",
            "x",
        ],
    ];
    let mut logged = 0;
    for format in ["text", "json"] {
        for fault in [None, Some(FaultKind::ResetAfterCommit), Some(FaultKind::Html502)] {
            for command in &commands {
                if let Some(kind) = fault {
                    scene.sandbox.arm(Fault::new(kind)).await;
                }
                let _ = std::fs::remove_file(scene.path("t"));
                let words = [&["-vv", "-o", format], command.as_slice()].concat();
                let ran = scene.run(&words).await;
                if let Ok(token) = std::fs::read_to_string(scene.path("t")) {
                    planted.push(token.trim().to_owned());
                }
                logged += ran.err.len();
                for secret in &planted {
                    assert!(
                        !ran.out.contains(secret.as_str()) && !ran.err.contains(secret.as_str()),
                        "{words:?} shows `{secret}`: {ran:?}"
                    );
                }
            }
        }
    }
    assert!(logged > 0, "nothing was logged, so nothing was proved");
}
