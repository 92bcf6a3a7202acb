//! Ranges of values, as their types' schemas state them: what editors complete from is what is checked.

use super::check::{Invalid, invalid};
use schemars::{JsonSchema, generate::SchemaGenerator};
use serde::Serialize;
use serde_json::Value;

/// Holds every number of `value` against the range that its schema gives. `key` is what the configuration calls it.
pub(super) fn check<T: JsonSchema + Serialize>(key: &str, value: &T) -> Result<(), Invalid> {
    let schema = SchemaGenerator::default().into_root_schema_for::<T>().to_value();
    let value = serde_json::to_value(value).map_err(|e| invalid(key, "…", e.to_string()))?;
    walk(&schema, &schema, &value, key)
}

/// What a schema refers to.
pub(crate) fn resolve<'a>(root: &'a Value, schema: &'a Value) -> Option<&'a Value> {
    root.pointer(schema["$ref"].as_str()?.strip_prefix('#')?)
}

/// Whether a branch of a choice is the one with this `kind`.
fn is_kind(branch: &Value, value: &Value) -> bool {
    let kind = &branch["properties"]["kind"]["const"];
    kind.is_null() || *kind == value["kind"]
}

fn walk(root: &Value, schema: &Value, value: &Value, key: &str) -> Result<(), Invalid> {
    if let Some(referred) = resolve(root, schema) {
        walk(root, referred, value, key)?;
    }
    let branches =
        ["oneOf", "anyOf", "allOf"].iter().filter_map(|choice| schema[*choice].as_array()).flatten();
    for branch in branches.filter(|branch| is_kind(branch, value)) {
        walk(root, branch, value, key)?;
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(value) = value.get(name) {
            walk(root, property, value, &format!("{key}.{name}"))?;
        }
    }
    for (i, item) in value.as_array().into_iter().flatten().enumerate() {
        walk(root, &schema["items"], item, &format!("{key}.{i}"))?;
    }
    let number = schema["type"] == "number" || schema["type"] == "integer";
    let finite = value.as_f64();
    let ranges = Range::of(schema);
    match finite {
        Some(v) if number && !ranges.holds(v) => Err(invalid(key, v, format!("expected {}", ranges.text()))),
        None if number && value.is_null() => {
            Err(invalid(key, "not finite", format!("expected {}", ranges.text())))
        }
        _ => Ok(()),
    }
}

/// The bounds of a number.
pub(crate) struct Range {
    at_least: Option<f64>,
    above: Option<f64>,
    at_most: Option<f64>,
    below: Option<f64>,
}

impl Range {
    /// As a schema has them.
    pub(crate) fn of(schema: &Value) -> Self {
        let bound = |name: &str| schema[name].as_f64();
        Self {
            at_least: bound("minimum"),
            above: bound("exclusiveMinimum"),
            at_most: bound("maximum"),
            below: bound("exclusiveMaximum"),
        }
    }

    fn holds(&self, v: f64) -> bool {
        self.at_least.is_none_or(|low| v >= low)
            && self.above.is_none_or(|low| v > low)
            && self.at_most.is_none_or(|high| v <= high)
            && self.below.is_none_or(|high| v < high)
    }

    /// In words.
    pub(crate) fn text(&self) -> String {
        let low = match (self.at_least, self.above) {
            (_, Some(low)) => Some(format!("above {low}")),
            (Some(low), None) => Some(format!("at least {low}")),
            (None, None) => None,
        };
        let high = match (self.at_most, self.below) {
            (_, Some(high)) => Some(format!("below {high}")),
            (Some(high), None) => Some(format!("at most {high}")),
            (None, None) => None,
        };
        let all: Vec<String> = low.into_iter().chain(high).collect();
        if all.is_empty() { "a finite number".to_owned() } else { format!("a number {}", all.join(" and ")) }
    }
}
