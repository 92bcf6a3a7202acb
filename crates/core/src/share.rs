//! A share of so many, as a whole number: decimal fractions are what they say.
//!
//! In `f64` 0.29 · 100 is 28.999999999999996 and 0.07 · 100 is 7.000000000000001: rounding down the one or up the other
//! would be off by one. A product within 10⁻¹² of a whole number, relative to it, is that number.

/// `⌊share · n⌋` for a share that is not negative.
pub fn floor(share: f64, n: usize) -> usize {
    near(share, n).unwrap_or_else(|product| product.floor()) as usize
}

/// `⌈share · n⌉` for a share that is not negative.
pub fn ceil(share: f64, n: usize) -> usize {
    near(share, n).unwrap_or_else(|product| product.ceil()) as usize
}

/// The whole number that the product is meant to be, or the product.
fn near(share: f64, n: usize) -> Result<f64, f64> {
    let product = share * n as f64;
    let whole = product.round();
    if (product - whole).abs() <= 1e-12 * whole { Ok(whole) } else { Err(product) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hundredths_are_exact() {
        for percent in 0..=100usize {
            for n in 0..=300 {
                let share = percent as f64 / 100.0;
                let product = percent * n;
                assert_eq!(floor(share, n), product / 100, "{percent} % of {n}");
                assert_eq!(ceil(share, n), product.div_ceil(100), "{percent} % of {n}");
            }
        }
    }

    #[test]
    fn what_is_not_whole_is_rounded_its_way() {
        for (share, n, down, up) in [
            (0.291, 100, 29, 30),
            (0.289_999, 100, 28, 29),
            (1e-300, 5, 0, 1),
            (5e-324, 5, 0, 1),
            (0.3, 10_000_000, 3_000_000, 3_000_000),
            (0.999_999_999, 1_000, 999, 1_000),
        ] {
            assert_eq!((floor(share, n), ceil(share, n)), (down, up), "{share} of {n}");
        }
    }
}
