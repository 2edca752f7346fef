//! A Python client with the habits of the backend's service layer, in front of `kaspi serve --sandbox`
//! while the bank misbehaves: one order is one invoice, and a refund is paid back once.

use std::process::{Command, Stdio};

use super::cli_kit::Running;
use super::kit::has_program;

#[test]
fn callers_that_ask_again_and_again_get_one_invoice_and_one_refund() {
    if !has_program("python3") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let serving = Running::start(
        &["serve", "--sandbox", "--listen", "127.0.0.1:0", "-o", "json"],
        folder.path(),
    );
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let gateway = format!("http://{}", text(&serving.ready["listen"]));
    let control = format!("http://{}", text(&serving.ready["sandbox"]["control"]));
    let output = Command::new("python3")
        // a byte-code folder would lie about in the tree
        .args(["-B", "tests/clients/backend_service.py"])
        .args(["--gateway", &gateway, "--control", &control])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{told}\n{complained}\n{}",
        serving.said()
    );
    assert_eq!(told.lines().last(), Some("ok"));
    let scenarios = told.matches("\"scenario\"").count();
    assert!(scenarios >= 40, "{scenarios} scenarios: {told}");
    assert_eq!(serving.stop(), Some(0));
}
