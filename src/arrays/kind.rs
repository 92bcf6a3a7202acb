//! The kinds of file that updates lie in.

use super::error::Fault;
use std::path::Path;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// One array.
    Npy,
    /// A zip of arrays by name.
    Npz,
    /// Tensors by name.
    Safetensors,
}

/// Longest header that safetensors allow, in bytes.
pub(super) const LONGEST: u64 = 100_000_000;

impl Kind {
    /// Ending of the names of such files.
    pub(super) fn ending(self) -> &'static str {
        match self {
            Self::Npy => ".npy",
            Self::Npz => ".npz",
            Self::Safetensors => ".safetensors",
        }
    }

    /// By a file's name.
    pub(super) fn of_name(path: &Path) -> Result<Self, Fault> {
        match path.extension().and_then(|e| e.to_str()) {
            Some("npy") => Ok(Self::Npy),
            Some("npz") => Ok(Self::Npz),
            Some("safetensors") => Ok(Self::Safetensors),
            _ => Err(Fault::Kind),
        }
    }

    /// By a file's first bytes, where it has no name.
    pub(super) fn of_bytes(file: &[u8]) -> Result<Self, Fault> {
        if file.starts_with(b"\x93NUMPY") {
            return Ok(Self::Npy);
        }
        if file.starts_with(b"PK\x03\x04") || file.starts_with(b"PK\x05\x06") {
            return Ok(Self::Npz);
        }
        match file.split_first_chunk::<8>() {
            Some((length, [b'{', ..])) if u64::from_le_bytes(*length) <= LONGEST => Ok(Self::Safetensors),
            _ => Err(Fault::Unknown),
        }
    }
}
