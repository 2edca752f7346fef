//! A backend of your own that takes money for two organisations.
//!
//! `cargo run --example embed` runs it against a simulated Kaspi that it starts itself. In your own
//! program the part to copy is `sell`: open the configuration once, keep the `App`, and name the BIN
//! with every call.

#![expect(clippy::print_stdout, reason = "an example shows what it did")]

use std::error::Error;

use kaspi_direct::app::App;
use kaspi_direct::base::{Amount, Bin, Delivery, Explain, PhoneNumber};
use kaspi_direct::config::Environment;
use kaspi_direct::payments::{CreatedPayment, NewPayment, Origin};
use kaspi_direct::sandbox::{CustomerStep, Options, Sandbox, layout};

/// Sends a customer an invoice for one organisation.
async fn sell(
    app: &App,
    bin: Bin,
    order: &str,
    phone: &str,
    tenge: &str,
) -> Result<CreatedPayment, Box<dyn Error>> {
    let new = NewPayment {
        bin: Some(bin),
        trade_point: None,
        phone: phone.parse::<PhoneNumber>()?,
        amount: tenge.parse::<Amount>()?,
        message: "Order 17".to_owned(),
        // your order's own number: asked twice, it is one invoice all the same
        origin: Origin::keyed(order.parse()?),
    };
    match app.payments().create(new).await {
        Ok(created) => Ok(created),
        // the one case in which nobody may ask again before a person has looked
        Err(error) if error.delivery() == Some(Delivery::Unknown) => Err(format!(
            "there may be an invoice: {error}; operation {:?}",
            error.operation()
        )
        .into()),
        Err(error) => Err(error.into()),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Instead of the bank: a simulated Kaspi, and a configuration with test certificates.
    let folder = tempfile::tempdir()?;
    layout::init(folder.path(), &layout::Init::default())?;
    let sandbox = Sandbox::start(Options::from_dir(folder.path())?).await?;

    // Once, when your backend starts. One broken BIN does not stop the others.
    let app = App::open(&folder.path().join("kaspi.toml"), &Environment::of_process())?;

    for bin in app.transport().registry().bins() {
        let created = sell(&app, bin, &format!("order-{bin}"), "+7 700 000 00 00", "1500").await?;
        sandbox.customer(created.payment_id.get(), CustomerStep::Pay)?;
        let status = app.payments().check(Some(bin), created.payment_id).await?.status;
        println!(
            "BIN {bin}: payment {} of {} tenge is {}",
            created.payment_id, created.amount, status.status
        );
    }
    Ok(())
}
