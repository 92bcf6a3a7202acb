//! Many runs of one experiment: a grid over any keys, random settings, several seeds.
//!
//! Every configuration is made and checked before the first run begins. Settings are compared by what the model does on the
//! validation split, where there is one: the test split is for the setting that was chosen.

mod range;
mod run;

pub use range::{Range, RangeError};
pub use run::{Outcome, Ran, Watch, run};

use crate::Parts;
use crate::config::{self, Config, ConfigError};
use std::fmt;
use std::str::FromStr;
use toml::{Table, Value};

/// The key that every configuration has a value of for each of its runs.
const SEED: &str = "seed";

/// What is to be run.
#[derive(Debug, Clone)]
pub struct Sweep {
    /// What the configuration is called in errors.
    pub name: String,
    /// The configuration that all runs share.
    pub text: String,
    /// Overrides of all runs, as `KEY=VALUE`.
    pub overrides: Vec<String>,
    /// Parts of the program's own that configurations may name.
    pub parts: Parts,
    /// Every combination of their values is a setting.
    pub grid: Vec<Axis>,
    /// Drawn anew for each sample.
    pub random: Vec<Range>,
    /// Random settings for each combination of the grid; 1 where nothing is drawn.
    pub samples: u32,
    /// Each setting is run with each; the configuration's own where there is none.
    pub seeds: Vec<u64>,
}

/// A key and the values that it takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    key: String,
    values: Vec<String>,
}

/// What cannot be read as an axis.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected KEY=VALUE,VALUE..., as in local.optimiser.lr=0.5,1,2")]
pub struct AxisError;

impl FromStr for Axis {
    type Err = AxisError;

    /// `KEY=V1,V2`, where the values are TOML, or words.
    fn from_str(text: &str) -> Result<Self, AxisError> {
        let (key, list) = text.split_once('=').filter(|(key, _)| !key.trim().is_empty()).ok_or(AxisError)?;
        let parsed = toml::from_str::<Table>(&format!("v = [{list}]")).ok();
        let values: Vec<String> = match parsed.as_ref().and_then(|t| t["v"].as_array()) {
            Some(values) => values.iter().map(Value::to_string).collect(),
            None => list.split(',').map(|word| word.trim().to_owned()).collect(),
        };
        if values.is_empty() || values.iter().any(String::is_empty) {
            return Err(AxisError);
        }
        Ok(Self { key: key.trim().to_owned(), values })
    }
}

/// One setting of the swept keys.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The swept keys with their values, as `KEY=VALUE`.
    pub keys: Vec<String>,
    /// The configuration for each seed.
    pub configs: Vec<Config>,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.keys.is_empty() { "as configured" } else { "" })?;
        f.write_str(&self.keys.join(" "))
    }
}

impl Setting {
    /// What the folder of one of its runs is called: the swept keys and the seed, as far as a name can hold them, and a
    /// digest of the whole configuration.
    pub fn folder(&self, config: &Config) -> String {
        let mut name = String::new();
        for key in &self.keys {
            let (path, value) = key.split_once('=').unwrap_or((key, ""));
            let plain = |c: char| if c.is_ascii_alphanumeric() || "._".contains(c) { c } else { ' ' };
            let value: String = value.chars().map(plain).collect();
            let words: Vec<&str> = value.split_whitespace().collect();
            name += &format!("{}={},", path.trim().rsplit('.').next().unwrap_or(path), words.join("-"));
        }
        name.truncate(LONGEST);
        let digest = config.digest().to_string();
        format!("{name}seed={}-{}", config.seed, &digest[..16])
    }
}

/// What a folder's name may hold of the swept keys, bytes.
const LONGEST: usize = 100;

impl Sweep {
    /// All settings, their configurations checked.
    pub fn settings(&self) -> Result<Vec<Setting>, ConfigError> {
        let base = self.config(&[])?;
        let seeds = self.all_seeds(base.seed)?;
        let mut combinations: Vec<Vec<String>> = vec![vec![]];
        for axis in self.grid.iter().filter(|axis| axis.key != SEED) {
            let longer = |before: &Vec<String>| -> Vec<Vec<String>> {
                let with = |value| [&before[..], &[format!("{}={value}", axis.key)]].concat();
                axis.values.iter().map(with).collect()
            };
            combinations = combinations.iter().flat_map(longer).collect();
        }
        let samples = if self.random.is_empty() { 1 } else { u64::from(self.samples) };
        let mut settings = Vec::new();
        for combination in combinations {
            for sample in 0..samples {
                let draw = |(place, range): (u64, &Range)| {
                    format!("{}={}", range.key(), range.draw(base.seed, sample, place))
                };
                let mut keys = combination.clone();
                keys.extend((0..).zip(&self.random).map(draw));
                let config = |seed: &u64| self.config(&[&keys[..], &[format!("seed={seed}")]].concat());
                let configs = seeds.iter().map(config).collect::<Result<_, _>>()?;
                settings.push(Setting { keys, configs });
            }
        }
        Ok(settings)
    }

    /// The seeds of every setting, wherever they are listed.
    fn all_seeds(&self, own: u64) -> Result<Vec<u64>, ConfigError> {
        let refused = |given: String, message: &str| ConfigError::Override {
            given,
            message: message.to_owned(),
            help: Some("list seeds with --seeds 1,2,3".to_owned()),
        };
        if let Some(range) = self.random.iter().find(|range| range.key() == SEED) {
            return Err(refused(
                range.to_string(),
                "a seed is not drawn: settings are compared over the same ones",
            ));
        }
        let axes: Vec<&Axis> = self.grid.iter().filter(|axis| axis.key == SEED).collect();
        let mut seeds = self.seeds.clone();
        for axis in &axes {
            for value in &axis.values {
                let given = || format!("{SEED}={value}");
                seeds
                    .push(value.parse().map_err(|_| refused(given(), "expected a whole number at least 0"))?);
            }
        }
        if axes.len() + usize::from(!self.seeds.is_empty()) > 1 {
            return Err(refused(SEED.to_owned(), "seeds are listed twice"));
        }
        let repeated = seeds.iter().enumerate().find(|(i, seed)| seeds[..*i].contains(seed));
        if let Some((_, seed)) = repeated {
            return Err(refused(format!("{SEED}={seed}"), "the same seed twice"));
        }
        Ok(if seeds.is_empty() { vec![own] } else { seeds })
    }

    fn config(&self, more: &[String]) -> Result<Config, ConfigError> {
        config::parse_with(&self.parts, &self.name, &self.text, &[&self.overrides[..], more].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sweep(grid: &[&str], random: &[&str], samples: u32, seeds: &[u64]) -> Sweep {
        Sweep {
            name: "quickstart.toml".to_owned(),
            text: include_str!("../../examples/quickstart.toml").to_owned(),
            overrides: vec!["rounds.count=3".to_owned()],
            parts: Parts::none(),
            grid: grid.iter().map(|axis| axis.parse().expect("an axis")).collect(),
            random: random.iter().map(|interval| interval.parse().expect("an interval")).collect(),
            samples,
            seeds: seeds.to_vec(),
        }
    }

    #[test]
    fn a_grid_is_every_combination_with_every_seed() {
        let algorithms = r#"algorithm={kind="fedprox",mu=0.1},{kind="fedavg"}"#;
        let all = sweep(&["local.optimiser.lr=1,2,4", algorithms], &[], 9, &[5, 6]).settings().expect("good");
        assert_eq!(all.len(), 6);
        assert!(all.iter().all(|s| s.configs.len() == 2 && s.configs[0].seed == 5 && s.configs[1].seed == 6));
        assert_eq!(all[4].configs[0].local.optimiser.lr(), 4.0);
        assert_eq!(all[4].configs[0].algorithm.name(), "fedprox");
        let digests: std::collections::BTreeSet<_> =
            all.iter().flat_map(|s| s.configs.iter().map(Config::digest)).collect();
        assert_eq!(digests.len(), 12);
        assert_eq!(sweep(&[], &[], 1, &[]).settings().expect("good")[0].to_string(), "as configured");
    }

    #[test]
    fn random_settings_lie_in_their_interval_and_come_back() {
        let draw =
            || sweep(&[], &["local.optimiser.lr=0.1..10:log", "rounds.dropout=0..0.5"], 40, &[]).settings();
        let (all, again) = (draw().expect("good"), draw().expect("good"));
        assert_eq!(all.len(), 40);
        let rates: Vec<f32> = all.iter().map(|s| s.configs[0].local.optimiser.lr()).collect();
        assert!(rates.iter().all(|lr| (0.1..=10.0).contains(lr)));
        let below_one = rates.iter().filter(|lr| **lr < 1.0).count();
        assert!((10..30).contains(&below_one), "{below_one} of 40 below the logarithmic middle");
        for (a, b) in all.iter().zip(&again) {
            assert_eq!((&a.keys, &a.configs), (&b.keys, &b.configs));
        }
    }

    #[test]
    fn what_cannot_be_is_refused_before_anything_runs() {
        for bad in ["", "=1", "lr", "lr=", "lr=1,,2"] {
            assert_eq!(bad.parse::<Axis>(), Err(AxisError), "{bad}");
        }
        assert!(sweep(&["local.optimiser.lr=1,-1"], &[], 1, &[]).settings().is_err());
        assert!(sweep(&["no.such.key=1"], &[], 1, &[]).settings().is_err());
    }
}
