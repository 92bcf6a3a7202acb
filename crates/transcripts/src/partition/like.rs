//! Dealing held-out items so that every client is evaluated on its own distribution.

use super::deal::{ByKey, Shards, by_label};
use super::error::PartitionError;
use super::pool::{Item, Pool};
use super::scheme::{Partition, Scheme, languages_of};
use sottovoce_core::{Address, Purpose, sampling};
use std::collections::BTreeMap;

/// Held-out items of the clients of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldOut {
    /// Indices of each client's held-out items, ascending, in the order of the partition's clients.
    pub shards: Vec<Vec<u32>>,
    /// Items whose key belongs to no client of the partition, ascending: for global evaluation only.
    pub unassigned: Vec<u32>,
}

/// Deals `held_out` in the proportions in which `partition` deals `train`.
///
/// Natural keys, languages and domains go to the client of the same key. With all other schemes each intent's
/// items are spread over the clients as its training items are (systematic sampling from a random start, so a
/// client's number of items lies within one of its exact share); items of an intent without training items are
/// spread as all training items are. Under `Time` a client is thus evaluated on its period's mix of intents.
/// `set` keeps the draws of validation (say 0) and test (1) apart.
pub fn partition_like(
    scheme: &Scheme,
    partition: &Partition,
    train: &[Item],
    held_out: &[Item],
    pool: &Pool,
    seed: u64,
    set: u64,
) -> Result<HeldOut, PartitionError> {
    let most = u32::MAX as usize;
    if held_out.len() > most {
        return Err(PartitionError::TooManyItems { items: held_out.len(), most });
    }
    match scheme {
        Scheme::Natural {} => Ok(same_key(ByKey::Client, partition, held_out, &pool.client_keys)),
        Scheme::Domain {} => Ok(same_key(ByKey::Domain, partition, held_out, &pool.domains)),
        Scheme::Language {} => {
            let (languages, names) = languages_of(held_out);
            Ok(same_key(ByKey::Language(&languages), partition, held_out, &names))
        }
        Scheme::Iid { .. }
        | Scheme::Dirichlet { .. }
        | Scheme::Pathological { .. }
        | Scheme::Quantity { .. }
        | Scheme::Time { .. } => same_mix(partition, train, held_out, seed, set),
    }
}

fn same_key(key: ByKey<'_>, partition: &Partition, held_out: &[Item], names: &[String]) -> HeldOut {
    let clients: BTreeMap<&str, usize> =
        partition.names.iter().enumerate().map(|(i, name)| (name.as_str(), i)).collect();
    let mut dealt = HeldOut { shards: vec![Vec::new(); partition.shards.len()], unassigned: Vec::new() };
    for (item, index) in held_out.iter().zip(0u32..) {
        let name = key.of(item).and_then(|k| names.get(k as usize));
        match name.and_then(|n| clients.get(n.as_str())) {
            Some(client) => dealt.shards[*client].push(index),
            None => dealt.unassigned.push(index),
        }
    }
    dealt
}

fn same_mix(
    partition: &Partition,
    train: &[Item],
    held_out: &[Item],
    seed: u64,
    set: u64,
) -> Result<HeldOut, PartitionError> {
    // Clients that hold an intent, ascending, with how many of its items the clients up to there hold.
    let mut mixes: BTreeMap<u32, Vec<(usize, u64)>> = BTreeMap::new();
    let mut whole: Vec<(usize, u64)> = Vec::new();
    let mut found = 0;
    for (client, shard) in partition.shards.iter().enumerate() {
        for index in shard {
            let Some(item) = train.get(*index as usize) else {
                return Err(PartitionError::NotThisPartition { found, items: train.len() });
            };
            found += 1;
            for mix in [mixes.entry(item.label).or_default(), &mut whole] {
                let before = mix.last().map_or(0, |last| last.1);
                match mix.last_mut().filter(|last| last.0 == client) {
                    Some(last) => last.1 += 1,
                    None => mix.push((client, before + 1)),
                }
            }
        }
    }
    if found != train.len() {
        return Err(PartitionError::NotThisPartition { found, items: train.len() });
    }
    let mut shards: Shards = vec![Vec::new(); partition.shards.len()];
    if whole.is_empty() {
        // No training item shows any proportion.
        return Ok(HeldOut { shards, unassigned: (0..held_out.len() as u32).collect() });
    }
    for (label, mut group) in by_label(held_out) {
        let at = Address::new(seed, Purpose::Partition).slot(5).round(set).client(u64::from(label));
        let mut s = at.stream();
        sampling::shuffle(&mut s, &mut group);
        spread(&group, mixes.get(&label).unwrap_or(&whole), &mut s, &mut shards);
    }
    for shard in &mut shards {
        shard.sort_unstable();
    }
    Ok(HeldOut { shards, unassigned: Vec::new() })
}

/// Systematic sampling: item `k` of `n` falls on the client that holds position (k·total + r)/n of the running
/// count, for one random `r` below `total`. All in integers.
fn spread(group: &[u32], mix: &[(usize, u64)], s: &mut sottovoce_core::Stream, shards: &mut Shards) {
    let total = mix.last().map_or(0, |last| last.1);
    let r = u128::from(sampling::below(s, total));
    for (k, index) in group.iter().enumerate() {
        let position = ((k as u128 * u128::from(total) + r) / group.len() as u128) as u64;
        let at = mix.partition_point(|(_, upto)| *upto <= position);
        shards[mix[at].0].push(*index);
    }
}
