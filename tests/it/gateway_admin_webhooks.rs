//! The page of webhooks: what was sent, what was given up, and sending it again.

use std::sync::Arc;
use std::time::Duration;

use kaspi_direct::base::{Clock as _, SystemClock};
use kaspi_direct::payments::DeliveryState::{Dead, Delivered};
use kaspi_direct::webhooks::{Signed, TOLERANCE, verify};

use super::admin_kit::{Browser, EVIL, OPERATOR, open};
use super::gateway_kit::{Reply, Served};
use super::kit::{FLOWERS, GIFTS};
use super::webhook_kit::{Act, Book, Receiver, created, endpoint, secret, tell, until_all};

/// A receiver that has given everything back that it got, of both shops.
async fn given_up(served: &Served) -> (Receiver, kaspi_direct::webhooks::Webhooks) {
    let receiver = Receiver::start(Act::Answer(410)).await;
    let endpoints = |name| vec![endpoint(name, &receiver.url())];
    let book = Book::new(vec![(FLOWERS, endpoints(EVIL)), (GIFTS, endpoints("gifts"))]);
    let telling = tell(&served.app, Arc::new(SystemClock), &book).await;
    for bin in [FLOWERS, FLOWERS, GIFTS] {
        created(&served.app, bin).await;
    }
    until_all(&served.app, 3, &[Dead]).await;
    (receiver, telling)
}

/// The deliveries that a page leads to.
fn links(page: &Reply) -> Vec<String> {
    let links = page.body.split("href=\"/admin/webhook/").skip(1);
    links
        .map(|rest| rest.split('"').next().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_comes_page_by_page() {
    let served = open().await;
    let receiver = Receiver::start(Act::Answer(200)).await;
    let book = Book::new(vec![(FLOWERS, vec![endpoint("backend", &receiver.url())])]);
    let telling = tell(&served.app, Arc::new(SystemClock), &book).await;
    for _ in 0..53 {
        created(&served.app, FLOWERS).await;
    }
    until_all(&served.app, 53, &[Delivered]).await;
    let browser = Browser::enter(&served, OPERATOR).await.in_english();
    let first = browser.see("/admin/webhooks?state=delivered").await;
    let (_, next) = first.body.split_once("<a rel=\"next\" href=\"").unwrap();
    let next = next.split('"').next().unwrap().replace("&amp;", "&");
    assert!(next.contains("state=delivered"), "{next}");
    let second = browser.see(&next).await;
    let (first, last) = (links(&first), links(&second));
    assert_eq!((first.len(), last.len()), (50, 3));
    assert!(last.iter().all(|id| !first.contains(id)));
    assert!(!second.body.contains("rel=\"next\""), "{second:?}");
    telling.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_sent_again_once_however_often_the_form_is_sent() {
    let served = open().await;
    let (receiver, telling) = given_up(&served).await;
    let browser = Browser::enter(&served, OPERATOR).await.in_english();
    let page = browser.see("/admin/webhooks?state=dead").await;
    assert_eq!(page.status, 200, "{page:?}");
    // an address may hold a token, and names are anybody's
    assert!(
        !page.body.contains("made-up") && !page.body.contains(EVIL),
        "{page:?}"
    );
    assert!(page.body.contains("not configured any more"), "{page:?}");
    let dead = links(&page);
    assert_eq!(dead.len(), 2, "{page:?}");
    let id = dead[0].clone();
    let target = format!("/admin/webhook/{id}");
    let page = browser.see(&target).await;
    assert!(page.body.contains("<td>410</td>"), "{page:?}");
    let form = browser.form(&target, &target).await;

    receiver.will(Act::Answer(200));
    let sent = (0..5).map(|_| browser.send(&target, &form));
    for reply in futures_util::future::join_all(sent).await {
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    let seen = receiver.until(|seen| seen.len() == 4).await;
    let last = seen.last().unwrap();
    assert_eq!(last.id(), id);
    let signed = Signed {
        id: last.id(),
        timestamp: last.header("webhook-timestamp"),
        signature: last.header("webhook-signature"),
        body: &last.body,
    };
    verify(&[secret(7)], &signed, SystemClock.now(), TOLERANCE).unwrap();
    loop {
        let delivery = served.app.payments().delivery(&id).await.unwrap().unwrap();
        if delivery.state == Delivered {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // one is delivered now and one is given up: each state shows its own
    for (state, shown) in [("delivered", true), ("dead", false), ("waiting", false)] {
        let page = browser.see(&format!("/admin/webhooks?state={state}")).await;
        assert_eq!(links(&page).contains(&id), shown, "{state}: {page:?}");
        assert_eq!(
            links(&page).len(),
            usize::from(state != "waiting"),
            "{state}: {page:?}"
        );
    }
    // the browser's button for going back, and once more
    let reply = browser.send(&target, &form).await;
    assert!(reply.body.contains("nothing more is sent"), "{reply:?}");

    // the rest at once, and the second time nothing is left
    let all = browser.form("/admin/webhooks", "/admin/webhooks/dead").await;
    let reply = browser.send("/admin/webhooks/dead", &all).await;
    assert!(reply.body.contains("Will be sent again: 1"), "{reply:?}");
    receiver.until(|seen| seen.len() == 5).await;
    let reply = browser.send("/admin/webhooks/dead", &all).await;
    assert!(reply.body.contains("Will be sent again: 0"), "{reply:?}");
    let trail = browser.see("/admin/trail").await.body;
    assert!(trail.contains("Aigul") && trail.contains(&id), "{trail}");
    assert!(trail.contains("<td>webhook_resend_dead</td>"), "{trail}");
    telling.stop().await;
    assert_eq!(receiver.seen().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_or_sends_what_is_not_his() {
    let served = open().await;
    let (receiver, telling) = given_up(&served).await;
    let browser = Browser::enter(&served, OPERATOR).await.in_english();
    let found = super::webhook_kit::deliveries(&served.app).await;
    let of = |bin: &str| {
        let found = found.iter().find(|one| one.bin.to_string() == bin);
        found.unwrap().id.clone()
    };
    let page = browser.see("/admin/webhooks").await;
    assert!(
        !page.body.contains(GIFTS) && !page.body.contains("gifts"),
        "{page:?}"
    );
    let refused = browser.see(&format!("/admin/webhooks?bin={GIFTS}")).await;
    assert_eq!(refused.status, 422, "{refused:?}");
    let proof = browser.form("/admin/logout", "/admin/logout").await;
    let theirs = format!("/admin/webhook/{}", of(GIFTS));
    assert_eq!(browser.see(&theirs).await.status, 404);
    let form = format!("{proof}&attempts=1");
    assert_eq!(browser.send(&theirs, &form).await.status, 404);
    let all = format!("{proof}&bin={GIFTS}&name=gifts");
    assert_eq!(browser.send("/admin/webhooks/dead", &all).await.status, 404);
    let mine = format!("/admin/webhook/{}", of(FLOWERS));
    assert_eq!(browser.send(&mine, "attempts=1").await.status, 403);
    assert_eq!(browser.send(&mine, &proof).await.status, 422);
    telling.stop().await;
    assert_eq!(receiver.seen().len(), 3);
}
