//! `kaspi serve --sandbox`: a simulated Kaspi behind the gateway, in a temporary folder.

use serde_json::json;

use super::context::Context;
use super::failure::Failure;
use super::sandbox::Unusable;
use super::serve::Ready;
use crate::app::App;
use crate::config::Environment;
use crate::sandbox::pki::KeyKind;
use crate::sandbox::{Options, Sandbox, layout};

/// The organisation that the printed lines are for: `default_bin` of the folder.
const BIN: &str = "891027350515";

/// The folder and the simulated Kaspi in it.
pub(super) struct Stage {
    folder: tempfile::TempDir,
    sandbox: Sandbox,
}

impl Stage {
    pub(super) async fn set() -> Result<Self, Failure> {
        let folder = tempfile::Builder::new()
            .prefix("kaspi-sandbox-")
            .tempdir()
            .map_err(|error| Failure::from_io("no temporary folder can be made", error))?;
        let init = layout::Init {
            keys: KeyKind::P256,
            ..layout::Init::default()
        };
        layout::init(folder.path(), &init).map_err(Unusable)?;
        let options = Options::from_dir(folder.path()).map_err(Unusable)?;
        let sandbox = Sandbox::start(options).await.map_err(Unusable)?;
        Ok(Self { folder, sandbox })
    }

    /// The working set of the folder. The environment's own settings are not for it.
    pub(super) fn open(&self, context: &Context<'_>) -> Result<App, Failure> {
        let environment = Environment::from_pairs::<String, String>([]);
        context.open_file(&self.folder.path().join("kaspi.toml"), &environment)
    }

    /// Adds what the simulated Kaspi has, and lines that work.
    pub(super) fn tell(&self, ready: &mut Ready) {
        let control = self.sandbox.control_address();
        let config = self.folder.path().join("kaspi.toml");
        ready.json.insert(
            "sandbox".to_owned(),
            json!({ "listen": self.sandbox.address(), "control": control, "config": config }),
        );
        ready.text.push_str(&format!(
            "\n  configuration {}\n  simulated Kaspi {}, control {control}\n\n{}",
            config.display(),
            self.sandbox.address(),
            lines(&ready.url, &control.to_string()),
        ));
    }

    pub(super) async fn clear(self) {
        self.sandbox.shutdown().await;
    }
}

fn lines(url: &str, control: &str) -> String {
    format!(
        r#"The backend's contract:
  curl -s {url}/api/v1/kaspi/create -H 'Content-Type: application/json' -d '{{"phone": "77000000000", "amount": 1500, "message": "Order 17"}}'
  curl -s {url}/api/v1/kaspi/create -H 'Content-Type: application/json' -d '{{"phone": "77000000000", "amount": 990.5, "message": "Order 18", "organization_bin": "{BIN}"}}'
  curl -s {url}/api/v1/kaspi/status/ID
  curl -s {url}/api/v1/kaspi/refund -H 'Content-Type: application/json' -d '{{"external_id": "ID", "amount": 500}}'
The old wrapper's contract:
  curl -s '{url}/api/v2/paymentkaspi/create/?phone=77000000000&amount=1500.0&message=Order+17&organizationBin={BIN}'
  curl -s '{url}/api/v2/paymentkaspi/status/?externalId=ID'
  curl -s '{url}/api/v2/paymentkaspi/refund/?externalId=ID&amount=500'
The customer pays:
  curl -s -X POST http://{control}/payments/ID/pay
Everything else: {url}/docs"#
    )
}
