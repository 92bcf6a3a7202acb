//! What the machine could do at most, measured in the same run: the figures that the benches are held against.

#![allow(clippy::disallowed_methods)] // A bench looks at the clock.

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId};
use sottovoce::limits::fastest;
use sottovoce_core::dispatch;
use sottovoce_core::lanes::{Columns, LANES, Lanes};
use std::cell::Cell;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Whether this is `cargo bench`, and not a profile of it; under `cargo test --benches` every body runs once and
/// nothing is measured.
pub(crate) fn measuring() -> bool {
    let has = |wanted| std::env::args().any(|arg| arg == wanted);
    has("--bench") && !has("--profile-time")
}

/// Benchmarks `body` under `id` and returns the seconds of its fastest call, if this run measures: beside a limit
/// that is itself the best of several runs, what other work on the machine costs should count on neither side.
pub(crate) fn fastest_call(
    group: &mut BenchmarkGroup<'_, WallTime>,
    id: BenchmarkId,
    mut body: impl FnMut(),
) -> Option<f64> {
    let best = Cell::new(f64::INFINITY);
    group.bench_function(id, |b| {
        b.iter_custom(|times| {
            let mut all = Duration::ZERO;
            for _ in 0..times {
                let start = Instant::now();
                body();
                let one = start.elapsed();
                best.set(best.get().min(one.as_secs_f64()));
                all += one;
            }
            all
        });
    });
    Some(best.get()).filter(|s| measuring() && s.is_finite())
}

/// Independent chains of multiply-then-add in `N` registers of sixteen columns, enough to hide their latency.
#[inline(always)]
fn chains<L: Lanes, const N: usize>(lanes: L, steps: u64) -> f32 {
    let (factor, term) = (lanes.splat(black_box(0.999)), lanes.splat(black_box(0.001)));
    let mut acc = [lanes.splat(0.0); N];
    for (i, a) in acc.iter_mut().enumerate() {
        *a = lanes.splat(i as f32);
    }
    for _ in 0..steps {
        for a in &mut acc {
            *a = a.mul(factor).add(term);
        }
    }
    let mut all = lanes.splat(0.0);
    for a in acc {
        all = all.add(a);
    }
    all.fold()
}

type Kernel = fn(u64) -> f32;

dispatch! {
    fn chains3<L>(lanes: L, steps: u64) -> f32 { chains::<L, 3>(lanes, steps) }
}
dispatch! {
    fn chains6<L>(lanes: L, steps: u64) -> f32 { chains::<L, 6>(lanes, steps) }
}
dispatch! {
    fn chains14<L>(lanes: L, steps: u64) -> f32 { chains::<L, 14>(lanes, steps) }
}

/// Floating-point operations a second of one thread, products and sums not fused: the most that a kernel in
/// this arithmetic can reach. How many registers hide the latency depends on the CPU, so the best count wins.
pub(crate) fn peak_flops() -> f64 {
    const STEPS: u64 = 1_000_000;
    let kernels: [(Kernel, u64); 3] = [(chains3, 3), (chains6, 6), (chains14, 14)];
    let rates = kernels.map(|(kernel, n)| {
        let seconds = fastest(7, || {
            black_box(kernel(black_box(STEPS)));
        });
        (STEPS * n * 2 * LANES as u64) as f64 / seconds
    });
    rates.into_iter().fold(0.0, f64::max)
}
