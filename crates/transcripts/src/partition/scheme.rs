//! The schemes, and what each asks of the items.

use super::deal::{self, ByKey};
use super::error::PartitionError;
use super::pool::{Item, Pool};
use crate::Language;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Most clients that a partition is made for: each costs memory even without an item.
const MOST_CLIENTS: u64 = 1 << 24;

/// How a training set is dealt out to clients.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "scheme", rename_all = "snake_case", deny_unknown_fields)]
pub enum Scheme {
    /// By the natural client key; needs one on every item.
    Natural {},
    /// Shuffled and cut into equal parts.
    Iid {
        /// Number of clients.
        clients: u64,
    },
    /// Label skew: each intent is cut in proportions drawn from a symmetric Dirichlet over the clients
    /// (Yurochkin et al., ICML 2019; Li et al., ICDE 2022). The related scheme of Hsu et al. (2019) draws each
    /// client's label mix instead, which fixes the shards' sizes but cannot use every item exactly once.
    Dirichlet {
        /// Number of clients.
        clients: u64,
        /// Concentration: near 0 every intent lies at one client, large is nearly IID.
        alpha: f64,
        /// Least examples of every client; the draw is repeated up to 100 times until it holds.
        #[serde(default)]
        min_examples: u64,
    },
    /// Sorted by intent, cut into equal runs, some runs for each client (McMahan et al., AISTATS 2017).
    Pathological {
        /// Number of clients.
        clients: u64,
        /// Runs for each client; about its number of intents.
        shards_per_client: u64,
    },
    /// Quantity skew: shuffled and cut into parts whose sizes are Dirichlet (Li et al., ICDE 2022).
    Quantity {
        /// Number of clients.
        clients: u64,
        /// Concentration: near 0 one client has nearly all, large is nearly equal.
        alpha: f64,
    },
    /// One client for each language.
    Language {},
    /// One client for each domain; needs one on every item.
    Domain {},
    /// Sorted by time and cut into equal periods; needs a timestamp on every item.
    Time {
        /// Number of clients.
        clients: u64,
    },
}

/// Who holds what. Client `i` is called `names[i]` and holds the items `shards[i]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Partition {
    /// Names of clients: natural keys, languages, domains, or `client-0` and so on.
    pub names: Vec<String>,
    /// Indices of each client's items, ascending; may be empty where the scheme sets no minimum.
    pub shards: Vec<Vec<u32>>,
}

/// Deals `items` out: every item to exactly one client. `pool` gives the names of keys and domains.
///
/// Cost: O(n log n) time and 4 bytes an item, for `Dirichlet` also clients × intents gamma draws an attempt.
pub fn partition(
    scheme: &Scheme,
    items: &[Item],
    pool: &Pool,
    seed: u64,
) -> Result<Partition, PartitionError> {
    let most = u32::MAX as usize;
    if items.len() > most {
        return Err(PartitionError::TooManyItems { items: items.len(), most });
    }
    let shards = match *scheme {
        Scheme::Natural {} => return by_key(ByKey::Client, items, &pool.client_keys),
        Scheme::Domain {} => return by_key(ByKey::Domain, items, &pool.domains),
        Scheme::Language {} => {
            let (languages, names) = languages_of(items);
            return by_key(ByKey::Language(&languages), items, &names);
        }
        Scheme::Iid { clients } => deal::iid(items.len(), checked(clients)?, seed),
        Scheme::Time { clients } => deal::periods(items, checked(clients)?)?,
        Scheme::Quantity { clients, alpha } => {
            deal::quantities(items.len(), checked(clients)?, concentration(alpha)?, seed)
        }
        Scheme::Pathological { clients, shards_per_client } => {
            deal::runs(items, checked(clients)?, shards_per_client, seed)?
        }
        Scheme::Dirichlet { clients, alpha, min_examples } => {
            deal::dirichlet(items, checked(clients)?, concentration(alpha)?, min_examples, seed)?
        }
    };
    let names = (0..shards.len()).map(|i| format!("client-{i}")).collect();
    Ok(Partition { names, shards })
}

/// The languages of items, ascending, and their names.
pub(super) fn languages_of(items: &[Item]) -> (Vec<Language>, Vec<String>) {
    let all: BTreeSet<Language> = items.iter().map(|item| item.language).collect();
    (all.iter().copied().collect(), all.iter().map(Language::to_string).collect())
}

/// One client for each key that occurs, in the order of keys.
fn by_key(key: ByKey<'_>, items: &[Item], names: &[String]) -> Result<Partition, PartitionError> {
    let mut shards = vec![Vec::new(); names.len()];
    for (index, item) in items.iter().enumerate() {
        let Some(k) = key.of(item) else {
            return Err(key.missing(items));
        };
        let unnamed = PartitionError::UnnamedKey { item: index, key: k, names: names.len() };
        shards.get_mut(k as usize).ok_or(unnamed)?.push(index as u32);
    }
    let (names, shards) = names.iter().cloned().zip(shards).filter(|(_, shard)| !shard.is_empty()).unzip();
    Ok(Partition { names, shards })
}

fn checked(clients: u64) -> Result<usize, PartitionError> {
    match clients {
        0 => Err(PartitionError::NoClients),
        c if c > MOST_CLIENTS => Err(PartitionError::TooManyClients { clients, most: MOST_CLIENTS }),
        c => Ok(c as usize),
    }
}

fn concentration(alpha: f64) -> Result<f64, PartitionError> {
    // Above 1e9 the gamma sampler's acceptance test is lost in rounding; there the shares are equal anyway.
    if (1e-300..=1e9).contains(&alpha) { Ok(alpha) } else { Err(PartitionError::Alpha { alpha }) }
}
