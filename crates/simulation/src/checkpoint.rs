//! Checkpoints: everything that a run needs to go on, written so that a crash leaves the old one or the new one.
//!
//! ```text
//! magic "SVCK" | version u32 | head bytes u64 | server bytes u64 | values bytes u64 | states bytes u64
//! head (bincode) | server's state | values (f32) | states: (client u64, bytes u64, state)… | BLAKE3
//! ```
//! Two generations are kept: `checkpoint.bin` and the one before it, `checkpoint.previous.bin`, for the day on which
//! the disk has damaged the newer.

use crate::chain::Chain;
use crate::durable::{self, Access};
use crate::engine::{Best, State};
use crate::pace::Clock;
use crate::states::States;
use serde::{Deserialize, Serialize};
use sottovoce_aggregator::Memory;
use sottovoce_core::{Digest, Layout, Params, bytes, state};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAGIC: [u8; 4] = *b"SVCK";
const VERSION: u32 = 6;
const PREFIX: usize = 40;
const DIGEST: usize = 32;
/// The newest checkpoint of a folder.
pub const NEWEST: &str = "checkpoint.bin";
/// The one before it.
pub const PREVIOUS: &str = "checkpoint.previous.bin";

/// A run between two rounds.
#[derive(Debug, PartialEq)]
pub struct Checkpoint {
    /// What is known of the rounds so far.
    pub standing: Standing,
    /// Where the run stands.
    pub state: State,
    /// The algorithm's server state, as bytes.
    pub server: Vec<u8>,
}

/// What is known of the rounds so far, beside what they left behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Digest of the effective configuration: another configuration does not go on from here.
    pub config: Digest,
    /// Digest of everything that was read: other data do not go on from here.
    pub inputs: Digest,
    /// The chain before the first round.
    pub start: Chain,
    /// The chain of the rounds so far.
    pub chain: Chain,
    /// How far the two journals, of rounds and of messages, had come; what they hold beyond is of rounds that will be run
    /// again.
    pub journals: [Mark; 2],
}

/// How far a file that only grows had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Its length, bytes.
    pub bytes: u64,
    /// BLAKE3 of what it held.
    pub digest: Digest,
}

#[derive(Serialize, Deserialize)]
struct Head<C, B> {
    standing: Standing,
    schema: Digest,
    round: u64,
    clock: C,
    best: Option<B>,
    memory: Memory,
}

/// Why a checkpoint cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// It cannot be read.
    #[error("checkpoint {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It cannot be written; the one before it is as it was.
    #[error("checkpoint {}: cannot write {bytes} bytes: {source}; the checkpoint before it is untouched", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// What the system said.
        source: io::Error,
    },
    /// Truncated, changed, or no checkpoint at all.
    #[error("checkpoint {}: damaged ({what})", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What gave it away.
        what: &'static str,
    },
    /// Written by a build with another format.
    #[error(
        "checkpoint {}: version {got}, this build reads version {VERSION}; go on with the build that wrote it, or begin anew",
        path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        got: u32,
    },
    /// Of another configuration or model.
    #[error("checkpoint {}: belongs to another {what} ({got}, this run has {expected})", path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// Configuration or model.
        what: &'static str,
        /// This run's digest.
        expected: Digest,
        /// The checkpoint's digest.
        got: Digest,
    },
}

/// What a folder has to go on from.
#[derive(Debug)]
pub struct Found {
    /// The newest checkpoint that is whole.
    pub checkpoint: Checkpoint,
    /// What is wrong with a newer one.
    pub damage: Option<CheckpointError>,
}

impl Standing {
    /// Writes a checkpoint file.
    pub fn write_to(&self, state: &State, server: &[u8], out: &mut dyn Write) -> io::Result<()> {
        let schema = state.params.layout().schema();
        let State { round, clock, best, memory, .. } = state;
        let head = Head {
            standing: self.clone(),
            schema,
            round: *round,
            clock,
            best: best.as_ref(),
            memory: memory.clone(),
        };
        let head = state::encode(&head);
        let values = bytes::le_bytes(state.params.values());
        let mut out = Hashing { hash: blake3::Hasher::new(), out };
        out.write_all(&MAGIC)?;
        out.write_all(&VERSION.to_le_bytes())?;
        for len in [head.len() as u64, server.len() as u64, values.len() as u64, states_bytes(state)?] {
            out.write_all(&len.to_le_bytes())?;
        }
        out.write_all(&head)?;
        out.write_all(server)?;
        out.write_all(&values)?;
        for one in state.clients.iter() {
            let (client, bytes) = one?;
            out.write_all(&client.to_le_bytes())?;
            out.write_all(&(bytes.len() as u64).to_le_bytes())?;
            out.write_all(&bytes)?;
        }
        let digest = out.hash.finalize();
        out.out.write_all(digest.as_bytes())
    }

    /// Makes this the newest checkpoint of a folder, and the newest so far the previous one.
    pub fn write(&self, state: &State, server: &[u8], folder: &Path) -> Result<(), CheckpointError> {
        let path = folder.join(NEWEST);
        let write = |out: &mut dyn Write| self.write_to(state, server, out);
        durable::replace_with(&path, write, Access::Owner, Some(&folder.join(PREVIOUS))).map_err(|source| {
            let values = 4 * state.params.values().len() as u64;
            let bytes = values + server.len() as u64 + states_bytes(state).unwrap_or_default();
            CheckpointError::Write { path, bytes, source }
        })
    }
}

/// Length of the states in a checkpoint file.
fn states_bytes(state: &State) -> io::Result<u64> {
    state.clients.iter().map(|one| Ok(16 + one?.1.len() as u64)).sum()
}

/// Hashes what passes.
struct Hashing<'a> {
    hash: blake3::Hasher,
    out: &'a mut dyn Write,
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Checkpoint {
    /// The newest checkpoint of a folder that is whole, or the one before it; `None` where there is none. With
    /// `config` only one of that configuration will do. Of what clients keep, `memory` bytes stay in memory.
    pub fn newest(
        folder: &Path,
        config: Option<Digest>,
        layout: &Arc<Layout>,
        memory: u64,
    ) -> Result<Option<Found>, CheckpointError> {
        let mut damage = None;
        for name in [NEWEST, PREVIOUS] {
            let path = folder.join(name);
            let content = match fs::read(&path) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                content => content.map_err(|source| CheckpointError::Read { path: path.clone(), source })?,
            };
            match Self::from_bytes(&content, &path, config, layout, memory) {
                Err(e @ CheckpointError::Damaged { .. }) => damage = damage.or(Some(e)),
                checkpoint => return checkpoint.map(|checkpoint| Some(Found { checkpoint, damage })),
            }
        }
        damage.map_or(Ok(None), Err)
    }

    /// Checks everything: length, digest, version, configuration, model. `path` is for errors; of what clients
    /// keep, `memory` bytes stay in memory.
    pub fn from_bytes(
        all: &[u8],
        path: &Path,
        config: Option<Digest>,
        layout: &Arc<Layout>,
        memory: u64,
    ) -> Result<Self, CheckpointError> {
        let damaged = |what| CheckpointError::Damaged { path: path.to_owned(), what };
        if all.len() < PREFIX + DIGEST || all[..4] != MAGIC {
            return Err(damaged("not a checkpoint"));
        }
        let (content, digest) = all.split_at(all.len() - DIGEST);
        // The digest first: a version that is damaged is damage, not another version.
        if Digest::of(content).0 != digest {
            return Err(damaged("digest"));
        }
        let version = u32::from_le_bytes(std::array::from_fn(|i| all[4 + i]));
        if version != VERSION {
            return Err(CheckpointError::Version { path: path.to_owned(), got: version });
        }
        let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| all[at + i]));
        let [head_len, server_len, values_len, states_len] = [8, 16, 24, 32].map(number);
        let parts = [head_len, server_len, values_len, states_len, DIGEST as u64];
        let total = parts.iter().try_fold(PREFIX as u64, |all, part| all.checked_add(*part));
        if total != Some(all.len() as u64) {
            return Err(damaged("length"));
        }
        let (head, rest) = content[PREFIX..].split_at(head_len as usize);
        let (server, rest) = rest.split_at(server_len as usize);
        let (values, states) = rest.split_at(values_len as usize);
        let head: Head<Clock, Best> = state::decode(head).ok_or_else(|| damaged("head"))?;
        let expected =
            [("configuration", config, head.standing.config), ("model", Some(layout.schema()), head.schema)];
        for (what, expected, got) in expected {
            if let Some(expected) = expected.filter(|e| *e != got) {
                return Err(CheckpointError::Other { path: path.to_owned(), what, expected, got });
            }
        }
        let values = bytes::f32s(values).collect();
        let params = Params::from_values(layout.clone(), values).ok_or_else(|| damaged("values"))?;
        let clients = states_of(states, memory).ok_or_else(|| damaged("states"))?;
        let Head { standing, round, clock, best, memory, .. } = head;
        let state = State { round, params, clients, clock, best, memory };
        Ok(Self { standing, state, server: server.to_vec() })
    }
}

/// The states in a checkpoint's bytes, with so much of them in memory.
fn states_of(mut rest: &[u8], memory: u64) -> Option<States> {
    let mut states = States::with_limit(memory);
    while !rest.is_empty() {
        let (client, behind) = rest.split_first_chunk()?;
        let (len, behind) = behind.split_first_chunk()?;
        let (bytes, behind) = behind.split_at_checked(usize::try_from(u64::from_le_bytes(*len)).ok()?)?;
        states.put(u64::from_le_bytes(*client), bytes.to_vec()).ok()?;
        rest = behind;
    }
    Some(states)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pace::Flight;
    use sottovoce_core::Checksum;

    fn checkpoint(round: u64) -> Checkpoint {
        let layout = Layout::new(&[("weight", 3, 2)]).unwrap();
        let params =
            Params::from_values(layout, vec![1.0, -0.0, f32::MIN_POSITIVE, 3.5, 1e-42, 7.0]).unwrap();
        let mut clients = States::default();
        clients.put(2, vec![1, 2, 3]).unwrap();
        clients.put(9, vec![4; 5]).unwrap();
        let flight = Flight {
            client: 7,
            round: 1,
            base: Checksum::of(b"parameters"),
            asked: 3,
            at: 5,
            answer: Ok(vec![6; 4]),
            state: vec![4, 5],
        };
        let clock = Clock { now: 4, flights: [flight].into_iter().collect(), ..Clock::default() };
        let best = Some(Best { rounds: 2, params: vec![0.25; 6].into() });
        let memory = Memory::default();
        let state = State { round, params, clients, clock, best, memory };
        let config = Digest::of(b"config");
        let start = Chain::start(config, Checksum::of(b""));
        let mut chain = start;
        chain.reconfigure(config);
        Checkpoint {
            standing: Standing {
                config,
                inputs: Digest::of(b"inputs"),
                start,
                chain,
                journals: [12, 34].map(|bytes| Mark { bytes, digest: Digest::of(b"journal") }),
            },
            state,
            server: vec![9; 3],
        }
    }

    fn write(checkpoint: &Checkpoint, folder: &Path) {
        checkpoint.standing.write(&checkpoint.state, &checkpoint.server, folder).unwrap();
    }

    fn bytes_of(checkpoint: &Checkpoint) -> Vec<u8> {
        let mut out = Vec::new();
        checkpoint.standing.write_to(&checkpoint.state, &checkpoint.server, &mut out).unwrap();
        out
    }

    fn newest(folder: &Path, of: &Checkpoint) -> Result<Option<Found>, CheckpointError> {
        Checkpoint::newest(folder, Some(of.standing.config), of.state.params.layout(), 4)
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let all = [checkpoint(3), checkpoint(4), checkpoint(5)];
        assert!(newest(folder.path(), &all[0]).unwrap().is_none());
        for c in &all {
            write(c, folder.path());
            let found = newest(folder.path(), c).unwrap().unwrap();
            assert_eq!(found.checkpoint, *c);
            assert!(found.damage.is_none());
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        // As a crash between two renames leaves it.
        fs::remove_file(folder.path().join(NEWEST)).unwrap();
        assert_eq!(newest(folder.path(), &all[0]).unwrap().unwrap().checkpoint, all[1]);
    }

    /// At every length and with any bit flipped: the checkpoint before it, and why; without one, an error.
    #[test]
    fn damage_is_found_wherever_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (checkpoint(16), checkpoint(17));
        write(&old, folder.path());
        write(&new, folder.path());
        let good = bytes_of(&new);
        let damaged = |bytes: &[u8], what: String| {
            fs::write(folder.path().join(NEWEST), bytes).unwrap();
            let found = newest(folder.path(), &new).unwrap().unwrap();
            assert_eq!(found.checkpoint, old, "{what}");
            assert!(matches!(found.damage, Some(CheckpointError::Damaged { .. })), "{what}");
        };
        for length in 0..good.len() {
            damaged(&good[..length], format!("{length} bytes"));
        }
        for bit in 0..good.len() * 8 {
            let mut flipped = good.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            damaged(&flipped, format!("bit {bit}"));
        }
        fs::remove_file(folder.path().join(PREVIOUS)).unwrap();
        assert!(matches!(newest(folder.path(), &new), Err(CheckpointError::Damaged { .. })));
    }

    /// The shortest file that has all parts is judged by its parts, not by its length.
    #[test]
    fn what_is_too_short_for_a_digest_is_no_checkpoint() {
        let layout = checkpoint(0).state.params.layout().clone();
        let what = |bytes: &[u8]| match Checkpoint::from_bytes(bytes, Path::new("c"), None, &layout, 0) {
            Err(CheckpointError::Damaged { what, .. }) => what,
            other => panic!("{other:?}"),
        };
        let mut shortest = vec![0; PREFIX + DIGEST];
        shortest[..4].copy_from_slice(&MAGIC);
        assert_eq!(what(&shortest), "digest");
        assert_eq!(what(&shortest[..PREFIX + DIGEST - 1]), "not a checkpoint");
        shortest[0] = 0;
        assert_eq!(what(&shortest), "not a checkpoint");
    }

    #[test]
    fn another_configuration_model_or_version_does_not_go_on() {
        let c = checkpoint(17);
        let other = Layout::new(&[("weight", 2, 3)]).unwrap();
        let read = |bytes: &[u8], config, layout| {
            Checkpoint::from_bytes(bytes, Path::new("c"), config, layout, 0).unwrap_err()
        };
        let what = |e| match e {
            CheckpointError::Other { what, .. } => what,
            other => panic!("{other}"),
        };
        let (bytes, layout) = (bytes_of(&c), c.state.params.layout());
        assert_eq!(what(read(&bytes, Some(Digest::of(b"else")), layout)), "configuration");
        assert_eq!(what(read(&bytes, Some(c.standing.config), &other)), "model");
        assert!(Checkpoint::from_bytes(&bytes, Path::new("c"), None, layout, 0).is_ok());

        let mut older = bytes[..bytes.len() - DIGEST].to_vec();
        older[4] = 1;
        older.extend_from_slice(&Digest::of(&older).0);
        let error = read(&older, Some(c.standing.config), layout);
        assert!(matches!(error, CheckpointError::Version { got: 1, .. }), "{error}");
    }
}
