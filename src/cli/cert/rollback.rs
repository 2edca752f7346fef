//! `kaspi cert rollback`: the set before the last installation, in use again.

use serde_json::json;
use time::format_description::well_known::Rfc3339;

use super::args::Rollback;
use super::error::{CertError, Left};
use super::merchant;
use super::published::{self, NotPublished, Published, Wanted};
use crate::base::{Clock, SystemClock};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::config::{self, SETS_FOLDER};
use crate::identity::{self, SetError, SetStore};

/// Asks Kaspi nothing: it is for the moment when the new files fail, which may be the network's doing too.
pub(super) async fn run(wanted: &Rollback, context: &Context<'_>) -> Result<(), Failure> {
    let bin = merchant::named(context)?;
    let (config, environment) = context.configuration()?;
    let folders = config::scan(&config, &environment)?;
    let folder = &merchant::owner(bin, &config, &folders)?.folder;
    if !folder.join(SETS_FOLDER).is_dir() {
        return Err(SetError::NothingBefore {
            folder: folder.clone(),
            current: None,
        }
        .into());
    }
    let store = SetStore::open(folder)?;
    let from = store.in_use()?;
    let previous = store.previous()?;
    let candidate = config::candidate(bin, &store.set_folder(previous), &environment)?;
    let identity = identity::load(&candidate, &SystemClock)?;
    for warning in identity.warnings() {
        context.report.warning(warning);
    }
    let gateway = published::gateway_at_work(&config, wanted.no_wait).await?;
    let switched = store.return_to(previous)?;
    for leftover in &switched.leftovers {
        context.report.warning(leftover);
    }
    let facts = identity.facts();
    let gateway = match gateway {
        Some(_) => {
            let wanted = Wanted {
                bins: &merchant::served_by(bin, &folders),
                sha256: &facts.sha256,
            };
            published::wait(&wanted, &config, context)
                .await
                .map_err(|reason| match reason {
                    NotPublished::Refused(refusal) => CertError::NotPublished {
                        refusal,
                        left: Left::RolledBack { set: previous },
                    }
                    .into(),
                    NotPublished::Unclear(failure) => failure,
                })?
        }
        None => None,
    };
    let days_left = facts.days_left(SystemClock.now());
    let json = json!({
        "bin": bin,
        "set": previous,
        "from_set": from,
        "certificate_sha256": facts.sha256,
        "not_after": facts.not_after.format(&Rfc3339).ok(),
        "days_left": days_left,
        "gateway": gateway,
    });
    context.report.result(
        |paint| {
            format!(
                "{} to set {previous} for BIN {bin}\n  sha256  {}\n  valid   to {} ({days_left} days left)\n  gateway {}",
                paint.good("rolled back"),
                facts.sha256,
                facts.not_after.date(),
                Published::text(gateway.as_ref()),
            )
        },
        &json,
    );
    Ok(())
}
