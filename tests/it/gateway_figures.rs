//! The pages of figures and the accountant's files, as a browser and a spreadsheet get them.

use kaspi_direct::base::PaymentId;
use kaspi_direct::gateway::Patience;
use kaspi_direct::payments::{ALMATY, ImportedPayment};
use serde_json::json;
use sqlx::{ConnectOptions as _, Connection as _};

use super::gateway_kit::{ADMIN, READER, Reply, Served, token, tokens};
use super::kit::{FLOWERS, GIFTS, in_time};
use super::money_kit::cashier_refunds;

const BOTH_ADMIN: &str = "kd_test_both_admin_0123456789abcdef";
const EVIL: &str = "=HYPERLINK(1)<script>alert(1)</script>";

async fn open() -> Served {
    let more = tokens()
        + &token(
            "Aigul",
            BOTH_ADMIN,
            &[FLOWERS, GIFTS],
            &["admin", "create", "refund", "read"],
        );
    Served::with(&more, Patience::default()).await
}

async fn see(served: &Served, token: &str, target: &str) -> Reply {
    let bearer = format!("Bearer {token}");
    served
        .ask("GET", target, &[("authorization", &bearer)], None)
        .await
}

async fn ask_bank(served: &Served, token: &str, form: &str) -> Reply {
    let bearer = format!("Bearer {token}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    served
        .ask("POST", "/admin/reconciliation/bank", &headers, Some(form))
        .await
}

/// An invoice that was paid, and seen to be.
async fn paid(served: &Served, bin: &str, amount: &str, key: &str) -> String {
    let bearer = format!("Bearer {BOTH_ADMIN}");
    let headers = [("authorization", bearer.as_str()), ("idempotency-key", key)];
    let body = json!({"phone": "77000000000", "amount": amount, "message": EVIL, "organization_bin": bin});
    let id = served.invoice(&headers, &body).await;
    served.pay(&id);
    let status = format!("/api/v1/kaspi/status/{id}");
    let reply = served.ask("GET", &status, &headers[..1], None).await;
    assert_eq!(reply.json()["status"], "Processed", "{reply:?}");
    id
}

/// The text between two marks of a page.
fn between<'t>(text: &'t str, from: &str, to: &str) -> &'t str {
    let rest = text
        .split_once(from)
        .unwrap_or_else(|| panic!("no {from} in {text}"))
        .1;
    rest.split_once(to).unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_for_admins_and_of_their_own_bins() {
    let served = open().await;
    paid(&served, FLOWERS, "1500.5", "order-1").await;
    paid(&served, GIFTS, "7", "order-2").await;
    for target in [
        "/admin/reconciliation",
        "/admin/charts",
        "/admin/reconciliation/file?file=paid",
    ] {
        assert_eq!(served.get(target).await.status, 401, "{target}");
        assert_eq!(see(&served, READER, target).await.status, 403, "{target}");
        let all = see(&served, BOTH_ADMIN, target).await;
        assert_eq!(all.status, 200, "{target}: {all:?}");
        assert!(all.body.contains(GIFTS) || target.ends_with("charts"), "{all:?}");
        let own = see(&served, ADMIN, target).await;
        assert_eq!(own.status, 200, "{target}: {own:?}");
        assert!(!own.body.contains(GIFTS), "{target}: {own:?}");
        let mark = if target.contains('?') { '&' } else { '?' };
        let foreign = see(&served, ADMIN, &format!("{target}{mark}bin={GIFTS}")).await;
        assert_eq!(foreign.status, 422, "{target}: {foreign:?}");
        assert!(!foreign.body.contains(GIFTS), "{target}: {foreign:?}");
    }
    let foreign = ask_bank(&served, ADMIN, &format!("bin={GIFTS}&day=2026-03-10")).await;
    assert_eq!(foreign.status, 422, "{foreign:?}");
    assert_eq!(served.asked("/payment/details"), 0);
    for query in ["from=2026-03-10&to=2026-03-09", "from=x", "other=1", "bin=%ff"] {
        let reply = see(&served, ADMIN, &format!("/admin/reconciliation?{query}")).await;
        assert_eq!(reply.status, 422, "{query}: {reply:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_keeps_to_its_policy_in_every_language() {
    let served = open().await;
    paid(&served, FLOWERS, "1234567.5", "<script>alert(1)</script>").await;
    for (lang, title, sum) in [
        ("ru", "Сверка", "1\u{202f}234\u{202f}567,50"),
        ("kk", "Салыстыру", "1\u{202f}234\u{202f}567,50"),
        ("en", "Reconciliation", "1\u{202f}234\u{202f}567.50"),
    ] {
        let books = see(&served, BOTH_ADMIN, &format!("/admin/reconciliation?lang={lang}")).await;
        assert!(
            books.body.contains(&format!("<html lang=\"{lang}\">")),
            "{books:?}"
        );
        assert!(books.body.contains(&format!("<h1>{title}</h1>")), "{books:?}");
        assert!(books.body.contains(sum), "{lang}: {books:?}");
        let charts = see(&served, BOTH_ADMIN, &format!("/admin/charts?lang={lang}")).await;
        assert!(charts.body.contains("<svg viewBox="), "{charts:?}");
        for reply in [books, charts] {
            let policy = reply.header("content-security-policy").unwrap();
            assert!(
                policy.starts_with("default-src 'none'; style-src 'self'"),
                "{policy}"
            );
            assert!(!policy.contains("unsafe"), "{policy}");
            assert_eq!(reply.header("cache-control"), Some("no-store"));
            for inline in [
                "<script", "<style", "style=", "onload", "onerror", "http://", "https://",
            ] {
                assert!(!reply.body.contains(inline), "{inline}: {reply:?}");
            }
        }
    }
    // the browser's own language, where the address names none
    let bearer = format!("Bearer {BOTH_ADMIN}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("accept-language", "kk-KZ,ru;q=0.5"),
    ];
    let reply = served.ask("GET", "/admin/charts", &headers, None).await;
    assert!(reply.body.contains("<html lang=\"kk\">"), "{reply:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_accountants_files_open_rightly_and_add_up() {
    let served = open().await;
    let first = paid(&served, FLOWERS, "1500.5", EVIL).await;
    let second = paid(&served, FLOWERS, "0.05", "order-2").await;
    let bearer = format!("Bearer {BOTH_ADMIN}");
    let refund = json!({"external_id": first, "amount": 500});
    let reply = served
        .post_with("/api/v1/kaspi/refund", &[("authorization", &bearer)], &refund)
        .await;
    assert_eq!(reply.status, 200, "{reply:?}");

    let paid_file = see(
        &served,
        ADMIN,
        "/admin/reconciliation/file?file=paid&numbers=point&lang=ru",
    )
    .await;
    assert_eq!(paid_file.header("content-type"), Some("text/csv; charset=utf-8"));
    let name = paid_file.header("content-disposition").unwrap();
    assert!(
        name.starts_with("attachment; filename=\"kaspi-paid-") && name.ends_with(".csv\""),
        "{name}"
    );
    let rows = records(&paid_file, b',');
    assert_eq!(rows.len(), 3, "{rows:?}");
    assert_eq!(rows[0][2], "БИН");
    let mut sums: Vec<(&str, &str, &str)> = rows[1..]
        .iter()
        .map(|row| (row[2].as_str(), row[4].as_str(), row[6].as_str()))
        .collect();
    sums.sort();
    let (flowers, first, second) = (format!("'{FLOWERS}"), format!("'{first}"), format!("'{second}"));
    let mut wanted = [
        (flowers.as_str(), first.as_str(), "1500.50"),
        (flowers.as_str(), second.as_str(), "0.05"),
    ];
    wanted.sort();
    assert_eq!(sums, wanted);
    for moment in rows[1..].iter().flat_map(|row| &row[..2]) {
        assert_eq!(moment.len(), "2026-03-10 12:00:00".len(), "{moment}");
    }

    let operations = see(
        &served,
        ADMIN,
        "/admin/reconciliation/file?file=operations&numbers=comma&lang=en",
    )
    .await;
    let rows = records(&operations, b';');
    assert_eq!(rows.len(), 4, "{rows:?}");
    let kinds: Vec<(&str, &str)> = rows[1..]
        .iter()
        .map(|row| (row[3].as_str(), row[5].as_str()))
        .collect();
    assert_eq!(
        kinds,
        [("Refund", "500,00"), ("Invoice", "0,05"), ("Invoice", "1500,50")]
    );
    // a number of a person's phone is masked
    assert!(rows.iter().all(|row| !row[8].contains("77000000000")), "{rows:?}");
    assert!(rows[2][8].contains("***"), "{rows:?}");

    let daily = records(
        &see(&served, ADMIN, "/admin/reconciliation/file?file=daily&lang=en").await,
        b',',
    );
    let column = |name: &str| {
        let place = daily[0].iter().position(|cell| cell == name);
        daily[1][place.unwrap_or_else(|| panic!("{name} in {:?}", daily[0]))].clone()
    };
    assert_eq!(
        (column("Paid, count"), column("Paid, tenge")),
        ("2".into(), "1500.55".into())
    );
    assert_eq!(
        (column("Refunded, count"), column("Refunded, tenge")),
        ("1".into(), "500.00".into())
    );
}

/// What a spreadsheet reads: UTF-8 by its mark, lines that end in CRLF, and nothing that begins like a
/// formula.
fn records(reply: &Reply, delimiter: u8) -> Vec<Vec<String>> {
    assert_eq!(reply.status, 200, "{reply:?}");
    let body = whole(reply);
    let text = body
        .strip_prefix('\u{feff}')
        .unwrap_or_else(|| panic!("no mark: {body}"));
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .delimiter(delimiter)
        .from_reader(text.as_bytes());
    reader
        .records()
        .map(|record| {
            let record = record.unwrap();
            for cell in &record {
                assert!(!cell.starts_with(['=', '+', '@', '\t']), "{cell}");
            }
            record.iter().map(str::to_owned).collect()
        })
        .collect()
}

/// The body, put together where it came in pieces.
fn whole(reply: &Reply) -> String {
    if reply.header("transfer-encoding") != Some("chunked") {
        return reply.body.clone();
    }
    let (mut rest, mut whole) = (reply.body.as_bytes(), Vec::new());
    loop {
        let line = rest.windows(2).position(|pair| pair == b"\r\n").unwrap();
        let size = std::str::from_utf8(&rest[..line]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return String::from_utf8(whole).unwrap();
        }
        whole.extend(&rest[line + 2..line + 2 + size]);
        rest = &rest[line + 2 + size + 2..];
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_several_pages_is_whole() {
    let served = open().await;
    let imported: Vec<ImportedPayment> = (1..=2500)
        .map(|number| ImportedPayment {
            payment_id: PaymentId::new(90_000_000_000 + number).unwrap(),
            bin: FLOWERS.parse().unwrap(),
            trade_point: None,
            amount: Some("1".parse().unwrap()),
            created_at: None,
        })
        .collect();
    let payments = served.app.payments().clone();
    in_time(payments.import(&imported)).await.unwrap();
    // as if Kaspi had said so of each
    let mut books = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(served.scene.path("kaspi.db"))
        .busy_timeout(std::time::Duration::from_secs(60))
        .connect()
        .await
        .unwrap();
    sqlx::query("UPDATE payments SET state = 'paid', status = 'Processed', status_at = created_at")
        .execute(&mut books)
        .await
        .unwrap();
    books.close().await.unwrap();
    let reply = see(&served, ADMIN, "/admin/reconciliation/file?file=paid").await;
    let rows = records(&reply, b',');
    assert_eq!(rows.len(), 2501);
    let mut ids: Vec<&String> = rows[1..].iter().map(|row| &row[4]).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 2500);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bank_is_asked_about_a_day_once_and_the_page_says_how_it_stands() {
    let served = open().await;
    let id = paid(&served, FLOWERS, "100", "order-1").await;
    let known = served.app.payments().known_payment(id.parse().unwrap()).await;
    let day = known.unwrap().unwrap().created_at.to_offset(ALMATY).date();
    cashier_refunds(&served.scene.sandbox, id.parse().unwrap(), "40").await;
    let reply = ask_bank(&served, ADMIN, &format!("bin={FLOWERS}&day={day}&lang=en")).await;
    assert_eq!(reply.status, 303, "{reply:?}");
    let there = reply.header("location").unwrap().to_owned();
    let target = there.split('#').next().unwrap();
    let page = in_time(async {
        loop {
            let page = see(&served, ADMIN, target).await;
            assert_eq!(page.status, 200, "{page:?}");
            if page.header("refresh").is_none() {
                return page;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    let found = between(&page.body, "role=\"status\"", "</section>");
    assert!(found.contains("Kaspi and the journal differ"), "{found}");
    assert!(found.contains(&id) && found.contains("40.00"), "{found}");
    // who asked, about which day, and what came of it
    let trail = see(&served, ADMIN, "/admin/trail").await.body;
    assert_eq!(trail.matches("<td>ask_the_bank</td>").count(), 2, "{trail}");
    assert_eq!(
        trail.matches(&format!("<td>{day}</td><td>begun</td>")).count(),
        1,
        "{trail}"
    );
    assert_eq!(
        trail.matches(&format!("<td>{day}</td><td>done</td>")).count(),
        1,
        "{trail}"
    );
    // what one admin found another sees for the same BIN, and nobody for a BIN that is not his
    let other = see(&served, BOTH_ADMIN, target).await;
    assert!(other.body.contains("Kaspi and the journal differ"), "{other:?}");
}
