//! What the page of the doctor says beside the doctor's own words, which are English.

use super::report_words::Lang;

pub(super) struct Words {
    pub(super) doctor: &'static str,
    pub(super) intro: &'static str,
    pub(super) run: &'static str,
    pub(super) last_run: &'static str,
    pub(super) never: &'static str,
    pub(super) running: &'static str,
    pub(super) healthy: &'static str,
    pub(super) works: &'static str,
    pub(super) ill: &'static str,
    pub(super) broken_off: &'static str,
    pub(super) pass: &'static str,
    pub(super) warn: &'static str,
    pub(super) fail: &'static str,
    pub(super) skip: &'static str,
    config: &'static str,
    files: &'static str,
    certificate: &'static str,
    key: &'static str,
    trust: &'static str,
    dns: &'static str,
    tcp: &'static str,
    tls: &'static str,
    accepted: &'static str,
    bin: &'static str,
}

/// The words of a language.
pub(super) fn words(lang: Lang) -> &'static Words {
    lang.pick(&ENGLISH, &KAZAKH, &RUSSIAN)
}

impl Words {
    /// What a stage looks at, by its stable word; nothing for one that is new here.
    pub(super) fn stage(&self, id: &str) -> &'static str {
        match id {
            "config" => self.config,
            "files" => self.files,
            "certificate" => self.certificate,
            "key" => self.key,
            "trust" => self.trust,
            "dns" => self.dns,
            "tcp" => self.tcp,
            "tls" => self.tls,
            "accepted" => self.accepted,
            "bin" => self.bin,
            _ => "",
        }
    }
}

const ENGLISH: Words = Words {
    doctor: "Doctor",
    intro: "From the files to the bank's answer, step by step. Only reads are made: no money moves",
    run: "Run the doctor",
    last_run: "Last diagnosis",
    never: "Not run since the gateway started",
    running: "Under way",
    healthy: "In order",
    works: "Works, with warnings",
    ill: "Something stands in the way",
    broken_off: "It broke off before its last step; the log says why",
    pass: "in order",
    warn: "warning",
    fail: "failed",
    skip: "not checked",
    config: "Settings",
    files: "Files of certificate and key",
    certificate: "Certificate",
    key: "Private key",
    trust: "Trusted authorities",
    dns: "Name of the server",
    tcp: "Connection",
    tls: "TLS handshake",
    accepted: "Certificate accepted by the bank",
    bin: "BIN known to the bank",
};

const RUSSIAN: Words = Words {
    doctor: "Диагностика",
    intro: "От файлов до ответа банка, шаг за шагом. Только чтение: деньги не движутся",
    run: "Запустить диагностику",
    last_run: "Последняя диагностика",
    never: "С запуска шлюза ещё не проводилась",
    running: "Идёт",
    healthy: "Всё в порядке",
    works: "Работает, но есть предупреждения",
    ill: "Есть препятствие",
    broken_off: "Прервалась до последнего шага; причина в журнале программы",
    pass: "в порядке",
    warn: "предупреждение",
    fail: "ошибка",
    skip: "не проверено",
    config: "Настройки",
    files: "Файлы сертификата и ключа",
    certificate: "Сертификат",
    key: "Закрытый ключ",
    trust: "Доверенные центры",
    dns: "Имя сервера",
    tcp: "Соединение",
    tls: "Рукопожатие TLS",
    accepted: "Банк принимает сертификат",
    bin: "Банк знает БИН",
};

const KAZAKH: Words = Words {
    doctor: "Диагностика",
    intro: "Файлдардан банктің жауабына дейін, қадам сайын. Тек оқылады: ақша қозғалмайды",
    run: "Диагностиканы бастау",
    last_run: "Соңғы диагностика",
    never: "Шлюз іске қосылғаннан бері жүргізілмеген",
    running: "Жүріп жатыр",
    healthy: "Бәрі дұрыс",
    works: "Жұмыс істейді, бірақ ескертулер бар",
    ill: "Кедергі бар",
    broken_off: "Соңғы қадамға дейін үзілді; себебі бағдарлама журналында",
    pass: "дұрыс",
    warn: "ескерту",
    fail: "қате",
    skip: "тексерілмеді",
    config: "Баптаулар",
    files: "Сертификат пен кілт файлдары",
    certificate: "Сертификат",
    key: "Жабық кілт",
    trust: "Сенімді орталықтар",
    dns: "Сервердің аты",
    tcp: "Байланыс",
    tls: "TLS келісімі",
    accepted: "Банк сертификатты қабылдайды",
    bin: "Банк БСН-ді біледі",
};
