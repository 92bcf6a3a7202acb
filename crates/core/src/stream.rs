//! Addressed random streams: a random number is a pure function of where it is used, not of what ran before.
//!
//! A [`Stream`] is ChaCha8 under the key `BLAKE3-derive-key(seed, purpose, slot, round, client)`. Two places
//! with different addresses never share numbers, and changing one part of a run leaves all others as they were.

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

/// What a stream is for. Numbers are part of the reproducibility contract: never reused, never reordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Purpose {
    /// Initial model parameters; slot = tensor.
    Init = 1,
    /// Who takes part in a round.
    Cohort = 2,
    /// Order of examples in local training; slot = epoch.
    BatchOrder = 3,
    /// Dealing transcripts out to clients; slot is the partitioner's own.
    Partition = 4,
    /// Synthetic transcripts of a client; slot = transcript.
    Corpus = 5,
    /// Traits of a synthetic client itself: product line, language, habits.
    CorpusClient = 6,
    /// Choice of clients for baselines and per-client evaluation.
    Sample = 7,
    /// Order of examples in baseline training; slot = epoch.
    BaselineOrder = 8,
    /// Which clients of a cohort drop out.
    Dropout = 9,
    /// Which rows share a bucket.
    Bucketing = 10,
    /// A transform's client half; slot = its position in the list.
    Transform = 11,
    /// A transform's server half; slot = its position in the list.
    ServerTransform = 12,
    /// The order in which clients are asked, where it is drawn. No result depends on it.
    Arrival = 13,
    /// Patterns of signs of a test between runs.
    SignFlip = 14,
    /// Where the models of several clusters start; slot = cluster.
    Cluster = 15,
    /// Settings of a sweep; slot = sample, client = place of the key.
    Sweep = 16,
    /// A client's device: its class, its hour of the day.
    Device = 17,
    /// How fast a device is today.
    Pace = 18,
    /// Whether a client is there; slot = stretch of time.
    Availability = 19,
    /// When clients join and leave for good.
    Churn = 20,
    /// Whether a client fails; slot 0 = while it trains, 1 = while it sends.
    Failure = 21,
    /// Which training transcripts become validation; client = place among all that are read.
    Validation = 22,
    /// Transcripts of the server's own.
    Root = 23,
    /// Which transcripts without a split become test; slot = place among the texts of the intent, client = intent.
    TestShare = 24,
    /// A client's signing key in simulated secure aggregation.
    SecureIdentity = 25,
    /// A client's keys of one simulated secure sum; slot = which of the round's sums. So for the two below.
    SecureKeys = 26,
    /// A client's self-mask seed and what hides its secrets in shares.
    SecureShares = 27,
    /// The order of members that neighbours follow from.
    SecureGraph = 28,
    /// Not for results: random inputs of tests and benches.
    Test = 0xffff,
}

/// Where random numbers are used. Parts that do not apply stay 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The run's seed.
    pub seed: u64,
    /// What the numbers are for.
    pub purpose: Purpose,
    /// Sub-address within the purpose.
    pub slot: u64,
    /// Round, from 0.
    pub round: u64,
    /// Client, from 0.
    pub client: u64,
}

impl Address {
    /// The address with slot, round and client 0.
    pub fn new(seed: u64, purpose: Purpose) -> Self {
        Self { seed, purpose, slot: 0, round: 0, client: 0 }
    }
    /// The same address at another slot.
    pub fn slot(self, slot: u64) -> Self {
        Self { slot, ..self }
    }
    /// The same address at another round.
    pub fn round(self, round: u64) -> Self {
        Self { round, ..self }
    }
    /// The same address at another client.
    pub fn client(self, client: u64) -> Self {
        Self { client, ..self }
    }
    /// The stream at this address.
    pub fn stream(self) -> Stream {
        let mut bytes = [0u8; 36];
        bytes[0..8].copy_from_slice(&self.seed.to_le_bytes());
        bytes[8..12].copy_from_slice(&(self.purpose as u32).to_le_bytes());
        bytes[12..20].copy_from_slice(&self.slot.to_le_bytes());
        bytes[20..28].copy_from_slice(&self.round.to_le_bytes());
        bytes[28..36].copy_from_slice(&self.client.to_le_bytes());
        Stream(ChaCha8Rng::from_seed(blake3::derive_key("sottovoce 2026 addressed stream v1", &bytes)))
    }
}

/// A ChaCha8 stream. Draws `u32`, `u64` and bytes; distributions are in [`crate::sampling`].
#[derive(Debug)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// The next 32 bits.
    pub fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }
    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }
    /// The next bytes, many at once: those of as many little-endian numbers, in two thirds of the time.
    pub fn fill(&mut self, into: &mut [u8]) {
        self.0.fill_bytes(into);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_those_of_numbers() {
        let address = Address::new(1, Purpose::Test);
        let (mut bytes, mut numbers) = (address.stream(), address.stream());
        for count in [1, 4, 3, 128, 7] {
            let mut filled = vec![0; 8 * count];
            bytes.fill(&mut filled);
            let drawn: Vec<u8> = (0..count).flat_map(|_| numbers.next_u64().to_le_bytes()).collect();
            assert_eq!(filled, drawn);
            assert_eq!(bytes.next_u32(), numbers.next_u32());
        }
    }

    #[test]
    fn every_part_of_an_address_matters_and_nothing_else_does() {
        let base = Address::new(1, Purpose::Init);
        let first = |a: Address| a.stream().next_u64();
        assert_eq!(first(base), first(base));
        let others = [
            Address::new(2, Purpose::Init),
            Address::new(1, Purpose::Cohort),
            base.slot(1),
            base.round(1),
            base.client(1),
        ];
        for (i, a) in others.iter().enumerate() {
            assert_ne!(first(base), first(*a));
            for b in &others[..i] {
                assert_ne!(first(*a), first(*b));
            }
        }
    }
}
