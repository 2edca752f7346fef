//! Stage `dns`.

use super::{Place, seconds};
use crate::doctor::draft::Draft;
use crate::doctor::{Cause, Stage, StageId};
use crate::transport::probe::{Lookup, LookupFailure};

pub(in crate::doctor) fn judge(lookup: &Lookup, place: &Place) -> Stage {
    let mut draft = Draft::new(StageId::Dns);
    draft.facts.add("name", lookup.host.clone());
    let setting = if lookup.proxy.is_some() {
        draft.facts.add("of", "proxy");
        "kaspi.proxy"
    } else {
        "kaspi.base_url"
    };
    let failure = match &lookup.outcome {
        Ok(addresses) => {
            let shown: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            let well = said(&lookup.host, &shown);
            draft.facts.add("addresses", shown);
            return draft.done_in(lookup.took, well);
        }
        Err(failure) => failure,
    };
    let (cause, why) = match failure {
        LookupFailure::NoSuchName(why) => (Cause::DnsNoSuchName, why.clone()),
        LookupFailure::NoServer(why) => (Cause::DnsUnreachable, why.clone()),
        LookupFailure::TimedOut(limit) => (
            Cause::DnsUnreachable,
            format!("no answer within {}", seconds(*limit)),
        ),
        LookupFailure::Other(why) => (Cause::DnsUnreachable, why.clone()),
    };
    draft.find(
        cause,
        &[
            ("host", &lookup.host),
            ("why", &why),
            ("setting", &setting),
            ("file", &place.file.display()),
        ],
    );
    draft.done_in(lookup.took, "")
}

fn said(host: &str, addresses: &[String]) -> String {
    match addresses {
        [only] if only == host => format!("{host} is an address, nothing to look up"),
        [first] => format!("{host} is {first}"),
        [first, rest @ ..] => format!("{host} is {first} and {} more", rest.len()),
        [] => host.to_owned(),
    }
}
