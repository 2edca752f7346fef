//! The `StatusCode`s the sandbox answers with, and their texts.

/// Why the bank says no. Numbers and texts as in the official document v3.9, appendix 3, except
/// where a variant says that it is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sandbox) enum Code {
    /// `-999`.
    Unavailable,
    /// `-10000`.
    NoClientCertificate,
    /// `-14000001`: ours. The text was seen live, its number is not known.
    NotRegistered,
    /// `-14000002`.
    NoTradePoints,
    /// `-1404`: listed for the remote calls without an explanation; ours for a phone that is none.
    ClientNotFound,
    /// `-1501`. Seen on the test server with an empty text.
    DeviceNotFound,
    /// `-1502`.
    DeviceInactive,
    /// `-1503`.
    DeviceElsewhere,
    /// `-1601`. Seen on the test server with an empty text.
    PurchaseNotFound,
    /// `-99000001`.
    PurchaseIdNotFound,
    /// `-99000002`.
    TradePointNotFound,
    /// `-99000003`.
    OtherTradePoint,
    /// `-99000005`.
    MoreThanTheRest,
    /// `-99000006`.
    RefundFailed,
    /// `-99000011`.
    NotRefundable,
    /// `-99000020`.
    NoPartialRefund,
    /// `990000018`.
    TradePointOff,
    /// `990000026`.
    NoQr,
    /// `990000028`.
    WrongAmount,
    /// `990000031`: listed for `client-info` without an explanation; ours for its limit of 50 a minute.
    TooManyLookups,
    /// `990000033`.
    NoPaymentMethods,
}

impl Code {
    pub(in crate::sandbox) fn number(self) -> i64 {
        self.entry().0
    }

    pub(in crate::sandbox) fn text(self) -> &'static str {
        self.entry().1
    }

    fn entry(self) -> (i64, &'static str) {
        match self {
            Self::Unavailable => (-999, "Сервис временно недоступен"),
            Self::NoClientCertificate => (-10_000, "Отсутствует сертификат клиента"),
            Self::NotRegistered => (-14_000_001, "Организация не зарегистрирована в Kaspi Pay"),
            Self::NoTradePoints => (-14_000_002, "Отсутствуют торговые точки"),
            Self::ClientNotFound => (-1404, "Клиент не найден"),
            Self::DeviceNotFound => (-1501, ""),
            Self::DeviceInactive => (-1502, "Устройство не активно"),
            Self::DeviceElsewhere => (-1503, "Устройство уже добавлено в другую торговую точку"),
            Self::PurchaseNotFound => (-1601, ""),
            Self::PurchaseIdNotFound => (-99_000_001, "Покупка с заданным идентификатором не найдена"),
            Self::TradePointNotFound => (-99_000_002, "Торговая точка не найдена"),
            Self::OtherTradePoint => (
                -99_000_003,
                "Торговая точка покупки не соответствует текущему устройству",
            ),
            Self::MoreThanTheRest => (-99_000_005, "Сумма возврата не может превышать сумму покупки"),
            Self::RefundFailed => (-99_000_006, "Ошибка возврата, попробуйте ещё раз"),
            Self::NotRefundable => (-99_000_011, "Невозможно вернуть покупку"),
            Self::NoPartialRefund => (-99_000_020, "Частичный возврат невозможен"),
            Self::TradePointOff => (990_000_018, "Торговая точка отключена"),
            Self::NoQr => (990_000_026, "Торговая точка не принимает оплату с QR"),
            Self::WrongAmount => (990_000_028, "Указана неверная сумма операции"),
            Self::TooManyLookups => (990_000_031, "Превышено количество запросов"),
            Self::NoPaymentMethods => (990_000_033, "Нет доступных методов оплаты"),
        }
    }
}
