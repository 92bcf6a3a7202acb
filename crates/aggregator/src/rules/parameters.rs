//! Parameters of recipes, read by name and kind.

use super::catalogue::short;
use super::error::RuleError;
use super::mean::{Choice, Weighting};
use std::collections::BTreeMap;

/// Largest number of steps of an iteration, so that a recipe ends.
pub(super) const MOST_STEPS: usize = 10_000;
/// Largest count: above it a number need not be whole to look so.
const MOST: f64 = 9_007_199_254_740_992.0; // 2^53

/// A parameter of a recipe as it is written down.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A number.
    Number(f64),
    /// A word, such as `zeros`.
    Word(String),
    /// Numbers, such as a trusted update.
    Vector(Vec<f64>),
}

impl Value {
    fn kind(&self) -> &'static str {
        match self {
            Self::Number(_) => "a number",
            Self::Word(_) => "a word",
            Self::Vector(_) => "a vector",
        }
    }
}

/// The parameters of one rule or wrapper of a recipe.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parameters<'a> {
    /// Rule or wrapper, for errors.
    pub(super) of: &'static str,
    pub(super) values: &'a BTreeMap<String, Value>,
}

impl<'a> Parameters<'a> {
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.values.get(name)
    }

    /// The error for a parameter that is needed and not there.
    pub(super) fn missing(&self, name: &'static str) -> RuleError {
        RuleError::missing(self.of, name)
    }

    /// At most one of the two.
    pub(super) fn exclusive(&self, first: &'static str, second: &'static str) -> Result<(), RuleError> {
        if self.get(first).is_some() && self.get(second).is_some() {
            return Err(RuleError::Exclusive { first, second, recipe: self.of });
        }
        Ok(())
    }

    pub(super) fn number(&self, name: &'static str) -> Result<Option<f64>, RuleError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Number(x)) if x.is_finite() => Ok(Some(*x)),
            Some(Value::Number(x)) => Err(RuleError::OutOfRange { name, value: *x, range: "finite" }),
            Some(other) => Err(RuleError::WrongKind { name, expected: "a number", got: other.kind() }),
        }
    }

    pub(super) fn positive(&self, name: &'static str) -> Result<Option<f64>, RuleError> {
        match self.number(name)? {
            Some(value) if value <= 0.0 => {
                Err(RuleError::OutOfRange { name, value, range: "greater than 0" })
            }
            value => Ok(value),
        }
    }

    /// A whole number from 0.
    pub(super) fn count(&self, name: &'static str) -> Result<Option<usize>, RuleError> {
        let range = "a whole number from 0 to 2^53";
        match self.number(name)? {
            Some(value) if !(0.0..=MOST).contains(&value) || value.fract() != 0.0 => {
                Err(RuleError::OutOfRange { name, value, range })
            }
            value => Ok(value.map(|x| x as usize)),
        }
    }

    /// A whole number from 1.
    pub(super) fn at_least_one(&self, name: &'static str) -> Result<Option<usize>, RuleError> {
        match self.count(name)? {
            Some(0) => Err(RuleError::OutOfRange { name, value: 0.0, range: "a whole number from 1" }),
            value => Ok(value),
        }
    }

    /// A number of steps: from 1 to [`MOST_STEPS`].
    pub(super) fn steps(&self, name: &'static str) -> Result<Option<usize>, RuleError> {
        let range = "a whole number from 1 to 10000";
        match self.at_least_one(name)? {
            Some(steps) if steps > MOST_STEPS => {
                Err(RuleError::OutOfRange { name, value: steps as f64, range })
            }
            value => Ok(value),
        }
    }

    /// How many rows may lie.
    pub(super) fn f(&self) -> Result<usize, RuleError> {
        self.count("f")?.ok_or_else(|| self.missing("f"))
    }

    /// One of `words`; the first of each pair is what is written, the second what is meant.
    pub(super) fn word<W: Copy>(
        &self,
        name: &'static str,
        words: &[(&str, W)],
    ) -> Result<Option<W>, RuleError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Word(word)) => {
                let word = word.replace('-', "_");
                let found = words.iter().find(|(w, _)| *w == word);
                found.map(|(_, meant)| Some(*meant)).ok_or_else(|| {
                    let allowed = words.iter().map(|(w, _)| *w).collect::<Vec<_>>().join(", ");
                    RuleError::UnknownWord { name, got: short(&word), allowed }
                })
            }
            Some(other) => Err(RuleError::WrongKind { name, expected: "a word", got: other.kind() }),
        }
    }

    pub(super) fn vector(&self, name: &'static str) -> Result<Option<Vec<f64>>, RuleError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Vector(values)) => match values.iter().position(|v| !v.is_finite()) {
                Some(place) => Err(RuleError::VectorNotFinite { name, place, value: values[place] }),
                None => Ok(Some(values.clone())),
            },
            Some(other) => Err(RuleError::WrongKind { name, expected: "a vector", got: other.kind() }),
        }
    }

    /// `weights` and `weight_cap`.
    pub(super) fn weighting(&self, unsaid: Choice) -> Result<Weighting, RuleError> {
        let words = [
            ("uniform", Choice::Uniform),
            ("declared", Choice::Declared),
            ("input.weights", Choice::Declared),
        ];
        let choice = self.word("weights", &words)?.unwrap_or(unsaid);
        Ok(Weighting { choice, cap: self.positive("weight_cap")? })
    }
}
