//! The control API: what customers, cashiers, time and bad luck do. Plain HTTP on loopback.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use super::bank::clock::rfc3339;
use super::bank::payment::Step;
use super::bank::{StepRefusal, money};
use super::core::Core;
use super::faults::{Fault, FaultKind};
use super::routes::Route;
use super::state::Lost;

const BODY_BYTES: usize = 64 * 1024;
const READING: Duration = Duration::from_secs(30);
/// The longest delay; longer than any client waits.
const MOST_DELAY_MS: u64 = 10 * 60 * 1000;
const MOST_TIMES: u64 = 1_000_000;

/// Serves until `stop` says so.
pub(super) async fn serve(
    listener: TcpListener,
    core: Arc<Core>,
    permits: Arc<Semaphore>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        // Beyond the limit a control connection is dropped: nobody needs that many.
        let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else {
            continue;
        };
        let (core, mut stop) = (Arc::clone(&core), stop.clone());
        tokio::spawn(async move {
            let _permit = permit;
            let service = service_fn(|request: hyper::Request<Incoming>| {
                let core = Arc::clone(&core);
                async move { Ok::<_, Infallible>(respond(request, &core).await) }
            });
            let serving = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(READING)
                .serve_connection(TokioIo::new(stream), service);
            tokio::pin!(serving);
            tokio::select! {
                _ = serving.as_mut() => {}
                () = stopped(&mut stop) => {
                    serving.as_mut().graceful_shutdown();
                    let _ = serving.await;
                }
            }
        });
    }
}

/// Ends once the sandbox is to stop, or is gone.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that nobody is left to say so.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Why the control API says no.
struct Refused {
    status: StatusCode,
    kind: &'static str,
    message: String,
}

impl Refused {
    fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            message: message.into(),
        }
    }

    fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_request", message)
    }
}

type Result<T> = std::result::Result<T, Refused>;

async fn respond(request: hyper::Request<Incoming>, core: &Core) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let read = tokio::time::timeout(READING, Limited::new(body, BODY_BYTES).collect()).await;
    let outcome = match read {
        Ok(Ok(body)) => answer(&head.method, head.uri.path(), &body.to_bytes(), core).await,
        _ => Err(Refused::bad(format!(
            "the body did not arrive, or has more than {BODY_BYTES} bytes"
        ))),
    };
    let outcome = match core.saved().await {
        Ok(()) => outcome,
        Err(Lost(reason)) => Err(Refused::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "sandbox_state_lost",
            format!("the sandbox cannot write its state: {reason}"),
        )),
    };
    let (status, text) = match outcome {
        Ok(text) => (StatusCode::OK, text),
        Err(refused) => (
            refused.status,
            json!({"error": {"kind": refused.kind, "message": refused.message}}).to_string(),
        ),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

async fn answer(method: &Method, path: &str, body: &[u8], core: &Core) -> Result<String> {
    let words: Vec<&str> = path.trim_matches('/').split('/').collect();
    let value = match (method.as_str(), words.as_slice()) {
        ("GET", [""]) => overview(),
        ("GET", ["requests"]) => return requests(core),
        ("DELETE", ["requests"]) => {
            core.books().log.clear();
            json!({})
        }
        ("GET", ["payments"]) => payments(core),
        ("GET", ["payments", id]) => payment(core, id)?,
        ("POST", ["payments", id, step]) => change_payment(core, id, step, body)?,
        ("GET", ["faults"]) => Value::Array(core.books().faults.rows()),
        ("POST", ["faults"]) => arm(core, body).await?,
        ("DELETE", ["faults"]) => {
            core.books().faults.clear();
            json!([])
        }
        ("GET", ["clock"]) => clock(core),
        ("POST", ["clock", "advance"]) => advance(core, body)?,
        ("POST", ["trade-points", id]) => change_trade_point(core, id, body)?,
        ("POST", ["reset"]) => {
            let mut books = core.books();
            books.bank.reset();
            books.faults.clear();
            books.log.clear();
            json!({})
        }
        _ => {
            return Err(Refused::new(
                StatusCode::NOT_FOUND,
                "no_such_call",
                format!("there is no `{method} {path}`; `GET /` lists what there is"),
            ));
        }
    };
    Ok(value.to_string())
}

fn overview() -> Value {
    json!({
        "calls": [
            "GET /payments", "GET /payments/{id}",
            "POST /payments/{id}/scan", "POST /payments/{id}/pay", "POST /payments/{id}/reject",
            "POST /payments/{id}/expire", "POST /payments/{id}/refund",
            "GET /faults", "POST /faults", "DELETE /faults",
            "GET /clock", "POST /clock/advance",
            "GET /requests", "DELETE /requests",
            "POST /trade-points/{id}", "POST /reset",
        ],
        "faults": FaultKind::ALL.map(FaultKind::as_str),
    })
}

/// Written row by row, outside of the lock: there may be a million.
fn requests(core: &Core) -> Result<String> {
    let rows = core.books().log.rows();
    serde_json::to_string(&rows).map_err(|error| {
        Refused::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "not_written",
            error.to_string(),
        )
    })
}

fn payments(core: &Core) -> Value {
    core.books()
        .bank
        .payments()
        .map(super::bank::payment::Payment::row)
        .collect()
}

fn payment(core: &Core, id: &str) -> Result<Value> {
    let number = payment_id(id)?;
    let mut books = core.books();
    books
        .bank
        .payment(number)
        .map(|payment| payment.row())
        .ok_or_else(|| no_such_payment(id))
}

fn change_payment(core: &Core, id: &str, step: &str, body: &[u8]) -> Result<Value> {
    let number = payment_id(id)?;
    if step == "refund" {
        return cashier_refund(core, number, body);
    }
    let kind = match step {
        "scan" => Step::Scan,
        "pay" => Step::Pay,
        "reject" => Step::Reject,
        "expire" => Step::Expire,
        _ => {
            return Err(Refused::new(
                StatusCode::NOT_FOUND,
                "no_such_call",
                format!("a payment can be `scan`, `pay`, `reject`, `expire` or `refund`, not `{step}`"),
            ));
        }
    };
    let fields: &[&str] = if kind == Step::Pay {
        &["product_type", "partial_refund"]
    } else {
        &[]
    };
    let wanted = object(body, fields)?;
    let product = text(&wanted, "product_type")?;
    let partial_refund = flag(&wanted, "partial_refund")?;

    let mut books = core.books();
    let payment = books
        .bank
        .step(number, kind)
        .map_err(|refusal| refused_step(refusal, number, step))?;
    if let Some(product) = product {
        payment.product = product;
    }
    if let Some(partial_refund) = partial_refund {
        payment.partial_refund = partial_refund;
    }
    Ok(payment.row())
}

/// A cashier pays back at the counter, behind the back of whoever uses the API.
fn cashier_refund(core: &Core, id: i64, body: &[u8]) -> Result<Value> {
    let wanted = object(body, &["amount"])?;
    let amount = match wanted.get("amount") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => return Err(Refused::bad("`amount` is missing: tenge, such as `\"50.00\"`")),
    };
    let tiyn = money::tiyn(&amount)
        .ok_or_else(|| Refused::bad(format!("`amount` is `{amount}`, which is no amount of money")))?;
    let mut books = core.books();
    let payment = books
        .bank
        .payment_mut(id)
        .ok_or_else(|| no_such_payment(&id.to_string()))?;
    if tiyn > payment.rest() {
        return Err(Refused::new(
            StatusCode::CONFLICT,
            "more_than_the_rest",
            format!(
                "payment {id} has {} tenge left to pay back, {} were asked for",
                money::text(payment.rest()),
                money::text(tiyn)
            ),
        ));
    }
    payment.refunded += tiyn;
    Ok(payment.row())
}

async fn arm(core: &Core, body: &[u8]) -> Result<Value> {
    let wanted = object(body, &["path", "fault", "times", "delay_ms"])?;
    let name = text(&wanted, "fault")?.ok_or_else(|| Refused::bad("`fault` is missing"))?;
    let kind = FaultKind::from_name(&name).ok_or_else(|| {
        let names = FaultKind::ALL.map(FaultKind::as_str).join("`, `");
        Refused::bad(format!("`fault` is `{name}`, it can be `{names}`"))
    })?;
    let mut fault = Fault::new(kind);
    if let Some(path) = text(&wanted, "path")? {
        if !path.ends_with('*') && Route::of(&path).is_none() {
            return Err(Refused::bad(format!(
                "`path` is `{path}`, which no call has; a `*` at the end stands for anything"
            )));
        }
        fault = fault.on(path);
    }
    if let Some(times) = number(&wanted, "times", MOST_TIMES)? {
        fault = fault.times(u32::try_from(times).unwrap_or(u32::MAX));
    }
    match number(&wanted, "delay_ms", MOST_DELAY_MS)? {
        Some(delay) => fault = fault.delayed(Duration::from_millis(delay)),
        None if kind == FaultKind::Delay => return Err(Refused::bad("`delay_ms` is missing")),
        None => {}
    }
    core.arm(fault).await;
    Ok(Value::Array(core.books().faults.rows()))
}

fn clock(core: &Core) -> Value {
    json!({"now": rfc3339(core.books().bank.clock.now())})
}

fn advance(core: &Core, body: &[u8]) -> Result<Value> {
    let wanted = object(body, &["seconds"])?;
    let seconds =
        number(&wanted, "seconds", u64::MAX)?.ok_or_else(|| Refused::bad("`seconds` is missing"))?;
    if !core.books().bank.clock.advance(Duration::from_secs(seconds)) {
        return Err(Refused::bad(format!(
            "`seconds` is {seconds}, which goes beyond a hundred years in all"
        )));
    }
    Ok(clock(core))
}

fn change_trade_point(core: &Core, id: &str, body: &[u8]) -> Result<Value> {
    let wanted = object(
        body,
        &["enabled", "accepts_qr", "payment_methods", "partial_refund"],
    )?;
    let enabled = flag(&wanted, "enabled")?;
    let accepts_qr = flag(&wanted, "accepts_qr")?;
    let partial_refund = flag(&wanted, "partial_refund")?;
    let methods = match wanted.get("payment_methods") {
        None => None,
        Some(Value::Array(methods)) => Some(
            methods
                .iter()
                .map(|method| method.as_str().map(str::to_owned))
                .collect::<Option<Vec<_>>>()
                .ok_or_else(|| Refused::bad("`payment_methods` is a list of texts"))?,
        ),
        Some(_) => return Err(Refused::bad("`payment_methods` is a list of texts")),
    };
    let mut books = core.books();
    let point = id
        .parse()
        .ok()
        .and_then(|id| books.bank.trade_point_mut(id))
        .ok_or_else(|| {
            Refused::new(
                StatusCode::NOT_FOUND,
                "no_such_trade_point",
                format!("there is no trade point `{id}`"),
            )
        })?;
    point.enabled = enabled.unwrap_or(point.enabled);
    point.accepts_qr = accepts_qr.unwrap_or(point.accepts_qr);
    point.partial_refund = partial_refund.unwrap_or(point.partial_refund);
    if let Some(methods) = methods {
        point.payment_methods = methods;
    }
    Ok(json!({
        "trade_point_id": point.id,
        "enabled": point.enabled,
        "accepts_qr": point.accepts_qr,
        "payment_methods": point.payment_methods,
        "partial_refund": point.partial_refund,
    }))
}

/// A JSON object with no other keys than these; an empty body is an empty object.
fn object(body: &[u8], keys: &[&str]) -> Result<Map<String, Value>> {
    if body.trim_ascii().is_empty() {
        return Ok(Map::new());
    }
    let object: Map<String, Value> = serde_json::from_slice(body)
        .map_err(|error| Refused::bad(format!("the body is no JSON object: {error}")))?;
    match object.keys().find(|key| !keys.contains(&key.as_str())) {
        None => Ok(object),
        Some(key) if keys.is_empty() => Err(Refused::bad(format!("`{key}` is not known; the body is empty"))),
        Some(key) => Err(Refused::bad(format!(
            "`{key}` is not known; there can be `{}`",
            keys.join("`, `")
        ))),
    }
}

fn text(object: &Map<String, Value>, key: &str) -> Result<Option<String>> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(Refused::bad(format!("`{key}` is `{other}`, it must be a text"))),
    }
}

fn flag(object: &Map<String, Value>, key: &str) -> Result<Option<bool>> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(other) => Err(Refused::bad(format!(
            "`{key}` is `{other}`, it must be `true` or `false`"
        ))),
    }
}

fn number(object: &Map<String, Value>, key: &str, most: u64) -> Result<Option<u64>> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64().filter(|number| *number <= most) {
            Some(number) => Ok(Some(number)),
            None => Err(Refused::bad(format!(
                "`{key}` is `{value}`, it must be a whole number from 0 to {most}"
            ))),
        },
    }
}

fn payment_id(text: &str) -> Result<i64> {
    text.parse().map_err(|_| no_such_payment(text))
}

fn no_such_payment(id: &str) -> Refused {
    Refused::new(
        StatusCode::NOT_FOUND,
        "no_such_payment",
        format!("there is no payment `{id}`"),
    )
}

fn refused_step(refusal: StepRefusal, id: i64, step: &str) -> Refused {
    match refusal {
        StepRefusal::NoSuchPayment => no_such_payment(&id.to_string()),
        StepRefusal::WrongStatus(status) => Refused::new(
            StatusCode::CONFLICT,
            "wrong_status",
            format!("payment {id} is `{status}`, from which `{step}` does not follow"),
        ),
    }
}
