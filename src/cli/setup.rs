//! `kaspi tradepoints` and `kaspi device`: what a merchant needs before the first payment.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::Serialize;

use super::args::Device;
use super::context::Context;
use super::failure::Failure;
use crate::api::RegisterDevice;
use crate::base::{Bin, DeviceId, DeviceToken, TradePointId};

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

pub(super) async fn device(command: Device, context: &Context<'_>) -> Result<(), Failure> {
    let Device::Register {
        device_id,
        trade_point,
        token_file,
        print_token,
    } = command;
    let app = context.open()?;
    let session = app.api().session(context.bin())?;
    let request = RegisterDevice {
        device_id: device_id.clone(),
        trade_point_id: trade_point,
    };
    let registered = session.register_device(&request).await?;
    let whereto = match &token_file {
        Some(file) => {
            write_secret(file, &registered.device_token).map_err(|error| {
                Failure::from_io(
                    format!("the token cannot be written to `{}`", file.display()),
                    error,
                )
            })?;
            format!("its token is in {}", file.display())
        }
        None => format!("its token: {}", registered.device_token.expose()),
    };
    let json = RegisteredJson {
        bin: session.bin(),
        device_id: &device_id,
        trade_point_id: trade_point,
        token_file: token_file.as_deref(),
        device_token: print_token.then(|| registered.device_token.expose()),
    };
    context.report.result(
        |paint| {
            format!(
                "{} device {device_id} at trade point {trade_point} of BIN {}; {whereto}",
                paint.good("registered"),
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
fn write_secret(file: &Path, token: &DeviceToken) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)?;
    writeln!(file, "{}", token.expose())?;
    file.sync_all()
}
