//! Column folds against a plain sort, on every CPU and number of threads.

use super::selection::{self, SORTED, Selection};
use super::{
    Ahead, Fold, Line, WIDTH, Work, arrange, fold_block, fold_columns, mean_around_median, mean_of_ranks,
    vector,
};
use crate::rules::{meamed::meamed, median::Even, median::median, trimmed_mean::trimmed_mean};
use crate::stack::{Element, Stack, StackError};
use proptest::prelude::*;
use sottovoce_core::lanes::Portable;

/// Numbers from a fixed sequence of 64-bit words (Vigna's SplitMix64).
struct Words(u64);

impl Words {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Of everything that is hard to sort or to sum: ±0, duplicates, subnormals, tiny, ordinary and huge values.
    fn value<T: Element>(&mut self) -> T {
        let sign = if self.next() & 1 == 0 { 1.0 } else { -1.0 };
        let fraction = 1.0 + (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        let single = size_of::<T>() == 4;
        let magnitude = match self.next() % 16 {
            0 => 0.0,
            1 => 1.0,
            2 => 0.5,
            3 => fraction * if single { 1e-42 } else { 1e-318 },
            4 => fraction * 1e-20,
            5 => 1.7 * if single { 1e38 } else { 1e308 },
            6 => fraction * if single { 1e30 } else { 1e290 },
            _ => fraction,
        };
        T::from_f64(sign * magnitude)
    }

    /// Bits of which each is set with a chance of its own.
    fn density(&mut self) -> u64 {
        (0..64).fold(0, |bits, case| bits | u64::from(self.next() % 64 < case) << case)
    }

    fn rows<T: Element>(&mut self, n: usize, d: usize) -> Vec<Vec<T>> {
        (0..n).map(|_| (0..d).map(|_| self.value()).collect()).collect()
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, (self.next() % (i as u64 + 1)) as usize);
        }
    }
}

fn stack<T: Element>(rows: &[Vec<T>]) -> Stack<'_, T> {
    Stack::new(rows.iter().map(Vec::as_slice).collect()).expect("rows of one length")
}

/// Mean by halves: no overflow, and not the arithmetic under test.
fn plain_mean(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    values.iter().map(|v| v / count).sum()
}

fn plain_median(sorted: &[f64], even: Even) -> f64 {
    let (lower, upper) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
    match even {
        Even::Lower => lower,
        Even::Midpoint => lower / 2.0 + upper / 2.0,
    }
}

/// By selection of the nearest, one after the other.
fn plain_around(sorted: &[f64], keep: usize) -> f64 {
    let median = plain_median(sorted, Even::Midpoint);
    let mut by_distance: Vec<f64> = sorted.to_vec();
    // Halved, so that no distance overflows; stable, so that of two at the same distance the smaller stays first.
    by_distance.sort_by(|a, b| (a / 2.0 - median / 2.0).abs().total_cmp(&(b / 2.0 - median / 2.0).abs()));
    plain_mean(&by_distance[..keep])
}

fn agree<T: Element>(got: T, expected: f64, largest: f64) -> bool {
    let epsilon = if size_of::<T>() == 4 { 1e-7 } else { 1e-15 };
    let smallest = if size_of::<T>() == 4 { 1.5e-45 } else { 5e-324 };
    (got.to_f64() / 2.0 - expected / 2.0).abs()
        <= expected.abs() * epsilon + largest * 2e-14 + 200.0 * smallest
}

fn against_a_plain_sort<T: Element>(words: &mut Words, n: usize, d: usize) {
    let rows = words.rows::<T>(n, d);
    let stack = stack(&rows);
    let trim = (words.next() as usize) % n.div_ceil(2);
    let keep = 1 + (words.next() as usize) % n;
    let midpoints = median(&stack, Even::Midpoint).unwrap();
    let lowers = median(&stack, Even::Lower).unwrap();
    let trimmed = trimmed_mean(&stack, trim).unwrap();
    let around = mean_around_median(&stack, keep).unwrap();
    for j in 0..d {
        let mut column: Vec<f64> = rows.iter().map(|row| row[j].to_f64()).collect();
        column.sort_by(f64::total_cmp);
        let largest = column[0].abs().max(column[n - 1].abs());
        let at = format!("n = {n}, d = {d}, column {j}, trim {trim}, keep {keep}: {column:?}");
        assert_eq!(lowers[j].to_f64(), plain_median(&column, Even::Lower), "{at}");
        let kept = &column[trim..n - trim];
        let kept_largest = kept[0].abs().max(kept[kept.len() - 1].abs());
        assert!(
            agree(midpoints[j], plain_median(&column, Even::Midpoint), 0.0),
            "{at}, got {:?}",
            midpoints[j]
        );
        assert!(agree(trimmed[j], plain_mean(kept), kept_largest), "{at}, got {:?}", trimmed[j]);
        assert!(agree(around[j], plain_around(&column, keep), largest), "{at}, got {:?}", around[j]);
        for result in [midpoints[j], lowers[j], trimmed[j], around[j]] {
            assert!(column[0] <= result.to_f64() && result.to_f64() <= column[n - 1], "{at}: {result:?}");
            assert!(result.to_f64() != 0.0 || result.to_f64().is_sign_positive(), "{at}: -0");
        }
    }
}

#[test]
fn every_number_of_rows_agrees_with_a_plain_sort() {
    let mut words = Words(1);
    for n in 1..=130 {
        let d = 1 + words.next() as usize % 40;
        against_a_plain_sort::<f32>(&mut words, n, d);
        against_a_plain_sort::<f64>(&mut words, n, d);
    }
    for n in [255, 256, 257, 300, 512, 513, 1000, 1025] {
        against_a_plain_sort::<f32>(&mut words, n, 17);
        against_a_plain_sort::<f64>(&mut words, n, 17);
    }
}

/// The bits of all rules.
fn all_bits<T: Element>(rows: &[Vec<T>]) -> Vec<u64> {
    let stack = stack(rows);
    let n = rows.len();
    [
        median(&stack, Even::Midpoint),
        median(&stack, Even::Lower),
        trimmed_mean(&stack, (n - 1) / 3),
        meamed(&stack, n / 4),
        mean_around_median(&stack, n.div_ceil(3)),
    ]
    .into_iter()
    .flat_map(|result| result.unwrap())
    .map(|v| v.to_f64().to_bits())
    .collect()
}

fn any_order_any_threads<T: Element>(seed: u64, n: usize, d: usize) {
    let mut words = Words(seed);
    let mut rows = words.rows::<T>(n, d);
    let expected = all_bits(&rows);
    words.shuffle(&mut rows);
    assert_eq!(all_bits(&rows), expected, "{n} rows of {d} in another order");
    for threads in [1, 2, 8] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert_eq!(pool.install(|| all_bits(&rows)), expected, "{n} rows of {d}, {threads} threads");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_order_and_any_number_of_threads_give_the_same_bits(seed: u64, n in 1usize..80, d in 1usize..700) {
        any_order_any_threads::<f32>(seed, n, d);
        any_order_any_threads::<f64>(seed, n, d);
    }
}

fn names_what_is_not_finite<T: Element>() {
    let mut words = Words(7);
    for bad in [f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut rows = words.rows::<T>(21, 700);
        // Row 20 has the earlier coordinate, row 4 is the earlier row.
        rows[20][3] = T::from_f64(bad);
        rows[4][699] = T::from_f64(bad);
        rows[4][600] = T::from_f64(bad);
        for threads in [1, 2, 8] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let stack = stack(&rows);
            let all = pool.install(|| {
                [
                    median(&stack, Even::Midpoint),
                    median(&stack, Even::Lower),
                    trimmed_mean(&stack, 10),
                    meamed(&stack, 5),
                    mean_around_median(&stack, 1),
                ]
            });
            for result in all {
                let Err(StackError::NotFinite { client: 4, coordinate: 600, value }) = result else {
                    panic!("{bad} with {threads} threads: {result:?}");
                };
                assert_eq!(value.is_nan(), bad.is_nan());
                assert!(bad.is_nan() || value == bad);
            }
        }
    }
}

#[test]
fn nan_and_infinity_are_named_with_client_and_coordinate() {
    names_what_is_not_finite::<f32>();
    names_what_is_not_finite::<f64>();
}

#[test]
fn sums_do_not_overflow() {
    let rows = vec![vec![f64::MAX; 3]; 7];
    assert_eq!(trimmed_mean(&stack(&rows), 2).unwrap(), [f64::MAX; 3]);
    assert_eq!(median(&stack(&rows[..2]), Even::Midpoint).unwrap(), [f64::MAX; 3]);
    assert_eq!(meamed(&stack(&rows), 3).unwrap(), [f64::MAX; 3]);
    let rows: Vec<_> = [-f64::MAX, f64::MAX, f64::MAX, -f64::MAX, 8.0].map(|v| vec![v]).into();
    assert_eq!(trimmed_mean(&stack(&rows), 0).unwrap(), [0.0]);
    assert_eq!(mean_around_median(&stack(&rows), 1).unwrap(), [8.0]);
    let rows = vec![vec![f32::MAX; 3]; 7];
    assert_eq!(trimmed_mean(&stack(&rows), 2).unwrap(), [f32::MAX; 3]);
}

#[test]
fn equal_rows_come_back_as_they_are() {
    // 0.1 + 0.1 + 0.1 is not 0.3.
    let rows = vec![vec![0.1, -0.7, 1e-310, 4e307]; 3];
    for result in
        [trimmed_mean(&stack(&rows), 0), meamed(&stack(&rows), 0), median(&stack(&rows), Even::Midpoint)]
    {
        assert_eq!(result.unwrap(), rows[0]);
    }
}

#[test]
fn of_two_at_the_same_distance_the_smaller_is_the_nearer() {
    let rows: Vec<_> = [3.0, 1.0, 2.0].map(|v| vec![v]).into();
    assert_eq!(mean_around_median(&stack(&rows), 2).unwrap(), [1.5]);
    // The median is 2, and all four are at distance 1.
    let rows: Vec<_> = [3.0f32, 1.0, 3.0, 1.0].map(|v| vec![v]).into();
    assert_eq!(mean_around_median(&stack(&rows), 3).unwrap(), [5.0 / 3.0]);
}

#[test]
fn without_trimming_it_is_the_mean() {
    let rows: Vec<_> = [1.0f32, 2.0, 4.0, 9.0].map(|v| vec![v; 20]).into();
    assert_eq!(mean_of_ranks(&stack(&rows), 0..4).unwrap(), [4.0; 20]);
    assert_eq!(meamed(&stack(&rows), 0).unwrap(), [4.0; 20]);
}

/// Sixty-four cases of zeros and ones, for which the smaller is `and` and the larger `or`. The last of them is not looked
/// at where a block is not full: the keys of rows that are not there have no sign.
#[derive(Clone, Copy)]
struct Cases;

impl vector::Vectors<f64> for Cases {
    const PARTS: usize = 1;
    type Vector = u64;
    fn top(self) -> u64 {
        u64::MAX
    }
    fn keys(self, values: &[f64; WIDTH], _: usize) -> u64 {
        values[0].to_bits()
    }
    fn load(self, line: &Line<i64>, _: usize) -> u64 {
        line.0[0] as u64
    }
    fn store(self, v: u64, line: &mut Line<i64>, _: usize) {
        line.0[0] = v as i64;
    }
    fn smaller(self, a: u64, b: u64) -> u64 {
        a & b
    }
    fn larger(self, a: u64, b: u64) -> u64 {
        a | b
    }
    type Wide = ();
    fn wide(self, _: &[f64; WIDTH], _: usize) {}
    fn add_bits(self, _: u64, _: &mut (), _: &(), _: &()) {}
    fn store_bits(self, _: &(), _: &mut [i64; WIDTH], _: usize) {}
    fn prefetch(self, _: *const f64) {}
}

/// The lines after a selection from zeros and ones.
fn arranged(selection: &Selection, rows: &[&[f64]]) -> Vec<u64> {
    let mut lines = vec![Line([0i64; WIDTH]); selection.lines];
    let arrange = match selection.size {
        SORTED => arrange::<f64, Cases, SORTED>,
        10 => arrange::<f64, Cases, 10>,
        16 => arrange::<f64, Cases, 16>,
        20 => arrange::<f64, Cases, 20>,
        size => panic!("no blocks of {size} rows"),
    };
    arrange(Cases, rows, 0, &selection.splits, &mut lines, &mut Ahead::new(rows, 0, selection.in_pairs));
    lines.into_iter().map(|line| line.0[0] as u64).collect()
}

#[test]
fn blocks_sort_all_zeros_and_ones() {
    // A network that sorts these sorts everything (Knuth, The Art of Computer Programming, vol. 3, 2nd ed., 1998,
    // section 5.3.4, theorem Z).
    let masks: [u64; 6] =
        std::array::from_fn(|i| (0..64).filter(|case| case >> i & 1 == 1).map(|case| 1 << case).sum());
    for n in selection::SIZES {
        for high in 0u64..1 << (n - 6) {
            let row = |i: usize| match i {
                0..6 => masks[i],
                _ => 0u64.wrapping_sub(high >> (i - 6) & 1),
            };
            let rows: Vec<[f64; 1]> = (0..n).map(|i| [f64::from_bits(row(i))]).collect();
            let rows: Vec<&[f64]> = rows.iter().map(|row| &row[..]).collect();
            let lines = arranged(&Selection::new(n, &(0..1), n), &rows);
            assert!(lines[..n].is_sorted_by(|a, b| a & !b == 0), "a block of {n} rows");
        }
    }
}

#[test]
fn selections_keep_the_rows_of_the_ranks_asked_for() {
    let mut words = Words(11);
    for n in 1..=70 {
        // As many ones as there may be, from none to all.
        let rows: Vec<[f64; 1]> = (0..n).map(|_| [f64::from_bits(words.density())]).collect();
        let rows: Vec<&[f64]> = rows.iter().map(|row| &row[..]).collect();
        for from in 0..n {
            for to in from + 1..=n {
                let split = selection::SIZES.map(|size| Selection::new(n, &(from..to), size));
                for selection in split.iter().chain([&Selection::sorted(n, from..to)]) {
                    let lines = arranged(selection, &rows);
                    let kept: Vec<u64> =
                        selection.kept.iter().flat_map(|kept| &lines[kept.clone()]).copied().collect();
                    let at = format!("ranks {from}..{to} of {n} by {}", selection.size);
                    assert_eq!(kept.len(), to - from, "{at}");
                    for case in 0..63 {
                        let ones = |words: &mut dyn Iterator<Item = u64>| {
                            words.filter(|word| word >> case & 1 == 1).count()
                        };
                        let all = ones(&mut rows.iter().map(|row| row[0].to_bits()));
                        let expected = (all + to).saturating_sub(n).min(to - from);
                        assert_eq!(ones(&mut kept.iter().copied()), expected, "{at}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_trimmed_mean_of_five_blocks_takes_six_splits() {
    let selection = Selection::cheapest(100, 20..80);
    assert_eq!((selection.size, selection.splits.len()), (20, 6));
    // A sort of all rows takes half as many again.
    assert!(3 * selection.comparators < 2 * Selection::sorted(100, 20..80).comparators, "{selection:?}");
}

/// The fold of forty columns by arrays.
fn folded<T: Element>(rows: &[Vec<T>], by: &Fold) -> Vec<u64> {
    let rows: Vec<&[T]> = rows.iter().map(Vec::as_slice).collect();
    let (mut lines, mut out) = (vec![Line([T::TOP; WIDTH]); by.selection.lines], vec![T::from_f64(1.0); 40]);
    let work = Work { rows: &rows, start: 0, by, lines: &mut lines, out: &mut out };
    let finite = match by.selection.size {
        SORTED => fold_block::<T, _, SORTED>(Portable, work),
        10 => fold_block::<T, _, 10>(Portable, work),
        16 => fold_block::<T, _, 16>(Portable, work),
        20 => fold_block::<T, _, 20>(Portable, work),
        size => panic!("no blocks of {size} rows"),
    };
    assert!(finite);
    out.into_iter().map(|v| v.to_f64().to_bits()).collect()
}

fn arrays_fold_as_registers_do<T: Element>() {
    let mut words = Words(3);
    for n in [1, 5, 16, 17, 70, 100, 300] {
        let rows = words.rows::<T>(n, 40);
        let ranks = n / 5..n - n / 5;
        let mut folds = vec![
            Fold { selection: Selection::sorted(n, 0..n), around: Some(n.div_ceil(3)) },
            Fold { selection: Selection::sorted(n, ranks.clone()), around: None },
        ];
        folds.extend(
            selection::SIZES.map(|size| Fold { selection: Selection::new(n, &ranks, size), around: None }),
        );
        let means = folded(&rows, &folds[1]);
        for by in folds {
            let arrays = folded(&rows, &by);
            let registers = fold_columns(&stack(&rows), &by).unwrap();
            let registers: Vec<u64> = registers.into_iter().map(|v| v.to_f64().to_bits()).collect();
            assert_eq!(registers, arrays, "{n} rows, {by:?}");
            assert!(by.around.is_some() || arrays == means, "{n} rows, {by:?}");
        }
    }
}

#[test]
fn every_cpu_and_every_way_to_select_gives_the_same_bits() {
    arrays_fold_as_registers_do::<f32>();
    arrays_fold_as_registers_do::<f64>();
}
