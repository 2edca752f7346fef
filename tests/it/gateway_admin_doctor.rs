//! The doctor on the admin page: its stages as they end, one run at a time, for those who may see the BIN.

use std::sync::Arc;
use std::time::Duration;

use kaspi_direct::app::App;
use kaspi_direct::base::{Bin, Clock as _, SystemClock};
use kaspi_direct::config::Environment;
use kaspi_direct::gateway::{
    Device, Diagnosis, DiagnosisStage, Gateway, OnStage, Patience, StageVerdict, Surroundings, Traffic,
};
use kaspi_direct::registry::MerchantStatus;
use kaspi_direct::sandbox::{Fault, FaultKind};
use time::OffsetDateTime;

use super::admin_kit::{Browser, EVIL, OPERATOR, open, post};
use super::cli_kit::Scene;
use super::gateway_kit::{ADMIN, READER, Reply, Served, add_lines, tokens};
use super::kit::{FLOWERS, GIFTS, in_time};

const TRADE_POINTS: &str = "/partner/tradepoints";

fn address(bin: &str) -> String {
    format!("/admin/doctor/{bin}")
}

/// Sees the page again and again until it holds a text.
async fn until(browser: &Browser<'_>, text: &str) -> Reply {
    in_time(async {
        loop {
            let page = browser.see(&address(FLOWERS)).await;
            assert_eq!(page.status, 200, "{page:?}");
            if page.body.contains(text) {
                return page;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}

async fn run(browser: &Browser<'_>) {
    let hidden = browser.form("/admin", &address(FLOWERS)).await;
    let reply = browser.send(&address(FLOWERS), &hidden).await;
    assert_eq!(reply.status, 303, "{reply:?}");
    assert_eq!(
        reply.header("location"),
        Some(format!("{}?lang=en", address(FLOWERS)).as_str())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn stages_are_shown_as_they_end_and_a_second_click_joins_the_first() {
    let served = open().await;
    let browser = Browser::enter(&served, OPERATOR).await.in_english();
    let page = browser.see(&address(FLOWERS)).await;
    assert!(page.body.contains("Not run since"), "{page:?}");
    let before = served.asked(TRADE_POINTS);
    // the bank's answer is late, and what is known before it is seen meanwhile
    let late = Fault::new(FaultKind::Delay).on("/r3/v01/partner/tradepoints/*");
    served
        .scene
        .sandbox
        .arm(late.times(1).delayed(Duration::from_secs(2)))
        .await;
    run(&browser).await;
    let page = until(&browser, "<code>tls</code>").await;
    assert!(page.body.contains("role=\"status\">Under way"), "{page:?}");
    assert!(!page.body.contains("<code>bin</code>"), "{page:?}");
    assert_eq!(
        page.header("refresh"),
        Some(format!("1; url={}?lang=en", address(FLOWERS)).as_str())
    );
    run(&browser).await;
    let page = until(&browser, "class=\"good\"><strong>In order").await;
    assert_eq!(page.header("refresh"), None);
    assert_eq!(page.body.matches("<li><h2>").count(), 10, "{page:?}");
    assert_eq!(
        page.body.matches("class=\"good\">in order").count(),
        10,
        "{page:?}"
    );
    let once = served.asked(TRADE_POINTS) - before;
    assert!(once > 0);
    // a third click, after the end, is a run of its own: so many requests make one
    run(&browser).await;
    until(&browser, "<strong>In order").await;
    assert_eq!(served.asked(TRADE_POINTS) - before, 2 * once);
    let trail = browser.see("/admin/trail").await.body;
    assert_eq!(trail.matches("<td>doctor</td>").count(), 4, "{trail}");
    assert_eq!(trail.matches("<td>pass</td>").count(), 2, "{trail}");
    let page = browser.see(&format!("{}?lang=kk", address(FLOWERS))).await;
    assert!(page.body.contains("Бәрі дұрыс"), "{page:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told_with_what_to_do() {
    let served = open().await;
    let browser = Browser::enter(&served, OPERATOR).await.in_english();
    served
        .scene
        .sandbox
        .arm(Fault::new(FaultKind::TlsAlert).times(100))
        .await;
    let file = served.scene.path(&format!("certs/{FLOWERS}/merchant.toml"));
    let text = std::fs::read_to_string(&file).unwrap();
    let text: String = text
        .lines()
        .map(|line| match line.starts_with("name = ") {
            true => format!("name = {EVIL:?}\n"),
            false => format!("{line}\n"),
        })
        .collect();
    std::fs::write(&file, text).unwrap();
    run(&browser).await;
    let page = until(&browser, "class=\"bad\"><strong>Something stands in the way").await;
    assert!(page.body.contains("they refused us: "), "{page:?}");
    assert!(page.body.contains("unknown_ca (48)"), "{page:?}");
    assert!(page.body.contains("<code>our_ca_unknown</code>"), "{page:?}");
    assert!(page.body.contains("<dd class=\"next\">"), "{page:?}");
    assert!(page.body.contains("class=\"none\">not checked"), "{page:?}");
    assert!(page.body.contains("&lt;script&gt;"), "{page:?}");
    assert!(!page.body.contains(EVIL), "{page:?}");
    let trail = browser.see("/admin/trail").await.body;
    assert!(trail.contains("<td>fail</td>"), "{trail}");
}

/// The other rooms, of which the one that diagnoses breaks down after a stage that went well.
#[derive(Debug)]
struct Torn {
    merchants: Vec<MerchantStatus>,
    panics: bool,
}

impl Surroundings for Torn {
    fn merchants(&self) -> Vec<MerchantStatus> {
        self.merchants.clone()
    }

    fn default_bin(&self) -> Option<Bin> {
        None
    }

    fn bins(&self) -> Vec<Bin> {
        self.merchants.iter().map(|merchant| merchant.bin).collect()
    }

    fn is_configured(&self, bin: Bin) -> bool {
        self.bins().contains(&bin)
    }

    fn device(&self, _: Bin, _: &str) -> Device {
        Device::Foreign
    }

    fn traffic(&self) -> Vec<Traffic> {
        Vec::new()
    }

    fn diagnose<'a>(&'a self, _: Bin, on_stage: OnStage<'a>) -> Diagnosis<'a> {
        Box::pin(async move {
            on_stage(DiagnosisStage {
                id: "config",
                verdict: StageVerdict::Pass,
                duration: Duration::ZERO,
                summary: "well so far".to_owned(),
                findings: Vec::new(),
            });
            assert!(!self.panics, "made to break down");
            false
        })
    }

    fn now(&self) -> OffsetDateTime {
        SystemClock.now()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_breaks_off_is_not_told_as_healthy_and_may_be_begun_again() {
    for panics in [false, true] {
        let scene = Scene::start().await;
        add_lines(&scene, &tokens());
        let app = App::open(&scene.path("kaspi.toml"), &Environment::default()).unwrap();
        let torn = Torn {
            merchants: app.transport().registry().status(),
            panics,
        };
        let settings = &app.config().gateway;
        let books = app.payments().clone();
        let gateway =
            Gateway::new(settings, "127.0.0.1", books, Arc::new(torn), Patience::default()).unwrap();
        let served = Served::of(scene, app, gateway).await;
        let browser = Browser::enter(&served, ADMIN).await.in_english();
        for _ in 0..2 {
            run(&browser).await;
            let page = until(&browser, "class=\"bad\"><strong>It broke off").await;
            assert!(page.body.contains("well so far"), "{page:?}");
            assert_eq!(page.header("refresh"), None);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_examines_what_is_not_his() {
    let served = open().await;
    let browser = Browser::enter(&served, OPERATOR).await.in_english();
    let before = served.asked(TRADE_POINTS);
    let proof = browser.form("/admin/logout", "/admin/logout").await;
    for other in [GIFTS, "210440028325", "nonsense"] {
        assert_eq!(browser.see(&address(other)).await.status, 404, "{other}");
        assert_eq!(browser.send(&address(other), &proof).await.status, 404, "{other}");
    }
    // no proof, no session, a token that may only read
    assert_eq!(browser.send(&address(FLOWERS), "lang=en").await.status, 403);
    assert_eq!(post(&served, &address(FLOWERS), &[], &proof).await.status, 401);
    let reader = [("x-api-key", READER)];
    assert_eq!(post(&served, &address(FLOWERS), &reader, "").await.status, 403);
    assert_eq!(served.asked(TRADE_POINTS), before);
    let page = browser.see(&format!("{}?lang=en", address(FLOWERS))).await;
    assert!(page.body.contains("Not run since"), "{page:?}");
}
