//! A chain of digests over a run: equal for two runs if and only if every round was the same, and where they part, it
//! names the round and the stage.
//!
//! ```text
//! start = H("start", contract, configuration, data)      link = H("round", link before, round, leaves)
//! ```
//! `H` is BLAKE3 in its key derivation mode. A leaf is an XXH3-128 [`Checksum`]: what passes through a round is much,
//! and the chain costs the speed of memory, not that of a cryptographic hash. So it finds every accident; somebody
//! who computes two updates with one checksum can hide one behind the other.

use serde::{Deserialize, Serialize};
use sottovoce_core::{Checksum, Digest};
use std::fmt;

/// Version of the contract "same configuration, data and seed: same bits". A build of another version may give other
/// bits, and says so instead of comparing.
pub const CONTRACT: u32 = 4;

/// One checksum for each stage of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaves {
    /// Clients asked.
    pub cohort: Checksum,
    /// Parameters and server state before the round.
    pub broadcast: Checksum,
    /// The examples of each client that trained.
    pub shards: Checksum,
    /// What each client answered and what became of it: accepted, refused or dropped, and why.
    pub messages: Checksum,
    /// What each client whose answer counted keeps from now on.
    pub states: Checksum,
    /// The aggregate, after the server halves of all transforms.
    pub aggregate: Checksum,
    /// Parameters and server state after the round.
    pub server: Checksum,
    /// Predictions on the split that was evaluated; zero without an evaluation.
    pub evaluation: Checksum,
}

/// Part of a round, in the order in which one follows from the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Who was asked.
    Cohort,
    /// What they were told.
    Broadcast,
    /// What a client trains on.
    Shard,
    /// What a client answered.
    Message,
    /// What a client keeps between rounds.
    ClientState,
    /// What all answers came to.
    Aggregate,
    /// What the server made of it.
    ServerStep,
    /// How good that is.
    Evaluation,
}

impl Stage {
    /// All, in order.
    pub const ALL: [Self; 8] = [
        Self::Cohort,
        Self::Broadcast,
        Self::Shard,
        Self::Message,
        Self::ClientState,
        Self::Aggregate,
        Self::ServerStep,
        Self::Evaluation,
    ];
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cohort => "cohort",
            Self::Broadcast => "broadcast",
            Self::Shard => "shard",
            Self::Message => "message",
            Self::ClientState => "client state",
            Self::Aggregate => "aggregate",
            Self::ServerStep => "server step",
            Self::Evaluation => "evaluation",
        })
    }
}

impl Leaves {
    /// The leaves in the order of [`Stage::ALL`].
    pub fn in_order(&self) -> [Checksum; 8] {
        let Self { cohort, broadcast, shards, messages, states, aggregate, server, evaluation } = *self;
        [cohort, broadcast, shards, messages, states, aggregate, server, evaluation]
    }

    /// The first stage at which two rounds differ.
    pub fn first_difference(&self, other: &Self) -> Option<Stage> {
        let both = self.in_order().into_iter().zip(other.in_order());
        Stage::ALL.into_iter().zip(both).find(|(_, (a, b))| a != b).map(|(stage, _)| stage)
    }
}

/// The chain up to some round; the default is a chain of nothing at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Chain(Digest);

impl Chain {
    /// Before the first round. `data` stands for what is not a client's: labels and held-out examples.
    pub fn start(configuration: Digest, data: Checksum) -> Self {
        Self(link("sottovoce 2026 chain start v1", &[&CONTRACT.to_le_bytes(), &configuration.0, &data.0]))
    }

    /// After another round.
    pub fn push(&mut self, round: u64, leaves: &Leaves) {
        let leaves = leaves.in_order().map(|leaf| leaf.0);
        *self = Self(link(
            "sottovoce 2026 chain round v1",
            &[&self.0.0, &round.to_le_bytes(), leaves.as_flattened()],
        ));
    }

    /// From here on another configuration holds.
    pub fn reconfigure(&mut self, configuration: Digest) {
        *self = Self(link("sottovoce 2026 chain configuration v1", &[&self.0.0, &configuration.0]));
    }

    /// The digest of all of it.
    pub fn digest(&self) -> Digest {
        self.0
    }
}

/// Every part has a length of its own, so their concatenation is not ambiguous.
fn link(context: &str, parts: &[&[u8]]) -> Digest {
    let mut hash = blake3::Hasher::new_derive_key(context);
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(changed: Option<usize>) -> Leaves {
        let leaf = |i: usize| Checksum::of(&[i as u8, u8::from(changed == Some(i))]);
        Leaves {
            cohort: leaf(0),
            broadcast: leaf(1),
            shards: leaf(2),
            messages: leaf(3),
            states: leaf(4),
            aggregate: leaf(5),
            server: leaf(6),
            evaluation: leaf(7),
        }
    }

    #[test]
    fn every_leaf_is_seen_and_named() {
        for (i, stage) in Stage::ALL.into_iter().enumerate() {
            assert_eq!(leaves(None).first_difference(&leaves(Some(i))), Some(stage));
        }
        assert_eq!(leaves(None).first_difference(&leaves(None)), None);
    }

    #[test]
    fn every_part_moves_the_chain() {
        let start = Chain::start(Digest::of(b"configuration"), Checksum::of(b"data"));
        let mut all = vec![
            start,
            Chain::start(Digest::of(b"other"), Checksum::of(b"data")),
            Chain::start(Digest::of(b"configuration"), Checksum::of(b"other")),
        ];
        for changed in (0..8).map(Some).chain([None]) {
            let mut chain = start;
            chain.push(0, &leaves(changed));
            all.push(chain);
        }
        let push = |c: &mut Chain| c.push(1, &leaves(None));
        let reconfigure = |c: &mut Chain| c.reconfigure(Digest::of(b"other"));
        for then in [push as fn(&mut Chain), reconfigure] {
            let mut chain = start;
            then(&mut chain);
            all.push(chain);
        }
        for (i, a) in all.iter().enumerate() {
            assert!(all[..i].iter().all(|b| a != b), "{i}");
        }
    }
}
