//! Kaspi's `StatusCode`s: what each means, who has to act, and what it says about a write.
//!
//! Source: official document v3.9, appendix 3, unless marked; "certain" and "repeat" are our reading
//! of the meaning. Texts of answers are never matched on, they are sometimes empty.

use crate::base::Fault;

/// What one of Kaspi's codes means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CodeMeaning {
    /// The code as the document writes it.
    pub code: i64,
    /// A stable word for programs.
    pub kind: &'static str,
    /// What it means.
    pub english: &'static str,
    /// The document's own words, shortened.
    pub russian: &'static str,
    /// Who has to act.
    pub fault: Fault,
    /// Whether the same read may succeed a moment later.
    pub read_may_pass: bool,
    /// Whether a write that was answered so certainly did not happen.
    pub certain: bool,
    /// What to do next.
    pub hint: Option<&'static str>,
}

/// The meaning of a code, or none where no source explains it.
///
/// Some integrators have seen codes with the sign flipped or with a zero lost; those are found too.
///
/// ```
/// use kaspi_direct::api::meaning;
///
/// assert_eq!(meaning(-99000005).map(|code| code.kind), Some("refund_exceeds_rest"));
/// assert_eq!(meaning(-99000018).map(|code| code.code), Some(990000018));
/// assert_eq!(meaning(123), None);
/// ```
#[must_use]
pub fn meaning(code: i64) -> Option<CodeMeaning> {
    let alias = |entry: &&CodeMeaning| {
        ALIASES
            .iter()
            .any(|(seen, meant)| *seen == code && *meant == entry.code)
    };
    TABLE
        .iter()
        .find(|entry| entry.code == code)
        .or_else(|| TABLE.iter().find(alias))
        .copied()
}

/// Forms of codes that integrators met instead of the documented ones.
const ALIASES: &[(i64, i64)] = &[
    (99_000_018, 990_000_018),
    (-99_000_018, 990_000_018),
    (-990_000_018, 990_000_018),
    (99_000_026, 990_000_026),
    (-99_000_026, 990_000_026),
    (-990_000_026, 990_000_026),
    (99_000_028, 990_000_028),
    (-99_000_028, 990_000_028),
    (-990_000_028, 990_000_028),
    (99_000_033, 990_000_033),
    (-99_000_033, 990_000_033),
    (-990_000_033, 990_000_033),
    (99_000_002, -99_000_002),
];

const fn code(
    code: i64,
    kind: &'static str,
    english: &'static str,
    russian: &'static str,
    fault: Fault,
    hint: Option<&'static str>,
) -> CodeMeaning {
    CodeMeaning {
        code,
        kind,
        english,
        russian,
        fault,
        read_may_pass: false,
        certain: true,
        hint,
    }
}

const fn uncertain(meaning: CodeMeaning) -> CodeMeaning {
    CodeMeaning {
        certain: false,
        ..meaning
    }
}

const fn read_may_pass(meaning: CodeMeaning) -> CodeMeaning {
    CodeMeaning {
        read_may_pass: true,
        ..meaning
    }
}

const TABLE: &[CodeMeaning] = &[
    uncertain(read_may_pass(code(
        -999,
        "kaspi_unavailable",
        "the service is temporarily unavailable",
        "Сервис временно недоступен",
        Fault::Kaspi,
        Some("wait; a write that was answered so may have happened: look before asking again"),
    ))),
    code(
        -10_000,
        "no_client_certificate",
        "no client certificate, or one that the bank does not know",
        "Отсутствует сертификат клиента",
        Fault::Operator,
        Some(
            "check that the certificate is the one the bank issued for this address and BIN, and that the bank lists this machine's address",
        ),
    ),
    code(
        -1501,
        "device_not_found",
        "no device has this token",
        "Устройство не найдено",
        Fault::Operator,
        Some(
            "the device token belongs to another BIN, or to none: register a device with `kaspi device register`",
        ),
    ),
    code(
        -1502,
        "device_inactive",
        "the device is disabled or deleted",
        "Устройство не активно (отключено или удалено)",
        Fault::Operator,
        Some("register a device anew with `kaspi device register` and put its token into merchant.toml"),
    ),
    code(
        -1503,
        "device_elsewhere",
        "the device id is already registered at another trade point",
        "Устройство уже добавлено в другую торговую точку",
        Fault::Caller,
        Some("choose another device id"),
    ),
    read_may_pass(code(
        -1601,
        "payment_not_found",
        "no such payment",
        "Покупка не найдена",
        Fault::Caller,
        Some("check the payment id and that the BIN is the one that made it"),
    )),
    code(
        -14_000_002,
        "no_trade_points",
        "the organisation has no trade points",
        "Отсутствуют торговые точки",
        Fault::Operator,
        Some("make a trade point in the Kaspi Pay app"),
    ),
    code(
        -99_000_001,
        "payment_not_found",
        "no payment with this id",
        "Покупка с заданным идентификатором не найдена",
        Fault::Caller,
        Some("check the payment id and that the BIN is the one that made it"),
    ),
    code(
        -99_000_002,
        "trade_point_not_found",
        "no such trade point",
        "Торговая точка не найдена",
        Fault::Operator,
        Some("`kaspi tradepoints` lists the trade points that the bank knows"),
    ),
    code(
        -99_000_003,
        "other_trade_point",
        "the payment was made at another trade point than this device's",
        "Торговая точка покупки не соответствует текущему устройству",
        Fault::Caller,
        Some("refund with the BIN and trade point that made the payment"),
    ),
    code(
        -99_000_005,
        "refund_exceeds_rest",
        "the refund is more than what is left of the payment",
        "Сумма возврата не может превышать сумму покупки",
        Fault::Caller,
        Some(
            "`kaspi payment details` shows what is left; an earlier refund whose answer was lost may have been made",
        ),
    ),
    uncertain(code(
        -99_000_006,
        "refund_failed",
        "the refund failed; the bank advises to try again, then to call it",
        "Не удалось выполнить возврат, повторите попытку, затем обратитесь в банк",
        Fault::Kaspi,
        Some(
            "compare `kaspi payment details` with what it was before: ask again only if nothing was paid back",
        ),
    )),
    code(
        -99_000_011,
        "not_refundable",
        "the payment is not in a state that can be refunded",
        "Невозможно вернуть покупку (несоответствующий статус)",
        Fault::Caller,
        Some("only a paid payment can be refunded"),
    ),
    code(
        -99_000_020,
        "partial_refund_impossible",
        "this payment can only be refunded whole",
        "Частичный возврат невозможен",
        Fault::Caller,
        Some("refund the whole amount"),
    ),
    code(
        990_000_018,
        "trade_point_disabled",
        "the trade point is switched off",
        "Торговая точка отключена",
        Fault::Operator,
        Some("switch it on in the Kaspi Pay app"),
    ),
    code(
        990_000_026,
        "no_qr",
        "the trade point does not take payments by QR",
        "Торговая точка не принимает оплату с QR",
        Fault::Operator,
        Some("ask the bank to allow it for this trade point"),
    ),
    code(
        990_000_028,
        "bad_amount",
        "the amount is not accepted",
        "Указана неверная сумма",
        Fault::Caller,
        None,
    ),
    code(
        990_000_033,
        "no_payment_methods",
        "there is no payment method to offer",
        "Нет доступных методов оплаты",
        Fault::Operator,
        Some("ask the bank which methods this trade point may offer"),
    ),
    // listed for the remote calls, explained nowhere; the meaning is inferred from where they are listed
    code(
        -1401,
        "not_permitted",
        "not permitted (the document lists this code without a text)",
        "",
        Fault::Operator,
        None,
    ),
    code(
        -1404,
        "client_not_found",
        "no such client (the document lists this code without a text)",
        "",
        Fault::Caller,
        None,
    ),
    uncertain(code(
        99_000_010,
        "remote_payment_failed",
        "the invoice was not made (the document lists this code without a text)",
        "",
        Fault::Kaspi,
        None,
    )),
    code(
        990_000_029,
        "client_not_found",
        "this customer cannot get an invoice (the document lists this code without a text)",
        "",
        Fault::Caller,
        None,
    ),
    code(
        990_000_031,
        "client_not_found",
        "this customer cannot get an invoice (the document lists this code without a text)",
        "",
        Fault::Caller,
        None,
    ),
    code(
        990_000_032,
        "client_not_invoiceable",
        "this customer cannot be invoiced (the document lists this code without a text)",
        "",
        Fault::Caller,
        None,
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_stands_once_and_every_alias_leads_somewhere() {
        for (index, entry) in TABLE.iter().enumerate() {
            assert!(
                TABLE.iter().skip(index + 1).all(|other| other.code != entry.code),
                "{}",
                entry.code
            );
        }
        for (seen, meant) in ALIASES {
            assert_eq!(meaning(*seen).map(|entry| entry.code), Some(*meant));
            assert!(
                TABLE.iter().all(|entry| entry.code != *seen),
                "{seen} is a code of its own"
            );
        }
    }

    #[test]
    fn only_these_leave_a_write_open() {
        let open: Vec<i64> = TABLE
            .iter()
            .filter(|entry| !entry.certain)
            .map(|entry| entry.code)
            .collect();
        assert_eq!(open, [-999, -99_000_006, 99_000_010]);
    }
}
