//! `kaspi webhook resend`: what was given up is sent again.

use serde_json::json;

use crate::app::App;
use crate::cli::context::Context;
use crate::cli::failure::Failure;

pub(super) async fn run(
    app: &App,
    id: Option<&str>,
    name: Option<&str>,
    context: &Context<'_>,
) -> Result<(), Failure> {
    let payments = app.payments();
    let resent = match (id, context.bin()) {
        (Some(id), _) => {
            if !payments.resend(id, None).await? {
                return Err(Failure::said_no_because(
                    format!("the journal has no delivery `{id}`"),
                    "`kaspi webhook log` shows what was sent",
                ));
            }
            1
        }
        (None, Some(bin)) => payments.resend_dead(bin, name).await?,
        // the command line asks for a BIN
        (None, None) => 0,
    };
    context.report.result(
        |paint| match resent {
            0 => "nothing was given up".to_owned(),
            some => format!("{} {some}", paint.good("to be sent again:")),
        },
        &json!({ "resent": resent }),
    );
    Ok(())
}
