//! Small matrix products in a fixed order, over rows padded to whole registers.

use sottovoce_core::aligned::Aligned;
use sottovoce_core::lanes::{Columns, LANES, Lanes};

/// Rows of wide matrices are a multiple of this long.
pub(crate) const COLUMNS: usize = 32;
/// Rows computed together, so that a loaded register is used more than once.
const TOGETHER: usize = 5;

/// Copies rows of `narrow` numbers into rows of `wide` ones, zeros behind them.
#[inline(always)]
pub(crate) fn pad(rows: &[f32], narrow: usize, wide: usize, into: &mut Aligned) {
    into.resize(rows.len() / narrow * wide);
    for (from, to) in rows.chunks_exact(narrow).zip(into.chunks_exact_mut(wide)) {
        to[..narrow].copy_from_slice(from);
        to[narrow..].fill(0.0);
    }
}

/// `out[i][c] += Σ_k a(i, k) · b[k][c]`, k rising, with `a(i, k) = a[i · stride.0 + k · stride.1]`.
/// `out` is `m × wide`, `b` is `depth × wide`, `wide` a multiple of [`COLUMNS`].
#[inline(always)]
pub(crate) fn accumulate_product<L: Lanes>(
    lanes: L,
    out: &mut [f32],
    a: &[f32],
    stride: (usize, usize),
    b: &[f32],
    depth: usize,
    wide: usize,
) {
    let (mut i, m) = (0, out.len() / wide);
    while i + TOGETHER <= m {
        tile::<L, TOGETHER>(lanes, &mut out[i * wide..], &a[i * stride.0..], stride, b, depth, wide);
        i += TOGETHER;
    }
    while i < m {
        tile::<L, 1>(lanes, &mut out[i * wide..], &a[i * stride.0..], stride, b, depth, wide);
        i += 1;
    }
}

#[inline(always)]
fn tile<L: Lanes, const R: usize>(
    lanes: L,
    out: &mut [f32],
    a: &[f32],
    stride: (usize, usize),
    b: &[f32],
    depth: usize,
    wide: usize,
) {
    for column in (0..wide).step_by(COLUMNS) {
        let mut acc = [[lanes.splat(0.0); 2]; R];
        for (r, acc) in acc.iter_mut().enumerate() {
            let at = r * wide + column;
            *acc = [lanes.load(chunk(out, at)), lanes.load(chunk(out, at + LANES))];
        }
        for k in 0..depth {
            let at = k * wide + column;
            let (left, right) = (lanes.load(chunk(b, at)), lanes.load(chunk(b, at + LANES)));
            for (r, acc) in acc.iter_mut().enumerate() {
                let factor = lanes.splat(a[r * stride.0 + k * stride.1]);
                acc[0] = acc[0].add_product(factor, left);
                acc[1] = acc[1].add_product(factor, right);
            }
        }
        for (r, acc) in acc.into_iter().enumerate() {
            let at = r * wide + column;
            acc[0].store(chunk_mut(out, at));
            acc[1].store(chunk_mut(out, at + LANES));
        }
    }
}

/// `out[i][k] = Σ_c a[i][c] · b[k][c]`, in [`LANES`] columns. `a` is `m × wide`, `b` is `n × wide`, `out` `m × n`,
/// `wide` a multiple of [`LANES`].
#[inline(always)]
pub(crate) fn products_with_rows<L: Lanes>(
    lanes: L,
    out: &mut [f32],
    a: &[f32],
    b: &[f32],
    m: usize,
    n: usize,
    wide: usize,
) {
    let mut i = 0;
    while i + TOGETHER <= m {
        dots::<L, TOGETHER>(lanes, &mut out[i * n..], &a[i * wide..], b, n, wide);
        i += TOGETHER;
    }
    while i < m {
        dots::<L, 1>(lanes, &mut out[i * n..], &a[i * wide..], b, n, wide);
        i += 1;
    }
}

#[inline(always)]
fn dots<L: Lanes, const R: usize>(lanes: L, out: &mut [f32], a: &[f32], b: &[f32], n: usize, wide: usize) {
    for (k, row) in b.chunks_exact(wide).enumerate() {
        let mut acc = [lanes.splat(0.0); R];
        for column in (0..wide).step_by(LANES) {
            let factor = lanes.load(chunk(row, column));
            for (r, acc) in acc.iter_mut().enumerate() {
                *acc = acc.add_product(lanes.load(chunk(a, r * wide + column)), factor);
            }
        }
        for (r, acc) in acc.into_iter().enumerate() {
            out[r * n + k] = acc.fold();
        }
    }
}

#[inline(always)]
fn chunk(of: &[f32], at: usize) -> &[f32; LANES] {
    of[at..at + LANES].try_into().expect("a slice of that length")
}

#[inline(always)]
fn chunk_mut(of: &mut [f32], at: usize) -> &mut [f32; LANES] {
    (&mut of[at..at + LANES]).try_into().expect("a slice of that length")
}

#[cfg(test)]
mod tests {
    use super::*;
    use sottovoce_core::lanes::Portable;
    use sottovoce_core::sampling::uniform_f32;
    use sottovoce_core::{Address, Purpose};

    #[test]
    fn products_agree_with_sums_written_out() {
        let (depth, wide) = (7, 2 * COLUMNS);
        for m in 1..10 {
            let mut s = Address::new(m as u64, Purpose::Test).stream();
            let mut draw = |n: usize| (0..n).map(|_| uniform_f32(&mut s, -1.0, 1.0)).collect::<Vec<f32>>();
            let (a, b, start) = (draw(m * depth), draw(depth * wide), draw(m * wide));
            let mut out = start.clone();
            accumulate_product(Portable, &mut out, &a, (depth, 1), &b, depth, wide);
            let mut transposed = start.clone();
            let a_t: Vec<f32> = (0..depth * m).map(|j| a[(j % m) * depth + j / m]).collect();
            accumulate_product(Portable, &mut transposed, &a_t, (1, m), &b, depth, wide);
            assert_eq!(out, transposed);
            for i in 0..m {
                for c in 0..wide {
                    let mut sum = start[i * wide + c];
                    for k in 0..depth {
                        sum += a[i * depth + k] * b[k * wide + c];
                    }
                    assert_eq!(out[i * wide + c], sum);
                }
            }
            let mut back = vec![0.0; m * depth];
            products_with_rows(Portable, &mut back, &out, &b, m, depth, wide);
            for i in 0..m {
                for k in 0..depth {
                    let row = |x: &[f32], at: usize| x[at * wide..][..wide].to_vec();
                    assert_eq!(
                        back[i * depth + k],
                        sottovoce_core::math::dot(Portable, &row(&out, i), &row(&b, k))
                    );
                }
            }
        }
    }
}
