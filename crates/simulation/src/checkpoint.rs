//! Checkpoints: everything that a run needs to go on, written so that a crash leaves the old one or the new one.
//!
//! ```text
//! magic "SVCK" | version u32 | head bytes u64 | values bytes u64 | head (bincode) | values (f32) | BLAKE3
//! ```

use crate::engine::State;
use bincode::Options;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sottovoce_core::{Digest, Layout, Params, bytes};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAGIC: [u8; 4] = *b"SVCK";
const VERSION: u32 = 1;
const PREFIX: usize = 24;
const DIGEST: usize = 32;

/// A run between two rounds.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint<S> {
    /// Digest of the effective configuration: another configuration does not go on from here.
    pub config: Digest,
    /// Where it stands.
    pub state: State<S>,
}

#[derive(Serialize, Deserialize)]
struct Head<S> {
    config: Digest,
    schema: Digest,
    round: u64,
    server: S,
}

/// Why a checkpoint cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The operating system refused.
    #[error("checkpoint {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
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
    #[error("checkpoint {}: version {got}, this build reads version {VERSION}", path.display())]
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

fn codec() -> impl Options {
    bincode::DefaultOptions::new().with_fixint_encoding().with_little_endian().reject_trailing_bytes()
}

impl<S: Serialize + DeserializeOwned> Checkpoint<S> {
    /// Writes beside `path`, flushes to the disk, and renames: `path` is the old checkpoint or the new one.
    pub fn write(&self, path: &Path) -> Result<(), CheckpointError> {
        let failed = |source| CheckpointError::Io { path: path.to_owned(), source };
        let head = codec()
            .serialize(&Head {
                config: self.config,
                schema: self.state.params.layout().schema(),
                round: self.state.round,
                server: &self.state.server,
            })
            .map_err(|e| failed(io::Error::other(e)))?;
        let temporary = path.with_extension("partial");
        let mut file =
            HashingFile { file: File::create(&temporary).map_err(failed)?, hash: Default::default() };
        let write = |file: &mut HashingFile| -> io::Result<()> {
            file.put(&MAGIC)?;
            file.put(&VERSION.to_le_bytes())?;
            file.put(&(head.len() as u64).to_le_bytes())?;
            file.put(&(4 * self.state.params.values().len() as u64).to_le_bytes())?;
            file.put(&head)?;
            file.put(&bytes::le_bytes(self.state.params.values()))?;
            let digest = *file.hash.finalize().as_bytes();
            file.put(&digest)?;
            file.file.sync_all()
        };
        write(&mut file).map_err(failed)?;
        fs::rename(&temporary, path).map_err(failed)?;
        if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            File::open(folder).and_then(|f| f.sync_all()).map_err(failed)?;
        }
        Ok(())
    }

    /// Reads and checks everything: length, digest, version, configuration, model.
    pub fn read(path: &Path, config: Digest, layout: &Arc<Layout>) -> Result<Self, CheckpointError> {
        let damaged = |what| CheckpointError::Damaged { path: path.to_owned(), what };
        let all = fs::read(path).map_err(|source| CheckpointError::Io { path: path.to_owned(), source })?;
        if all.len() < PREFIX + DIGEST || all[..4] != MAGIC {
            return Err(damaged("not a checkpoint"));
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
        let (content, digest) = all.split_at(all.len() - DIGEST);
        if Digest::of(content).0 != digest {
            return Err(damaged("digest"));
        }
        let (head, values) = content[PREFIX..].split_at(head_len as usize);
        let head: Head<S> =
            codec().with_limit(head.len() as u64).deserialize(head).map_err(|_| damaged("head"))?;
        for (what, expected, got) in
            [("configuration", config, head.config), ("model", layout.schema(), head.schema)]
        {
            if expected != got {
                return Err(CheckpointError::Other { path: path.to_owned(), what, expected, got });
            }
        }
        let values = bytes::f32s(values).collect();
        let params = Params::from_values(layout.clone(), values).ok_or_else(|| damaged("values"))?;
        let state = State { round: head.round, params, server: head.server };
        Ok(Self { config: head.config, state })
    }
}

/// A file, and the hash of what went into it.
struct HashingFile {
    file: File,
    hash: blake3::Hasher,
}

impl HashingFile {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.file.write_all(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint<Vec<f32>> {
        let layout = Layout::new(&[("weight", 3, 2)]).unwrap();
        let params =
            Params::from_values(layout, vec![1.0, -0.0, f32::MIN_POSITIVE, 3.5, 1e-42, 7.0]).unwrap();
        let state = State { round: 17, params, server: vec![0.5; 3] };
        Checkpoint { config: Digest::of(b"config"), state }
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.bin");
        let c = checkpoint();
        c.write(&path).unwrap();
        c.write(&path).unwrap();
        assert_eq!(Checkpoint::read(&path, c.config, c.state.params.layout()).unwrap(), c);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn damage_is_found_wherever_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.bin");
        let c = checkpoint();
        c.write(&path).unwrap();
        let good = fs::read(&path).unwrap();
        let read = || Checkpoint::<Vec<f32>>::read(&path, c.config, c.state.params.layout());
        for length in 0..good.len() {
            fs::write(&path, &good[..length]).unwrap();
            assert!(read().is_err(), "{length} bytes");
        }
        for bit in 0..good.len() * 8 {
            let mut flipped = good.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, &flipped).unwrap();
            assert!(read().is_err(), "bit {bit}");
        }
    }

    #[test]
    fn another_configuration_or_model_does_not_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.bin");
        let c = checkpoint();
        c.write(&path).unwrap();
        let other = Layout::new(&[("weight", 2, 3)]).unwrap();
        let read = |config, layout| Checkpoint::<Vec<f32>>::read(&path, config, layout).unwrap_err();
        let what = |e| match e {
            CheckpointError::Other { what, .. } => what,
            other => panic!("{other}"),
        };
        assert_eq!(what(read(Digest::of(b"else"), c.state.params.layout())), "configuration");
        assert_eq!(what(read(c.config, &other)), "model");
    }
}
