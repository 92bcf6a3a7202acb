//! Rules, parameters and weights as they are written on a command line.

use super::aggregate::AggregateFailure;
use crate::aggregator::Recipe;
use crate::aggregator::rules::{Entry, Kind, Value, catalogue};
use crate::arrays::{ArrayError, vector};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Most bytes of a list of weights as text.
const LONGEST: u64 = 1 << 28;

/// A recipe from its names and parameters.
pub(crate) fn recipe(
    names: &str,
    faulty: Option<u32>,
    params: &[String],
) -> Result<Recipe, AggregateFailure> {
    let mut values = BTreeMap::new();
    if let Some(f) = faulty {
        values.insert("f".to_owned(), Value::Number(f.into()));
    }
    for word in params {
        let (key, text) = word.split_once('=').unwrap_or_default();
        if key.is_empty() || text.is_empty() {
            return Err(AggregateFailure::Param { word: word.clone() });
        }
        if values.insert(key.to_owned(), value(word, text)?).is_some() {
            return Err(AggregateFailure::ParamTwice { key: key.to_owned() });
        }
    }
    Ok(Recipe::parse(names, &values)?)
}

fn value(word: &str, text: &str) -> Result<Value, AggregateFailure> {
    if text.starts_with('[') {
        let list = serde_json::from_str(text);
        return list.map(Value::Vector).map_err(|_| AggregateFailure::Param { word: word.to_owned() });
    }
    if Path::new(text).extension().is_some_and(|e| e == "npy") {
        return Ok(Value::Vector(vector(Path::new(text))?));
    }
    // "nan" and "inf" are words: no parameter is one of them.
    let number = text.parse().ok().filter(|n: &f64| n.is_finite());
    Ok(number.map_or_else(|| Value::Word(text.to_owned()), Value::Number))
}

/// Refuses weights that the recipe would not look at.
pub(crate) fn uses_weights(
    recipe: &Recipe,
    faulty: Option<u32>,
    params: &[String],
) -> Result<(), AggregateFailure> {
    if recipe.uses_weights() {
        return Ok(());
    }
    let mut declared: Vec<String> = params.iter().filter(|p| !p.starts_with("weights=")).cloned().collect();
    declared.push("weights=declared".to_owned());
    let would = self::recipe(recipe.names(), faulty, &declared).is_ok_and(|r| r.uses_weights());
    let advice = if would { " unless --param weights=declared says so" } else { "" };
    let can = catalogue().iter().filter(|e| e.parameters.iter().any(|p| p.name == "weights"));
    let rules = can.map(|e| e.name).collect::<Vec<_>>().join(", ");
    Err(AggregateFailure::WeightsIgnored { recipe: recipe.names().to_owned(), advice, rules })
}

/// Weights of `clients` clients from a list or a file.
pub(crate) fn weights(text: &str, clients: usize) -> Result<Vec<f64>, AggregateFailure> {
    let path = Path::new(text);
    let list: Option<Vec<f64>> = text.split(',').map(|n| n.trim().parse().ok()).collect();
    let weights = match list {
        Some(list) => list,
        None if !path.exists() => return Err(AggregateFailure::Weights { word: text.to_owned() }),
        None if path.extension().is_some_and(|e| e == "npy") => vector(path)?,
        None => lines(path)?,
    };
    if let Some(at) = weights.iter().position(|w| !(w.is_finite() && *w >= 0.0)) {
        return Err(AggregateFailure::Weight { at, value: weights[at] });
    }
    if weights.len() != clients {
        return Err(AggregateFailure::WeightCount { expected: clients, got: weights.len() });
    }
    Ok(weights)
}

/// A number a line; empty lines do not count.
fn lines(path: &Path) -> Result<Vec<f64>, AggregateFailure> {
    let failed = |source| ArrayError::Io { path: path.to_owned(), source };
    let mut text = Vec::new();
    File::open(path).and_then(|f| f.take(LONGEST + 1).read_to_end(&mut text)).map_err(failed)?;
    if text.len() as u64 > LONGEST {
        return Err(AggregateFailure::WeightsLong { path: path.to_owned(), limit: LONGEST });
    }
    let mut weights = Vec::new();
    for (line, number) in String::from_utf8_lossy(&text).lines().zip(1..) {
        let line = line.trim();
        if !line.is_empty() {
            let weight = line.parse().ok();
            weights.push(weight.ok_or(AggregateFailure::WeightLine { path: path.to_owned(), line: number })?);
        }
    }
    Ok(weights)
}

/// A rule or wrapper by its name or alias, as recipes write them.
pub(crate) fn entry(name: &str) -> Option<&'static Entry> {
    let name = name.trim().replace('_', "-");
    catalogue().iter().find(|e| e.name == name || e.aliases.contains(&name.as_str()))
}

/// The rules and wrappers with their parameters, for the long help.
pub(crate) fn help() -> String {
    let mut text = String::new();
    for (kind, title) in [(Kind::Rule, "Rules:"), (Kind::Wrapper, "Wrappers:")] {
        let _ = writeln!(text, "{title}");
        for e in catalogue().iter().filter(|e| e.kind == kind) {
            let names = [&[e.name], e.aliases].concat().join(", ");
            let _ = writeln!(text, "  {names}: {}", e.line);
            for p in e.parameters {
                let default = p.default.map_or("needed".to_owned(), |d| format!("default {d}"));
                let _ = writeln!(text, "      {}  {} ({}; {default})", p.name, p.meaning, p.range);
            }
        }
        text.push('\n');
    }
    text + "n is the number of clients. Names are joined by +, wrappers before the rule: nnm+trimmed-mean."
}
