//! What a program brings along beside the library's own parts.

use crate::config::Custom;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sottovoce_aggregator::CustomRule;
use sottovoce_aggregator::rules::{MakeRule, Value as RuleValue};
use sottovoce_algorithms::AlgorithmConfig;
use sottovoce_core::{Algorithm, AnyAlgorithm, Transform};
use sottovoce_models::Model;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// An algorithm, whosever it is.
pub type SharedAlgorithm = Arc<dyn AnyAlgorithm + Send>;

type Make<T, In> = Arc<dyn Fn(In) -> Result<T, String> + Send + Sync>;

/// Algorithms, models, transforms and rules of a program's own, by the names under which configurations use them.
///
/// A run with them has configuration, summary, model and lock like any other, under that name: a configuration says
///
/// ```toml
/// [algorithm]
/// kind = "custom"
/// name = "fedexp"
/// parameters = { epsilon = 0.001 }
/// ```
///
/// and in the same way `model` and the elements of `transforms`; a rule is named as the library's are,
/// `aggregation.rule = "bucketing+mine"`, with `aggregation.params`. Configurations that do so are read with
/// [`config::parse_with`](crate::config::parse_with) and [`config::load_with`](crate::config::load_with), and the command line with
/// these parts beside the library's is [`command`](crate::command): `run`, `sweep`, `verify`, `diff`, `compare`, `classify`.
///
/// What a part computes is not part of a configuration's digest: the same name with other mathematics is found by `verify`.
#[derive(Clone, Default)]
pub struct Parts {
    algorithms: BTreeMap<String, Make<SharedAlgorithm, Value>>,
    models: BTreeMap<String, Make<Box<dyn Model>, ModelShape>>,
    transforms: BTreeMap<String, Make<Box<dyn Transform>, Value>>,
    rules: BTreeMap<String, Arc<MakeRule>>,
}

/// What a model of the program's own is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelShape {
    /// Rows of the table of features: `features.buckets`.
    pub buckets: usize,
    /// Classes: the intents of the data.
    pub classes: usize,
    /// `model.parameters`.
    pub parameters: Map<String, Value>,
}

impl ModelShape {
    /// The parameters as a type, or why they are none.
    pub fn parameters<P: DeserializeOwned>(&self) -> Result<P, String> {
        serde_json::from_value(Value::Object(self.parameters.clone())).map_err(|e| e.to_string())
    }
}

impl Parts {
    /// The library's own parts alone.
    pub fn none() -> Self {
        Self::default()
    }

    /// An algorithm, made of `algorithm.parameters`. Its [`name`](Algorithm::name) is for messages.
    ///
    /// # Panics
    /// If the name is taken, as with all parts.
    pub fn algorithm<A>(mut self, name: &str) -> Self
    where
        A: Algorithm + DeserializeOwned + Send + 'static,
    {
        assert!(!AlgorithmConfig::KINDS.contains(&name), "the library has an algorithm {name}");
        let make = |parameters| Ok(Arc::new(read::<A>(parameters)?) as SharedAlgorithm);
        insert(&mut self.algorithms, name, Arc::new(make));
        self
    }

    /// A model: `make` is told the shapes and its parameters, and says in words why they do not do. Its layout begins with the
    /// table that examples index; the same shapes give the same model.
    pub fn model<F>(mut self, name: &str, make: F) -> Self
    where
        F: Fn(ModelShape) -> Result<Box<dyn Model>, String> + Send + Sync + 'static,
    {
        insert(&mut self.models, name, Arc::new(make));
        self
    }

    /// A transform of updates, made of the `parameters` of its element in `transforms`.
    pub fn transform<T>(mut self, name: &str) -> Self
    where
        T: Transform + DeserializeOwned + 'static,
    {
        let make = |parameters| Ok(Box::new(read::<T>(parameters)?) as Box<dyn Transform>);
        insert(&mut self.transforms, name, Arc::new(make));
        self
    }

    /// A rule of aggregation, made of `aggregation.params`.
    pub fn rule<R>(mut self, name: &str) -> Self
    where
        R: CustomRule + DeserializeOwned + 'static,
    {
        let taken = sottovoce_aggregator::rules::catalogue();
        let taken = taken.iter().any(|e| e.name == name || e.aliases.contains(&name));
        assert!(!taken && !name.contains('+'), "the library has a rule or wrapper {name}");
        let make = |values: &BTreeMap<String, RuleValue>| {
            let parameters = values.iter().map(|(key, value)| (key.clone(), json(value))).collect();
            Ok(Arc::new(read::<R>(Value::Object(parameters))?) as Arc<dyn CustomRule>)
        };
        insert::<Arc<MakeRule>>(&mut self.rules, name, Arc::new(make));
        self
    }

    pub(crate) fn make_algorithm(&self, of: &Custom) -> Result<SharedAlgorithm, String> {
        known(&self.algorithms, "algorithm", &of.name)?(Value::Object(of.parameters.clone()))
    }
    pub(crate) fn make_transform(&self, of: &Custom) -> Result<Box<dyn Transform>, String> {
        known(&self.transforms, "transform", &of.name)?(Value::Object(of.parameters.clone()))
    }
    pub(crate) fn make_model(
        &self,
        of: &Custom,
        buckets: usize,
        classes: usize,
    ) -> Result<Box<dyn Model>, String> {
        let parameters = of.parameters.clone();
        known(&self.models, "model", &of.name)?(ModelShape { buckets, classes, parameters })
    }
    pub(crate) fn make_rule(&self, name: &str) -> Option<&MakeRule> {
        self.rules.get(name).map(|make| &**make)
    }
}

fn insert<T>(into: &mut BTreeMap<String, T>, name: &str, make: T) {
    assert!(into.insert(name.to_owned(), make).is_none(), "two parts are called {name}");
}

fn known<'a, T>(all: &'a BTreeMap<String, T>, what: &str, name: &str) -> Result<&'a T, String> {
    all.get(name).ok_or_else(|| {
        let has = match all.keys().map(String::as_str).collect::<Vec<_>>() {
            none if none.is_empty() => "has none".to_owned(),
            some => format!("has {}", some.join(", ")),
        };
        format!("another program's own {what}, and this one {has}: use the program that brings it along")
    })
}

fn read<T: DeserializeOwned>(parameters: Value) -> Result<T, String> {
    // A structure without fields is written as an empty table.
    let empty = parameters.as_object().is_some_and(Map::is_empty);
    let unit = || serde_json::from_value(Value::Null).ok().filter(|_| empty);
    serde_json::from_value(parameters).or_else(|e| unit().ok_or_else(|| e.to_string()))
}

/// Whole numbers as such: a rule may want a count.
fn json(value: &RuleValue) -> Value {
    match value {
        RuleValue::Number(v) if v.fract() == 0.0 && v.abs() < 9e15 => (*v as i64).into(),
        RuleValue::Number(v) => (*v).into(),
        RuleValue::Word(v) => v.clone().into(),
        RuleValue::Vector(v) => v.clone().into(),
    }
}

/// The names.
impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("algorithms", &self.algorithms.keys())
            .field("models", &self.models.keys())
            .field("transforms", &self.transforms.keys())
            .field("rules", &self.rules.keys())
            .finish()
    }
}

/// By the names: what is behind them cannot be compared.
impl PartialEq for Parts {
    fn eq(&self, other: &Self) -> bool {
        self.algorithms.keys().eq(other.algorithms.keys())
            && self.models.keys().eq(other.models.keys())
            && self.transforms.keys().eq(other.transforms.keys())
            && self.rules.keys().eq(other.rules.keys())
    }
}
