//! `kaspi ping`, `tradepoints`, `device`, `client-info` and `emulate`: what a merchant needs before the first payment.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::Serialize;
use serde_json::json;

use super::args::{Device, EmulatorStep};
use super::context::Context;
use super::failure::Failure;
use crate::api::{Emulate, RegisterDevice, Session};
use crate::app::App;
use crate::base::{Bin, DeviceId, DeviceToken, PaymentId, PhoneNumber, TradePointId};

pub(super) async fn trade_points(context: &Context<'_>) -> Result<(), Failure> {
    let app = context.open()?;
    let session = app.api().session(context.bin())?;
    let points = session.trade_points().await?;
    context.report.result(
        |paint| {
            if points.is_empty() {
                return format!("the bank knows no trade points of BIN {}", session.bin());
            }
            let lines: Vec<String> = points
                .iter()
                .map(|point| {
                    format!(
                        "{:>12}  {}",
                        paint.strong(point.trade_point_id),
                        point.trade_point_name
                    )
                })
                .collect();
            lines.join("\n")
        },
        &points,
    );
    Ok(())
}

/// Whether Kaspi takes the certificate: `health/ping`.
pub(super) async fn ping(context: &Context<'_>) -> Result<(), Failure> {
    let app = context.open()?;
    let session = app.api().session(context.bin())?;
    session.ping().await?;
    let certificate = session.channel().certificate_sha256();
    let json = json!({ "bin": session.bin(), "accepted": true, "certificate_sha256": certificate });
    context.report.result(
        |paint| {
            format!(
                "{} Kaspi takes the certificate {certificate} of BIN {}",
                paint.good("accepted"),
                session.bin()
            )
        },
        &json,
    );
    Ok(())
}

/// What a customer would do, on the bank's test server: `test/payment/*`.
pub(super) async fn emulate(
    step: EmulatorStep,
    payment: PaymentId,
    context: &Context<'_>,
) -> Result<(), Failure> {
    let app = context.open()?;
    let session = app.api().session(context.bin())?;
    let (step, word) = match step {
        EmulatorStep::Scan => (Emulate::Scan, "scan"),
        EmulatorStep::Confirm => (Emulate::Confirm, "confirm"),
        EmulatorStep::Scanerror => (Emulate::ScanError, "scanerror"),
        EmulatorStep::Confirmerror => (Emulate::ConfirmError, "confirmerror"),
    };
    session.emulate(payment, step).await?;
    let json = json!({ "payment_id": payment, "step": word });
    context.report.result(
        |paint| format!("{} {word} of payment {payment}", paint.good("emulated")),
        &json,
    );
    Ok(())
}

/// Whose phone number it is. The name goes to the person who asked, and nowhere else.
pub(super) async fn client_info(
    phone: &str,
    trade_point: Option<TradePointId>,
    context: &Context<'_>,
) -> Result<(), Failure> {
    let phone = PhoneNumber::parse(phone).map_err(|error| Failure::wrong_use(&error))?;
    let app = context.open()?;
    let session = session(&app, context, trade_point)?;
    let info = session.client_info(phone).await?;
    let json = json!({ "bin": session.bin(), "client_name": info.name.expose() });
    context.report.result(
        |paint| format!("{phone} can be invoiced: {}", paint.strong(info.name.expose())),
        &json,
    );
    Ok(())
}

pub(super) async fn device(command: Device, context: &Context<'_>) -> Result<(), Failure> {
    match command {
        Device::Register {
            device_id,
            trade_point,
            token_file,
            print_token,
        } => {
            let request = RegisterDevice {
                device_id,
                trade_point_id: trade_point,
            };
            register(request, token_file.as_deref(), print_token, context).await
        }
        Device::Delete { trade_point } => delete(trade_point, context).await,
    }
}

fn session(app: &App, context: &Context<'_>, trade_point: Option<TradePointId>) -> Result<Session, Failure> {
    let session = app.api().session(context.bin())?;
    match trade_point {
        Some(id) => Ok(session.at(id)?),
        None => Ok(session),
    }
}

async fn delete(trade_point: TradePointId, context: &Context<'_>) -> Result<(), Failure> {
    let app = context.open()?;
    let session = session(&app, context, Some(trade_point))?;
    session.delete_device().await?;
    let json = json!({ "bin": session.bin(), "trade_point_id": trade_point, "deleted": true });
    context.report.result(
        |paint| {
            format!(
                "{} the device of trade point {trade_point} of BIN {}; register another one before the next payment",
                paint.good("deleted"),
                session.bin()
            )
        },
        &json,
    );
    Ok(())
}

async fn register(
    request: RegisterDevice,
    token_file: Option<&Path>,
    print_token: bool,
    context: &Context<'_>,
) -> Result<(), Failure> {
    let app = context.open()?;
    let session = app.api().session(context.bin())?;
    // before anything is registered: a token that cannot be kept would be lost
    let mut reserved = token_file.map(reserve).transpose()?;
    let registered = match session.register_device(&request).await {
        Ok(registered) => registered,
        Err(error) => {
            if let Some(file) = token_file {
                let _ = fs::remove_file(file);
            }
            return Err(error.into());
        }
    };
    let whereto = match (token_file, &mut reserved) {
        (Some(file), Some(open)) => {
            write_secret(open, &registered.device_token).map_err(|error| unwritable(file, error))?;
            format!("its token is in {}", file.display())
        }
        _ => format!("its token: {}", registered.device_token.expose()),
    };
    let json = RegisteredJson {
        bin: session.bin(),
        device_id: &request.device_id,
        trade_point_id: request.trade_point_id,
        token_file,
        device_token: print_token.then(|| registered.device_token.expose()),
    };
    context.report.result(
        |paint| {
            format!(
                "{} device {} at trade point {} of BIN {}; {whereto}",
                paint.good("registered"),
                request.device_id,
                request.trade_point_id,
                session.bin()
            )
        },
        &json,
    );
    Ok(())
}

#[derive(Serialize)]
struct RegisteredJson<'a> {
    bin: Bin,
    device_id: &'a DeviceId,
    trade_point_id: TradePointId,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_file: Option<&'a Path>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_token: Option<&'a str>,
}

/// Readable to its owner only, from its first moment on; an existing file is not written over.
fn reserve(file: &Path) -> Result<File, Failure> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .map_err(|error| unwritable(file, error))
}

fn write_secret(file: &mut File, token: &DeviceToken) -> io::Result<()> {
    writeln!(file, "{}", token.expose())?;
    file.sync_all()
}

fn unwritable(file: &Path, error: io::Error) -> Failure {
    Failure::from_io(
        format!("the token cannot be written to `{}`", file.display()),
        error,
    )
}
