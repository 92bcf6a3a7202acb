//! What a configuration must hold to, beyond the types of its values.

use super::date::date;
use super::ranges;
use super::{Config, GridConfig, ModelConfig, Part, RootConfig};
use sottovoce_aggregator::{Absent, Recipe};
use sottovoce_algorithms::AlgorithmConfig;
use sottovoce_core::Contents;
use sottovoce_models::{LocalTraining, Optimiser};
use sottovoce_simulation::world::Availability;
use sottovoce_simulation::{Cohort, Pace};
use std::path::Path;

/// A value that cannot be.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{key} = {value}: {expected}")]
pub struct Invalid {
    /// The key, with dots.
    pub key: String,
    /// The value as configured.
    pub value: String,
    /// What is allowed, and why.
    pub expected: String,
}

pub(super) fn invalid(key: impl Into<String>, value: impl ToString, expected: impl Into<String>) -> Invalid {
    Invalid { key: key.into(), value: value.to_string(), expected: expected.into() }
}

fn is_file(key: &str, path: &Path) -> Result<(), Invalid> {
    if path.is_file() { Ok(()) } else { Err(invalid(key, path.display(), "there is no such file")) }
}

/// What to do about a path that leads nowhere: a name beside it that looks like it, or where it starts.
fn absent(path: &Path) -> String {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let beside = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let near = beside
        .filter_map(|entry| entry.file_name().into_string().ok())
        .map(|other| (strsim::damerau_levenshtein(name, &other), other))
        .min()
        .filter(|(distance, _)| *distance <= 2.max(name.len() / 4));
    let what = "there is no such file or folder";
    match (near, std::env::current_dir()) {
        (Some((_, other)), _) => format!("{what}; did you mean {}?", folder.join(other).display()),
        (None, Ok(here)) if path.is_relative() => {
            format!("{what}; relative paths start at {}", here.display())
        }
        _ => what.to_owned(),
    }
}

fn within<T: PartialOrd + ToString + std::fmt::Display>(
    key: &str,
    value: T,
    low: T,
    high: T,
) -> Result<(), Invalid> {
    // Written so that NaN is outside.
    if value >= low && value <= high {
        Ok(())
    } else {
        Err(invalid(key, value, format!("expected {low} to {high}")))
    }
}

fn positive(key: &str, value: f64) -> Result<(), Invalid> {
    if value > 0.0 && value.is_finite() {
        Ok(())
    } else {
        Err(invalid(key, value, "expected a positive finite number"))
    }
}

fn share(key: &str, value: f64) -> Result<(), Invalid> {
    if (0.0..1.0).contains(&value) {
        Ok(())
    } else {
        Err(invalid(key, value, "expected 0 up to, not including, 1"))
    }
}

impl Config {
    /// Refuses what cannot be, before any work starts.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.name.trim().is_empty() {
            return Err(invalid("name", "\"\"", "expected a name"));
        }
        // TOML integers are signed.
        within("seed", self.seed, 0, i64::MAX as u64)?;
        self.check_data()?;
        self.check_features_and_model()?;
        training("local", &self.local)?;
        self.check_algorithm()?;
        self.check_representation()?;
        self.transforms()?;
        self.check_aggregation()?;
        self.check_rounds()?;
        self.check_world()?;
        for target in &self.evaluation.targets {
            within("evaluation.targets", *target, 0.0, 1.0)?;
        }
        if let Some(baselines) = &self.baselines {
            training("baselines.training", &baselines.training)?;
            within("baselines.max_examples", baselines.max_examples, 1, u32::MAX.into())?;
        }
        if let Some(retention) = &self.retention {
            within("retention.retention_days", retention.retention_days, 1, 36_500)?;
            date(&retention.date)?;
        }
        Ok(())
    }

    fn check_algorithm(&self) -> Result<(), Invalid> {
        if let Part::Known(known) = &self.algorithm {
            ranges::check::<AlgorithmConfig>("algorithm", known)?;
        }
        let facts = self.algorithm()?.facts(1);
        if facts.plain_sgd && !matches!(self.local.optimiser, Optimiser::Sgd { .. }) {
            let value = format!("{:?}", facts.name);
            let expected = "its mathematics asks for plain local steps; set local.optimiser.kind to \"sgd\"";
            return Err(invalid("algorithm.kind", value, expected));
        }
        Ok(())
    }

    fn check_representation(&self) -> Result<(), Invalid> {
        let facts = self.algorithm()?.facts(1);
        if facts.represents && matches!(self.model, ModelConfig::SoftmaxRegression {}) {
            let value = format!("{:?}", facts.name);
            let expected = "it works on representations, or on the body and the head that they lie between, and a \
                            softmax_regression has none; set model.kind to \
                            \"embedding_bag\", \"low_rank\", \"text_cnn\" or \"mlp\"";
            return Err(invalid("algorithm.kind", value, expected));
        }
        Ok(())
    }

    fn check_aggregation(&self) -> Result<(), Invalid> {
        let aggregation = &self.aggregation;
        if let Some(bound) = aggregation.norm_bound {
            positive("aggregation.norm_bound", bound)?;
        }
        if let Err(why) = aggregation.grid.grid() {
            let GridConfig { bits, range } = aggregation.grid;
            let value = format!("{{ bits = {bits}, range = {range} }}");
            return Err(invalid("aggregation.grid", value, why.to_string()));
        }
        let refused = |why: String| Err(invalid("aggregation.rule", &aggregation.rule, why));
        let recipe = match self.recipe() {
            Err(why) => return refused(why.to_string()),
            Ok(Some(recipe)) if !recipe.has_rule() => {
                return refused("expected a rule behind the wrappers".to_owned());
            }
            Ok(recipe) => recipe,
        };
        self.check_root(recipe.as_ref().is_some_and(Recipe::needs_trusted))?;
        let Some(recipe) = recipe else {
            if aggregation.absent_rows == Absent::Abstain {
                let expected = "is for rules that work coordinate by coordinate, coordinate-median say: name one in \
                                aggregation.rule";
                return Err(invalid("aggregation.absent_rows", "\"abstain\"", expected));
            }
            return Ok(());
        };
        if let Some(why) = recipe.refused_in_rounds() {
            return refused(why.to_owned());
        }
        if aggregation.absent_rows == Absent::Abstain && !recipe.coordinatewise() {
            let expected = "this rule looks at whole updates, so that nobody can abstain from a row: set \"zero\", or a \
                            rule that works coordinate by coordinate without wrappers, coordinate-median say";
            return Err(invalid("aggregation.absent_rows", "\"abstain\"", expected));
        }
        let about = self.algorithm()?.facts(2);
        if let Some(why) = about.mean_only.filter(|_| !recipe.is_mean()) {
            return refused(format!("{why}: stay with the mean"));
        }
        if !about.preliminary.is_empty() && !recipe.is_mean() {
            let why =
                "a round of the algorithm has several exchanges, and a rule sees one: stay with the mean";
            return refused(why.to_owned());
        }
        if recipe.wants_delta_alone() && about.contents.blocks > 1 {
            let why = "the algorithm sends more blocks than its delta, and an update of the server's own has none of them: \
                       take a rule that trusts nobody";
            return refused(why.to_owned());
        }
        // What can be known before a round: a cohort's size is the most that may answer.
        let most = match self.rounds.pace {
            Pace::Asynchronous { buffer } => Some(buffer),
            Pace::Synchronous { .. } => self.rounds.cohort.size(),
        };
        match most.map(|most| recipe.check_rows(usize::try_from(most).unwrap_or(usize::MAX))) {
            Some(Err(why)) if why.is_too_few() => {
                refused(format!("no round can have enough updates for it: {why}"))
            }
            Some(Err(why)) => refused(why.to_string()),
            _ => Ok(()),
        }
    }

    fn check_root(&self, wanted: bool) -> Result<(), Invalid> {
        let root = &self.aggregation.root;
        if wanted != root.is_some() {
            let expected = match wanted {
                true => {
                    "the rule trusts the server's own update: name its data, { path = \"FILE\" }, or { transcripts = 100 } of \
                         a synthetic corpus"
                }
                false => "only rules that trust an update of the server's own use it (fltrust): leave it out",
            };
            return Err(invalid("aggregation.root", if wanted { "none" } else { "{…}" }, expected));
        }
        match root {
            Some(RootConfig::Files { path }) if !path.exists() => {
                Err(invalid("aggregation.root.path", path.display(), "there is no such file or folder"))
            }
            Some(RootConfig::Files { .. }) if matches!(self.model, ModelConfig::Mlp { .. }) => {
                let expected = "a model of sentence vectors has none for these transcripts: take a model that reads text";
                Err(invalid("aggregation.root", "{…}", expected))
            }
            Some(RootConfig::Synthetic { transcripts }) => {
                if self.data.synthetic.is_none() {
                    let expected =
                        "is for the synthetic corpus: name files of the server's own, { path = \"FILE\" }";
                    return Err(invalid("aggregation.root.transcripts", transcripts, expected));
                }
                within("aggregation.root.transcripts", *transcripts, 1, 1_000_000)
            }
            _ => Ok(()),
        }
    }

    fn check_data(&self) -> Result<(), Invalid> {
        let data = &self.data;
        match (&data.path, &data.synthetic) {
            (None, None) => {
                return Err(invalid(
                    "data",
                    "{}",
                    "names neither files nor a synthetic corpus; pass --set data.path=FOLDER or add [data.synthetic]",
                ));
            }
            (Some(path), Some(_)) => {
                let value = path.display();
                return Err(invalid(
                    "data.path",
                    value,
                    "cannot stand beside [data.synthetic]: remove one of them",
                ));
            }
            (None, Some(synthetic)) => {
                if data.validation_share > 0.0 {
                    let expected = "is for transcripts in files: leave it out, the synthetic corpus has no validation split";
                    return Err(invalid("data.validation_share", data.validation_share, expected));
                }
                synthetic.check().map_err(|e| invalid("data.synthetic", "{…}", e.to_string()))?;
                within("data.test_examples", data.test_examples, 1, 10_000_000)?;
            }
            (Some(_), None) => {}
        }
        share("data.validation_share", data.validation_share)?;
        within("data.test_share", data.test_share.unwrap_or(0.0), 0.0, 0.5)?;
        within("data.max_rejected", data.max_rejected, 0.0, 1.0)?;
        within("data.max_row_bytes", data.max_row_bytes, 1 << 10, 1 << 30)?;
        if data.validation_share > 0.0 && data.train_on_validation {
            let expected = "what is held out for validation cannot be trained on: leave one of them out";
            return Err(invalid("data.train_on_validation", true, expected));
        }
        for path in data.path.iter().chain(&data.also) {
            if !path.exists() {
                let key = if Some(path) == data.path.as_ref() { "data.path" } else { "data.also" };
                return Err(invalid(key, path.display(), absent(path)));
            }
        }
        Ok(())
    }

    fn check_features_and_model(&self) -> Result<(), Invalid> {
        let f = &self.features;
        within("features.buckets", f.buckets, 2, 1 << 26)?;
        within("features.word_ngrams", f.word_ngrams, 0, 8)?;
        within("features.han_ngrams", f.han_ngrams, 0, 8)?;
        let [shortest, longest] = f.char_ngrams;
        let none = (shortest, longest) == (0, 0);
        let some = 1 <= shortest && shortest <= longest && longest <= 12;
        if !none && !some {
            let value = format!("[{shortest}, {longest}]");
            return Err(invalid(
                "features.char_ngrams",
                value,
                "expected [shortest, longest] within 1 to 12, or [0, 0]",
            ));
        }
        within("features.sequence", f.sequence, 0, 4096)?;
        if none && f.word_ngrams == 0 && f.han_ngrams == 0 && f.sequence == 0 {
            return Err(invalid("features.word_ngrams", 0, "no kind of n-gram is left to learn from"));
        }
        self.check_model()
    }

    fn check_model(&self) -> Result<(), Invalid> {
        let f = &self.features;
        let dim = |dim: u32| within("model.dim", dim, 1, 4096);
        let table_init = |bound: Option<f32>| match bound {
            Some(bound) => positive("model.table_init", bound.into()),
            None => Ok(()),
        };
        match &self.model {
            ModelConfig::SoftmaxRegression {} => {}
            // With two classes, since those of the data are not known yet.
            ModelConfig::Custom(custom) => {
                let of = |why| invalid("model.name", format!("{:?}", custom.name), why);
                self.parts.make_model(custom, f.buckets as usize, 2).map_err(of)?;
            }
            ModelConfig::EmbeddingBag { dim: d, table_init: bound } => {
                dim(*d)?;
                table_init(*bound)?;
            }
            ModelConfig::LowRank { rank, dim: d, table, table_init: bound } => {
                within("model.rank", *rank, 1, 4096)?;
                dim(*d)?;
                table_init(*bound)?;
                if let Some(table) = table {
                    if let Some(bound) = bound {
                        let expected = "a table from model.table is taken as it is: leave one of them out";
                        return Err(invalid("model.table_init", bound, expected));
                    }
                    is_file("model.table", table)?;
                }
            }
            ModelConfig::Mlp { vectors, dim, hidden } => {
                within("model.dim", *dim, 1, 65_536)?;
                within("model.hidden", *hidden, 1, 4096)?;
                self.check_vectors(vectors)?;
            }
            ModelConfig::TextCnn { dim: d, widths, filters, table_init: bound } => {
                if self.features.sequence == 0 {
                    let expected =
                        "text_cnn reads tokens in their order: set the most tokens of an example, say 64";
                    return Err(invalid("features.sequence", 0, expected));
                }
                dim(*d)?;
                within("model.filters", *filters, 1, 4096)?;
                table_init(*bound)?;
                let several = (1..=8).contains(&widths.len());
                let different = widths.iter().enumerate().all(|(i, w)| !widths[..i].contains(w));
                if !several || !different || !widths.iter().all(|w| (1..=32).contains(w)) {
                    let expected = "expected one to eight different widths, each 1 to 32";
                    return Err(invalid("model.widths", format!("{widths:?}"), expected));
                }
            }
        }
        Ok(())
    }

    fn check_vectors(&self, vectors: &Path) -> Result<(), Invalid> {
        if self.data.synthetic.is_some() {
            let expected =
                "vectors belong to transcripts in files: name those in data.path, without [data.synthetic]";
            return Err(invalid("model.vectors", vectors.display(), expected));
        }
        if self.deidentify.enabled {
            let expected = "vectors were made outside, of text as it was there, and nothing here can mask them: set \
                            false, and mask before they are made";
            return Err(invalid("deidentify.enabled", true, expected));
        }
        is_file("model.vectors", vectors)
    }

    fn check_rounds(&self) -> Result<(), Invalid> {
        let r = &self.rounds;
        within("rounds.count", r.count, 1, 10_000_000)?;
        match r.cohort {
            Cohort::Poisson { rate } if !(rate > 0.0 && rate <= 1.0) => {
                return Err(invalid("rounds.cohort.rate", rate, "expected a probability above 0, at most 1"));
            }
            cohort => {
                cohort.size().map_or(Ok(()), |s| within("rounds.cohort.size", s, 1, u32::MAX.into()))?
            }
        }
        ranges::check("rounds.cohort", &r.cohort)?;
        share("rounds.dropout", r.dropout)?;
        within("rounds.state_memory_mb", r.state_memory_mb, 0, 1 << 24)?;
        if let Some(stopping) = r.early_stopping {
            within("rounds.early_stopping.patience", stopping.patience, 1, 1_000_000)?;
            share("rounds.early_stopping.min_gain", stopping.min_gain)?;
            if r.evaluate_every == 0 {
                return Err(invalid(
                    "rounds.evaluate_every",
                    0,
                    "early stopping needs evaluations: expected at least 1",
                ));
            }
            if self.data.train_on_validation {
                let expected = "early stopping looks at the validation split, so it cannot be trained on";
                return Err(invalid("data.train_on_validation", true, expected));
            }
        }
        if let Some(cap) = r.weight_cap {
            within("rounds.weight_cap", cap, 1, sottovoce_aggregator::MAX_WEIGHT_CAP)?;
        }
        Ok(())
    }
}

impl Config {
    /// Devices, and how the server waits for them.
    fn check_world(&self) -> Result<(), Invalid> {
        let pace = self.rounds.pace;
        ranges::check("rounds.pace", &pace)?;
        let facts = self.algorithm()?.facts(2);
        let several = !facts.preliminary.is_empty();
        if pace.may_be_stale() && several {
            let value = format!("{:?}", facts.name);
            let expected = "a round of it has several exchanges with the same clients, who have to be waited for: set \
                            rounds.pace.kind to \"synchronous\" with late = \"drop\"";
            return Err(invalid("algorithm.kind", value, expected));
        }
        if pace.may_be_stale() && facts.contents != Contents::DELTA {
            let value = format!("{:?}", facts.name);
            let expected = "sends more than how its parameters moved, and of that nothing is left when it is late: set \
                            rounds.pace.kind to \"synchronous\" with late = \"drop\"";
            return Err(invalid("algorithm.kind", value, expected));
        }
        if matches!(pace, Pace::Asynchronous { .. }) && self.rounds.cohort.size().is_none() {
            let expected = "expected a cohort with a size: so many clients are at work at any time";
            return Err(invalid("rounds.pace.kind", "\"asynchronous\"", expected));
        }
        let Some(world) = &self.world else { return Ok(()) };
        ranges::check("world", world)?;
        if let Some(Availability::Trace { path, .. }) = &world.availability
            && !path.is_file()
        {
            return Err(invalid("world.availability.path", path.display(), "there is no such file"));
        }
        Ok(())
    }
}

fn training(key: &str, training: &LocalTraining) -> Result<(), Invalid> {
    let at = |name: &str| format!("{key}.{name}");
    within(&at("epochs"), training.epochs, 1, 1000)?;
    within(&at("batch"), training.batch, 1, 65_536)?;
    let lr = match training.optimiser {
        Optimiser::Sgd { lr } => lr,
        Optimiser::Momentum { lr, momentum } => {
            share(&at("optimiser.momentum"), momentum.into())?;
            lr
        }
        Optimiser::Adagrad { lr, epsilon } => {
            positive(&at("optimiser.epsilon"), epsilon.into())?;
            lr
        }
        Optimiser::Adam { lr, beta1, beta2, epsilon } => {
            share(&at("optimiser.beta1"), beta1.into())?;
            share(&at("optimiser.beta2"), beta2.into())?;
            positive(&at("optimiser.epsilon"), epsilon.into())?;
            lr
        }
    };
    positive(&at("optimiser.lr"), lr.into())
}
