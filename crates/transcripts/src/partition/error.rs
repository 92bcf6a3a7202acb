//! Why a partition cannot be made.

/// A request that the items cannot meet. Items are named by their index.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PartitionError {
    /// A partition into nothing.
    #[error("clients must be at least 1")]
    NoClients,
    /// More clients than a partition is made for.
    #[error("{clients} clients asked for, at most {most} are possible")]
    TooManyClients {
        /// Asked for.
        clients: u64,
        /// Most that are possible.
        most: u64,
    },
    /// More items than an index counts.
    #[error("{items} items, at most {most} are possible")]
    TooManyItems {
        /// Given.
        items: usize,
        /// Most that are possible.
        most: usize,
    },
    /// An alpha that is no concentration.
    #[error("alpha is {alpha}, it must lie between 1e-300 and 1e9")]
    Alpha {
        /// As configured.
        alpha: f64,
    },
    /// Some items carry no natural client key.
    #[error(
        "{missing} of {items} items have no client key, the first is item {first}: choose another scheme, such as \
         partition = {{ scheme = \"iid\", clients = 10 }}, or name the column in data.columns.client"
    )]
    NoClientKeys {
        /// Items without a key.
        missing: usize,
        /// All items.
        items: usize,
        /// The first without.
        first: usize,
    },
    /// Some items carry no domain.
    #[error("{missing} of {items} items have no domain, the first is item {first}: choose another scheme")]
    NoDomains {
        /// Items without a domain.
        missing: usize,
        /// All items.
        items: usize,
        /// The first without.
        first: usize,
    },
    /// Some items carry no timestamp.
    #[error("{missing} of {items} items have no timestamp, the first is item {first}: choose another scheme")]
    NoTimestamps {
        /// Items without a timestamp.
        missing: usize,
        /// All items.
        items: usize,
        /// The first without.
        first: usize,
    },
    /// The minimum cannot hold for all clients, whatever is drawn.
    #[error(
        "{clients} clients with at least {min_examples} examples each need {needed} items, there are {items}"
    )]
    TooFewItems {
        /// Clients asked for.
        clients: u64,
        /// Least examples for each.
        min_examples: u64,
        /// Their product.
        needed: u64,
        /// Items given.
        items: usize,
    },
    /// The minimum could hold, but no draw met it.
    #[error(
        "no draw of {attempts} gave every client {min_examples} examples, the best smallest shard had {best}: \
         raise alpha, or lower min_examples or clients"
    )]
    MinExamplesNotMet {
        /// Draws made.
        attempts: u64,
        /// Least examples for each.
        min_examples: u64,
        /// The largest smallest shard of all draws.
        best: u64,
    },
    /// Sorted-by-label shards would be empty.
    #[error("{clients} clients with {shards_per_client} shards each need as many items, there are {items}")]
    TooManyShards {
        /// Clients asked for.
        clients: u64,
        /// Shards for each; at least 1.
        shards_per_client: u64,
        /// Items given.
        items: usize,
    },
    /// Names of clients do not match the keys in the items.
    #[error("item {item} has key {key}, but there are only {names} names")]
    UnnamedKey {
        /// Which item.
        item: usize,
        /// Its key.
        key: u32,
        /// Number of names.
        names: usize,
    },
    /// A partition and the scheme or items it is said to come from do not fit together.
    #[error("the partition does not fit the training items: {found} of {items} items are dealt")]
    NotThisPartition {
        /// Items that the partition deals.
        found: usize,
        /// Items given.
        items: usize,
    },
}
