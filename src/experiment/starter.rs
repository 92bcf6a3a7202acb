//! A first configuration for a data file: what was found in it, settings that learn, and where to go from there.

use crate::config::{self, ConfigError};
use crate::experiment::ExperimentError;
use crate::experiment::inspect::{Inspected, inspect};
use sottovoce_transcripts::Split;
use std::fmt::Write;
use std::path::Path;

/// Training transcripts that a client gets where the data name no clients.
const EACH: u64 = 40;
/// Most clients that they are dealt out to.
const CLIENTS: u64 = 50;
/// Clients that train in a round.
const COHORT: u64 = 10;

/// Why there is no first configuration.
#[derive(Debug, thiserror::Error)]
pub enum StarterError {
    /// The data cannot be read.
    #[error(transparent)]
    Data(#[from] ExperimentError),
    /// The path is none that a configuration can hold.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// A commented configuration for the data at `path`, and what was found there.
///
/// # Errors
/// If the data cannot be read, or nothing is left to train on.
pub fn starter(path: &Path) -> Result<(String, Inspected), StarterError> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let name = if name.trim().is_empty() { "mine".to_owned() } else { name };
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let head = |partition: &str| {
        format!(
            "name = {}\nseed = 1\n\n[data]\npath = {}\n\n{partition}\n",
            quoted(&name),
            quoted(&path.to_string_lossy())
        )
    };
    // Everybody's transcripts at one client: that is possible whatever the data say of clients.
    let alone = "[partition]\nscheme = \"iid\"\nclients = 1\n".to_owned() + &rest(1);
    let found = inspect(&config::parse("init.toml", &head(&alone), &[])?)?;
    let train = found.inspection.splits.get(&Split::Train).copied().unwrap_or_default();
    let (clients, partition) = match found.natural_clients {
        0 | 1 => {
            let clients = (train / EACH).clamp(2, CLIENTS).min(train);
            let text = format!(
                "# No column names clients, so {clients} are made, each with its share. `scheme = \"dirichlet\"` and \
                 `alpha = 0.5`\n# give each another mix of intents; a column `client` makes them real.\n[partition]\n\
                 scheme = \"iid\"\nclients = {clients}\n"
            );
            (clients, text)
        }
        keys => {
            (keys, format!("# {keys} clients are named in the data.\n[partition]\nscheme = \"natural\"\n"))
        }
    };
    let mut text = format!("# What was found: {}\n", sentence(&found));
    for note in found.origin.notes() {
        let _ = writeln!(text, "# {}", note.replace(['\n', '\r'], " "));
    }
    text += "# Look closer with `sottovoce data inspect`, run it with `sottovoce run`, list what else there is with \
             `sottovoce list`.\n\n";
    text += &head(&(partition + &rest(clients)));
    // What is written is what has been tried.
    let found = inspect(&config::parse("init.toml", &text, &[])?)?;
    Ok((text, found))
}

/// Counts of transcripts, intents and languages.
pub fn sentence(found: &Inspected) -> String {
    let i = &found.inspection;
    let of = |split| i.splits.get(&split).copied().unwrap_or_default();
    let languages: Vec<String> = i.languages.iter().map(|(tag, n)| format!("{} {n}", tag.tag())).collect();
    format!(
        "{} training and {} test transcripts, {} intents, languages {}",
        of(Split::Train),
        of(Split::Test),
        i.labels.len(),
        languages.join(", ")
    )
}

/// Everything behind the data.
fn rest(clients: u64) -> String {
    let cohort = if clients > COHORT {
        format!("{{ kind = \"uniform\", size = {COHORT} }}   # so many clients train in a round")
    } else {
        "{ kind = \"all\" }   # every client trains in every round".to_owned()
    };
    format!(
        "
[features]
buckets = 16384   # hashed n-grams of words, characters and Chinese signs

[model]
kind = \"softmax_regression\"   # sottovoce list models

[local]
epochs = 1
batch = 8
optimiser = {{ kind = \"sgd\", lr = 20.0 }}

[algorithm]
kind = \"fedavg\"   # sottovoce list algorithms

[rounds]
count = 60
cohort = {cohort}
evaluate_every = 5

# The same data in one place, to compare with.
[baselines]
training = {{ epochs = 10, batch = 32, optimiser = {{ kind = \"sgd\", lr = 20.0 }} }}
"
    )
}
