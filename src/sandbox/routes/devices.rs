//! Trade points and devices (official document v3.9, 4.2).

use serde_json::{Value, json};

use super::{Context, Data, Declared, Fields, Refusal};

pub(super) fn trade_points(caller: &Declared, bin: &str, context: &mut Context<'_>) -> Data {
    let points: Vec<Value> = context
        .bank
        .trade_points(caller, bin)?
        .iter()
        .map(|point| json!({"TradePointId": point.id, "TradePointName": point.name}))
        .collect();
    Ok(Some(Value::Array(points)))
}

pub(super) fn register(caller: &Declared, fields: &Fields, context: &mut Context<'_>) -> Data {
    let bin = fields.text("OrganizationBin")?;
    let device_id = fields.text("DeviceId")?;
    let trade_point = fields.id("TradePointId")?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if device_id.is_empty() || !device_id.bytes().all(allowed) {
        return Err(Refusal::Malformed(
            "The field DeviceId must have only Latin letters, digits, '-' and '_'.".to_owned(),
        ));
    }
    let token = context
        .bank
        .register_device(caller, &bin, &device_id, trade_point)?;
    Ok(Some(json!({"DeviceToken": token})))
}

pub(super) fn delete(caller: &Declared, fields: &Fields, context: &mut Context<'_>) -> Data {
    let bin = fields.text("OrganizationBin")?;
    let token = fields.token("DeviceToken")?;
    context.bank.delete_device(caller, &bin, &token)?;
    Ok(None)
}
