//! Checkpoints: everything that a run needs to go on, written so that a crash leaves the old one or the new one.
//!
//! ```text
//! magic "SVCK" | version u32 | head bytes u64 | values bytes u64 | head (bincode) | values (f32) | BLAKE3
//! ```
//! Two generations are kept: `checkpoint.bin` and the one before it, `checkpoint.previous.bin`, for the day on which
//! the disk has damaged the newer.

use crate::chain::Chain;
use crate::durable;
use crate::engine::State;
use bincode::Options;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sottovoce_core::{Digest, Layout, Params, bytes};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAGIC: [u8; 4] = *b"SVCK";
const VERSION: u32 = 2;
const PREFIX: usize = 24;
const DIGEST: usize = 32;
/// The newest checkpoint of a folder.
pub const NEWEST: &str = "checkpoint.bin";
/// The one before it.
pub const PREVIOUS: &str = "checkpoint.previous.bin";

/// A run between two rounds.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint<S> {
    /// Digest of the effective configuration: another configuration does not go on from here.
    pub config: Digest,
    /// The chain before the first round.
    pub start: Chain,
    /// The chain of the rounds so far.
    pub chain: Chain,
    /// How long the two journals, of rounds and of messages, were in bytes; what they hold beyond is of rounds that will
    /// be run again.
    pub journals: [u64; 2],
    /// Where the run stands.
    pub state: State<S>,
}

#[derive(Serialize, Deserialize)]
struct Head<S> {
    config: Digest,
    start: Chain,
    chain: Chain,
    journals: [u64; 2],
    schema: Digest,
    round: u64,
    server: S,
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
        bytes: usize,
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
pub struct Found<S> {
    /// The newest checkpoint that is whole.
    pub checkpoint: Checkpoint<S>,
    /// What is wrong with a newer one.
    pub damage: Option<CheckpointError>,
}

fn codec() -> impl Options {
    bincode::DefaultOptions::new().with_fixint_encoding().with_little_endian().reject_trailing_bytes()
}

impl<S: Serialize + DeserializeOwned> Checkpoint<S> {
    /// The bytes of a checkpoint file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let head = codec()
            .serialize(&Head {
                config: self.config,
                start: self.start,
                chain: self.chain,
                journals: self.journals,
                schema: self.state.params.layout().schema(),
                round: self.state.round,
                server: &self.state.server,
            })
            .expect("an algorithm's state is numbers, which can be written to memory");
        let values = bytes::le_bytes(self.state.params.values());
        let mut out = Vec::with_capacity(PREFIX + head.len() + values.len() + DIGEST);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&(head.len() as u64).to_le_bytes());
        out.extend_from_slice(&(values.len() as u64).to_le_bytes());
        out.extend_from_slice(&head);
        out.extend_from_slice(&values);
        let digest = Digest::of(&out);
        out.extend_from_slice(&digest.0);
        out
    }

    /// Makes this the newest checkpoint of a folder, and the newest so far the previous one.
    pub fn write(&self, folder: &Path) -> Result<(), CheckpointError> {
        let (path, content) = (folder.join(NEWEST), self.to_bytes());
        durable::replace(&path, &content, Some(&folder.join(PREVIOUS)))
            .map_err(|source| CheckpointError::Write { path, bytes: content.len(), source })
    }

    /// The newest checkpoint of a folder that is whole, or the one before it; `None` where there is none. With
    /// `config` only one of that configuration will do.
    pub fn newest(
        folder: &Path,
        config: Option<Digest>,
        layout: &Arc<Layout>,
    ) -> Result<Option<Found<S>>, CheckpointError> {
        let mut damage = None;
        for name in [NEWEST, PREVIOUS] {
            let path = folder.join(name);
            let content = match fs::read(&path) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                content => content.map_err(|source| CheckpointError::Read { path: path.clone(), source })?,
            };
            match Self::from_bytes(&content, &path, config, layout) {
                Err(e @ CheckpointError::Damaged { .. }) => damage = damage.or(Some(e)),
                checkpoint => return checkpoint.map(|checkpoint| Some(Found { checkpoint, damage })),
            }
        }
        damage.map_or(Ok(None), Err)
    }

    /// Checks everything: length, digest, version, configuration, model. `path` is for errors.
    pub fn from_bytes(
        all: &[u8],
        path: &Path,
        config: Option<Digest>,
        layout: &Arc<Layout>,
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
        let (head_len, values_len) = (number(8), number(16));
        let total = (PREFIX + DIGEST) as u64;
        if head_len.checked_add(values_len).and_then(|n| n.checked_add(total)) != Some(all.len() as u64) {
            return Err(damaged("length"));
        }
        let (head, values) = content[PREFIX..].split_at(head_len as usize);
        let head: Head<S> =
            codec().with_limit(head.len() as u64).deserialize(head).map_err(|_| damaged("head"))?;
        let expected =
            [("configuration", config, head.config), ("model", Some(layout.schema()), head.schema)];
        for (what, expected, got) in expected {
            if let Some(expected) = expected.filter(|e| *e != got) {
                return Err(CheckpointError::Other { path: path.to_owned(), what, expected, got });
            }
        }
        let values = bytes::f32s(values).collect();
        let params = Params::from_values(layout.clone(), values).ok_or_else(|| damaged("values"))?;
        let Head { config, start, chain, journals, round, server, .. } = head;
        Ok(Self { config, start, chain, journals, state: State { round, params, server } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sottovoce_core::Checksum;

    fn checkpoint(round: u64) -> Checkpoint<Vec<f32>> {
        let layout = Layout::new(&[("weight", 3, 2)]).unwrap();
        let params =
            Params::from_values(layout, vec![1.0, -0.0, f32::MIN_POSITIVE, 3.5, 1e-42, 7.0]).unwrap();
        let state = State { round, params, server: vec![0.5; 3] };
        let config = Digest::of(b"config");
        let start = Chain::start(config, Checksum::of(b""));
        let mut chain = start;
        chain.reconfigure(config);
        Checkpoint { config, start, chain, journals: [12, 34], state }
    }

    fn newest(folder: &Path, of: &Checkpoint<Vec<f32>>) -> Result<Option<Found<Vec<f32>>>, CheckpointError> {
        Checkpoint::newest(folder, Some(of.config), of.state.params.layout())
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let all = [checkpoint(3), checkpoint(4), checkpoint(5)];
        assert!(newest(folder.path(), &all[0]).unwrap().is_none());
        for c in &all {
            c.write(folder.path()).unwrap();
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
        old.write(folder.path()).unwrap();
        new.write(folder.path()).unwrap();
        let good = new.to_bytes();
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

    #[test]
    fn another_configuration_model_or_version_does_not_go_on() {
        let c = checkpoint(17);
        let other = Layout::new(&[("weight", 2, 3)]).unwrap();
        let read = |bytes: &[u8], config, layout| {
            Checkpoint::<Vec<f32>>::from_bytes(bytes, Path::new("c"), config, layout).unwrap_err()
        };
        let what = |e| match e {
            CheckpointError::Other { what, .. } => what,
            other => panic!("{other}"),
        };
        let (bytes, layout) = (c.to_bytes(), c.state.params.layout());
        assert_eq!(what(read(&bytes, Some(Digest::of(b"else")), layout)), "configuration");
        assert_eq!(what(read(&bytes, Some(c.config), &other)), "model");
        assert!(Checkpoint::<Vec<f32>>::from_bytes(&bytes, Path::new("c"), None, layout).is_ok());

        let mut older = bytes[..bytes.len() - DIGEST].to_vec();
        older[4] = 1;
        older.extend_from_slice(&Digest::of(&older).0);
        let error = read(&older, Some(c.config), layout);
        assert!(matches!(error, CheckpointError::Version { got: 1, .. }), "{error}");
    }
}
