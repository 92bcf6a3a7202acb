//! A bound on what comes out of compressed bytes.

use std::fmt;
use std::io::{self, Read};

/// So many bytes may come out of any file.
const ALWAYS: u64 = 256 << 20;
/// So many bytes may come out for each compressed one: text packs 3 to 20 times.
const RATIO: u64 = 200;

/// What may still come out of a file.
pub(super) struct Allowance {
    bytes: u64,
    limit: u64,
    left: u64,
}

impl Allowance {
    /// Of a file of so many bytes: 256 MiB, or 200 times its size if that is more.
    pub(super) fn of(bytes: u64) -> Self {
        let limit = ALWAYS.max(bytes.saturating_mul(RATIO));
        Self { bytes, limit, left: limit }
    }

    /// For another pass over the same file.
    pub(super) fn again(&mut self) {
        self.left = self.limit;
    }
}

/// Too much came out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inflated {
    pub(super) bytes: u64,
    pub(super) limit: u64,
}

impl fmt::Display for Inflated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {} bytes from {}", self.limit, self.bytes)
    }
}

impl std::error::Error for Inflated {}

/// Reads until the allowance is used up.
pub(super) struct Bounded<'a, R> {
    pub(super) input: R,
    pub(super) allowance: &'a mut Allowance,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.input.read(buffer)?;
        let Some(left) = self.allowance.left.checked_sub(n as u64) else {
            let Allowance { bytes, limit, .. } = *self.allowance;
            return Err(io::Error::other(Inflated { bytes, limit }));
        };
        self.allowance.left = left;
        Ok(n)
    }
}
