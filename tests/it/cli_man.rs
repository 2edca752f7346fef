//! The manual: a page for each command.

use super::cli_kit::run_in;

#[tokio::test]
async fn every_command_has_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let ran = run_in(here, &["man", "--dir", "share/man1", "-o", "json"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let listed = ran.json();
    let mut written: Vec<String> = std::fs::read_dir(here.join("share/man1"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    written.sort();
    assert_eq!(listed["pages"], serde_json::json!(written));
    for page in [
        "kaspi.1",
        "kaspi-payment.1",
        "kaspi-payment-create.1",
        "kaspi-man.1",
    ] {
        assert!(written.iter().any(|name| name == page), "{page}: {written:?}");
    }
    let create = std::fs::read_to_string(here.join("share/man1/kaspi-payment-create.1")).unwrap();
    assert!(
        create.contains("kaspi\\-payment\\-create") && create.contains("Examples:"),
        "{create}"
    );

    let first = run_in(here, &["man"]).await;
    assert_eq!(
        first.out,
        std::fs::read_to_string(here.join("share/man1/kaspi.1")).unwrap()
    );
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let ran = run_in(folder.path(), &["man", "--dir", "file/man1", "-o", "json"]).await;
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_eq!(ran.json()["error"]["kind"], "io");
}
