//! Files as they really come: in pieces, wrong, through links, and not at all.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::process::Command;

use kaspi_direct::base::Explain;

use super::kit::{FLOWERS, GIFTS, Operator, bin, in_time};
use super::rotation_kit::{Log, certificate, row, standing_error, until};
use super::server::{Server, Setup};

#[tokio::test]
async fn a_certificate_now_and_its_key_later_are_one_warning_and_one_reload() {
    let log = Log::of_warnings();
    let operator = Operator::of_two();
    let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
    let app = operator.open(server.address, "");
    let first = certificate(&app, FLOWERS);
    let rotation = app.start_rotation().await;

    let issued = operator.authority.client(&[FLOWERS]).unwrap();
    operator.write_for(FLOWERS, "certificate.cer", issued.certificate_pem());
    until(|| standing_error(&app, FLOWERS) == Some("key_mismatch")).await;
    // looked at as often as in a long wait; and a key of which the first half has arrived
    for _ in 0..5 {
        in_time(rotation.rescan()).await;
    }
    let key = issued.key_pem();
    operator.write_for(FLOWERS, "private.key", &key[..key.len() / 2]);
    in_time(rotation.rescan()).await;
    assert_ne!(standing_error(&app, FLOWERS), None);
    assert_eq!(certificate(&app, FLOWERS), first);
    assert_eq!(server.seen().accepted, 0, "nothing half-written is tried");

    operator.write_for(FLOWERS, "private.key", key);
    until(|| certificate(&app, FLOWERS) == issued.sha256()).await;
    in_time(rotation.rescan()).await;
    assert_eq!(row(&app, FLOWERS).generation, Some(2));
    assert_eq!(standing_error(&app, FLOWERS), None);
    let lines = log.lines();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(
        lines[0].contains("the files of now are not used, the earlier ones go on"),
        "{lines:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_becomes_of_the_files_the_earlier_certificate_goes_on() {
    for (what, kind) in [
        ("no key", "no_private_key"),
        ("nothing", "no_identity"),
        ("half a description", "config_syntax"),
        ("a pipe as key", "not_a_file"),
        ("a huge certificate", "file_too_large"),
        ("a loop of links", "file_unreadable"),
        ("a folder as key", "not_a_file"),
        ("an expired certificate", "certificate_expired"),
        ("a wrong password", "wrong_password"),
    ] {
        let operator = Operator::of_two();
        let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
        let app = operator.open(server.address, "");
        let first = certificate(&app, FLOWERS);
        let rotation = app.start_rotation().await;
        let folder = operator.path("certs").join(FLOWERS);
        let key = folder.join("private.key");
        let clear = |path: &std::path::Path| fs::remove_file(path).unwrap();
        match what {
            "no key" => clear(&key),
            "nothing" => {
                clear(&key);
                clear(&folder.join("certificate.cer"));
            }
            "half a description" => {
                operator.write_for(FLOWERS, "merchant.toml", "name = \"Flo");
            }
            "a pipe as key" => {
                clear(&key);
                let made = Command::new("mkfifo").arg(&key).status().unwrap();
                assert!(made.success());
            }
            "a huge certificate" => {
                let file = File::create(folder.join("certificate.cer")).unwrap();
                file.set_len(1 << 30).unwrap();
            }
            "a loop of links" => {
                clear(&key);
                symlink("private.key", &key).unwrap();
            }
            "a folder as key" => {
                clear(&key);
                fs::create_dir(&key).unwrap();
            }
            "an expired certificate" => {
                let old = operator.authority.expired_client(&[FLOWERS]).unwrap();
                operator.add_as(FLOWERS, &old);
            }
            _ => {
                let issued = operator.authority.client(&[FLOWERS]).unwrap();
                operator.add_as(FLOWERS, &issued);
                operator.write_for(FLOWERS, "private.key", issued.encrypted_key_pem("one").unwrap());
                operator.write_for(FLOWERS, "password", "two");
            }
        }
        in_time(rotation.rescan()).await;
        assert_eq!(standing_error(&app, FLOWERS), Some(kind), "{what}");
        assert_eq!(certificate(&app, FLOWERS), first, "{what}");
        let session = app.api().session(Some(bin(FLOWERS))).unwrap();
        in_time(session.trade_points()).await.unwrap();
        assert_eq!(standing_error(&app, GIFTS), None, "{what}");

        fs::remove_dir_all(&folder).unwrap();
        let good = operator.add(FLOWERS);
        until(|| certificate(&app, FLOWERS) == good.sha256()).await;
        // calls leave with it a moment before the books say that all is well again
        until(|| standing_error(&app, FLOWERS).is_none()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_that_lead_nowhere_and_names_that_are_almost_a_bin_harm_nobody() {
    let operator = Operator::of_two();
    let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
    let app = operator.open(server.address, "");
    let first = certificate(&app, FLOWERS);
    let rotation = app.start_rotation().await;
    let certs = operator.path("certs");
    symlink("991011000048", certs.join("991011000048")).unwrap();
    // the same number as FLOWERS in other spellings
    for name in ["0891027350515", "891027350515 ", "８９１０２７３５０５１５"] {
        operator.add_as(name, &operator.authority.client(&[FLOWERS]).unwrap());
    }
    in_time(rotation.rescan()).await;
    assert_eq!(app.transport().registry().unseated().len(), 3);
    assert_eq!(certificate(&app, FLOWERS), first);
    assert_eq!(row(&app, FLOWERS).generation, Some(1));
    let error = app.transport().channel(Some(bin("991011000048"))).unwrap_err();
    assert_eq!(error.kind(), "file_unreadable", "{error}");
}

/// Files come and go between every two steps of the program, and it neither ends nor stops serving.
#[tokio::test(flavor = "multi_thread")]
async fn files_may_vanish_at_any_moment() {
    let operator = Operator::of_two();
    let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
    let app = operator.open(server.address, "");
    let rotation = app.start_rotation().await;
    let issued = operator.authority.client(&[FLOWERS]).unwrap();
    let folder = operator.path("certs").join(FLOWERS);
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let breaking = {
        let (folder, certificate, key) = (folder.clone(), issued.certificate_pem(), issued.key_pem());
        std::thread::spawn(move || {
            while stopped.try_recv().is_err() {
                for name in ["certificate.cer", "private.key", "merchant.toml"] {
                    let _ = fs::remove_file(folder.join(name));
                }
                let _ = fs::write(folder.join("certificate.cer"), &certificate);
                let _ = fs::write(folder.join("private.key"), &key);
            }
        })
    };
    for _ in 0..50 {
        in_time(rotation.rescan()).await;
        let session = app.api().session(Some(bin(FLOWERS))).unwrap();
        in_time(session.trade_points()).await.unwrap();
    }
    stop.send(()).unwrap();
    breaking.join().unwrap();
    in_time(rotation.rescan()).await;
    assert_eq!(certificate(&app, FLOWERS), issued.sha256());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_watch_is_told_of_and_comes_back() {
    let operator = Operator::of_two();
    let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
    let app = operator.open(server.address, "");
    let rotation = app.start_rotation().await;
    let (certs, away) = (operator.path("certs"), operator.path("away"));
    let first = certificate(&app, FLOWERS);

    fs::rename(&certs, &away).unwrap();
    until(|| rotation.state().degraded.is_some()).await;
    let state = rotation.state();
    assert!(state.last_error.is_some() && state.last_rescan > state.last_success);
    assert_eq!(certificate(&app, FLOWERS), first, "what is known stays");

    // another folder of the same name
    fs::create_dir(&certs).unwrap();
    for bin in [FLOWERS, GIFTS] {
        fs::rename(away.join(bin), certs.join(bin)).unwrap();
    }
    let issued = operator.add(FLOWERS);
    in_time(rotation.rescan()).await;
    assert_eq!(certificate(&app, FLOWERS), issued.sha256());
    assert_eq!(rotation.state().degraded, None);
    // and its changes are noticed again
    let issued = operator.add(FLOWERS);
    until(|| certificate(&app, FLOWERS) == issued.sha256()).await;
}

/// Noticed, and not only found by the rescan of every minute.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_token_in_another_folder_is_watched() {
    let operator = Operator::of_two();
    let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
    fs::create_dir(operator.path("tokens")).unwrap();
    operator.write("tokens/flowers", "before");
    let named = "trade_point_id = 7\ndevice_token_file = \"../../tokens/flowers\"\n";
    operator.write_for(FLOWERS, "merchant.toml", named);
    let app = operator.open(server.address, "");
    let rotation = app.start_rotation().await;
    let watched = rotation.state().watched_folders;
    assert_eq!(watched, 4, "certs, two folders in it, and that of the token");
    operator.write("tokens/flowers", "after");
    until(|| {
        let channel = app.transport().channel(Some(bin(FLOWERS))).unwrap();
        channel.device_token(None).unwrap().expose() == "after"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_asks_for_a_rescan() {
    let operator = Operator::of_two();
    let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
    let token = operator.write("token", "before");
    // a second name for the file, in a folder that nobody watches: what is written there goes unnoticed
    fs::create_dir(operator.path("elsewhere")).unwrap();
    fs::hard_link(&token, operator.path("elsewhere/token")).unwrap();
    operator.write_for(
        FLOWERS,
        "merchant.toml",
        format!(
            "trade_point_id = 7\ndevice_token_file = \"{}\"\n",
            token.display()
        ),
    );
    let app = operator.open(server.address, "");
    let rotation = app.start_rotation().await;
    rotation.rescan_on_hangup().unwrap();
    let read = || {
        let channel = app.transport().channel(Some(bin(FLOWERS))).unwrap();
        channel.device_token(None).unwrap().expose().to_owned()
    };
    assert_eq!(read(), "before");
    operator.write("elsewhere/token", "after");
    let sent = Command::new("kill")
        .args(["-HUP", &std::process::id().to_string()])
        .status();
    assert!(sent.unwrap().success());
    until(|| read() == "after").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_swaps_of_a_kubernetes_secret() {
    alone("rotation_files::swaps_in_a_process_of_their_own", "100").await;
}

/// Runs an ignored test of this binary in a process of its own, so that nobody else opens files there.
async fn alone(test: &str, count: &str) {
    let (test, count) = (test.to_owned(), count.to_owned());
    let child = tokio::task::spawn_blocking(move || {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &test, "--ignored", "--nocapture"])
            .env("KASPI_TEST_SWAPS", count)
            .output()
            .unwrap()
    });
    let output = child.await.unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "counts the open files of its process; others start it, and .ci/soak does"]
async fn swaps_in_a_process_of_their_own() {
    let swaps: usize = std::env::var("KASPI_TEST_SWAPS").map_or(1000, |count| count.parse().unwrap());
    let operator = Operator::new();
    operator.add(GIFTS);
    operator.describe(FLOWERS, "certificate = \"tls.crt\"\nprivate_key = \"tls.key\"");
    let issued = operator.authority.client(&[FLOWERS]).unwrap();
    operator.mount(FLOWERS, 0, &issued);
    let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
    let app = operator.open(server.address, "");
    let rotation = app.start_rotation().await;
    let mut first = None;
    for number in 1..=swaps {
        let issued = operator.authority.client(&[FLOWERS]).unwrap();
        operator.mount(FLOWERS, number, &issued);
        until(|| certificate(&app, FLOWERS) == issued.sha256()).await;
        let session = app.api().session(Some(bin(FLOWERS))).unwrap();
        in_time(session.trade_points()).await.unwrap();
        let seen = server.seen();
        let shown = &seen.requests.last().unwrap().certificate;
        assert_eq!(*shown, Some(issued.sha256()), "swap {number}");
        assert_eq!(row(&app, FLOWERS).generation, Some(number as u64 + 1));
        assert_eq!(standing_error(&app, FLOWERS), None, "swap {number}");
        if number == 10 {
            first = Some(settled(&app, &rotation, &server).await);
        }
    }
    let last = settled(&app, &rotation, &server).await;
    println!("after 10 swaps: {first:?}; after {swaps}: {last:?}");
    assert_eq!(first, Some(last));
    assert_eq!(rotation.state().degraded, None);
}

/// Open files and watches of this process, once what is on its way out has gone.
async fn settled(
    app: &kaspi_direct::app::App,
    rotation: &kaspi_direct::registry::Rotation,
    server: &Server,
) -> (usize, usize) {
    in_time(rotation.rescan()).await;
    assert!(app.transport().registry().status().len() == 2);
    // one connection is the pool's of now
    server.until(|seen| seen.ended + 1 >= seen.accepted).await;
    let files = || fs::read_dir("/proc/self/fd").unwrap().flatten();
    let watches = || -> usize {
        files()
            .filter_map(|file| {
                fs::read_to_string(format!("/proc/self/fdinfo/{}", file.file_name().display())).ok()
            })
            .map(|text| text.lines().filter(|line| line.starts_with("inotify")).count())
            .sum()
    };
    // ... three folders and the one behind `..data`
    until(|| watches() == 4).await;
    (files().count(), watches())
}
