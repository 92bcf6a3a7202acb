//! Dealing: from a scheme's numbers to shards.
//!
//! Slots of `Purpose::Partition`: 0 order of items; 1 order of runs; 2 shares of clients; 3 order within an
//! intent (client = intent, round = attempt); 4 shares of an intent (the same); 5 held-out items (see `like`).

use super::error::PartitionError;
use super::pool::Item;
use crate::Language;
use sottovoce_core::{Address, Purpose, Stream, sampling};
use std::collections::BTreeMap;

/// Draws that are made at most to meet a minimum.
const ATTEMPTS: u64 = 100;

pub(super) type Shards = Vec<Vec<u32>>;

/// A key that clients go by.
#[derive(Clone, Copy)]
pub(super) enum ByKey<'a> {
    Client,
    Domain,
    /// By the place in these languages, ascending.
    Language(&'a [Language]),
}

impl ByKey<'_> {
    pub(super) fn of(self, item: &Item) -> Option<u32> {
        match self {
            Self::Client => item.client_key,
            Self::Domain => item.domain,
            Self::Language(all) => all.binary_search(&item.language).ok().map(|place| place as u32),
        }
    }

    pub(super) fn missing(self, all: &[Item]) -> PartitionError {
        let (missing, first) = without(all, |item| self.of(item).is_none());
        let items = all.len();
        match self {
            Self::Domain => PartitionError::NoDomains { missing, items, first },
            Self::Client | Self::Language(_) => PartitionError::NoClientKeys { missing, items, first },
        }
    }
}

/// How many items lack something, and the first of them.
fn without(items: &[Item], lacks: impl Fn(&Item) -> bool) -> (usize, usize) {
    let first = items.iter().position(&lacks).unwrap_or(items.len());
    (items.iter().filter(|i| lacks(i)).count(), first)
}

/// Stream of one slot.
fn stream(seed: u64, slot: u64) -> Stream {
    Address::new(seed, Purpose::Partition).slot(slot).stream()
}

/// Indices of each intent's items, ascending.
pub(super) fn by_label(items: &[Item]) -> BTreeMap<u32, Vec<u32>> {
    let mut groups: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (item, index) in items.iter().zip(0u32..) {
        groups.entry(item.label).or_default().push(index);
    }
    groups
}

fn ascending(mut shards: Shards) -> Shards {
    for shard in &mut shards {
        shard.sort_unstable();
    }
    shards
}

/// `order` cut into `parts` whose lengths differ by at most one.
fn cut(order: &[u32], parts: usize) -> Shards {
    // In u128: a length times a number of parts.
    let at = |i: usize| (order.len() as u128 * i as u128 / parts as u128) as usize;
    (0..parts).map(|i| order[at(i)..at(i + 1)].to_vec()).collect()
}

/// Adds to each shard its share of `order`, cut where the running sum of shares falls.
fn cut_by_shares(order: &[u32], shares: &[f64], shards: &mut Shards) {
    let (mut sum, mut from) = (0.0, 0);
    for (i, share) in shares.iter().enumerate() {
        sum += share;
        // The last part takes what rounding left over.
        let to = if i + 1 == shares.len() {
            order.len()
        } else {
            // Rounded, not cut off: a share of 1 - 2⁻⁵³ must not leave an item to the last client.
            ((sum * order.len() as f64 + 0.5) as usize).clamp(from, order.len())
        };
        shards[i].extend_from_slice(&order[from..to]);
        from = to;
    }
}

fn shuffled(n: usize, seed: u64) -> Vec<u32> {
    let mut order: Vec<u32> = (0..n as u32).collect();
    sampling::shuffle(&mut stream(seed, 0), &mut order);
    order
}

pub(super) fn iid(n: usize, clients: usize, seed: u64) -> Shards {
    ascending(cut(&shuffled(n, seed), clients))
}

pub(super) fn quantities(n: usize, clients: usize, alpha: f64, seed: u64) -> Shards {
    let shares = sampling::dirichlet(&mut stream(seed, 2), alpha, clients);
    let mut shards = vec![Vec::new(); clients];
    cut_by_shares(&shuffled(n, seed), &shares, &mut shards);
    ascending(shards)
}

pub(super) fn periods(items: &[Item], clients: usize) -> Result<Shards, PartitionError> {
    let mut dated = Vec::with_capacity(items.len());
    for (item, index) in items.iter().zip(0u32..) {
        let Some(time) = item.timestamp else {
            let (missing, first) = without(items, |i| i.timestamp.is_none());
            return Err(PartitionError::NoTimestamps { missing, items: items.len(), first });
        };
        dated.push((time, index));
    }
    dated.sort_unstable();
    let order: Vec<u32> = dated.into_iter().map(|(_, index)| index).collect();
    Ok(ascending(cut(&order, clients)))
}

pub(super) fn runs(
    items: &[Item],
    clients: usize,
    shards_per_client: u64,
    seed: u64,
) -> Result<Shards, PartitionError> {
    let runs = (clients as u128) * u128::from(shards_per_client);
    if runs == 0 || runs > items.len() as u128 {
        let clients = clients as u64;
        return Err(PartitionError::TooManyShards { clients, shards_per_client, items: items.len() });
    }
    let mut order = shuffled(items.len(), seed);
    // Stable, so within an intent the shuffled order stays.
    order.sort_by_key(|i| items[*i as usize].label);
    let mut runs = cut(&order, runs as usize);
    sampling::shuffle(&mut stream(seed, 1), &mut runs);
    Ok(ascending(runs.chunks(shards_per_client as usize).map(<[Vec<u32>]>::concat).collect()))
}

pub(super) fn dirichlet(
    items: &[Item],
    clients: usize,
    alpha: f64,
    min_examples: u64,
    seed: u64,
) -> Result<Shards, PartitionError> {
    let needed = min_examples.saturating_mul(clients as u64);
    if needed > items.len() as u64 {
        let clients = clients as u64;
        return Err(PartitionError::TooFewItems { clients, min_examples, needed, items: items.len() });
    }
    let groups = by_label(items);
    let mut best = 0;
    for attempt in 0..ATTEMPTS {
        let at = Address::new(seed, Purpose::Partition).round(attempt);
        let mut shards = vec![Vec::new(); clients];
        for (label, group) in &groups {
            let at = at.client(u64::from(*label));
            let mut order = group.clone();
            sampling::shuffle(&mut at.slot(3).stream(), &mut order);
            let shares = sampling::dirichlet(&mut at.slot(4).stream(), alpha, clients);
            cut_by_shares(&order, &shares, &mut shards);
        }
        let smallest = shards.iter().map(Vec::len).min().unwrap_or(0) as u64;
        if smallest >= min_examples {
            return Ok(ascending(shards));
        }
        best = best.max(smallest);
    }
    Err(PartitionError::MinExamplesNotMet { attempts: ATTEMPTS, min_examples, best })
}
