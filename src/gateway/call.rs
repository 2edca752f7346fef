//! One call, from the door to the room: who, what, and for whom.

use std::sync::Arc;

use axum::extract::Request;
use bytes::Bytes;
use http::{HeaderMap, Method, Uri, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::access::{QueryToken, Visitor};
use super::hall::Hall;
use super::input::{Complaint, Fields, Wrong};
use super::notes::Notes;
use super::problem::Problem;
use crate::base::{Bin, PaymentId};
use crate::config::Verb;
use crate::payments::{Caller, HOP_HEADER, IdempotencyKey, Origin, RequestKey};

/// The longest request body. The longest honest one is a create with a message of 500 characters.
pub(super) const BODY_LIMIT: usize = 64 * 1024;

/// Which contract a call belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contract {
    /// `/api/v1/kaspi`, the three calls of the backend.
    Backend,
    /// Our own calls under the same prefix.
    Native,
    /// `/api/v2/paymentkaspi`, the PHP wrapper's.
    OldWrapper,
}

/// On a request: whom the admin page has let in by a session rather than by a token in a header.
#[derive(Clone, Debug)]
pub(super) struct Admitted {
    pub(super) visitor: Visitor,
    /// What its forms have to bring along.
    pub(super) proof: String,
}

/// One call whose caller is known and may do what it asks.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) contract: Contract,
    pub(super) visitor: Visitor,
    /// What a form of a session has to bring along; empty where there is no session.
    pub(super) proof: String,
    pub(super) notes: Arc<Notes>,
    /// Where its fields stand.
    place: &'static str,
    headers: HeaderMap,
    uri: Uri,
    body: Bytes,
}

impl Call {
    /// Finds out who calls and reads what is sent. The token comes first: a stranger learns nothing about
    /// the rest.
    pub(super) async fn open(
        hall: &Hall,
        request: Request,
        contract: Contract,
        verb: Verb,
    ) -> Result<Self, Problem> {
        let (head, body) = request.into_parts();
        let notes = head.extensions.get::<Arc<Notes>>().cloned().unwrap_or_default();
        if head.headers.contains_key(HOP_HEADER) {
            return Err(Problem::Forbidden(
                "this request comes from a gateway like this one: two of them pass calls to each other"
                    .to_owned(),
            ));
        }
        let query_token = match contract {
            Contract::OldWrapper => QueryToken::of(&head.uri),
            Contract::Backend | Contract::Native => QueryToken::NotHere,
        };
        let admitted = head.extensions.get::<Admitted>().cloned();
        let (visitor, proof) = match admitted {
            Some(admitted) => (admitted.visitor, admitted.proof),
            None => (
                hall.door.visitor(&head.headers, &head.uri, query_token)?,
                String::new(),
            ),
        };
        notes.caller(visitor.name());
        hall.limits().count_token(visitor.name())?;
        if !visitor.may(verb) {
            return Err(Problem::Forbidden(format!(
                "token `{}` has not the verb `{}`",
                visitor.name(),
                word(verb)
            )));
        }
        let body = read(&head.headers, body, hall).await?;
        Ok(Self {
            contract,
            visitor,
            proof,
            notes,
            place: if head.method == Method::GET {
                "query"
            } else {
                "body"
            },
            headers: head.headers,
            uri: head.uri,
            body,
        })
    }

    /// The fields of the body, which must be JSON. A query beside it is no part of the contract.
    pub(super) fn body(&self, known: &[&'static str]) -> Result<Fields, Problem> {
        self.no_query()?;
        match self.headers.get(header::CONTENT_TYPE) {
            None => {}
            Some(value) if is_json(value.as_bytes()) => {}
            Some(value) => {
                let given: String = String::from_utf8_lossy(value.as_bytes())
                    .chars()
                    .take(60)
                    .collect();
                return Err(Problem::Input(vec![Complaint::about(
                    "header",
                    "content-type",
                    (
                        "model_attributes_type",
                        format!(
                            "Input should be `application/json`, not `{}`",
                            given.escape_debug()
                        ),
                    ),
                )]));
            }
        }
        Fields::of_json(&self.body, known)
    }

    /// The parameters of the query.
    pub(super) fn query(&self, known: &[&'static str]) -> Fields {
        Fields::of_query(self.uri.query(), known)
    }

    /// The fields of a form on one of our pages.
    pub(super) fn form(&self, known: &[&'static str]) -> Fields {
        Fields::of_query(std::str::from_utf8(&self.body).ok(), known)
    }

    fn no_query(&self) -> Result<(), Problem> {
        Fields::of_query(self.uri.query(), &[]).finish()
    }

    /// One header that may be given once.
    pub(super) fn header(&self, name: &'static str) -> Result<Option<String>, Problem> {
        let wrong = |msg: &str| {
            let complaint = Complaint::about("header", name, ("value_error", msg.to_owned()));
            Problem::Input(vec![complaint])
        };
        let mut values = self.headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => std::str::from_utf8(value.as_bytes())
                .map(|text| Some(text.to_owned()))
                .map_err(|_| wrong("Value error, this is no UTF-8")),
            (Some(_), Some(_)) => Err(wrong("Value error, the header is given twice")),
        }
    }

    /// On whose behalf a money call runs, and under which key: the caller's own, or, in the contracts that
    /// know none, one derived from the request.
    pub(super) async fn origin(&self, hall: &Hall, named: Option<Bin>) -> Result<Origin, Problem> {
        let caller = self.visitor.name().parse::<Caller>().unwrap_or_default();
        if let Some(key) = self.header("idempotency-key")? {
            let key = key.parse::<IdempotencyKey>().map_err(|error| {
                let wrong: Wrong = ("value_error", error.to_string());
                Problem::Input(vec![Complaint::about("header", "Idempotency-Key", wrong)])
            })?;
            return Ok(Origin {
                caller,
                key: RequestKey::Given(key),
            });
        }
        if self.contract == Contract::Native {
            return Ok(Origin {
                caller,
                key: RequestKey::None,
            });
        }
        self.notes.settles();
        // whoever asks again at once after an answer must be seen as such
        hall.deliveries.written().await;
        let bins = match (named, self.visitor.bins()) {
            (Some(_), _) => Vec::new(),
            (None, Some(own)) => own.to_vec(),
            (None, None) => hall.surroundings.bins(),
        };
        Ok(Origin {
            caller,
            key: RequestKey::Derived {
                window: hall.echo_window(),
                bins,
            },
        })
    }

    /// The BIN of a call that makes a payment: the named one, or the one that a call without stands for.
    pub(super) fn bin_for_new(&self, hall: &Hall, named: Option<Bin>) -> Result<Bin, Problem> {
        match self.named(hall, named)? {
            Some(bin) => Ok(bin),
            None => self
                .visitor
                .bin_of_unnamed(hall.surroundings.default_bin())
                .inspect(|bin| self.notes.bin(*bin))
                .ok_or_else(|| self.bin_wanted()),
        }
    }

    /// The BIN that a call named, if the caller may act for it.
    pub(super) fn named(&self, hall: &Hall, named: Option<Bin>) -> Result<Option<Bin>, Problem> {
        let Some(bin) = named else { return Ok(None) };
        if !self.visitor.may_for(bin) {
            return Err(Problem::ForeignBin(bin));
        }
        if !hall.surroundings.is_configured(bin) {
            let mistyped = if bin.has_valid_control_digit() {
                ""
            } else {
                ", and its control digit is wrong: it is mistyped"
            };
            let wrong = ("value_error", format!("BIN `{bin}` is not configured{mistyped}"));
            return Err(self.complaint_about_bin(wrong));
        }
        self.notes.bin(bin);
        Ok(Some(bin))
    }

    /// A BIN must be named, since none follows from the token or the configuration.
    pub(super) fn bin_wanted(&self) -> Problem {
        let why = "Field required: neither the token nor `default_bin` says which organisation is meant";
        self.complaint_about_bin(("missing", why.to_owned()))
    }

    fn complaint_about_bin(&self, wrong: Wrong) -> Problem {
        let name = match self.contract {
            Contract::OldWrapper => "organizationBin",
            Contract::Backend | Contract::Native => "organization_bin",
        };
        Problem::Input(vec![Complaint::about(self.place, name, wrong)])
    }

    /// A payment id in the path.
    pub(super) fn payment_in_path(&self, text: &str) -> Result<PaymentId, Problem> {
        text.parse::<PaymentId>().map_err(|error| {
            let wrong: Wrong = ("value_error", error.to_string());
            Problem::Input(vec![Complaint::about("path", "external_id", wrong)])
        })
    }
}

pub(super) async fn read(headers: &HeaderMap, body: axum::body::Body, hall: &Hall) -> Result<Bytes, Problem> {
    let too_large = || Problem::TooLarge { limit: BODY_LIMIT };
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse::<u64>().ok());
    if announced.is_some_and(|length| length > BODY_LIMIT as u64) {
        return Err(too_large());
    }
    let collected = Limited::new(body, BODY_LIMIT).collect();
    match tokio::time::timeout(hall.patience.body, collected).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) | Err(_) => Err(Problem::TooSlow),
    }
}

fn is_json(content_type: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(content_type) else {
        return false;
    };
    let essence = text
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    essence == "application/json" || essence.starts_with("application/") && essence.ends_with("+json")
}

fn word(verb: Verb) -> &'static str {
    match verb {
        Verb::Create => "create",
        Verb::Refund => "refund",
        Verb::Read => "read",
        Verb::Admin => "admin",
    }
}
