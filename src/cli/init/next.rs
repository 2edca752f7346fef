//! What comes after `kaspi init`.

use std::path::Path;

use serde::Serialize;

use super::layout::{self, Layout, TOKEN_FILE};
use crate::base::shell_word;
use crate::cli::report::Paint;
use crate::doctor::{Report, Verdict};

/// A command to type, and why.
#[derive(Serialize)]
pub(super) struct Step {
    command: String,
    why: &'static str,
}

/// What to type now, in this order.
pub(super) fn steps(layout: &Layout<'_>, config: &Path, diagnosis: Option<&Report>) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut step = |command: String, why: &'static str| steps.push(Step { command, why });
    step(
        format!("export KASPI_CONFIG={}", shell_word(config)),
        "so that every command finds it",
    );
    if diagnosis.is_none_or(|report| report.verdict == Verdict::Fail) {
        step("kaspi doctor".to_owned(), "until it finds nothing more");
    }
    let folder = layout::bin_folder(layout.dir, layout.bin);
    if layout.device_token.is_none() {
        let id = match layout.trade_point {
            Some(id) => id.to_string(),
            None => {
                step(
                    "kaspi tradepoints".to_owned(),
                    "which trade points the bank knows",
                );
                "ID".to_owned()
            }
        };
        step(
            format!(
                "kaspi device register --device-id till-1 --trade-point {id} --token-file {}",
                shell_word(&folder.join(TOKEN_FILE))
            ),
            "payments need a device token; the name of the device is yours to choose",
        );
        let known = layout.trade_point.is_some();
        let number = if known {
            String::new()
        } else {
            format!("trade_point_id = {id}\\n")
        };
        step(
            format!(
                "printf '{number}device_token_file = \"{TOKEN_FILE}\"\\n' >> {}",
                shell_word(&folder.join("merchant.toml"))
            ),
            "where the program finds the token",
        );
    }
    step(
        "kaspi payment create --phone YOURS --amount 100 --message 'First try'".to_owned(),
        "a real invoice for real money: take your own number",
    );
    steps
}

pub(super) fn text(steps: &[Step], paint: &Paint) -> String {
    let mut lines = vec![format!("\n{}", paint.strong("next"))];
    for Step { command, why } in steps {
        lines.push(format!("  {}", paint.faint(format!("# {why}"))));
        lines.push(format!("  {command}"));
    }
    lines.join("\n")
}
