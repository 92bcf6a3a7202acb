//! What a configuration's data and partition come to, from two passes over the transcripts.

use crate::config::Config;
use crate::experiment::ExperimentError;
use crate::experiment::data::visit_files;
use sottovoce_transcripts::inspect::{Inspection, Inspector};
use sottovoce_transcripts::partition::{PoolBuilder, Scheme, partition, partition_like};
use sottovoce_transcripts::{Split, Synthetic, Transcript};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Reads or makes the data twice: once to deal them out, once to look at them.
pub fn inspect(config: &Config) -> Result<Inspection, ExperimentError> {
    let mut pool = PoolBuilder::default();
    visit(config, &mut |t| pool.push(&t))?;
    let pool = pool.finish();
    if pool.train.is_empty() {
        return Err(ExperimentError::NoTrainingData);
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
    Ok(inspector.finish())
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

fn visit(config: &Config, f: &mut dyn FnMut(Transcript)) -> Result<(), ExperimentError> {
    let Some(synthetic) = &config.data.synthetic else {
        visit_files(config, &mut |_, t| {
            f(t);
            ControlFlow::Continue(())
        })?;
        return Ok(());
    };
    let corpus = Synthetic::new(synthetic.clone())?;
    for client in 0..synthetic.clients {
        corpus.transcripts(config.seed, client).into_iter().for_each(&mut *f);
    }
    corpus.test(config.seed, config.data.test_examples).into_iter().for_each(f);
    Ok(())
}
