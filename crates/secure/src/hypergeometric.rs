//! Tails of the hypergeometric distribution, as logarithms.

/// Draws without replacement from a population of which some are marked: the number of marked among those drawn.
pub(crate) struct Hypergeometric {
    marked: Vec<f64>,
    others: Vec<f64>,
    all: Vec<f64>,
}

/// log₂ of the binomial coefficients (n over 0) to (n over most); −∞ where there are none.
fn coefficients(n: usize, most: usize) -> Vec<f64> {
    let mut log = 0.0;
    let next = |i: usize| {
        let this = log;
        log += if i < n { libm::log2((n - i) as f64 / (i + 1) as f64) } else { f64::NEG_INFINITY };
        this
    };
    (0..=most).map(next).collect()
}

impl Hypergeometric {
    /// `marked` of `population`, for draws of at most `most`.
    pub(crate) fn new(population: usize, marked: usize, most: usize) -> Self {
        Self {
            marked: coefficients(marked, most),
            others: coefficients(population - marked, most),
            all: coefficients(population, most),
        }
    }

    /// Probability of at least `least` marked among `drawn`, which is at most what [`new`](Self::new) was given.
    pub(crate) fn at_least(&self, drawn: usize, least: usize) -> f64 {
        // The smallest terms first.
        let terms = (least..=drawn).rev().map(|x| self.marked[x] + self.others[drawn - x] - self.all[drawn]);
        terms.fold(0.0, |sum, term| sum + libm::exp2(term))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_those_of_counting() {
        // 10 with 4 marked, 5 drawn: C(4,x)·C(6,5−x) of 252 for x = 0..4 is 6, 60, 120, 60, 6.
        let tails = Hypergeometric::new(10, 4, 5);
        for (least, count) in [(0, 252.0), (1, 246.0), (2, 186.0), (3, 66.0), (4, 6.0), (5, 0.0)] {
            assert!((tails.at_least(5, least) - count / 252.0).abs() < 1e-14, "{least}");
        }
        // Nothing marked, everything marked.
        assert_eq!(Hypergeometric::new(7, 0, 3).at_least(3, 1), 0.0);
        assert!((Hypergeometric::new(7, 7, 3).at_least(3, 3) - 1.0).abs() < 1e-14);
    }
}
