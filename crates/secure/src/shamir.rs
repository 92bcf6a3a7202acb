//! Shamir's secret sharing, byte by byte over GF(2⁸).
//!
//! Shamir, *How to share a secret*, CACM 22(11), 1979. The field is that of AES, modulo x⁸ + x⁴ + x³ + x + 1. Every byte
//! of a secret is the constant term of a polynomial of its own, of degree `threshold − 1`; a share is the values of
//! all of them at one `x` from 1 to 255. Any `threshold` shares give the secret, fewer tell nothing about it: for every
//! secret there are equally many polynomials through them. Products take the same time and touch the same memory whatever
//! the bytes are.

use zeroize::Zeroizing;

/// Most shares of a secret: the field has so many points beside 0.
pub(crate) const MOST: usize = 255;

fn product(a: u8, b: u8) -> u8 {
    multiplied([a], b)[0]
}

/// Every byte of `a` times `b`.
fn multiplied<const N: usize>(mut a: [u8; N], b: u8) -> [u8; N] {
    let mut result = [0; N];
    for bit in 0..8 {
        let used = 0u8.wrapping_sub(b >> bit & 1);
        for (result, a) in result.iter_mut().zip(&mut a) {
            *result ^= *a & used;
            *a = *a << 1 ^ (0x1b & 0u8.wrapping_sub(*a >> 7));
        }
    }
    result
}

/// a²⁵⁴, which is 1/a, and 0 for 0.
fn inverse(a: u8) -> u8 {
    let mut power = a;
    let mut result = 1;
    for _ in 0..7 {
        power = product(power, power);
        result = product(result, power);
    }
    result
}

/// A secret of `N` bytes and the polynomials that hide it.
pub(crate) struct Polynomial<const N: usize>(Zeroizing<Vec<[u8; N]>>);

impl<const N: usize> Polynomial<N> {
    /// Hides `secret` behind as many random coefficients as there are: any `coefficients.len() + 1` shares give it.
    pub(crate) fn new(secret: &[u8; N], coefficients: &[[u8; N]]) -> Self {
        let mut all = Zeroizing::new(Vec::with_capacity(1 + coefficients.len()));
        all.push(*secret);
        all.extend_from_slice(coefficients);
        Self(all)
    }

    /// The share at `x`, which is not 0: that would be the secret.
    pub(crate) fn share(&self, x: u8) -> Zeroizing<[u8; N]> {
        debug_assert_ne!(x, 0);
        let mut share = Zeroizing::new([0; N]);
        for coefficients in self.0.iter().rev() {
            *share = multiplied(*share, x);
            for (share, coefficient) in share.iter_mut().zip(coefficients) {
                *share ^= coefficient;
            }
        }
        share
    }
}

/// The secret behind shares at different points, none of them 0.
pub(crate) fn combine<const N: usize>(shares: &[(u8, &[u8; N])]) -> Zeroizing<[u8; N]> {
    interpolate(shares, 0)
}

/// The value at `at` of the polynomials of least degree through `shares`.
fn interpolate<const N: usize>(shares: &[(u8, &[u8; N])], at: u8) -> Zeroizing<[u8; N]> {
    let mut value = Zeroizing::new([0; N]);
    for &(x, share) in shares {
        let (mut above, mut below) = (1, 1);
        for &(other, _) in shares.iter().filter(|(other, _)| *other != x) {
            above = product(above, other ^ at);
            below = product(below, other ^ x);
        }
        let term = multiplied(*share, product(above, inverse(below)));
        for (value, term) in value.iter_mut().zip(term) {
            *value ^= term;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use sottovoce_core::{Address, Purpose};

    #[test]
    fn the_field_is_a_field() {
        // FIPS 197, section 4.2: 57 · 83 = c1, 57 · 13 = fe.
        assert_eq!((product(0x57, 0x83), product(0x57, 0x13)), (0xc1, 0xfe));
        for a in 0..=255 {
            assert_eq!((product(a, 1), product(a, 0)), (a, 0));
            assert_eq!(product(a, inverse(a)), u8::from(a != 0));
            for b in 0..=255 {
                assert_eq!(product(a, b), product(b, a));
                for c in [2, 3, 0x80, 0xff] {
                    assert_eq!(product(a, product(b, c)), product(product(a, b), c));
                    assert_eq!(product(a, b ^ c), product(a, b) ^ product(a, c));
                }
            }
        }
    }

    fn random<const N: usize>(slot: u64, count: usize) -> Vec<[u8; N]> {
        let mut stream = Address::new(1, Purpose::Test).slot(slot).stream();
        let mut bytes = vec![[0; N]; count];
        bytes.iter_mut().for_each(|b| stream.fill(b));
        bytes
    }

    #[test]
    fn any_threshold_of_shares_give_the_secret_and_one_fewer_do_not() {
        for (threshold, holders) in [(1, 1), (2, 3), (3, 5), (4, 6), (5, 5)] {
            let secret = random::<32>(threshold as u64, 1)[0];
            let polynomial = Polynomial::new(&secret, &random(10 + threshold as u64, threshold - 1));
            let shares: Vec<_> = (1..=holders).map(|x| (x, polynomial.share(x))).collect();
            for set in 0u32..1 << holders {
                let some: Vec<_> = shares.iter().filter(|(x, _)| set >> (x - 1) & 1 == 1).collect();
                let some: Vec<_> = some.iter().map(|(x, s)| (*x, &**s)).collect();
                let found = *combine(&some) == secret;
                assert_eq!(found, some.len() >= threshold, "{threshold} of {holders}, {set:b}");
            }
        }
        // As large as it gets, with the points in any order.
        let secret = random::<64>(3, 1)[0];
        let polynomial = Polynomial::new(&secret, &random(4, 169));
        let shares: Vec<_> = (86..=255).rev().map(|x| (x, polynomial.share(x))).collect();
        let shares: Vec<_> = shares.iter().map(|(x, s)| (*x, &**s)).collect();
        assert_eq!(*combine(&shares), secret);
    }

    /// With a threshold of 3: any two shares, whatever their values, go with every secret, and with each in one way.
    #[test]
    fn one_share_too_few_tells_nothing() {
        for (x, y) in [(1, 2), (7, 200), (254, 255)] {
            let mut ways = vec![0u16; 1 << 16];
            for secret in [0, 1, 0x53, 0xff] {
                ways.fill(0);
                for (a, b) in (0..=255).flat_map(|a| (0..=255).map(move |b| (a, b))) {
                    let polynomial = Polynomial::new(&[secret], &[[a], [b]]);
                    ways[usize::from(polynomial.share(x)[0]) << 8 | usize::from(polynomial.share(y)[0])] += 1;
                }
                assert!(ways.iter().all(|w| *w == 1), "secret {secret} at {x}, {y}");
            }
        }
    }

    /// The same for any threshold: through threshold − 1 shares and any secret goes a polynomial, whose further shares
    /// give that secret.
    #[test]
    fn any_secret_fits_what_colluders_hold() {
        let polynomial = Polynomial::new(&[0x2a], &random(5, 9));
        let held: Vec<_> = (1..=9).map(|x| (x, polynomial.share(x))).collect();
        for secret in 0..=255u8 {
            let mut points: Vec<_> = held.iter().map(|(x, s)| (*x, &**s)).collect();
            let secret = [secret];
            points.push((0, &secret));
            let others: Vec<_> = (10..=19).map(|x| (x, interpolate(&points, x))).collect();
            let others: Vec<_> = others.iter().map(|(x, s)| (*x, &**s)).collect();
            assert_eq!(*combine(&others), secret);
        }
    }
}
