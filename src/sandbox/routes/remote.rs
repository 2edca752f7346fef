//! Invoices to a phone (official document v3.9, 4.6).

use serde_json::json;

use super::{Context, Data, Declared, Fields};
use crate::sandbox::bank::Purchase;

pub(super) fn client_info(caller: &Declared, fields: &Fields, context: &mut Context<'_>) -> Data {
    let phone = fields.text("phoneNumber")?;
    let token = fields.token("deviceToken")?;
    let name = context.bank.client_name(caller, &phone, &token)?;
    Ok(Some(json!({"ClientName": name})))
}

pub(super) fn create(caller: &Declared, fields: &Fields, context: &mut Context<'_>) -> Data {
    let purchase = Purchase {
        bin: fields.text("OrganizationBin")?,
        token: fields.token("DeviceToken")?,
        amount: fields.amount("Amount")?,
        phone: Some(fields.text("PhoneNumber")?),
        comment: fields.optional_text("Comment")?,
        ..Purchase::default()
    };
    let payment = context.bank.create_invoice(caller, purchase)?;
    Ok(Some(json!({"QrPaymentId": payment.id})))
}

pub(super) fn cancel(caller: &Declared, fields: &Fields, context: &mut Context<'_>) -> Data {
    let bin = fields.text("OrganizationBin")?;
    let token = fields.token("DeviceToken")?;
    let id = fields.id("QrPaymentId")?;
    let payment = context.bank.cancel_invoice(caller, &bin, &token, id)?;
    Ok(Some(json!({"Status": payment.status.as_str()})))
}
