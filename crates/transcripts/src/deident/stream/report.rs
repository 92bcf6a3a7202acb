//! The account of a masking: what was masked where, under which rules and settings. Never a value.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use serde::Serialize;

use super::super::entity::{EntityKind, Tier};
use super::super::redact::{Placeholder, Policy};
use super::super::rules::rules_digest;
use super::StreamOptions;

/// Places that are listed for a kind; the others are counted.
const PLACES: usize = 20;

/// What masking cannot promise, for whoever signs.
const LIMITS: &[&str] = &[
    "masked text is de-identified, not anonymous: what people write about themselves can still identify them",
    "names and addresses that nothing announces are not found",
    "numbers that only an earlier line explains are not found",
    "voice, images and attachments are not looked at",
    "the digest of a very short input can be guessed; keep this report with the input",
];

/// What was done, in the form that a record of processing needs. There is no date in it: the digest of an input says
/// what was masked, whenever that was.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Version of the program.
    pub version: &'static str,
    /// Digest of the rules, see [`rules_digest`].
    pub rules: String,
    /// The kinds that were masked, by name.
    pub kinds_masked: Vec<&'static str>,
    /// The kinds that the settings left in the text.
    pub kinds_left: Vec<&'static str>,
    /// Whether placeholders carry keyed pseudonyms. The key is nowhere in the report.
    pub pseudonyms: bool,
    /// `lines`, or `json lines`.
    pub format: &'static str,
    /// Keys to which masking was limited; none if every string was masked.
    pub json_keys: Vec<String>,
    /// Whether every input was masked to its end.
    pub complete: bool,
    /// Why not.
    pub error: Option<String>,
    /// The inputs in order.
    pub inputs: Vec<InputReport>,
    /// What was found, by kind.
    pub found: BTreeMap<EntityKind, KindReport>,
    /// Numbers of JSON that look like an identifier and were left.
    pub numbers_left: KindReport,
    /// What masking cannot promise.
    pub limits: &'static [&'static str],
}

/// One input.
#[derive(Debug, Clone, Default, Serialize)]
pub struct InputReport {
    /// Its name as it was given.
    pub name: String,
    /// Its encoding; the output is UTF-8 always.
    pub encoding: &'static str,
    /// Bytes read.
    pub bytes: u64,
    /// Lines masked and written.
    pub lines: u64,
    /// Of these, lines with a placeholder more than before.
    pub lines_changed: u64,
    /// BLAKE3 digest of the bytes read.
    pub blake3: String,
}

/// What was found of one kind.
#[derive(Debug, Clone, Default, Serialize)]
pub struct KindReport {
    /// How many.
    pub count: u64,
    /// The lines of the first of them.
    pub places: Vec<Place>,
    /// Lines beyond those.
    pub more_lines: u64,
}

/// A line of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Which input, from 0.
    pub input: usize,
    /// Which line of it, from 1.
    pub line: u64,
}

impl KindReport {
    fn add(&mut self, count: u64, place: Place) {
        self.count += count;
        if self.places.len() < PLACES {
            self.places.push(place);
        } else {
            self.more_lines += 1;
        }
    }
}

impl Report {
    pub(super) fn new(policy: &Policy, options: &StreamOptions) -> Self {
        let names = |masked: bool| {
            let kinds = EntityKind::ALL.iter().filter(|k| policy.kinds.contains(k) == masked);
            kinds.map(|k| k.name()).collect()
        };
        Self {
            version: env!("CARGO_PKG_VERSION"),
            rules: rules_digest(),
            kinds_masked: names(true),
            kinds_left: names(false),
            pseudonyms: matches!(policy.placeholder, Placeholder::Keyed(_)),
            format: if options.json.is_some() { "json lines" } else { "lines" },
            json_keys: options.json.iter().flat_map(|parts| parts.keys.iter().cloned()).collect(),
            complete: true,
            error: None,
            inputs: Vec::new(),
            found: BTreeMap::new(),
            numbers_left: KindReport::default(),
            limits: LIMITS,
        }
    }

    pub(super) fn open(&mut self, name: &str) -> usize {
        self.inputs.push(InputReport { name: name.to_owned(), ..InputReport::default() });
        self.inputs.len() - 1
    }

    pub(super) fn failed(&mut self, why: String) {
        self.complete = false;
        self.error = Some(why);
    }

    pub(super) fn count(&mut self, input: usize, line: u64, found: &[EntityKind]) {
        if found.is_empty() {
            return;
        }
        self.inputs[input].lines_changed += 1;
        let mut counts: BTreeMap<EntityKind, u64> = BTreeMap::new();
        for kind in found {
            *counts.entry(*kind).or_default() += 1;
        }
        for (kind, count) in counts {
            self.found.entry(kind).or_default().add(count, Place { input, line });
        }
    }

    pub(super) fn numbers_left(&mut self, input: usize, line: u64, count: u64) {
        if count > 0 {
            self.numbers_left.add(count, Place { input, line });
        }
    }

    fn places(&self, kind: &KindReport) -> String {
        let one = self.inputs.len() == 1;
        let place = |p: &Place| if one { p.line.to_string() } else { format!("{}:{}", p.input + 1, p.line) };
        let mut text = kind.places.iter().map(place).collect::<Vec<_>>().join(", ");
        if kind.more_lines > 0 {
            let _ = write!(text, " and {} lines more", kind.more_lines);
        }
        text
    }
}

/// The report to read and sign.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "De-identification report\n")?;
        match &self.error {
            None => writeln!(f, "result        complete: every line of every input was masked")?,
            Some(e) => writeln!(f, "result        INCOMPLETE: {e}")?,
        }
        writeln!(f, "program       sottovoce {}", self.version)?;
        writeln!(f, "rules         blake3 {}", self.rules)?;
        let left = if self.kinds_left.is_empty() { "none".to_owned() } else { self.kinds_left.join(", ") };
        writeln!(f, "kinds masked  {} of {}", self.kinds_masked.len(), EntityKind::ALL.len())?;
        writeln!(f, "kinds left    {left}")?;
        let pseudonyms = if self.pseudonyms {
            "keyed pseudonyms (whoever has the key can test guesses)"
        } else {
            "kind only"
        };
        writeln!(f, "placeholders  {pseudonyms}")?;
        let keys = if self.json_keys.is_empty() {
            String::new()
        } else {
            format!(", under {}", self.json_keys.join(", "))
        };
        writeln!(f, "format        {}{keys}\n", self.format)?;
        for (i, input) in self.inputs.iter().enumerate() {
            writeln!(f, "input {}       {}", i + 1, input.name)?;
            let (lines, changed) = (input.lines, input.lines_changed);
            writeln!(
                f,
                "              {} bytes, {lines} lines, {changed} changed, {}",
                input.bytes, input.encoding
            )?;
            writeln!(f, "              blake3 {}", input.blake3)?;
        }
        writeln!(f, "\n{:<18} {:<8} {:>8}  lines", "kind", "tier", "count")?;
        for (kind, found) in &self.found {
            let tier = match kind.tier() {
                Tier::Hard => "hard",
                Tier::Context => "context",
                Tier::Soft => "soft",
                Tier::Stretch => "stretch",
            };
            writeln!(f, "{:<18} {tier:<8} {:>8}  {}", kind.name(), found.count, self.places(found))?;
        }
        if self.numbers_left.count > 0 {
            let (n, places) = (self.numbers_left.count, self.places(&self.numbers_left));
            writeln!(f, "\nLEFT: {n} numbers of JSON look like identifiers, lines {places}")?;
        }
        writeln!(f, "\nlimits")?;
        for limit in self.limits {
            writeln!(f, "- {limit}")?;
        }
        Ok(())
    }
}
