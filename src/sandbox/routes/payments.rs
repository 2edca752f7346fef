//! QR codes, links, statuses, details, refunds (official document v3.9, 4.3-4.5) and the test
//! server's own calls (5.2-5.5).

use serde_json::{Map, Value, json};

use super::{Code, Context, Data, DateStyle, Declared, Fields, Kind, OptionNames, Status, Step};
use crate::sandbox::bank::Purchase;
use crate::sandbox::bank::money;
use crate::sandbox::bank::payment::{CONFIRMATION, POLLING, Payment, SCAN_WAIT};

pub(super) fn create(caller: &Declared, kind: Kind, fields: &Fields, context: &mut Context<'_>) -> Data {
    let purchase = Purchase {
        bin: fields.text("OrganizationBin")?,
        token: fields.token("DeviceToken")?,
        amount: fields.amount("Amount")?,
        external_id: fields.optional_text("ExternalId")?,
        ..Purchase::default()
    };
    let (payment, methods) = context.bank.create_code(caller, kind, purchase)?;
    let (id, expires) = (payment.id, payment.expires());
    let expires = context.date(expires, DateStyle::Offset);
    let data = match kind {
        Kind::Link => json!({
            "PaymentLink": format!("https://pay.kaspi.kz/pay/{}", code_text(id)),
            "ExpireDate": expires,
            "PaymentId": id,
            "PaymentMethods": methods,
            "PaymentBehaviorOptions": behaviour(context.option_names, "LinkActivationWaitTimeout"),
        }),
        Kind::Qr | Kind::Remote => json!({
            "QrToken": code_text(id),
            "ExpireDate": expires,
            "QrPaymentId": id,
            "PaymentMethods": methods,
            "QrPaymentBehaviorOptions": behaviour(context.option_names, "QrCodeScanWaitTimeout"),
        }),
    };
    Ok(Some(data))
}

/// Version 1 answers with the status alone, 2 and 4 with what was bought where.
pub(super) fn status(caller: &Declared, version: u8, id: &str, context: &mut Context<'_>) -> Data {
    let id = id.parse().map_err(|_| Code::PurchaseNotFound)?;
    let payment = context.bank.status(caller, id)?;
    let data = match version {
        1 => json!({"Status": payment.status.as_str()}),
        _ => extended_status(payment),
    };
    Ok(Some(data))
}

pub(super) fn details(caller: &Declared, fields: &Fields, context: &mut Context<'_>) -> Data {
    let id = fields.id("QrPaymentId")?;
    let token = fields.token("DeviceToken")?;
    let payment = context.bank.details(caller, id, &token)?;
    let (id, amount, rest) = (payment.id, payment.amount, payment.rest());
    let at = payment.paid.unwrap_or(payment.created);
    Ok(Some(json!({
        "QrPaymentId": id,
        "TotalAmount": money::double(amount),
        "AvailableReturnAmount": money::double(rest),
        "TransactionDate": context.date(at, DateStyle::Local),
    })))
}

pub(super) fn refund(caller: &Declared, fields: &Fields, context: &mut Context<'_>) -> Data {
    let bin = fields.text("OrganizationBin")?;
    let token = fields.token("DeviceToken")?;
    let id = fields.id("QrPaymentId")?;
    let amount = fields.amount("Amount")?;
    let number = context.bank.refund(caller, &bin, &token, id, amount)?;
    Ok(Some(json!({"ReturnOperationId": number})))
}

pub(super) fn emulate(
    caller: &Declared,
    step: Step,
    from: Status,
    fields: &Fields,
    context: &mut Context<'_>,
) -> Data {
    let id = fields.id("qrPaymentId")?;
    context.bank.emulate(caller, id, step, from)?;
    Ok(None)
}

/// What is not known before payment is null: how the bank shows it is not documented.
fn extended_status(payment: &Payment) -> Value {
    let paid = payment.status == Status::Processed;
    let loan = paid && payment.product == "Loan";
    let when = |known: bool, value: Value| if known { value } else { Value::Null };
    json!({
        "Status": payment.status.as_str(),
        "TransactionId": when(paid, json!(payment.id.to_string())),
        "LoanOfferName": when(loan, json!("Рассрочка 0-0-12")),
        "LoanTerm": when(loan, json!(12)),
        "IsOffer": when(paid, json!(loan)),
        "ProductType": when(paid, json!(payment.product)),
        "Amount": money::double(payment.amount),
        "StoreName": "Магазин 1",
        "Address": "Ауэзова 65",
        "City": "Алматы",
    })
}

fn behaviour(names: OptionNames, wait: &str) -> Value {
    let mut options = Map::new();
    for (name, seconds) in [
        ("StatusPollingInterval", POLLING),
        (wait, SCAN_WAIT),
        ("PaymentConfirmationTimeout", CONFIRMATION),
    ] {
        let name = match names {
            OptionNames::Pascal => name.to_owned(),
            OptionNames::Camel => {
                let mut letters = name.chars();
                letters
                    .next()
                    .map(|first| first.to_ascii_lowercase())
                    .into_iter()
                    .chain(letters)
                    .collect()
            }
        };
        options.insert(name, json!(seconds));
    }
    Value::Object(options)
}

/// Forty-one digits, as in the document; they mean nothing.
fn code_text(id: i64) -> String {
    format!("512369{id:035}")
}
