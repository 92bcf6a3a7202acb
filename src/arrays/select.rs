//! Which tensors of a file count, and what becomes of those that cannot be averaged.

use super::error::Fault;
use clap::ValueEnum;
use std::collections::BTreeSet;

/// What becomes of tensors of integers and truth values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Integers {
    /// They are an error
    #[default]
    Error,
    /// The result has those of the first client
    First,
    /// The result has the largest of each element
    Max,
    /// The result does not have them
    Skip,
}

/// Which tensors count.
#[derive(Debug, Clone, Default)]
pub struct Select {
    /// Patterns of names, of which one has to match; any name will do if there are none.
    pub only: Vec<String>,
    /// Patterns of names, of which none may match.
    pub exclude: Vec<String>,
    /// Integers and truth values.
    pub integers: Integers,
}

/// Names that a list in an error has.
const SHOWN: usize = 8;

impl Select {
    pub(super) fn has_patterns(&self) -> bool {
        !(self.only.is_empty() && self.exclude.is_empty())
    }

    /// Whether a tensor of that name counts.
    pub(super) fn takes(&self, name: &str) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|p| matches(p, name));
        (self.only.is_empty() || any(&self.only)) && !any(&self.exclude)
    }

    /// Holds the patterns against all names that there are: one that matches none is a mistake.
    pub(super) fn check(&self, names: &BTreeSet<String>) -> Result<(), Fault> {
        let options = [("--only", &self.only), ("--exclude", &self.exclude)];
        for (option, pattern) in options.into_iter().flat_map(|(o, all)| all.iter().map(move |p| (o, p))) {
            if !names.iter().any(|name| matches(pattern, name)) {
                let hint = suggestion(pattern, names);
                return Err(Fault::NoMatch { option, pattern: pattern.clone(), hint });
            }
        }
        Ok(())
    }
}

/// Whether `name` is `pattern`, whose every `*` stands for any characters or none.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

fn suggestion(pattern: &str, names: &BTreeSet<String>) -> String {
    let written = pattern.replace('*', "");
    let likeness = |name: &&String| {
        let contains = !written.is_empty() && name.to_lowercase().contains(&written.to_lowercase());
        if contains { 1.0 } else { strsim::jaro_winkler(&written, name) }
    };
    let best = names.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match best.filter(|name| written.len() <= 256 && likeness(name) > 0.8) {
        Some(name) if name.to_lowercase().contains(&written.to_lowercase()) => {
            let end = if name.ends_with(&written) { "" } else { "*" };
            if pattern.contains('*') || !name.contains(&written) {
                format!("did you mean {name}?")
            } else {
                format!("a name matches as a whole: *{written}{end} matches {name}")
            }
        }
        Some(name) => format!("did you mean {name}?"),
        None => format!("there are {}", listed(names.iter().map(String::as_str))),
    }
}

/// The first few of some names.
pub(super) fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    let mut shown = names[..names.len().min(SHOWN)].join(", ");
    if names.len() > SHOWN {
        shown += &format!(" and {} more", names.len() - SHOWN);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, name, expected) in [
            ("", "", true),
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("*", "a.b", true),
            ("a*", "a", true),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("*.weight", "conv.weight", true),
            ("*.weight", "conv.weights", false),
            ("*b*b*", "abcb", true),
            ("*b*b", "ab", false),
            ("a*b*c", "a-c-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("层*权重", "层.0.权重", true),
            ("A*", "a", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_without_a_name_is_answered_with_names() {
        let names = ["conv.weight", "bn.num_batches_tracked"].map(String::from).into();
        for (pattern, said) in [
            ("num_batches_tracked", "*num_batches_tracked matches bn.num_batches_tracked"),
            ("conv", "*conv* matches conv.weight"),
            ("conv.wieght", "did you mean conv.weight?"),
            ("zz*", "there are bn.num_batches_tracked, conv.weight"),
        ] {
            let select =
                Select { only: vec!["*".into()], exclude: vec![pattern.into()], ..Select::default() };
            let error = select.check(&names).expect_err(pattern).to_string();
            assert!(error.contains(said) && error.contains("--exclude"), "{error}");
        }
    }
}
