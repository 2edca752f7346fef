//! A new identity is proved to Kaspi before it is used.

use std::sync::{Arc, Mutex};

use kaspi_direct::app::App;
use kaspi_direct::base::Clock;
use kaspi_direct::config::Environment;
use kaspi_direct::sandbox::pki::Authority;
use time::{Duration, OffsetDateTime};

use super::kit::{FLOWERS, GIFTS, Operator, authority, bin, in_time};
use super::rotation_kit::{certificate, row, standing_error};
use super::server::{Act, Auth, Server, Setup};

fn code(code: i64) -> Act {
    Act::Answer(
        200,
        format!(r#"{{"StatusCode":{code},"Message":"no","Data":null}}"#),
    )
}

// Where the number of trials matters, files change before the rotation starts: its first rescan
// makes each trial once.

/// "No trade points": Kaspi knows who asks, and has nothing for this BIN.
const NO_TRADE_POINTS: i64 = -14_000_002;

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_an_authority_that_the_server_refuses_is_not_used() {
    let strange = authority();
    for setup in Setup::all(&strange) {
        let name = setup.name();
        let operator = Operator::new();
        let first = operator.add_in_one_file(FLOWERS).sha256();
        let other = operator.add(GIFTS).sha256();
        let setup = Setup {
            auth: Auth::Of(operator.authority.anchors().to_vec()),
            ..setup
        };
        let server = Server::start(&operator.authority, setup).await;
        let app = operator.open(server.address, "");
        let rotation = app.start_rotation().await;

        operator.exchange(FLOWERS, &strange.client(&[FLOWERS]).unwrap());
        in_time(rotation.rescan()).await;
        assert_eq!(standing_error(&app, FLOWERS), Some("trial_refused"), "{name}");
        assert_eq!(certificate(&app, FLOWERS), first, "{name}");
        let stood = row(&app, FLOWERS);
        assert_eq!(stood.generation, Some(1), "{name}");
        assert!(
            stood.attempts.last_attempt > stood.attempts.last_success,
            "{name}"
        );
        let session = app.api().session(Some(bin(FLOWERS))).unwrap();
        session.trade_points().await.unwrap();
        assert_eq!(certificate(&app, GIFTS), other, "{name}");

        // one that the bank takes ends it; the error stays to be read
        let good = operator.authority.client(&[FLOWERS]).unwrap();
        operator.exchange(FLOWERS, &good);
        in_time(rotation.rescan()).await;
        assert_eq!(certificate(&app, FLOWERS), good.sha256(), "{name}");
        let stood = row(&app, FLOWERS);
        assert!(stood.attempts.standing_error().is_none(), "{name}");
        assert!(stood.attempts.last_error.is_some(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_answer_says_decides() {
    for (answers, used, error) in [
        // the certificate is not known at the bank (yet): asked again, it is
        (vec![code(-10_000)], false, Some("trial_refused")),
        (vec![], true, None),
        // no to the BIN, and the present certificate gets a yes
        (vec![code(NO_TRADE_POINTS)], false, Some("trial_refused")),
        // no to the BIN whatever the certificate
        (vec![code(NO_TRADE_POINTS), code(NO_TRADE_POINTS)], true, None),
        // a page of a proxy says nothing about a certificate; it is asked for again, three times in all
        (
            vec![Act::Answer(502, "<html>".to_owned()); 3],
            false,
            Some("trial_unanswered"),
        ),
        (vec![Act::ResetAfterRequest; 3], false, Some("trial_unanswered")),
    ] {
        let operator = Operator::new();
        let first = operator.add_in_one_file(FLOWERS);
        let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
        let app = operator.open(server.address, "");
        let told = format!("{answers:?}");

        server.will(answers);
        let new = operator.authority.client(&[FLOWERS]).unwrap();
        operator.exchange(FLOWERS, &new);
        let rotation = in_time(app.start_rotation()).await;
        assert_eq!(standing_error(&app, FLOWERS), error, "{told}");
        let expected = if used { new.sha256() } else { first.sha256() };
        assert_eq!(certificate(&app, FLOWERS), expected, "{told}");

        // nothing has changed on disk, and the bank has changed its mind
        in_time(rotation.rescan()).await;
        assert_eq!(standing_error(&app, FLOWERS), None, "{told}");
        assert_eq!(certificate(&app, FLOWERS), new.sha256(), "{told}");
        assert_eq!(row(&app, FLOWERS).generation, Some(2), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_refusal_among_the_bins_of_an_identity_refuses_it() {
    let operator = Operator::new();
    let first = operator.add_for(&[FLOWERS, GIFTS], FLOWERS).sha256();
    operator.describe(GIFTS, &format!("identity = \"{FLOWERS}\""));
    let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
    let app = operator.open(server.address, "");

    server.will([code(-10_000)]);
    operator.add_for(&[FLOWERS, GIFTS], FLOWERS);
    let _rotation = in_time(app.start_rotation()).await;
    for bin in [FLOWERS, GIFTS] {
        assert_eq!(certificate(&app, bin), first);
        assert_eq!(standing_error(&app, bin), Some("trial_refused"));
        assert!(!row(&app, bin).warnings.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bin_changes_over_to_another_identity_only_if_it_is_taken_there() {
    let operator = Operator::of_two();
    let own = row(&operator.open(([127, 0, 0, 1], 9).into(), ""), GIFTS);
    let own = own.facts.unwrap().sha256;
    let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
    let app = operator.open(server.address, "");

    server.will([code(-10_000)]);
    for file in ["certificate.cer", "private.key"] {
        std::fs::remove_file(operator.path("certs").join(GIFTS).join(file)).unwrap();
    }
    operator.describe(GIFTS, &format!("identity = \"{FLOWERS}\""));
    let rotation = in_time(app.start_rotation()).await;
    assert_eq!(certificate(&app, GIFTS), own);
    assert_eq!(standing_error(&app, GIFTS), Some("trial_refused"));
    assert_eq!(standing_error(&app, FLOWERS), None);

    in_time(rotation.rescan()).await;
    assert_eq!(certificate(&app, GIFTS), certificate(&app, FLOWERS));
    assert_eq!(standing_error(&app, GIFTS), None);
}

/// A clock that tests move.
#[derive(Clone, Debug)]
struct Hands(Arc<Mutex<OffsetDateTime>>);

impl Clock for Hands {
    fn now(&self) -> OffsetDateTime {
        *self.0.lock().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_answer_a_new_identity_is_used_only_where_there_is_nothing_to_lose() {
    let operator = Operator::new();
    let now = OffsetDateTime::now_utc();
    let valid_for = |days: i64| {
        let authority: &Authority = &operator.authority;
        let until = now + Duration::days(days);
        authority
            .client_valid(&[FLOWERS], now - Duration::days(9), until)
            .unwrap()
    };
    operator.describe(FLOWERS, "");
    let short = valid_for(10);
    operator.exchange(FLOWERS, &short);
    // nobody listens there
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = listener.local_addr().unwrap();
    drop(listener);
    let file = operator.configure(nowhere, "");
    let clock = Hands(Arc::new(Mutex::new(now)));
    let app = App::open_with(&file, &Environment::default(), Arc::new(clock.clone())).unwrap();
    let rotation = app.start_rotation().await;

    let long = valid_for(100);
    operator.exchange(FLOWERS, &long);
    in_time(rotation.rescan()).await;
    assert_eq!(certificate(&app, FLOWERS), short.sha256());
    assert_eq!(standing_error(&app, FLOWERS), Some("trial_unanswered"));

    *clock.0.lock().unwrap() = now + Duration::days(11);
    assert!(
        app.transport().channel(Some(bin(FLOWERS))).is_err(),
        "it has expired"
    );
    in_time(rotation.rescan()).await;
    assert_eq!(certificate(&app, FLOWERS), long.sha256());

    // a new organisation has nothing to lose either
    operator.add(GIFTS);
    in_time(rotation.rescan()).await;
    assert!(app.transport().channel(Some(bin(GIFTS))).is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_organisation_whose_certificate_is_refused_is_not_served_until_it_is_taken() {
    let operator = Operator::new();
    operator.add(FLOWERS);
    let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
    let app = operator.open(server.address, "");
    server.will([code(-10_000)]);
    operator.add(GIFTS);
    let rotation = in_time(app.start_rotation()).await;
    let error = app.transport().channel(Some(bin(GIFTS))).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("was refused in a trial call for BIN `210440028324`"),
        "{error}"
    );
    in_time(rotation.rescan()).await;
    assert!(app.transport().channel(Some(bin(GIFTS))).is_ok());
}

#[tokio::test]
async fn the_end_of_a_certificate_is_told_once_at_each_threshold() {
    use super::rotation_kit::Log;
    let log = Log::of_warnings();
    let operator = Operator::new();
    let now = OffsetDateTime::now_utc();
    operator.describe(FLOWERS, "");
    let until = now + Duration::days(62);
    let issued = operator
        .authority
        .client_valid(&[FLOWERS], now - Duration::days(9), until);
    operator.exchange(FLOWERS, &issued.unwrap());
    let file = operator.configure(([127, 0, 0, 1], 9).into(), "");
    let clock = Hands(Arc::new(Mutex::new(now)));
    let app = App::open_with(&file, &Environment::default(), Arc::new(clock.clone())).unwrap();
    let rotation = app.start_rotation().await;
    let mut told = Vec::new();
    for hours in 0..65 * 24 / 12 {
        *clock.0.lock().unwrap() = now + Duration::hours(hours * 12);
        let before = log.lines().len();
        in_time(rotation.rescan()).await;
        if log.lines().len() > before {
            assert_eq!(log.lines().len(), before + 1);
            let days = row(&app, FLOWERS).days_left.unwrap();
            told.push(days);
            let expected = days < 0 || row(&app, FLOWERS).warnings[0].contains(&format!("in {days} days"));
            assert!(expected, "{:?}", row(&app, FLOWERS).warnings);
        }
    }
    assert_eq!(told, [60, 30, 14, 7, 1, 0, -1, -2, -3]);
}
