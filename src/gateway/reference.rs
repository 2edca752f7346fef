//! `docs/http-reference.md`, made from the document that the gateway serves at `/openapi.json`.

use std::fmt::Write as _;

use serde_json::Value;

use super::service;

const HEAD: &str = "\
# Reference of the HTTP contracts

Every call of the gateway, its fields and its answers, on one page. It is made from the document that a gateway serves at
`/openapi.json` and shows at `/docs` (`src/gateway/reference.rs`), and a test compares them: do not edit it by hand.
What the calls promise: [gateway.md](gateway.md).
";

/// The page, as it is in the repository.
#[must_use]
pub fn http_reference() -> String {
    let document = serde_json::to_value(service::document()).unwrap_or_default();
    let mut page = String::from(HEAD);
    for tag in list(at(&document, "/tags")) {
        let name = text(at(tag, "/name"));
        let _ = write!(
            page,
            "\n## {}\n\n{}.\n",
            capital(name),
            text(at(tag, "/description"))
        );
        for (path, methods) in entries(at(&document, "/paths")) {
            for (method, call) in entries(methods) {
                if list(at(call, "/tags")).iter().any(|tag| text(tag) == name) {
                    describe(&mut page, path, method, call);
                }
            }
        }
    }
    page.push_str("\n## Shapes\n");
    for (name, schema) in entries(at(&document, "/components/schemas")) {
        shape(&mut page, name, schema);
    }
    page
}

fn describe(page: &mut String, path: &str, method: &str, call: &Value) {
    let _ = write!(page, "\n### {} {path}\n", method.to_uppercase());
    for key in ["summary", "description"] {
        let words = text(at(call, &format!("/{key}")));
        if !words.is_empty() {
            let _ = write!(page, "\n{}\n", plain(words));
        }
    }
    let parameters = list(at(call, "/parameters"));
    if !parameters.is_empty() {
        page.push_str("\n| Parameter | In | Type | Meaning |\n|---|---|---|---|\n");
    }
    for parameter in parameters {
        let needed = at(parameter, "/required").as_bool().unwrap_or_default();
        let _ = writeln!(
            page,
            "| `{}`{} | {} | {} | {} |",
            text(at(parameter, "/name")),
            if needed { ", needed" } else { "" },
            text(at(parameter, "/in")),
            kind(at(parameter, "/schema")),
            cell(text(at(parameter, "/description"))),
        );
    }
    if let Some((_, body)) = entries(at(call, "/requestBody/content")).first() {
        let _ = write!(page, "\nBody: {}\n", kind(at(body, "/schema")));
    }
    page.push_str("\n| Answer | Body | When |\n|---|---|---|\n");
    for (status, answer) in entries(at(call, "/responses")) {
        let body = entries(at(answer, "/content"))
            .first()
            .map(|(_, content)| kind(at(content, "/schema")))
            .unwrap_or_default();
        let _ = writeln!(
            page,
            "| {status} | {body} | {} |",
            cell(text(at(answer, "/description")))
        );
    }
}

fn shape(page: &mut String, name: &str, schema: &Value) {
    let _ = write!(page, "\n### {name}\n");
    let words = text(at(schema, "/description"));
    if !words.is_empty() {
        let _ = write!(page, "\n{}\n", plain(words));
    }
    let fields = entries(at(schema, "/properties"));
    if fields.is_empty() {
        let _ = write!(page, "\n{}\n", kind(schema));
        return;
    }
    let needed = list(at(schema, "/required"));
    page.push_str("\n| Field | Type | Meaning |\n|---|---|---|\n");
    for (field, schema) in fields {
        let needed = needed.iter().any(|name| text(name) == field);
        let _ = writeln!(
            page,
            "| `{field}`{} | {} | {} |",
            if needed { ", always" } else { "" },
            kind(schema),
            cell(text(at(schema, "/description"))),
        );
    }
}

/// What a schema allows, in a few words.
fn kind(schema: &Value) -> String {
    if let Some(name) = at(schema, "/$ref")
        .as_str()
        .and_then(|path| path.rsplit('/').next())
    {
        return format!("[{name}](#{})", name.to_lowercase());
    }
    for key in ["oneOf", "anyOf", "allOf"] {
        let ways: Vec<String> = list(at(schema, &format!("/{key}"))).iter().map(kind).collect();
        if !ways.is_empty() {
            return ways.join(" or ");
        }
    }
    let values: Vec<String> = list(at(schema, "/enum"))
        .iter()
        .map(|value| {
            format!(
                "`{}`",
                value.as_str().map_or_else(|| value.to_string(), str::to_owned)
            )
        })
        .collect();
    if !values.is_empty() {
        return values.join(", ");
    }
    let types = match at(schema, "/type") {
        Value::Array(types) => types.iter().map(text).collect::<Vec<_>>().join(" or "),
        one => text(one).to_owned(),
    };
    match types.as_str() {
        "" => "anything".to_owned(),
        "array" => format!("list of {}", kind(at(schema, "/items"))),
        _ => types,
    }
}

/// What stands at a place of the document; nothing where it has none.
fn at<'a>(value: &'a Value, place: &str) -> &'a Value {
    value.pointer(place).unwrap_or(&Value::Null)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn entries(value: &Value) -> Vec<(&str, &Value)> {
    value
        .as_object()
        .map(|map| map.iter().map(|(key, value)| (key.as_str(), value)).collect())
        .unwrap_or_default()
}

fn capital(name: &str) -> String {
    let mut letters = name.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

fn plain(words: &str) -> String {
    words.replace('<', "&lt;")
}

/// Words in one line of a table.
fn cell(words: &str) -> String {
    plain(words)
        .replace('|', "\\|")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}
