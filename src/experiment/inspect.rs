//! What a configuration's data and partition come to, from two passes over the transcripts.

use crate::config::Config;
use crate::experiment::ExperimentError;
use crate::experiment::data::intake;
use crate::experiment::origin::{Origin, known_intent, visit_files};
use serde::Serialize;
use sottovoce_transcripts::inspect::{Inspection, Inspector};
use sottovoce_transcripts::partition::{PoolBuilder, Scheme, partition, partition_like};
use sottovoce_transcripts::{Split, Synthetic, Transcript};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// What a run would use, and where it came from.
#[derive(Debug, Clone, Serialize)]
pub struct Inspected {
    /// The transcripts that are left, and their partition.
    #[serde(flatten)]
    pub inspection: Inspection,
    /// Clients that training transcripts name; 0 where some name none.
    pub natural_clients: u64,
    /// Files, rejected rows, what was assumed and left out.
    pub origin: Origin,
}

/// Reads or makes the data twice, as a run would have them: once to deal them out, once to look at them.
pub fn inspect(config: &Config) -> Result<Inspected, ExperimentError> {
    let mut pool = PoolBuilder::default();
    let origin = visit(config, &mut |t| pool.push(&t))?;
    let pool = pool.finish();
    if pool.train.is_empty() {
        return Err(ExperimentError::NoTrainingData { why: origin.why_nothing(config) });
    }
    if let Some(name) = &config.evaluation.out_of_scope {
        known_intent("evaluation.out_of_scope", name, pool.labels.iter())?;
    }
    let scheme = config.partition.unwrap_or(Scheme::Natural {});
    let dealt = partition(&scheme, &pool.train, &pool, config.seed)?;
    let mut owners: BTreeMap<Split, Vec<Option<u32>>> = BTreeMap::new();
    owners.insert(Split::Train, owner_of(&dealt.shards, pool.train.len()));
    for (split, items, set) in [(Split::Validation, &pool.validation, 0), (Split::Test, &pool.test, 1)] {
        let held_out = partition_like(&scheme, &dealt, &pool.train, items, &pool, config.seed, set)?;
        owners.insert(split, owner_of(&held_out.shards, items.len()));
    }
    let mut inspector = Inspector::new(dealt.shards.len());
    let mut seen: BTreeMap<Split, usize> = BTreeMap::new();
    visit(config, &mut |t| {
        let place = seen.entry(t.split).or_default();
        let owner = owners.get(&t.split).and_then(|o| o.get(*place)).copied().flatten();
        *place += 1;
        inspector.observe(&t, owner);
    })?;
    // Only where every training transcript names one.
    let natural: Option<BTreeSet<u32>> = pool.train.iter().map(|item| item.client_key).collect();
    let natural_clients = natural.map_or(0, |keys| keys.len() as u64);
    Ok(Inspected { inspection: inspector.finish(), natural_clients, origin })
}

fn owner_of(shards: &[Vec<u32>], items: usize) -> Vec<Option<u32>> {
    let mut owners = vec![None; items];
    for (client, shard) in shards.iter().enumerate() {
        for item in shard {
            owners[*item as usize] = Some(client as u32);
        }
    }
    owners
}

/// Hands over what retention keeps.
fn visit(config: &Config, f: &mut dyn FnMut(Transcript)) -> Result<Origin, ExperimentError> {
    let (intake, mut retention) = (intake(config), Default::default());
    let mut origin = Origin::default();
    let mut keep = |t: Transcript| {
        if intake.keeps(&t, &mut retention) {
            f(t);
        }
    };
    if let Some(synthetic) = &config.data.synthetic {
        let corpus = Synthetic::new(synthetic.clone())?;
        for client in 0..synthetic.clients {
            corpus.transcripts(config.seed, client).into_iter().for_each(&mut keep);
        }
        corpus.test(config.seed, config.data.test_examples).into_iter().for_each(keep);
    } else {
        let read = visit_files(config, &mut |_, t| {
            keep(t);
            ControlFlow::Continue(())
        })?;
        origin = Origin::of(read);
    }
    origin.retention = intake.retention.is_some().then_some(retention);
    Ok(origin)
}
