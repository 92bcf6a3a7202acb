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

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes out of a file of one byte, read to so many bytes.
    fn read(allowance: &mut Allowance, bytes: u64) -> io::Result<u64> {
        io::copy(&mut Bounded { input: io::repeat(0).take(bytes), allowance }, &mut io::sink())
    }

    #[test]
    fn each_pass_may_give_as_much_as_the_first() {
        let mut allowance = Allowance::of(1);
        for _ in 0..3 {
            allowance.again();
            assert_eq!(read(&mut allowance, ALWAYS).unwrap(), ALWAYS);
        }
        let error = read(&mut allowance, 1).unwrap_err();
        assert_eq!(error.to_string(), format!("more than {ALWAYS} bytes from 1"));
        allowance.again();
        assert!(read(&mut allowance, ALWAYS + 1).is_err());
    }

    #[test]
    fn large_files_may_give_more_for_their_size() {
        let limits = [0, 1, ALWAYS / RATIO, ALWAYS / RATIO + 1, u64::MAX].map(|n| Allowance::of(n).limit);
        assert_eq!(limits, [ALWAYS, ALWAYS, ALWAYS, (ALWAYS / RATIO + 1) * RATIO, u64::MAX]);
    }
}
