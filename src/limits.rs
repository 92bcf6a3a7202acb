//! What the machine's memory gives at most, measured beside what is held against it.

use crate::experiment::Stopwatch;
use rayon::prelude::*;
use sottovoce_core::dispatch;
use sottovoce_core::lanes::{Columns, LANES};
use std::hint::black_box;

/// Seconds of the fastest of several runs: what the machine can do when nobody else asks for it.
pub fn fastest(runs: u32, mut run: impl FnMut()) -> f64 {
    (0..runs).map(|_| seconds(&mut run)).fold(f64::INFINITY, f64::min)
}

/// Seconds of one run.
pub fn seconds(run: impl FnOnce()) -> f64 {
    let watch = Stopwatch::start();
    run();
    watch.seconds()
}

dispatch! {
    fn read_all<L>(lanes: L, data: &[f32]) -> f32 {
        let (chunks, _) = data.as_chunks::<{ 8 * LANES }>();
        let mut acc = [lanes.splat(0.0); 8];
        for chunk in chunks {
            for (a, c) in acc.iter_mut().zip(chunk.as_chunks::<LANES>().0) {
                *a = a.add(lanes.load(c));
            }
        }
        let mut all = lanes.splat(0.0);
        for a in acc {
            all = all.add(a);
        }
        all.fold()
    }
}

/// Reads all of `parts` once and does nothing with them, each thread of the current pool its share.
pub fn read(parts: &[&[f32]]) {
    let all: usize = parts.iter().map(|p| p.len()).sum();
    let share = all.div_ceil(rayon::current_num_threads()).max(1);
    let shares: Vec<&[f32]> = parts.iter().flat_map(|part| part.chunks(share)).collect();
    shares.into_par_iter().for_each(|share| {
        black_box(read_all(black_box(share)));
    });
}

/// Bytes a second that `threads` threads together read from a buffer of `bytes` bytes.
pub fn read_bandwidth(bytes: usize, threads: usize) -> f64 {
    let data = vec![1.0f32; bytes / 4];
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a few threads");
    let seconds = pool.install(|| fastest(7, || read(&[&data])));
    (data.len() * 4) as f64 / seconds
}

/// Bytes of memory that a program can have without taking them from others; `None` where the system does not tell.
pub fn available_memory() -> Option<u64> {
    let info = std::fs::read_to_string("/proc/meminfo").ok()?;
    let rest = info.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = rest.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}
