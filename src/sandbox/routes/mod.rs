//! The calls of scheme r3, as the official document v3.9 and those who use it describe them.

use hyper::Method;
use serde_json::Value;
use time::OffsetDateTime;

use super::bank::clock::{DateStyle, date};
use super::bank::codes::Code;
use super::bank::payment::{Kind, Status, Step};
use super::bank::{Bank, Declared};
use super::http::{self, Answer, Dress, Fields, Refusal, Request};
use super::options::OptionNames;

mod devices;
mod payments;
mod remote;

/// One of the calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    TradePoints { bin: String },
    DeviceRegister,
    DeviceDelete,
    Create(Kind),
    Status { version: u8, id: String },
    Details,
    Return,
    ClientInfo,
    RemoteCreate,
    RemoteCancel,
    Ping,
    Emulate { step: Step, from: Status },
}

impl Route {
    /// The call of a path. Case and slashes at the end do not count, and nobody is redirected.
    pub(super) fn of(path: &str) -> Option<Self> {
        let path = path.trim_end_matches('/').to_ascii_lowercase();
        let words: Vec<&str> = path.strip_prefix("/r3/")?.split('/').collect();
        let route = match words.as_slice() {
            ["v01", "partner", "tradepoints", bin] => Self::TradePoints {
                bin: (*bin).to_owned(),
            },
            ["v01", "device", "register"] => Self::DeviceRegister,
            ["v01", "device", "delete"] => Self::DeviceDelete,
            ["v01", "qr", "create"] => Self::Create(Kind::Qr),
            ["v01", "qr", "create-link"] => Self::Create(Kind::Link),
            [version @ ("v01" | "v02" | "v04"), "payment", "status", id] => Self::Status {
                version: version.bytes().last().map_or(1, |digit| digit - b'0'),
                id: (*id).to_owned(),
            },
            ["v01", "payment", "details"] => Self::Details,
            ["v01", "payment", "return"] => Self::Return,
            ["v01", "remote", "client-info"] => Self::ClientInfo,
            ["v01", "remote", "create"] => Self::RemoteCreate,
            ["v01", "remote", "cancel"] => Self::RemoteCancel,
            ["v01", "health", "ping"] => Self::Ping,
            ["v01", "test", "payment", word] => {
                let (step, from) = match *word {
                    "scan" => (Step::Scan, Status::QrTokenCreated),
                    "confirm" => (Step::Pay, Status::Wait),
                    "scanerror" => (Step::Reject, Status::QrTokenCreated),
                    "confirmerror" => (Step::Reject, Status::Wait),
                    _ => return None,
                };
                Self::Emulate { step, from }
            }
            _ => return None,
        };
        Some(route)
    }

    pub(super) fn method(&self) -> Method {
        match self {
            Self::TradePoints { .. }
            | Self::Status { .. }
            | Self::Details
            | Self::ClientInfo
            | Self::Ping => Method::GET,
            _ => Method::POST,
        }
    }

    /// The dresses differ from call to call, as they do in the documents and in what was seen live.
    fn dress(&self) -> Dress {
        match self {
            Self::DeviceRegister => Dress::Empty,
            Self::DeviceDelete | Self::Details => Dress::Bare,
            Self::Create(Kind::Link) => Dress::Null,
            Self::Emulate { .. } => Dress::LowerCase,
            _ => Dress::Ok,
        }
    }
}

impl Route {
    /// Whether a refusal of the call has `"Data": null` rather than no `Data`.
    fn has_null_data(&self) -> bool {
        matches!(
            self,
            Self::Status { .. } | Self::DeviceRegister | Self::RemoteCreate
        )
    }

    pub(super) fn refused(&self, code: Code) -> Answer {
        http::refused(self.dress(), self.has_null_data(), code)
    }
}

/// What a call may look at besides the request.
pub(super) struct Context<'a> {
    pub(super) bank: &'a mut Bank,
    /// The BINs of the caller's certificate; absent where it showed none.
    pub(super) caller: Option<&'a Declared>,
    pub(super) option_names: OptionNames,
    /// Set where a fault asks for odd dates.
    pub(super) odd_date: Option<u32>,
}

impl Context<'_> {
    fn date(&self, at: OffsetDateTime, usual: DateStyle) -> Value {
        let style = self.odd_date.map_or(usual, DateStyle::Odd);
        Value::from(date(at, style))
    }
}

/// A request, understood far enough to know which call it is and which BIN and token it names.
pub(super) struct Call {
    route: Result<Route, Answer>,
    fields: Result<Fields, Refusal>,
}

impl Call {
    pub(super) fn new(request: &Request) -> Self {
        let route = match Route::of(&request.path) {
            None => Err(Answer::not_found()),
            Some(route) if route.method() != request.method => Err(Answer::framework(
                hyper::StatusCode::METHOD_NOT_ALLOWED,
                &format!(
                    "The requested resource does not support http method '{}'.",
                    request.method
                ),
            )),
            Some(route) => Ok(route),
        };
        let fields = match &route {
            Ok(route) if route.method() == Method::POST => Fields::from_body(&request.body),
            _ => Ok(Fields::from_query(&request.query)),
        };
        Self { route, fields }
    }

    /// The BIN that the request names, if it looks like one.
    pub(super) fn bin(&self) -> Option<String> {
        let bin = match &self.route {
            Ok(Route::TradePoints { bin }) => bin.clone(),
            Ok(_) => self
                .fields
                .as_ref()
                .ok()?
                .optional_text("OrganizationBin")
                .ok()??,
            Err(_) => return None,
        };
        (!bin.is_empty() && bin.len() <= 32 && bin.bytes().all(|byte| byte.is_ascii_digit())).then_some(bin)
    }

    pub(super) fn token(&self) -> Option<String> {
        self.fields.as_ref().ok()?.token("DeviceToken").ok()
    }

    /// The methods that the path takes, for an answer 405.
    pub(super) fn allowed(request: &Request) -> Option<Method> {
        Route::of(&request.path).map(|route| route.method())
    }

    /// Carries the call out.
    pub(super) fn answer(self, context: &mut Context<'_>) -> Answer {
        let route = match self.route {
            Ok(route) => route,
            Err(answer) => return answer,
        };
        let dress = route.dress();
        let Some(caller) = context.caller else {
            return route.refused(Code::NoClientCertificate);
        };
        let done = self
            .fields
            .and_then(|fields| carry_out(&route, caller, &fields, context));
        match done {
            Ok(data) => http::success(dress, data),
            Err(Refusal::Bank(code)) => route.refused(code),
            Err(Refusal::Malformed(message)) => Answer::framework(hyper::StatusCode::BAD_REQUEST, &message),
        }
    }
}

/// The answer with a code, in the dress of the call.
pub(super) fn refused(path: &str, code: Code) -> Answer {
    Route::of(path).unwrap_or(Route::Ping).refused(code)
}

type Data = Result<Option<Value>, Refusal>;

fn carry_out(route: &Route, caller: &Declared, fields: &Fields, context: &mut Context<'_>) -> Data {
    match route {
        Route::TradePoints { bin } => devices::trade_points(caller, bin, context),
        Route::DeviceRegister => devices::register(caller, fields, context),
        Route::DeviceDelete => devices::delete(caller, fields, context),
        Route::Create(kind) => payments::create(caller, *kind, fields, context),
        Route::Status { version, id } => payments::status(caller, *version, id, context),
        Route::Details => payments::details(caller, fields, context),
        Route::Return => payments::refund(caller, fields, context),
        Route::ClientInfo => remote::client_info(caller, fields, context),
        Route::RemoteCreate => remote::create(caller, fields, context),
        Route::RemoteCancel => remote::cancel(caller, fields, context),
        Route::Ping => Ok(None),
        Route::Emulate { step, from } => payments::emulate(caller, *step, *from, fields, context),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_matched_without_case_and_last_slash() {
        assert_eq!(Route::of("/r3/v01/health/ping"), Some(Route::Ping));
        assert_eq!(Route::of("/R3/V01/Health/Ping//"), Some(Route::Ping));
        assert_eq!(
            Route::of("/r3/v04/payment/status/15/"),
            Some(Route::Status {
                version: 4,
                id: "15".to_owned()
            })
        );
        for path in [
            "",
            "/",
            "/r3",
            "/r2/v01/health/ping",
            "/r3/v02/health/ping",
            "/r3/v03/payment/status/15",
            "/r3/v01/payment/status",
            "/r3//v01/health/ping",
            "/r3/v01/test/payment/steal",
        ] {
            assert_eq!(Route::of(path), None, "{path}");
        }
    }
}
