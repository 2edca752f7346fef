//! What the page of webhooks says, in three languages.

use super::report_words::Lang;
use crate::payments::DeliveryState;

pub(super) struct Words {
    pub(super) webhooks: &'static str,
    pub(super) intro: &'static str,
    pub(super) none_configured: &'static str,
    pub(super) receivers: &'static str,
    pub(super) receiver: &'static str,
    pub(super) host: &'static str,
    pub(super) not_configured: &'static str,
    pub(super) waiting: &'static str,
    pub(super) delivered: &'static str,
    pub(super) dead: &'static str,
    pub(super) last_success: &'static str,
    pub(super) last_failure: &'static str,
    pub(super) send_dead: &'static str,
    pub(super) deliveries: &'static str,
    pub(super) delivery: &'static str,
    pub(super) event: &'static str,
    pub(super) attempts: &'static str,
    pub(super) next_attempt: &'static str,
    pub(super) took: &'static str,
    pub(super) taken: &'static str,
    pub(super) send_again: &'static str,
    pub(super) sent_again: &'static str,
    pub(super) sent_already: &'static str,
}

/// The words of a language.
pub(super) fn words(lang: Lang) -> &'static Words {
    lang.pick(&ENGLISH, &KAZAKH, &RUSSIAN)
}

impl Words {
    pub(super) fn state(&self, state: DeliveryState) -> &'static str {
        match state {
            DeliveryState::Waiting => self.waiting,
            DeliveryState::Delivered => self.delivered,
            DeliveryState::Dead => self.dead,
        }
    }
}

const ENGLISH: Words = Words {
    webhooks: "Webhooks",
    intro: "Events that your own systems are told of. What was not taken for a day is given up, and can be sent again here",
    none_configured: "No webhook is configured",
    receivers: "Receivers",
    receiver: "Receiver",
    host: "Host",
    not_configured: "not configured any more",
    waiting: "waiting",
    delivered: "delivered",
    dead: "given up",
    last_success: "Last delivered",
    last_failure: "Last failure",
    send_dead: "Send again what was given up",
    deliveries: "Deliveries",
    delivery: "Delivery",
    event: "Event",
    attempts: "Attempts",
    next_attempt: "Next attempt",
    took: "Took",
    taken: "taken",
    send_again: "Send again",
    sent_again: "Will be sent again",
    sent_already: "It has been sent meanwhile: nothing more is sent",
};

const RUSSIAN: Words = Words {
    webhooks: "Вебхуки",
    intro: "События, о которых узнают ваши системы. Что не приняли за сутки, больше не отправляется; отсюда можно отправить снова",
    none_configured: "Вебхуки не настроены",
    receivers: "Получатели",
    receiver: "Получатель",
    host: "Адрес",
    not_configured: "больше не настроен",
    waiting: "ожидает",
    delivered: "доставлено",
    dead: "не доставлено",
    last_success: "Последняя доставка",
    last_failure: "Последний сбой",
    send_dead: "Отправить недоставленное снова",
    deliveries: "Доставки",
    delivery: "Доставка",
    event: "Событие",
    attempts: "Попытки",
    next_attempt: "Следующая попытка",
    took: "Длилась",
    taken: "принято",
    send_again: "Отправить снова",
    sent_again: "Будет отправлено снова",
    sent_already: "Уже отправлено: больше ничего не отправляется",
};

const KAZAKH: Words = Words {
    webhooks: "Вебхуктар",
    intro: "Жүйелеріңізге хабарланатын оқиғалар. Бір тәулікте қабылданбағаны тоқтатылады, осы жерден қайта жіберуге болады",
    none_configured: "Вебхуктар бапталмаған",
    receivers: "Қабылдаушылар",
    receiver: "Қабылдаушы",
    host: "Мекенжай",
    not_configured: "енді бапталмаған",
    waiting: "күтуде",
    delivered: "жеткізілді",
    dead: "жеткізілмеді",
    last_success: "Соңғы жеткізу",
    last_failure: "Соңғы сәтсіздік",
    send_dead: "Жеткізілмегенін қайта жіберу",
    deliveries: "Жеткізулер",
    delivery: "Жеткізу",
    event: "Оқиға",
    attempts: "Әрекеттер",
    next_attempt: "Келесі әрекет",
    took: "Ұзақтығы",
    taken: "қабылданды",
    send_again: "Қайта жіберу",
    sent_again: "Қайта жіберіледі",
    sent_already: "Бұл арада жіберілді: басқа ештеңе жіберілмейді",
};
