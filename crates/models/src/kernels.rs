//! Small matrix products in a fixed order, over rows padded to whole registers.

use sottovoce_core::math::{LANES, fold_lanes};

/// Rows of wide matrices are a multiple of this long.
pub(crate) const COLUMNS: usize = 32;
/// Rows computed together, so that a loaded register is used more than once.
const TOGETHER: usize = 4;

/// Copies rows of `narrow` numbers into rows of `wide` ones, zeros behind them.
#[inline(always)]
pub(crate) fn pad(rows: &[f32], narrow: usize, wide: usize, into: &mut Vec<f32>) {
    into.resize(rows.len() / narrow * wide, 0.0);
    for (from, to) in rows.chunks_exact(narrow).zip(into.chunks_exact_mut(wide)) {
        to[..narrow].copy_from_slice(from);
        to[narrow..].fill(0.0);
    }
}

/// `out[i][c] += Σ_k a(i, k) · b[k][c]`, k rising, with `a(i, k) = a[i · stride.0 + k · stride.1]`.
/// `out` is `m × wide`, `b` is `depth × wide`, `wide` a multiple of [`COLUMNS`].
#[inline(always)]
pub(crate) fn accumulate_product(
    out: &mut [f32],
    a: &[f32],
    stride: (usize, usize),
    b: &[f32],
    m: usize,
    depth: usize,
    wide: usize,
) {
    let mut i = 0;
    while i + TOGETHER <= m {
        tile::<TOGETHER>(&mut out[i * wide..], &a[i * stride.0..], stride, b, depth, wide);
        i += TOGETHER;
    }
    while i < m {
        tile::<1>(&mut out[i * wide..], &a[i * stride.0..], stride, b, depth, wide);
        i += 1;
    }
}

#[inline(always)]
fn tile<const R: usize>(
    out: &mut [f32],
    a: &[f32],
    stride: (usize, usize),
    b: &[f32],
    depth: usize,
    wide: usize,
) {
    for column in (0..wide).step_by(COLUMNS) {
        let mut acc = [[0.0f32; COLUMNS]; R];
        for r in 0..R {
            acc[r].copy_from_slice(&out[r * wide + column..][..COLUMNS]);
        }
        for k in 0..depth {
            let row: &[f32; COLUMNS] = b[k * wide + column..][..COLUMNS].try_into().expect("COLUMNS long");
            for r in 0..R {
                let factor = a[r * stride.0 + k * stride.1];
                for c in 0..COLUMNS {
                    acc[r][c] += factor * row[c];
                }
            }
        }
        for r in 0..R {
            out[r * wide + column..][..COLUMNS].copy_from_slice(&acc[r]);
        }
    }
}

/// `out[i][k] = Σ_c a[i][c] · b[k][c]`, in [`LANES`] columns. `a` is `m × wide`, `b` is `n × wide`, `out` `m × n`,
/// `wide` a multiple of [`LANES`].
#[inline(always)]
pub(crate) fn products_with_rows(out: &mut [f32], a: &[f32], b: &[f32], m: usize, n: usize, wide: usize) {
    let mut i = 0;
    while i + TOGETHER <= m {
        dots::<TOGETHER>(&mut out[i * n..], &a[i * wide..], b, n, wide);
        i += TOGETHER;
    }
    while i < m {
        dots::<1>(&mut out[i * n..], &a[i * wide..], b, n, wide);
        i += 1;
    }
}

#[inline(always)]
fn dots<const R: usize>(out: &mut [f32], a: &[f32], b: &[f32], n: usize, wide: usize) {
    for (k, row) in b.chunks_exact(wide).enumerate() {
        let mut acc = [[0.0f32; LANES]; R];
        for (at, chunk) in row.chunks_exact(LANES).enumerate() {
            for r in 0..R {
                let x: &[f32; LANES] = a[r * wide + at * LANES..][..LANES].try_into().expect("LANES long");
                for l in 0..LANES {
                    acc[r][l] += x[l] * chunk[l];
                }
            }
        }
        for r in 0..R {
            out[r * n + k] = fold_lanes(acc[r]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
            accumulate_product(&mut out, &a, (depth, 1), &b, m, depth, wide);
            let mut transposed = start.clone();
            let a_t: Vec<f32> = (0..depth * m).map(|j| a[(j % m) * depth + j / m]).collect();
            accumulate_product(&mut transposed, &a_t, (1, m), &b, m, depth, wide);
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
            products_with_rows(&mut back, &out, &b, m, depth, wide);
            for i in 0..m {
                for k in 0..depth {
                    let row = |x: &[f32], at: usize| x[at * wide..][..wide].to_vec();
                    assert_eq!(back[i * depth + k], sottovoce_core::math::dot(&row(&out, i), &row(&b, k)));
                }
            }
        }
    }
}
