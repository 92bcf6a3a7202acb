//! Which blocks to split in which order, so that rows are told apart by rank and no more than is asked for is sorted.
//!
//! Rows are sorted in blocks. Splitting blocks in a tournament leaves the block of the smallest rows, another that of
//! the largest; what lost is played for again until everything outside the ranks that are wanted has been taken away.
//! A half that is never looked at again is not sorted, or not even written.
//!
//! For a trimmed mean of n rows with f at each end, in five blocks of n/5 = f rows, it is six splits; the middle is
//! left as it comes.

use super::blocks::{Half, Split};
use super::{ahead, network, sorters};
use std::ops::Range;

/// Rows in a block: what [`blocks`] is compiled for.
pub(super) const SIZES: [usize; 3] = [10, 16, 20];

/// In the place of a size: all rows are sorted by [`network`].
pub(super) const SORTED: usize = 0;

/// A way to find the rows of some ranks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Selection {
    /// Rows in a block, one of [`SIZES`], or [`SORTED`].
    pub(super) size: usize,
    /// Splits, one after the other.
    pub(super) splits: Vec<Split>,
    /// Lines that hold the rows asked for afterwards; without splits the lines are in order.
    pub(super) kept: Vec<Range<usize>>,
    /// Lines of scratch: those of the blocks to begin with, and of two more.
    pub(super) lines: usize,
    /// Comparators.
    pub(super) comparators: usize,
    /// See [`ahead::in_pairs`].
    pub(super) in_pairs: bool,
}

/// A split in terms of blocks that are never written twice.
struct Played {
    from: [usize; 2],
    low: usize,
    high: usize,
}

/// What is asked of a block in the end.
#[derive(Clone, Copy, PartialEq)]
enum Use {
    Nothing,
    Members,
    Order,
}

impl Selection {
    /// The cheapest way to find the rows of `ranks`, which are not empty, among `n`.
    pub(super) fn cheapest(n: usize, ranks: Range<usize>) -> Self {
        let sorted = Self::sorted(n, ranks.clone());
        let split = SIZES.into_iter().map(|size| Self::new(n, &ranks, size));
        split.fold(sorted, |best, other| if other.comparators < best.comparators { other } else { best })
    }

    /// All rows in order.
    pub(super) fn sorted(n: usize, ranks: Range<usize>) -> Self {
        let (lines, comparators) = (n.next_multiple_of(16), network::comparators(n));
        Self { size: SORTED, splits: Vec::new(), kept: vec![ranks], lines, comparators, in_pairs: false }
    }

    /// By blocks of `size` rows.
    pub(super) fn new(n: usize, ranks: &Range<usize>, size: usize) -> Self {
        let count = n.div_ceil(size);
        let mut tournament = Tournament { next: count, played: Vec::new() };
        let order = tournament.play(count, ranks.start.div_ceil(size), count - ranks.end / size);

        // Backwards: a block that is split has to be in order, others only where a wanted rank and another meet.
        let mut uses = vec![Use::Nothing; tournament.next];
        let mut wanted = Vec::new();
        for (rank, block) in order.into_iter().enumerate() {
            let first = rank * size;
            let (from, to) = (ranks.start.max(first), ranks.end.min(first + size));
            if from < to {
                uses[block] = if to - from == size { Use::Members } else { Use::Order };
                wanted.push((block, from - first..to - first));
            }
        }
        for split in &tournament.played {
            uses[split.from[0]] = Use::Order;
            uses[split.from[1]] = Use::Order;
        }

        // Forwards: lines for blocks that are written, given back when the block has been split.
        let mut lines: Vec<usize> = (0..uses.len()).map(|block| block * size).collect();
        let mut free = vec![count * size, (count + 1) * size];
        let cost = sorters::comparators(size);
        let mut comparators = count * cost.sort;
        let mut halves = 0;
        let mut splits = Vec::with_capacity(tournament.played.len());
        for Played { from, low, high } in tournament.played {
            let mut half = |block: usize| {
                if uses[block] == Use::Nothing {
                    return Half::Dropped;
                }
                let line = free.pop().expect("a split takes two blocks' lines and gives two back");
                lines[block] = line;
                comparators += size / 2;
                halves += 1;
                if uses[block] == Use::Members {
                    return Half::Unsorted(line);
                }
                comparators += cost.bitonic;
                Half::Sorted(line)
            };
            let (low, high) = (half(low), half(high));
            let blocks = from.map(|block| lines[block]);
            splits.push(Split { blocks, low, high });
            free.extend(blocks);
        }
        let kept = wanted.into_iter().map(|(block, rows)| lines[block] + rows.start..lines[block] + rows.end);
        let kept: Vec<_> = kept.collect();
        let in_pairs = ahead::in_pairs(n, halves, size, kept.iter().map(ExactSizeIterator::len));
        Self { size, splits, kept, lines: (count + 2) * size, comparators, in_pairs }
    }
}

struct Tournament {
    next: usize,
    played: Vec<Played>,
}

impl Tournament {
    /// The blocks by rank: the `low` lowest and the `high` highest of `count` each in its place, those between in any
    /// order.
    fn play(&mut self, count: usize, low: usize, high: usize) -> Vec<usize> {
        let mut left: Vec<usize> = (0..count).collect();
        let (mut lowest, mut highest) = (Vec::new(), Vec::new());
        while left.len() > 1 && (lowest.len() < low || highest.len() < high) {
            let mut rest = Vec::new();
            if lowest.len() == low {
                highest.push(self.best(left, &mut rest, false));
            } else if highest.len() == high {
                lowest.push(self.best(left, &mut rest, true));
            } else {
                let odd = if left.len() % 2 == 1 { left.pop() } else { None };
                let (lows, highs) = left.chunks(2).map(|pair| self.split(pair[0], pair[1])).unzip();
                let mut lowest_left = self.best(lows, &mut rest, true);
                let mut highest_left = self.best(highs, &mut rest, false);
                if let Some(mut odd) = odd {
                    (lowest_left, odd) = self.split(lowest_left, odd);
                    (odd, highest_left) = self.split(odd, highest_left);
                    rest.push(odd);
                }
                lowest.push(lowest_left);
                highest.push(highest_left);
            }
            left = rest;
        }
        lowest.into_iter().chain(left).chain(highest.into_iter().rev()).collect()
    }

    /// The lowest or the highest of some blocks; the others become part of the rest.
    fn best(&mut self, mut blocks: Vec<usize>, rest: &mut Vec<usize>, lowest: bool) -> usize {
        while blocks.len() > 1 {
            blocks = blocks
                .chunks(2)
                .map(|pair| {
                    let [a, b] = *pair else { return pair[0] };
                    let (low, high) = self.split(a, b);
                    let (winner, loser) = if lowest { (low, high) } else { (high, low) };
                    rest.push(loser);
                    winner
                })
                .collect();
        }
        blocks[0]
    }

    fn split(&mut self, a: usize, b: usize) -> (usize, usize) {
        let (low, high) = (self.next, self.next + 1);
        self.next += 2;
        self.played.push(Played { from: [a, b], low, high });
        (low, high)
    }
}
