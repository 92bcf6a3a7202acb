//! Recipes by name: rules, wrappers and their parameters.

use super::bucketing::Order;
use super::bulyan::Scores;
use super::catalogue::{self, Entry, Kind};
use super::custom::{Custom, CustomRule};
use super::error::RuleError;
use super::mean::{Choice, Weighting};
use super::median::Even;
use super::parameters::{Parameters, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most wrappers of one recipe: more are a mistake, and each copies the rows.
const MOST_WRAPPERS: usize = 16;

/// Wrappers and a rule, with their parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// Outermost first.
    pub(super) wrappers: Vec<Wrapper>,
    pub(super) rule: Option<Rule>,
    /// The names, as the catalogue has them.
    pub(super) names: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Wrapper {
    Nnm { f: usize },
    Bucketing { size: usize, order: Order },
    StaticClipping { bound: f64 },
    Arc { f: usize },
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Rule {
    Mean {
        weighting: Weighting,
    },
    Median {
        even: Even,
    },
    TrimmedMean {
        trim: Trim,
    },
    Meamed {
        f: usize,
    },
    Krum {
        f: usize,
        neighbours: Option<usize>,
    },
    MultiKrum {
        f: usize,
        neighbours: Option<usize>,
        m: Option<usize>,
        weighting: Weighting,
    },
    Bulyan {
        f: usize,
        theta: Option<usize>,
        beta: Option<usize>,
        scores: Scores,
    },
    Smoothed {
        nu: f64,
        steps: usize,
        start: Start,
        weighting: Weighting,
    },
    GeometricMedian {
        tolerance: f64,
        iterations: usize,
        weighting: Weighting,
    },
    /// Without a start: the result of the round before, and zeros where there are no rounds.
    CenteredClipping {
        start: Option<Start>,
        radius: f64,
        steps: usize,
    },
    NormBounding {
        bound: f64,
        weighting: Weighting,
    },
    /// Without an update of the server's own: the one that the round brings.
    FlTrust {
        server: Option<Vec<f64>>,
    },
    Monna {
        f: usize,
        trusted: usize,
    },
    Mda {
        f: usize,
    },
    Smea {
        f: usize,
    },
    Caf {
        f: usize,
    },
    Custom(Custom),
}

/// Makes a rule of its parameters, or says in words why they do not do.
pub type MakeRule = dyn Fn(&BTreeMap<String, Value>) -> Result<Arc<dyn CustomRule>, String> + Send + Sync;

/// How much is left out on each side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Trim {
    Count(usize),
    Share(f64),
}

/// Where an iteration begins.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Start {
    Zeros,
    Mean,
    /// By the rule's weights.
    WeightedMean,
    /// The result of the round before.
    Previous,
    At(Vec<f64>),
}

impl Recipe {
    /// Whether there is a rule behind the wrappers: without one the outcome is many rows.
    pub fn has_rule(&self) -> bool {
        self.rule.is_some()
    }

    /// Reads names joined by `+` and parameters by name. A name that is not known, and a parameter that is missing,
    /// not used or out of range, is an error that says what would do.
    pub fn parse(names: &str, values: &BTreeMap<String, Value>) -> Result<Self, RuleError> {
        let recipe = Self::in_rounds(names, values)?;
        recipe.alone()?;
        Ok(recipe)
    }

    /// The same for the rounds of a run, which know more than rows from files: bucketing needs no seed, FLTrust may get the
    /// server's update in each round, and centered clipping may begin at the result of the round before.
    /// What makes no sense there is for [`refused_in_rounds`](Self::refused_in_rounds) to say.
    pub fn in_rounds(names: &str, values: &BTreeMap<String, Value>) -> Result<Self, RuleError> {
        Self::with_custom(names, values, &|_| None)
    }

    /// The same, where the last name may be a rule that `custom` knows. It is given the parameters that none of the wrappers
    /// has.
    pub fn with_custom<'a>(
        names: &str,
        values: &BTreeMap<String, Value>,
        custom: &dyn Fn(&str) -> Option<&'a MakeRule>,
    ) -> Result<Self, RuleError> {
        if names.trim().is_empty() {
            return Err(RuleError::NoName);
        }
        let mut parts: Vec<&str> = names.split('+').take(MOST_WRAPPERS + 2).map(str::trim).collect();
        if parts.len() > MOST_WRAPPERS + 1 {
            return Err(RuleError::TooManyWrappers { limit: MOST_WRAPPERS });
        }
        let custom = parts.last().and_then(|name| custom(name));
        let own = custom.is_some().then(|| parts.pop()).flatten().map(str::to_owned);
        let entries = parts.into_iter().map(catalogue::find).collect::<Result<Vec<_>, _>>()?;
        let names = entries.iter().map(|e| e.name).chain(own.as_deref()).collect::<Vec<_>>().join("+");
        if let (Some(make), Some(name)) = (custom, own) {
            let behind = entries.iter().find(|e| e.kind == Kind::Rule);
            if let Some(rule) = behind {
                return Err(RuleError::RuleNotLast { name: rule.name, behind: name });
            }
            let of_wrappers =
                |key: &String| entries.iter().any(|e| e.parameters.iter().any(|p| p.name == key));
            let rest = values.iter().filter(|(key, _)| !of_wrappers(key));
            let rule = make(&rest.map(|(key, value)| (key.clone(), value.clone())).collect());
            let rule = rule.map_err(|why| RuleError::Custom { name: name.clone(), why })?;
            let wrappers = entries.iter().map(|e| wrapper(&Parameters { of: e.name, values }));
            let wrappers = wrappers.collect::<Result<_, _>>()?;
            return Ok(Self { wrappers, rule: Some(Rule::Custom(Custom { name, rule })), names });
        }
        known_parameters(&entries, &names, values)?;
        let (mut wrappers, mut rule) = (Vec::new(), None);
        for (i, entry) in entries.iter().enumerate() {
            let parameters = Parameters { of: entry.name, values };
            match (entry.kind, entries.get(i + 1)) {
                (Kind::Wrapper, _) => wrappers.push(wrapper(&parameters)?),
                (Kind::Rule, None) => rule = Some(self::rule(&parameters)?),
                (Kind::Rule, Some(behind)) => {
                    return Err(RuleError::RuleNotLast { name: entry.name, behind: behind.name.to_owned() });
                }
            }
        }
        let recipe = Self { wrappers, rule, names };
        recipe.no_weights_of_buckets()?;
        Ok(recipe)
    }

    /// The names, as the catalogue has them.
    pub fn names(&self) -> &str {
        &self.names
    }

    /// Whether weights that clients declare can change the outcome. Buckets have none, and of one row that is kept all
    /// is kept.
    pub fn uses_weights(&self) -> bool {
        let one_row = matches!(&self.rule, Some(Rule::MultiKrum { m: Some(1), .. }));
        let uniform = self.weighting().is_none_or(|w| w.choice == Choice::Uniform);
        let custom = matches!(&self.rule, Some(Rule::Custom(_)));
        (custom || !(uniform || one_row)) && !self.has_buckets()
    }

    fn no_weights_of_buckets(&self) -> Result<(), RuleError> {
        if self.has_buckets() && self.weighting().is_some_and(|w| w.choice == Choice::Declared) {
            return Err(RuleError::WeightsOfBuckets { recipe: self.names.clone() });
        }
        Ok(())
    }

    /// How the rule takes weights, if it can.
    fn weighting(&self) -> Option<&Weighting> {
        match &self.rule {
            Some(Rule::Mean { weighting } | Rule::MultiKrum { weighting, .. })
            | Some(Rule::Smoothed { weighting, .. } | Rule::GeometricMedian { weighting, .. })
            | Some(Rule::NormBounding { weighting, .. }) => Some(weighting),
            _ => None,
        }
    }

    fn has_buckets(&self) -> bool {
        self.wrappers.iter().any(|w| matches!(w, Wrapper::Bucketing { .. }))
    }
}

fn known_parameters(
    entries: &[&Entry],
    names: &str,
    values: &BTreeMap<String, Value>,
) -> Result<(), RuleError> {
    let mut known: Vec<&'static str> =
        entries.iter().flat_map(|e| e.parameters.iter().map(|p| p.name)).collect();
    known.sort_unstable();
    known.dedup();
    match values.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(RuleError::UnknownParameter {
            name: catalogue::short(name),
            recipe: names.into(),
            hint: catalogue::hint(name, known.iter().copied()),
        }),
    }
}

fn wrapper(p: &Parameters<'_>) -> Result<Wrapper, RuleError> {
    Ok(match p.of {
        "nnm" => Wrapper::Nnm { f: p.f()? },
        "arc" => Wrapper::Arc { f: p.f()? },
        "static-clipping" => {
            Wrapper::StaticClipping { bound: p.positive("c")?.ok_or_else(|| p.missing("c"))? }
        }
        "bucketing" => {
            Wrapper::Bucketing { size: p.at_least_one("s")?.ok_or_else(|| p.missing("s"))?, order: order(p)? }
        }
        other => unreachable!("the catalogue has no wrapper {other}"),
    })
}

fn rule(p: &Parameters<'_>) -> Result<Rule, RuleError> {
    Ok(match p.of {
        "average" => Rule::Mean { weighting: p.weighting(Choice::Uniform)? },
        "weighted-average" => Rule::Mean { weighting: p.weighting(Choice::Declared)? },
        "mean" => Rule::Mean { weighting: p.weighting(Choice::IfDeclared)? },
        "coordinate-median" => {
            let words = [("midpoint", Even::Midpoint), ("lower", Even::Lower)];
            Rule::Median { even: p.word("even", &words)?.unwrap_or(Even::Midpoint) }
        }
        "trimmed-mean" => Rule::TrimmedMean { trim: trim(p)? },
        "meamed" => Rule::Meamed { f: p.f()? },
        "krum" => Rule::Krum { f: p.f()?, neighbours: p.at_least_one("neighbours")? },
        "multi-krum" => Rule::MultiKrum {
            f: p.f()?,
            neighbours: p.at_least_one("neighbours")?,
            m: p.at_least_one("m")?,
            weighting: p.weighting(Choice::Uniform)?,
        },
        "bulyan" => {
            let words = [("recomputed", Scores::Recomputed), ("once", Scores::Once)];
            Rule::Bulyan {
                f: p.f()?,
                theta: p.at_least_one("theta")?,
                beta: p.at_least_one("beta")?,
                scores: p.word("scores", &words)?.unwrap_or(Scores::Recomputed),
            }
        }
        "geometric-median-smoothed-weiszfeld" => Rule::Smoothed {
            nu: p.positive("nu")?.unwrap_or(0.1),
            steps: p.steps("T")?.unwrap_or(3),
            start: start(p, "start", &WEIGHTED_STARTS)?.unwrap_or(Start::Zeros),
            weighting: p.weighting(Choice::Uniform)?,
        },
        "rfa" => Rule::Smoothed {
            nu: p.positive("nu")?.unwrap_or(1e-6),
            steps: p.steps("R")?.unwrap_or(3),
            start: start(p, "start", &WEIGHTED_STARTS)?.unwrap_or(Start::WeightedMean),
            weighting: p.weighting(Choice::IfDeclared)?,
        },
        "geometric-median-exact" => Rule::GeometricMedian {
            tolerance: p.positive("tolerance")?.unwrap_or(1e-9),
            iterations: p.steps("iterations")?.unwrap_or(1000),
            weighting: p.weighting(Choice::Uniform)?,
        },
        "centered-clipping" => Rule::CenteredClipping {
            start: start(p, "v0", &CLIPPING_STARTS)?,
            radius: p.positive("tau")?.ok_or_else(|| p.missing("tau"))?,
            steps: p.steps("L")?.unwrap_or(1),
        },
        "norm-bounding-average" => Rule::NormBounding {
            bound: p.positive("M")?.ok_or_else(|| p.missing("M"))?,
            weighting: p.weighting(Choice::Uniform)?,
        },
        "fltrust" => Rule::FlTrust { server: p.vector("server_update")? },
        "monna" => Rule::Monna { f: p.f()?, trusted: p.count("idx")?.ok_or_else(|| p.missing("idx"))? },
        "mda" => Rule::Mda { f: p.f()? },
        "smea" => exact(p).and(Ok(Rule::Smea { f: p.f()? }))?,
        "caf" => exact(p).and(Ok(Rule::Caf { f: p.f()? }))?,
        other => unreachable!("the catalogue has no rule {other}"),
    })
}

fn trim(p: &Parameters<'_>) -> Result<Trim, RuleError> {
    p.exclusive("f", "beta")?;
    match p.number("beta")? {
        Some(share) if (0.0..0.5).contains(&share) => Ok(Trim::Share(share)),
        Some(value) => Err(RuleError::OutOfRange { name: "beta", value, range: "from 0 to below 0.5" }),
        None => Ok(Trim::Count(p.f()?)),
    }
}

fn order(p: &Parameters<'_>) -> Result<Order, RuleError> {
    p.exclusive("perm", "seed")?;
    if let Some(perm) = p.vector("perm")? {
        let range = "a list of whole numbers from 0";
        let place = |value: f64| match value {
            v if v.fract() == 0.0 && (0.0..4_294_967_296.0).contains(&v) => Ok(v as usize),
            value => Err(RuleError::OutOfRange { name: "perm", value, range }),
        };
        return Ok(Order::Given(perm.into_iter().map(place).collect::<Result<_, _>>()?));
    }
    Ok(Order::Drawn(p.count("seed")?.map(|seed| seed as u64)))
}

/// Words for where an iteration begins, and what they mean.
type Starts = [(&'static str, Word); 3];

#[derive(Clone, Copy)]
enum Word {
    Zeros,
    Mean,
    WeightedMean,
    Previous,
}

const WEIGHTED_STARTS: Starts =
    [("zeros", Word::Zeros), ("mean", Word::Mean), ("weighted_mean", Word::WeightedMean)];
const CLIPPING_STARTS: Starts = [("zeros", Word::Zeros), ("mean", Word::Mean), ("previous", Word::Previous)];

fn start(p: &Parameters<'_>, name: &'static str, words: &Starts) -> Result<Option<Start>, RuleError> {
    if let Some(Value::Vector(_)) = p.get(name) {
        return Ok(p.vector(name)?.map(Start::At));
    }
    Ok(p.word(name, words)?.map(|word| match word {
        Word::Zeros => Start::Zeros,
        Word::Mean => Start::Mean,
        Word::WeightedMean => Start::WeightedMean,
        Word::Previous => Start::Previous,
    }))
}

/// Eigenvectors are exact, and who says so is right.
fn exact(p: &Parameters<'_>) -> Result<(), RuleError> {
    p.word("eigen", &[("exact", ())]).map(|_| ())
}
