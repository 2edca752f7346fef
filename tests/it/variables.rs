//! A host without files: identity, password, device token and port from variables.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::cli_kit::{Ran, Running, Scene, kaspi};
use super::gateway_kit::{SHOP, add_lines, exchange, request, tokens};
use super::kit::{FLOWERS, has_program, in_time};

const PASSWORD: &str = "made-up example of a container";

/// A scene whose first BIN has no folder any more: what was in it is in variables.
struct Host {
    scene: Scene,
    variables: Vec<(String, String)>,
    fingerprint: String,
}

impl Host {
    async fn start() -> Self {
        let scene = Scene::start().await;
        add_lines(&scene, &tokens());
        let folder = scene.path(&format!("certs/{FLOWERS}"));
        let merchant: toml::Table = std::fs::read_to_string(folder.join("merchant.toml"))
            .unwrap()
            .parse()
            .unwrap();
        let show = ["merchants", "show", "--bin", FLOWERS, "-o", "json"];
        let fingerprint = scene.run(&show).await.json()["certificate_sha256"]
            .as_str()
            .unwrap()
            .to_owned();
        let archive = container(&folder);
        let encoded = data_encoding::BASE64.encode(&archive);
        std::fs::remove_dir_all(&folder).unwrap();
        let token = merchant["device_token"].as_str().unwrap().to_owned();
        let variables = [
            ("IDENTITY", encoded),
            ("PASSWORD", PASSWORD.to_owned()),
            ("DEVICE_TOKEN", token),
        ];
        Self {
            scene,
            variables: variables
                .map(|(name, value)| (format!("KASPI_{name}_{FLOWERS}"), value))
                .into(),
            fingerprint,
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = kaspi(arguments, &self.scene.path(""));
        command.envs(self.variables.iter().cloned());
        command
    }

    async fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.command(arguments);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap();
        Ran {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Nothing that was in a variable is in this text.
    fn clean(&self, what: &str, text: &str) {
        for (name, value) in &self.variables {
            assert!(!text.contains(value.as_str()), "{what} shows {name}: {text}");
        }
    }
}

/// The files of a merchant's folder as one PKCS#12.
fn container(folder: &Path) -> Vec<u8> {
    std::fs::write(folder.join("container.password"), PASSWORD).unwrap();
    let made = Command::new("openssl")
        .args([
            "pkcs12",
            "-export",
            "-in",
            "certificate.cer",
            "-inkey",
            "private.key",
        ])
        .args(["-passin", "file:password", "-passout", "file:container.password"])
        .args(["-out", "identity.p12"])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    std::fs::read(folder.join("identity.p12")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bin_that_is_in_no_file_is_served_on_the_port_of_the_host() {
    if !has_program("openssl") {
        return;
    }
    let host = Host::start().await;
    let mut serve = host.command(&["-vv", "serve", "-o", "json"]);
    serve.env("PORT", "0");
    let running = Running::of(serve);
    let listen: SocketAddr = running.ready["listen"].as_str().unwrap().parse().unwrap();
    assert!(listen.ip().is_unspecified(), "{listen}");
    let address = SocketAddr::from(([127, 0, 0, 1], listen.port()));
    let headers = [("x-api-key", SHOP), ("content-type", "application/json")];
    let body = json!({ "phone": "77000000000", "amount": 100, "message": "Order 17" }).to_string();
    let ask = request(address, "POST", "/api/v1/kaspi/create", &headers, Some(&body));
    let reply = in_time(exchange(address, &ask)).await;
    assert_eq!(reply.status, 200, "{reply:?}");

    let seen = host.scene.sandbox.requests();
    let created: Vec<_> = seen
        .iter()
        .filter(|row| row.path.ends_with("/remote/create"))
        .collect();
    assert_eq!(created.len(), 1, "{seen:?}");
    assert_eq!(
        created[0].client_cert_sha256.as_deref(),
        Some(host.fingerprint.as_str())
    );

    let shown = host
        .run(&["merchants", "show", "--bin", FLOWERS, "-o", "json"])
        .await;
    let sheet: Value = shown.json();
    assert_eq!(sheet["source"], "live", "{sheet}");
    assert_eq!(sheet["state"], "ready", "{sheet}");
    assert_eq!(sheet["identity_variable"], format!("KASPI_IDENTITY_{FLOWERS}"));
    assert_eq!(sheet["certificate_sha256"], host.fingerprint);
    host.clean("merchants show", &shown.out);
    let shown = host.run(&["merchants", "show", "--bin", FLOWERS]).await;
    assert!(
        shown.out.contains(&format!(
            "its own, in the variable KASPI_IDENTITY_{FLOWERS}: another takes a restart"
        )),
        "{shown:?}"
    );

    let doctor = host.run(&["doctor", "--bin", FLOWERS, "-o", "json"]).await;
    assert_eq!(doctor.code, 0, "{doctor:?}");
    let report = doctor.json();
    let files = report["stages"]
        .as_array()
        .unwrap()
        .iter()
        .find(|stage| stage["id"] == "files")
        .unwrap();
    assert_eq!(
        files["facts"]["identity"]["variable"],
        format!("KASPI_IDENTITY_{FLOWERS}")
    );
    host.clean("doctor", &doctor.out);

    let said = running.said();
    assert_eq!(running.stop(), Some(0));
    host.clean("the log", &said);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_in_a_variable_is_not_replaced_by_an_installation() {
    if !has_program("openssl") {
        return;
    }
    let host = Host::start().await;
    let file = host.scene.path("other.p12");
    std::fs::write(
        &file,
        data_encoding::BASE64
            .decode(host.variables[0].1.as_bytes())
            .unwrap(),
    )
    .unwrap();
    let install = [
        "cert",
        "install",
        "--bin",
        FLOWERS,
        "--cert",
        "other.p12",
        "-o",
        "json",
    ];
    let refused = host.run(&install).await;
    assert_eq!(refused.code, 3, "{refused:?}");
    assert_eq!(
        refused.json()["error"]["kind"],
        "conflicting_settings",
        "{refused:?}"
    );
    assert!(!host.scene.path(&format!("certs/{FLOWERS}")).exists());
    host.clean("cert install", &refused.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_password_the_error_names_the_variable_for_it() {
    if !has_program("openssl") {
        return;
    }
    let mut host = Host::start().await;
    host.variables.retain(|(name, _)| !name.contains("PASSWORD"));
    let shown = host
        .run(&["merchants", "show", "--bin", FLOWERS, "-o", "json"])
        .await;
    let sheet = shown.json();
    assert_eq!(sheet["problem"]["kind"], "no_password", "{sheet}");
    let said = sheet["problem"].to_string();
    assert!(
        said.contains(&format!("KASPI_IDENTITY_{FLOWERS}"))
            && said.contains(&format!("KASPI_PASSWORD_{FLOWERS}"))
            && !said.contains("the file"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_without_tokens_is_refused() {
    let scene = Scene::start().await;
    let serve = |arguments: &'static [&'static str]| {
        let mut command = kaspi(arguments, &scene.path(""));
        command.env("PORT", "0");
        command
    };
    let output = tokio::task::spawn_blocking({
        let mut command = serve(&["serve", "-o", "json"]);
        move || command.output().unwrap()
    })
    .await
    .unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["error"]["kind"], "gateway_needs_token");
    assert_eq!(
        said["error"]["message"],
        "no `[[gateway.token]]` is configured, and `PORT` says `[::]:0`, which others can reach"
    );
    assert!(
        said["error"]["hint"]
            .as_str()
            .unwrap()
            .contains("kaspi token new"),
        "{said}"
    );

    // what is said on the command line goes before it
    let running = Running::of(serve(&["serve", "-o", "json", "--listen", "127.0.0.1:0"]));
    assert!(
        running.ready["listen"]
            .as_str()
            .unwrap()
            .starts_with("127.0.0.1:")
    );
    assert_eq!(running.stop(), Some(0));
}
