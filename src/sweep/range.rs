//! A key and what its value is drawn from.

use sottovoce_core::sampling::unit;
use sottovoce_core::{Address, Purpose};
use std::fmt;
use std::str::FromStr;

/// A key and what its value is drawn from.
#[derive(Debug, Clone, PartialEq)]
pub struct Range {
    key: String,
    of: Of,
}

#[derive(Debug, Clone, PartialEq)]
enum Of {
    /// Numbers from one to the other, evenly or evenly on a logarithmic scale.
    Numbers { low: f64, high: f64, logarithmic: bool },
    /// Whole numbers, both ends among them.
    Whole { low: i64, high: i64, logarithmic: bool },
    /// One of these.
    Choice(Vec<String>),
}

/// What cannot be read as a range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected KEY=LOW..HIGH, with :log for a logarithmic scale, which lies above 0, and :int for whole numbers, as in \
     local.optimiser.lr=0.1..10:log or local.epochs=1..5:int; or KEY=VALUE|VALUE..., as in model.dim=16|32|64"
)]
pub struct RangeError;

impl FromStr for Range {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        let (key, of) = text.split_once('=').filter(|(key, _)| !key.trim().is_empty()).ok_or(RangeError)?;
        let key = key.trim().to_owned();
        if of.contains('|') {
            let values: Vec<String> = of.split('|').map(|value| value.trim().to_owned()).collect();
            let good = values.iter().all(|value| !value.is_empty());
            return good.then_some(Self { key, of: Of::Choice(values) }).ok_or(RangeError);
        }
        let (mut interval, mut logarithmic, mut whole) = (of, false, false);
        while let Some((before, word)) = interval.rsplit_once(':') {
            match word.trim() {
                "log" if !logarithmic => logarithmic = true,
                "int" if !whole => whole = true,
                _ => return Err(RangeError),
            }
            interval = before;
        }
        let (low, high) = interval.split_once("..").ok_or(RangeError)?;
        let (low, high) = (low.trim(), high.trim());
        if whole {
            let number = |text: &str| text.parse::<i64>().map_err(|_| RangeError);
            let (low, high) = (number(low)?, number(high)?);
            // Their difference is the number of values, which has to be exact.
            let good = low < high
                && (low > 0 || !logarithmic)
                && low.unsigned_abs().max(high.unsigned_abs()) < 1 << 52;
            return good.then_some(Self { key, of: Of::Whole { low, high, logarithmic } }).ok_or(RangeError);
        }
        let number = |text: &str| text.parse::<f64>().ok().filter(|v| v.is_finite()).ok_or(RangeError);
        let (low, high) = (number(low)?, number(high)?);
        let good = low < high && (low > 0.0 || !logarithmic);
        good.then_some(Self { key, of: Of::Numbers { low, high, logarithmic } }).ok_or(RangeError)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let log = |logarithmic: bool| if logarithmic { ":log" } else { "" };
        let key = &self.key;
        match &self.of {
            Of::Numbers { low, high, logarithmic } => write!(f, "{key}={low}..{high}{}", log(*logarithmic)),
            Of::Whole { low, high, logarithmic } => write!(f, "{key}={low}..{high}:int{}", log(*logarithmic)),
            Of::Choice(values) => write!(f, "{key}={}", values.join("|")),
        }
    }
}

impl Range {
    /// The key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// A value as TOML: a pure function of the configuration's seed, the sample and the range's place.
    pub(crate) fn draw(&self, seed: u64, sample: u64, place: u64) -> String {
        let share = unit(&mut Address::new(seed, Purpose::Sweep).slot(sample).client(place).stream());
        let between = |low: f64, high: f64, logarithmic: bool| match logarithmic {
            true => libm::exp(libm::log(low) + share * (libm::log(high) - libm::log(low))),
            false => low + share * (high - low),
        };
        match &self.of {
            // As many digits as an `f32` has: that is what most keys hold, and what people can write down.
            Of::Numbers { low, high, logarithmic } => (between(*low, *high, *logarithmic) as f32).to_string(),
            Of::Whole { low, high, logarithmic } => {
                let value = between(*low as f64, *high as f64 + 1.0, *logarithmic);
                (libm::floor(value) as i64).clamp(*low, *high).to_string()
            }
            Of::Choice(values) => values[(share * values.len() as f64) as usize].clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws(range: &str) -> Vec<String> {
        let range: Range = range.parse().expect("a range");
        assert_eq!(range.to_string().parse(), Ok(range.clone()));
        (0..3000).map(|sample| range.draw(7, sample, 0)).collect()
    }

    #[test]
    fn whole_numbers_and_choices_come_evenly() {
        let share = |all: &[String], value: &str| all.iter().filter(|v| *v == value).count() as f64 / 3000.0;
        // Five standard deviations of a share of a third.
        let near = |got: f64, expected: f64| (got - expected).abs() < 5.0 * 0.0087;
        for range in ["k=2..4:int", "k=2|3|4"] {
            let all = draws(range);
            for value in ["2", "3", "4"] {
                assert!(near(share(&all, value), 1.0 / 3.0), "{range}: {value} {}", share(&all, value));
            }
        }
        // Each doubling is as likely as the next: 1, 2 and 3, 4 to 7.
        let all = draws("k=1..7:int:log");
        assert!(near(share(&all, "1"), 1.0 / 3.0) && near(share(&all, "2") + share(&all, "3"), 1.0 / 3.0));
        assert!(draws("k=-3..3:int").iter().any(|v| v == "-3"));
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for bad in [
            "lr",
            "lr=1",
            "lr=2..1",
            "lr=0..1:log",
            "lr=a..b",
            "=1..2",
            "lr=1..inf",
            "k=1.5..3:int",
            "k=0..3:int:log",
            "k=1..3:int:int",
            "k=1..3:bool",
            "k=a||b",
            "k=|",
        ] {
            assert_eq!(bad.parse::<Range>(), Err(RangeError), "{bad}");
        }
    }
}
