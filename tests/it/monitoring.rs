//! The alerting rules and the dashboard against what `/metrics` really tells.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use kaspi_direct::gateway::Patience;

use super::gateway_kit::{Served, token};
use super::kit::{FLOWERS, GIFTS};

const TOKEN: &str = "kd_test_watcher_0123456789abcdef";
/// What Prometheus adds by itself.
const ITS_OWN: [&str; 2] = ["instance", "job"];

/// Names of metrics, each with the labels that some series of it has.
type Metrics = BTreeMap<String, BTreeSet<String>>;

fn text_of(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/monitoring");
    fs::read_to_string(folder.join(name)).unwrap()
}

/// Reads Prometheus' own format: `name{label="value",...} number`.
fn told(text: &str) -> Metrics {
    let mut metrics = Metrics::new();
    for line in text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
    {
        let (series, _) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let labels = labels
            .trim_end_matches('}')
            .split("\",")
            .filter_map(|label| label.split_once('='))
            .map(|(label, _)| label.to_owned());
        metrics.entry(name.to_owned()).or_default().extend(labels);
    }
    metrics
}

/// The expressions of the rules: `expr:` on one line, or folded over those below it.
fn rules() -> Vec<String> {
    let text = text_of("alerts.yaml");
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(expression) = line.trim_start().strip_prefix("expr: ") else {
            continue;
        };
        let indent = line.len() - line.trim_start().len();
        let below = lines[at + 1..]
            .iter()
            .take_while(|below| below.len() - below.trim_start().len() > indent);
        found.push(match expression {
            ">-" => below.map(|line| line.trim()).collect::<Vec<_>>().join(" "),
            one => one.to_owned(),
        });
    }
    found
}

/// The expressions of the dashboard, and the query of its list of BINs.
fn dashboard() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&text_of("dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let of_panels = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().unwrap())
        .map(|target| target["expr"].as_str().unwrap().to_owned());
    let list = dashboard["templating"]["list"].as_array().unwrap();
    let of_list = list
        .iter()
        .filter_map(|variable| variable["query"]["query"].as_str())
        .map(str::to_owned);
    of_panels.chain(of_list).collect()
}

/// Metrics in an expression, each with the labels that it is asked for: in braces, and by `by (...)`.
fn wanted(expression: &str) -> Vec<(String, Vec<String>)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut grouped = Vec::new();
    for part in expression.split(" by (").skip(1) {
        let list = part.split(')').next().unwrap();
        grouped.extend(list.split(',').map(|label| label.trim().to_owned()));
    }
    if let Some(list) = expression.strip_prefix("label_values(") {
        grouped.extend(
            list.trim_end_matches(')')
                .split(',')
                .skip(1)
                .map(|label| label.trim().to_owned()),
        );
    }
    let mut found = Vec::new();
    for (at, _) in expression.match_indices("kaspi_") {
        let name: String = expression[at..].chars().take_while(|c| is_name(*c)).collect();
        let mut labels = grouped.clone();
        if let Some(braced) = expression[at + name.len()..].strip_prefix('{') {
            let inside = braced.split('}').next().unwrap();
            labels.extend(
                inside
                    .split("\",")
                    .map(|label| label.chars().take_while(|c| is_name(*c)).collect::<String>()),
            );
        }
        found.push((name, labels));
    }
    found
}

/// A gateway that has been used: every series that there can be is there.
async fn after_traffic() -> Metrics {
    let lines = token(
        "watcher",
        TOKEN,
        &[FLOWERS, GIFTS],
        &["create", "refund", "read", "admin"],
    );
    let served = Served::with(&lines, Patience::default()).await;
    let headers = [("x-api-key", TOKEN)];
    let invoice =
        json!({ "phone": "77000000000", "amount": 100, "message": "Order 17", "organization_bin": FLOWERS });
    served.invoice(&headers, &invoice).await;
    let refused = json!({ "phone": "77000000000", "amount": 0, "message": "", "organization_bin": FLOWERS });
    assert_eq!(
        served
            .post_with("/api/v1/kaspi/create", &headers, &refused)
            .await
            .status,
        422
    );
    let reply = served.ask("GET", "/metrics", &headers, None).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    told(&reply.body)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_that_is_watched_is_told_with_its_labels() {
    let told = after_traffic().await;
    let expressions: Vec<String> = rules().into_iter().chain(dashboard()).collect();
    assert!(rules().len() >= 8 && dashboard().len() >= 12, "{expressions:#?}");
    let mut watched = BTreeSet::new();
    for expression in &expressions {
        let metrics = wanted(expression);
        assert!(!metrics.is_empty(), "`{expression}` watches nothing of ours");
        for (name, labels) in metrics {
            let has = told
                .get(&name)
                .unwrap_or_else(|| panic!("`{expression}`: no `{name}` in {:#?}", told.keys()));
            for label in labels.iter().filter(|label| !ITS_OWN.contains(&label.as_str())) {
                assert!(
                    has.contains(label),
                    "`{expression}`: `{name}` has {has:?} and no `{label}`"
                );
            }
            watched.insert(name);
        }
    }
    // and the other way round: what is told is looked at somewhere
    for name in told
        .keys()
        .filter(|name| !name.ends_with("_sum") && !name.ends_with("_count"))
    {
        assert!(watched.contains(name), "`{name}` is on no panel and in no rule");
    }
}

#[test]
fn outcomes_in_the_rules_are_words_of_the_journal() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/payments");
    let mut words = String::new();
    for entry in fs::read_dir(source)
        .unwrap()
        .chain(fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/payments/journal")).unwrap())
    {
        let path = entry.unwrap().path();
        if path.is_file() {
            words.push_str(&fs::read_to_string(path).unwrap());
        }
    }
    for expression in rules().into_iter().chain(dashboard()) {
        for outcome in expression.split("outcome=\"").skip(1) {
            let word = outcome.split('"').next().unwrap();
            assert!(
                words.contains(&format!("\"{word}\"")),
                "`{expression}`: no outcome is `{word}`"
            );
        }
    }
}

#[test]
fn the_page_tells_what_to_do_about_each_alert() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/monitoring.md")).unwrap();
    let text = text_of("alerts.yaml");
    let alerts: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    assert_eq!(alerts.len(), rules().len());
    for alert in alerts {
        assert!(
            page.contains(&format!("| `{alert}` |")),
            "docs/monitoring.md has no row for {alert}"
        );
    }
}
