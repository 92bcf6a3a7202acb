//! What can be chosen in a configuration, described from the types' own schemas.

use super::Config;
use super::ranges::{Range, resolve};
use schemars::generate::SchemaGenerator;
use serde::Serialize;
use serde_json::Value;

/// JSON Schema of an experiment file, draft 2020-12: editors complete and check TOML from it.
pub fn schema() -> Value {
    let mut schema = SchemaGenerator::default().into_root_schema_for::<Config>().to_value();
    schema["title"] = "A Sottovoce experiment".into();
    shorten(&mut schema);
    schema
}

/// Defaults of single precision as people write them: 0.9, not the nearest `f32` in double precision.
fn shorten(schema: &mut Value) {
    if schema["format"] == "float"
        && let Some(short) =
            schema["default"].as_f64().and_then(|v| (v as f32).to_string().parse::<f64>().ok())
    {
        schema["default"] = short.into();
    }
    match schema {
        Value::Object(fields) => fields.values_mut().for_each(shorten),
        Value::Array(items) => items.iter_mut().for_each(shorten),
        _ => {}
    }
}

/// A thing that a configuration names by its kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Choice {
    /// Its name.
    pub kind: String,
    /// One line about it.
    pub about: String,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
}

/// A parameter of a choice.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Parameter {
    /// Its key.
    pub name: String,
    /// Its type, with the range of a number.
    pub takes: String,
    /// Its value where it is left out; `None` where it must be given or is absent.
    pub default: Option<Value>,
    /// Whether it must be given.
    pub required: bool,
    /// One line about it.
    pub about: String,
}

/// The kinds that stand under a key of the configuration, such as `algorithm` or `rounds.cohort`; `tag` is the key that
/// tells them apart.
pub fn choices(key: &str, tag: &str) -> Vec<Choice> {
    let root = schema();
    let mut choices = Vec::new();
    let whole = |schema: &'_ Value| resolve(&root, schema).unwrap_or(schema).clone();
    let place = key.split('.').fold(root.clone(), |at, key| whole(&at)["properties"][key].clone());
    collect(&root, &place, tag, &mut choices);
    choices
}

/// Finds the branches of a choice, through references, lists and options.
fn collect(root: &Value, schema: &Value, tag: &str, into: &mut Vec<Choice>) {
    if let Some(referred) = resolve(root, schema) {
        collect(root, referred, tag, into);
    }
    if schema["items"].is_object() {
        collect(root, &schema["items"], tag, into);
    }
    for branch in ["oneOf", "anyOf"].iter().filter_map(|name| schema[*name].as_array()).flatten() {
        match branch["properties"][tag]["const"].as_str() {
            Some(kind) => into.push(choice(root, branch, kind, tag)),
            None => collect(root, branch, tag, into),
        }
    }
}

fn choice(root: &Value, branch: &Value, kind: &str, tag: &str) -> Choice {
    // A variant that holds a struct refers to it.
    let parts: Vec<&Value> = std::iter::once(branch).chain(resolve(root, branch)).collect();
    let about = parts.iter().find_map(|part| part["description"].as_str()).unwrap_or_default();
    let mut parameters = Vec::new();
    for part in parts {
        let required: Vec<&str> =
            part["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (name, property) in
            part["properties"].as_object().into_iter().flatten().filter(|(n, _)| *n != tag)
        {
            parameters.push(Parameter {
                name: name.clone(),
                takes: takes(root, property),
                default: Some(property["default"].clone()).filter(|v| !v.is_null()),
                required: required.contains(&name.as_str()),
                about: line(property["description"].as_str().unwrap_or_default()),
            });
        }
    }
    Choice { kind: kind.to_owned(), about: line(about), parameters }
}

/// The first sentence's line breaks taken out.
fn line(text: &str) -> String {
    text.split("\n\n").next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A type in words.
fn takes(root: &Value, property: &Value) -> String {
    let property = resolve(root, property).unwrap_or(property);
    let either = property["anyOf"].as_array();
    if let Some(some) = either.and_then(|any| any.iter().find(|branch| branch["type"] != "null")) {
        return takes(root, some);
    }
    if let Some(fields) = property["properties"].as_object() {
        let fields: Vec<String> = fields.iter().map(|(n, f)| format!("{n} ({})", takes(root, f))).collect();
        return format!("a table of {}", fields.join(", "));
    }
    let words: Vec<&str> =
        property["enum"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let constants: Vec<&str> =
        property["oneOf"].as_array().into_iter().flatten().filter_map(|b| b["const"].as_str()).collect();
    if !words.is_empty() || !constants.is_empty() {
        return words.into_iter().chain(constants).collect::<Vec<_>>().join(" | ");
    }
    let kinds: Vec<&str> = match &property["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => {
            kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null").collect()
        }
        _ => vec!["value"],
    };
    match kinds[..] {
        ["number"] => Range::of(property).text(),
        ["integer"] => Range::of(property)
            .text()
            .replace("a finite number", "an integer")
            .replace("a number", "an integer"),
        ["boolean"] => "true or false".to_owned(),
        ["string"] => "text".to_owned(),
        _ => kinds.join(" or "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sottovoce_algorithms::AlgorithmConfig;

    #[test]
    fn every_algorithm_is_described_with_its_parameters() {
        let all = choices("algorithm", "kind");
        let kinds: Vec<&str> = all.iter().map(|c| c.kind.as_str()).collect();
        assert_eq!(kinds, [AlgorithmConfig::KINDS, &["custom"]].concat());
        for choice in &all {
            assert!(!choice.about.is_empty(), "{}", choice.kind);
            for p in &choice.parameters {
                assert!(!p.about.is_empty() && p.takes != "value", "{} {p:?}", choice.kind);
                let table = p.takes.starts_with("a table of ");
                assert!(p.required || p.default.is_some() || table, "{} {p:?}", choice.kind);
            }
        }
        let prox = all.iter().find(|c| c.kind == "fedprox").expect("it is in the list");
        let mu = prox.parameters.iter().find(|p| p.name == "mu").expect("it has one");
        assert_eq!((mu.takes.as_str(), mu.required), ("a number at least 0", true));
        let fedasync = all.iter().find(|c| c.kind == "fedasync").expect("it is in the list");
        let hinge = fedasync.parameters.iter().find(|p| p.name == "hinge").expect("it has one");
        assert_eq!(hinge.takes, "a table of a (a number above 0), b (an integer at least 0)");
    }

    #[test]
    fn models_partitions_and_transforms_are_found() {
        for (key, tag, kind) in [
            ("model", "kind", "embedding_bag"),
            ("partition", "scheme", "dirichlet"),
            ("transforms", "kind", "clip_norm"),
        ] {
            let all = choices(key, tag);
            assert!(all.iter().any(|c| c.kind == kind), "{key}: {all:?}");
        }
    }
}
