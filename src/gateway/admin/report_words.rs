//! What the pages of figures and the accountant's files say, in three languages.

use crate::payments::{OperationKind, OperationState, PaymentKind};

/// A language of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lang {
    En,
    Kk,
    Ru,
}

/// Everything that is said; the compiler sees to it that no language lacks a word.
pub(super) struct ReportWords {
    pub(super) skip: &'static str,
    pub(super) pages: &'static str,
    pub(super) language: &'static str,
    pub(super) not_shown: &'static str,
    pub(super) bad_bin: &'static str,
    pub(super) reconciliation: &'static str,
    pub(super) reconciliation_intro: &'static str,
    pub(super) charts: &'static str,
    pub(super) bin: &'static str,
    pub(super) every_bin: &'static str,
    pub(super) other_bins: &'static str,
    pub(super) from: &'static str,
    pub(super) to: &'static str,
    pub(super) show: &'static str,
    pub(super) day: &'static str,
    pub(super) hour: &'static str,
    pub(super) nothing: &'static str,
    pub(super) figures: &'static str,
    pub(super) total: &'static str,
    pub(super) invoices: &'static str,
    pub(super) qr: &'static str,
    pub(super) links: &'static str,
    pub(super) made: &'static str,
    pub(super) paid: &'static str,
    pub(super) late: &'static str,
    pub(super) refunded: &'static str,
    pub(super) canceled: &'static str,
    pub(super) unknown: &'static str,
    pub(super) refused: &'static str,
    pub(super) not_sent: &'static str,
    pub(super) not_made: &'static str,
    pub(super) accepted: &'static str,
    pub(super) under_way: &'static str,
    pub(super) unpriced: &'static str,
    pub(super) files: &'static str,
    pub(super) files_intro: &'static str,
    pub(super) file_daily: &'static str,
    pub(super) file_paid: &'static str,
    pub(super) file_operations: &'static str,
    pub(super) file_comma: &'static str,
    pub(super) file_point: &'static str,
    pub(super) bank: &'static str,
    pub(super) bank_intro: &'static str,
    pub(super) ask_bank: &'static str,
    pub(super) asking: &'static str,
    pub(super) ask_failed: &'static str,
    pub(super) asked: &'static str,
    pub(super) unpaid: &'static str,
    pub(super) left_out: &'static str,
    pub(super) no_difference: &'static str,
    pub(super) differences: &'static str,
    pub(super) payment: &'static str,
    pub(super) refunded_by_kaspi: &'static str,
    pub(super) refunded_by_journal: &'static str,
    pub(super) note: &'static str,
    pub(super) bad_days: &'static str,
    pub(super) paid_tenge: &'static str,
    pub(super) paid_count: &'static str,
    pub(super) refunded_tenge: &'static str,
    pub(super) outcomes: &'static str,
    pub(super) speed: &'static str,
    pub(super) median: &'static str,
    pub(super) p95: &'static str,
    // columns of files
    pub(super) count_of: &'static str,
    pub(super) sum_of: &'static str,
    pub(super) asked_at: &'static str,
    pub(super) made_at: &'static str,
    pub(super) paid_at: &'static str,
    pub(super) kind: &'static str,
    pub(super) state: &'static str,
    pub(super) amount: &'static str,
    pub(super) refund_id: &'static str,
    pub(super) phone: &'static str,
    pub(super) caller: &'static str,
    pub(super) mark: &'static str,
    pub(super) operation_id: &'static str,
    pub(super) failure: &'static str,
    pub(super) code: &'static str,
    pub(super) trade_point: &'static str,
    pub(super) kaspi_word: &'static str,
    pub(super) yes: &'static str,
    pub(super) refund: &'static str,
    pub(super) cancel: &'static str,
    pub(super) invoice: &'static str,
    pub(super) link: &'static str,
    pub(super) elsewhere: &'static str,
}

/// The words of a language.
pub(super) fn words(lang: Lang) -> &'static ReportWords {
    lang.pick(&ENGLISH, &KAZAKH, &RUSSIAN)
}

impl Lang {
    pub(super) const ALL: [Self; 3] = [Self::Ru, Self::Kk, Self::En];

    /// The language's code, as in `lang` of a page.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Kk => "kk",
            Self::Ru => "ru",
        }
    }

    /// What its speakers call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::En => "English",
            Self::Kk => "Қазақша",
            Self::Ru => "Русский",
        }
    }

    /// The one that was asked for by its code.
    pub(super) fn coded(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lang| lang.code() == code)
    }

    /// The first one that a browser's `Accept-Language` names; browsers write the dearest first.
    pub(super) fn accepted(header: &str) -> Self {
        header
            .split(',')
            .filter_map(|one| Self::coded(one.trim().get(..2)?.to_ascii_lowercase().as_str()))
            .next()
            .unwrap_or(Self::Ru)
    }

    /// The one of this language.
    pub(super) fn pick<T>(self, english: T, kazakh: T, russian: T) -> T {
        match self {
            Self::En => english,
            Self::Kk => kazakh,
            Self::Ru => russian,
        }
    }

    /// What stands between tenge and tiyn.
    pub(super) fn point(self) -> char {
        match self {
            Self::En => '.',
            Self::Kk | Self::Ru => ',',
        }
    }
}

impl ReportWords {
    pub(super) fn operation(&self, kind: OperationKind) -> &'static str {
        match kind {
            OperationKind::Create => self.invoice,
            OperationKind::Qr => self.qr,
            OperationKind::Link => self.link,
            OperationKind::Refund => self.refund,
            OperationKind::Cancel => self.cancel,
        }
    }

    pub(super) fn payment_kind(&self, kind: PaymentKind) -> &'static str {
        match kind {
            PaymentKind::Invoice => self.invoice,
            PaymentKind::Qr => self.qr,
            PaymentKind::Link => self.link,
            PaymentKind::Other => self.elsewhere,
        }
    }

    pub(super) fn outcome(&self, state: OperationState) -> &'static str {
        match state {
            OperationState::Accepted => self.accepted,
            OperationState::Refused => self.refused,
            OperationState::NotSent => self.not_sent,
            OperationState::Unknown => self.unknown,
            OperationState::NotMade => self.not_made,
            OperationState::Recorded | OperationState::Sent => self.under_way,
        }
    }
}

const ENGLISH: ReportWords = ReportWords {
    skip: "To the content",
    pages: "Pages",
    language: "Language",
    not_shown: "This cannot be shown",
    bad_bin: "No such BIN is open to this token",
    reconciliation: "Reconciliation",
    reconciliation_intro: "Days of Almaty, UTC+5. An operation counts on the day on which it was asked for; a payment is paid on the day on which the gateway learned of it.",
    charts: "Charts",
    bin: "BIN",
    every_bin: "All",
    other_bins: "Others",
    from: "From",
    to: "To",
    show: "Show",
    day: "Day",
    hour: "Hour",
    nothing: "Nothing in these days",
    figures: "Figures",
    total: "Total",
    invoices: "Invoices",
    qr: "QR codes",
    links: "Links",
    made: "Made",
    paid: "Paid",
    late: "Of these late",
    refunded: "Refunded",
    canceled: "Cancelled",
    unknown: "Unknown",
    refused: "Refused",
    not_sent: "Not sent",
    not_made: "Not made",
    accepted: "Accepted",
    under_way: "Under way",
    unpriced: "without an amount",
    files: "For the accountant",
    files_intro: "CSV in UTF-8. An apostrophe before a number says that it is text, so that the spreadsheet does not round it.",
    file_daily: "Summary by day",
    file_paid: "Payments found paid",
    file_operations: "Operations",
    file_comma: "1500,00 and semicolons: spreadsheets in Russian or Kazakh",
    file_point: "1500.00 and commas: spreadsheets in English",
    bank: "Beside the bank",
    bank_intro: "Asks Kaspi about every payment of one BIN and day, five a second, and shows where the journal differs. It moves no money.",
    ask_bank: "Ask the bank",
    asking: "The bank is being asked",
    ask_failed: "The bank could not be asked to the end",
    asked: "Compared",
    unpaid: "Not paid",
    left_out: "The day has more than 500 payments; the earliest were left out",
    no_difference: "Kaspi and the journal agree",
    differences: "Kaspi and the journal differ",
    payment: "Payment",
    refunded_by_kaspi: "Refunded by Kaspi",
    refunded_by_journal: "Refunded by the journal",
    note: "Note",
    bad_days: "The first day is not after the last, and there are at most 366",
    paid_tenge: "Paid, tenge",
    paid_count: "Payments found paid",
    refunded_tenge: "Refunded, tenge",
    outcomes: "Outcomes of operations",
    speed: "How long an answer takes, ms",
    median: "Half of them",
    p95: "95 of 100",
    count_of: "count",
    sum_of: "tenge",
    asked_at: "Asked for at",
    made_at: "Made at",
    paid_at: "Found paid at",
    kind: "Kind",
    state: "State",
    amount: "Amount, tenge",
    refund_id: "Refund",
    phone: "Phone",
    caller: "Asked by",
    mark: "Mark in the comment",
    operation_id: "Operation",
    failure: "Reason",
    code: "Kaspi's code",
    trade_point: "Trade point",
    kaspi_word: "Kaspi's word",
    yes: "yes",
    refund: "Refund",
    cancel: "Cancellation",
    invoice: "Invoice",
    link: "Link",
    elsewhere: "Made elsewhere",
};

const RUSSIAN: ReportWords = ReportWords {
    skip: "К содержанию",
    pages: "Страницы",
    language: "Язык",
    not_shown: "Это нельзя показать",
    bad_bin: "Такой БИН этому токену не открыт",
    reconciliation: "Сверка",
    reconciliation_intro: "Дни по времени Алматы, UTC+5. Операция относится к дню, когда её запросили; оплата — к дню, когда шлюз о ней узнал.",
    charts: "Графики",
    bin: "БИН",
    every_bin: "Все",
    other_bins: "Остальные",
    from: "С",
    to: "По",
    show: "Показать",
    day: "День",
    hour: "Час",
    nothing: "За эти дни ничего нет",
    figures: "Цифры",
    total: "Итого",
    invoices: "Счета",
    qr: "QR-коды",
    links: "Ссылки",
    made: "Выставлено",
    paid: "Оплачено",
    late: "Из них поздно",
    refunded: "Возвращено",
    canceled: "Отменено",
    unknown: "Неизвестно",
    refused: "Отказ",
    not_sent: "Не отправлено",
    not_made: "Не выполнено",
    accepted: "Принято",
    under_way: "Выполняется",
    unpriced: "без суммы",
    files: "Для бухгалтера",
    files_intro: "CSV в UTF-8. Апостроф перед числом означает текст, чтобы таблица его не округлила.",
    file_daily: "Итоги по дням",
    file_paid: "Оплаченные платежи",
    file_operations: "Операции",
    file_comma: "1500,00 и точка с запятой: таблицы на русском или казахском",
    file_point: "1500.00 и запятая: таблицы на английском",
    bank: "Сравнить с банком",
    bank_intro: "Спрашивает Kaspi о каждом платеже одного БИН за один день, пять в секунду, и показывает расхождения с журналом. Денег не двигает.",
    ask_bank: "Спросить банк",
    asking: "Спрашиваем банк",
    ask_failed: "Не удалось спросить банк до конца",
    asked: "Сверено",
    unpaid: "Не оплачено",
    left_out: "За день больше 500 платежей; самые ранние не вошли",
    no_difference: "Kaspi и журнал совпадают",
    differences: "Kaspi и журнал расходятся",
    payment: "Платёж",
    refunded_by_kaspi: "Возвращено по данным Kaspi",
    refunded_by_journal: "Возвращено по журналу",
    note: "Примечание",
    bad_days: "Первый день не позже последнего, всего не больше 366",
    paid_tenge: "Оплачено, тенге",
    paid_count: "Оплаченные платежи",
    refunded_tenge: "Возвращено, тенге",
    outcomes: "Исходы операций",
    speed: "Время ответа, мс",
    median: "Половина",
    p95: "95 из 100",
    count_of: "штук",
    sum_of: "тенге",
    asked_at: "Запрошено",
    made_at: "Выставлено",
    paid_at: "Узнали об оплате",
    kind: "Вид",
    state: "Состояние",
    amount: "Сумма, тенге",
    refund_id: "Возврат",
    phone: "Телефон",
    caller: "Кто запросил",
    mark: "Метка в комментарии",
    operation_id: "Операция",
    failure: "Причина",
    code: "Код Kaspi",
    trade_point: "Точка продаж",
    kaspi_word: "Слово Kaspi",
    yes: "да",
    refund: "Возврат",
    cancel: "Отмена",
    invoice: "Счёт",
    link: "Ссылка",
    elsewhere: "Создан не здесь",
};

const KAZAKH: ReportWords = ReportWords {
    skip: "Мазмұнына",
    pages: "Беттер",
    language: "Тіл",
    not_shown: "Мұны көрсету мүмкін емес",
    bad_bin: "Бұл токенге мұндай БСН ашық емес",
    reconciliation: "Салыстыру",
    reconciliation_intro: "Күндер Алматы уақытымен, UTC+5. Операция сұралған күніне, ал төлем шлюз ол туралы білген күнге жатады.",
    charts: "Графиктер",
    bin: "БСН",
    every_bin: "Барлығы",
    other_bins: "Қалғандары",
    from: "Бастап",
    to: "Дейін",
    show: "Көрсету",
    day: "Күн",
    hour: "Сағат",
    nothing: "Бұл күндерде ештеңе жоқ",
    figures: "Сандар",
    total: "Барлығы",
    invoices: "Шоттар",
    qr: "QR-кодтар",
    links: "Сілтемелер",
    made: "Шығарылды",
    paid: "Төленді",
    late: "Оның ішінде кеш",
    refunded: "Қайтарылды",
    canceled: "Бас тартылды",
    unknown: "Белгісіз",
    refused: "Қабылданбады",
    not_sent: "Жіберілмеді",
    not_made: "Орындалмады",
    accepted: "Қабылданды",
    under_way: "Орындалуда",
    unpriced: "сомасыз",
    files: "Бухгалтерге",
    files_intro: "UTF-8 форматындағы CSV. Санның алдындағы апостроф оның мәтін екенін білдіреді, сонда кесте оны дөңгелектемейді.",
    file_daily: "Күндер бойынша қорытынды",
    file_paid: "Төленген төлемдер",
    file_operations: "Операциялар",
    file_comma: "1500,00 және нүктелі үтір: орыс немесе қазақ тіліндегі кестелер",
    file_point: "1500.00 және үтір: ағылшын тіліндегі кестелер",
    bank: "Банкпен салыстыру",
    bank_intro: "Бір БСН-нің бір күндегі әр төлемі туралы Kaspi-ден секундына бесеуін сұрайды да, журналдан айырмасын көрсетеді. Ақша қозғалмайды.",
    ask_bank: "Банктен сұрау",
    asking: "Банктен сұралуда",
    ask_failed: "Банктен соңына дейін сұрау мүмкін болмады",
    asked: "Салыстырылды",
    unpaid: "Төленбеген",
    left_out: "Бұл күні 500-ден көп төлем бар; ең ертелері кірмеді",
    no_difference: "Kaspi мен журнал сәйкес келеді",
    differences: "Kaspi мен журнал сәйкес келмейді",
    payment: "Төлем",
    refunded_by_kaspi: "Kaspi бойынша қайтарылды",
    refunded_by_journal: "Журнал бойынша қайтарылды",
    note: "Ескерту",
    bad_days: "Бірінші күн соңғысынан кеш емес, барлығы 366 күннен аспайды",
    paid_tenge: "Төленді, теңге",
    paid_count: "Төленген төлемдер",
    refunded_tenge: "Қайтарылды, теңге",
    outcomes: "Операциялардың нәтижелері",
    speed: "Жауап уақыты, мс",
    median: "Жартысы",
    p95: "100-ден 95-і",
    count_of: "дана",
    sum_of: "теңге",
    asked_at: "Сұралған уақыты",
    made_at: "Шығарылған уақыты",
    paid_at: "Төлем туралы білген уақыт",
    kind: "Түрі",
    state: "Күйі",
    amount: "Сома, теңге",
    refund_id: "Қайтарым",
    phone: "Телефон",
    caller: "Кім сұрады",
    mark: "Түсініктемедегі белгі",
    operation_id: "Операция",
    failure: "Себебі",
    code: "Kaspi коды",
    trade_point: "Сауда нүктесі",
    kaspi_word: "Kaspi сөзі",
    yes: "иә",
    refund: "Қайтару",
    cancel: "Бас тарту",
    invoice: "Шот",
    link: "Сілтеме",
    elsewhere: "Басқа жерде жасалған",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_names_its_language() {
        for (header, lang) in [
            ("", Lang::Ru),
            ("kk-KZ,kk;q=0.9,ru;q=0.8", Lang::Kk),
            ("EN-us", Lang::En),
            ("de, en;q=0.5", Lang::En),
            ("é,*", Lang::Ru),
        ] {
            assert_eq!(Lang::accepted(header), lang, "{header}");
        }
        assert!(
            Lang::ALL
                .iter()
                .all(|lang| Lang::coded(lang.code()) == Some(*lang))
        );
    }
}
