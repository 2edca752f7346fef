//! `docs/troubleshooting.md`, made from the table of causes.

use std::fmt::Write as _;

use super::{Cause, StageId, Verdict};

const HEAD: &str = "\
# Troubleshooting

One BIN does not work? One command says why and what to do:

```console
$ kaspi doctor --bin 891027350515
```

It walks from the configuration file to the bank's answer in ten stages, changes nothing and moves no money
([what it prints](cli.md#kaspi-doctor)). A stage that did not pass names its cause, and `-o json` gives the same word as
`cause`: the headings below. This page is made from the table that the program uses
(`src/doctor/table.rs`), and a test compares them: do not edit it by hand.

*They refused us* means that a TLS alert came from the other side; *we refused them* that this program ended the
connection. On TLS 1.3 a finished handshake does not prove that a certificate was taken: only an answer does, so
the stage `accepted` reads one.
";

const TAIL: &str = "
## Errors of other commands

A command that fails names its kind; [errors.md](errors.md) lists them all. Where a kind and a cause have the same
name they are the same thing.
";

/// The page, as it is in the repository.
#[must_use]
pub fn troubleshooting_page() -> String {
    let mut page = String::from(HEAD);
    for stage in StageId::ALL {
        let _ = write!(page, "\n## Stage `{stage}`\n\n{}\n", about(stage));
        for cause in Cause::ALL {
            let entry = cause.entry();
            if entry.stage != stage {
                continue;
            }
            let severity = match entry.severity {
                Verdict::Warn => "Warning",
                _ => "Failure",
            };
            let _ = write!(
                page,
                "\n### `{}`\n\n{severity}. {}\n\n- Report: {}\n- Do: {}\n",
                entry.id,
                entry.means,
                in_page(entry.line),
                in_page(entry.cure)
            );
        }
    }
    page.push_str(TAIL);
    page
}

fn about(stage: StageId) -> &'static str {
    match stage {
        StageId::Config => "Is there a configuration, can it be read, and is the BIN in it?",
        StageId::Files => {
            "Are the files of the identity there, readable for the program and for nobody else?"
        }
        StageId::Certificate => "Is the certificate one that a TLS client can show now?",
        StageId::Key => "Does the private key open, and does it belong to the certificate?",
        StageId::Trust => "Whom do we believe on the other side?",
        StageId::Dns => "Has the server's name, or the proxy's, an address?",
        StageId::Tcp => "Is there a connection, straight or through the proxy?",
        StageId::Tls => "Does the handshake succeed, and does the server ask for a client certificate?",
        StageId::Accepted => "Does the server take our certificate? Only an answer proves it.",
        StageId::Bin => {
            "Does the bank know the BIN with this certificate, its trade points and its device tokens? Only reads are \
             made: `partner/tradepoints`, and `remote/client-info` for a number that nobody has."
        }
    }
}

/// Names in braces stand for values; in a page they are italics.
fn in_page(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut in_code = false;
    for character in text.chars() {
        match character {
            '`' => {
                in_code = !in_code;
                shown.push('`');
            }
            '{' if !in_code => shown.push('*'),
            '}' if !in_code => shown.push('*'),
            '{' => shown.push('<'),
            '}' => shown.push('>'),
            other => shown.push(other),
        }
    }
    shown
}
