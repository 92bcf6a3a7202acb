//! Numbers that start where a cache line starts.
//!
//! A 64-byte load that crosses two cache lines costs two: with buffers of the system's 16-byte alignment the training
//! kernel ran a fifth slower. The content is a slice of `f32` like any other.

use crate::lanes::LANES;
use std::ops::{Deref, DerefMut};

#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LANES]);

/// A growable buffer of `f32`, aligned to 64 bytes.
#[derive(Debug, Clone, Default)]
pub struct Aligned {
    lines: Vec<Line>,
    len: usize,
}

impl Aligned {
    /// Changes the length; new places hold 0, kept ones their value.
    pub fn resize(&mut self, len: usize) {
        self.lines.resize(len.div_ceil(LANES), Line([0.0; LANES]));
        let old = std::mem::replace(&mut self.len, len);
        if old < len {
            self[old..].fill(0.0);
        }
    }

    /// `len` zeros.
    pub fn zeros(&mut self, len: usize) {
        self.resize(len);
        self.fill(0.0);
    }
}

impl Deref for Aligned {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        // SAFETY: `Line` is sixteen f32 without padding (its size is its alignment), all initialised, and `len` is at
        // most sixteen times the number of lines.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as for the shared slice; the borrow of `self` is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_behaves_like_a_vector_and_starts_at_a_cache_line() {
        let mut a = Aligned::default();
        assert_eq!(&*a, [0.0f32; 0]);
        for len in [1, 15, 16, 17, 1000, 3, 40] {
            let before = a.to_vec();
            a.resize(len);
            assert_eq!((a.len(), a.as_ptr() as usize % 64), (len, 0));
            let kept = before.len().min(len);
            assert_eq!(a[..kept], before[..kept]);
            assert!(a[kept..].iter().all(|v| *v == 0.0));
            a.fill(7.0);
        }
        a.zeros(20);
        assert_eq!(&*a, [0.0; 20]);
    }
}
