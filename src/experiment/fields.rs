//! Nested values as a list of names with values, for saying where two of them differ.

use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A name with two values.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Differs {
    /// What it is.
    pub what: String,
    /// In the first.
    pub a: String,
    /// In the second.
    pub b: String,
}

/// Nested keys as one, with dots.
pub(crate) fn flat(prefix: &str, value: &Value) -> BTreeMap<String, String> {
    let join = |key: &str| if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") };
    match value {
        Value::Object(fields) => fields.iter().flat_map(|(key, v)| flat(&join(key), v)).collect(),
        Value::Array(items) if items.iter().any(Value::is_object) => {
            items.iter().enumerate().flat_map(|(i, v)| flat(&join(&i.to_string()), v)).collect()
        }
        other => BTreeMap::from([(prefix.to_owned(), plain(other))]),
    }
}

/// Text without quotes, anything else as JSON.
pub(crate) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Everything that differs or is in one of them only, in the order of names.
pub(crate) fn differing(a: BTreeMap<String, String>, b: BTreeMap<String, String>) -> Vec<Differs> {
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let of = |all: &BTreeMap<String, String>, name: &String| {
        all.get(name).map_or("absent", String::as_str).to_owned()
    };
    let differs = |name: &&String| a.get(*name) != b.get(*name);
    names
        .into_iter()
        .filter(differs)
        .map(|n| Differs { what: n.clone(), a: of(&a, n), b: of(&b, n) })
        .collect()
}

/// The first thing in which two texts of JSON differ; how they are written where that is all.
pub(crate) fn first_of_json(a: &[u8], b: &[u8]) -> Differs {
    let fields = |text: &[u8]| serde_json::from_slice(text).map(|v: Value| flat("", &v));
    match (fields(a), fields(b)) {
        (Ok(a), Ok(b)) => differing(a, b).into_iter().next().unwrap_or(Differs {
            what: "spelling".to_owned(),
            a: "other bytes".to_owned(),
            b: "the same values".to_owned(),
        }),
        (a, b) => {
            let show = |read: bool| if read { "JSON" } else { "no JSON" }.to_owned();
            Differs { what: "content".to_owned(), a: show(a.is_ok()), b: show(b.is_ok()) }
        }
    }
}

/// A summary without what is measured anew each time.
pub(crate) fn without_measurements(mut summary: Value) -> Value {
    if let Some(fields) = summary.as_object_mut() {
        for name in
            ["wall_seconds", "round_seconds", "clients_per_second", "first_round_seconds", "peak_rss_bytes"]
        {
            fields.remove(name);
        }
    }
    summary
}
