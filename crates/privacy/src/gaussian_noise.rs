//! Gaussian noise on what a client sends (Dwork, Kenthapadi, McSherry, Mironov, Naor, EUROCRYPT 2006; in federated
//! learning McMahan, Ramage, Talwar, Zhang, ICLR 2018).
//!
//! | symbol | meaning |
//! |---|---|
//! | `v` | a value that the update carries |
//! | `std` | standard deviation of the noise, in units of the update |
//! | `z` | an independent standard normal number, from the transform's own address |
//!
//! `v ← v + std · z`, added in `f64` and rounded once.
//!
//! Deviations from the papers, each of which alone breaks a guarantee of differential privacy; nothing here is one:
//! - rows that the client does not send get no noise, and which rows it sends stays visible;
//! - nothing relates `std` to a bound on the update (put `clip_norm` in front), and nothing counts what is spent over
//!   the rounds: there is no accountant;
//! - numbers are floating-point and from a stream that whoever knows the seed can repeat. It is a simulation of noise,
//!   not a defence (Mironov, "On Significance of the Least Significant Bits for Differential Privacy", CCS 2012).
//!
//! Finite values stay finite: a sum beyond the largest `f32` becomes the largest. NaN and infinity stay what they are,
//! for the aggregator to refuse.
//!
//! Cost: a normal number for each value; 3.3 ns a value on one core of an EPYC with AVX-512, where a normal number
//! drawn by itself takes 26 ns. Half of it is the stream. No memory.

use sottovoce_core::sampling::normals;
use sottovoce_core::{Address, RowBlock, Transform, dispatch};

/// Numbers drawn at once: whole blocks of [`normals`], small enough for the first cache.
const PIECE: usize = 1024;

/// Adds normal noise to every value that the update carries.
#[derive(Debug, Clone, Copy)]
pub struct GaussianNoise {
    /// Standard deviation in units of the update; finite, at least 0. Noise of 0 changes no bit.
    pub std: f64,
}

impl Transform for GaussianNoise {
    fn client(&self, at: Address, delta: &mut RowBlock) {
        if self.std == 0.0 {
            return;
        }
        let mut stream = at.stream();
        let mut noise = [0.0; PIECE];
        for values in delta.values_mut().chunks_mut(PIECE) {
            let noise = &mut noise[..values.len()];
            normals(&mut stream, noise);
            add(values, noise, self.std);
        }
    }
}

dispatch! {
    fn add(values: &mut [f32], noise: &[f64], std: f64) {
        for (v, z) in values.iter_mut().zip(noise) {
            let limit = f64::from(f32::MAX);
            let sum = f64::from(*v) + std * *z;
            let sum = if sum > limit { limit } else { sum };
            let sum = if sum < -limit { -limit } else { sum };
            *v = if v.is_finite() { sum as f32 } else { *v };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sottovoce_core::{Layout, Purpose, Rows};

    fn noise(std: f64, client: u64, values: Vec<f32>) -> Vec<f32> {
        let layout = Layout::new(&[("weight", values.len(), 1)]).unwrap();
        let mut delta = RowBlock::new(layout, Rows::All, values).unwrap();
        GaussianNoise { std }.client(Address::new(7, Purpose::Transform).client(client), &mut delta);
        delta.into_values()
    }

    /// The sum of squares over `std²` is chi-squared: its deviation is √(2n); thresholds at four deviations.
    #[test]
    fn noise_has_mean_0_and_its_deviation_and_does_not_depend_on_the_values() {
        const N: usize = 100_003;
        for std in [1e-30, 0.01, 3.0, 1e30] {
            let z: Vec<f64> = noise(std, 1, vec![0.0; N]).into_iter().map(|v| f64::from(v) / std).collect();
            let mean = z.iter().sum::<f64>() / N as f64;
            let variance = z.iter().map(|x| x * x).sum::<f64>() / N as f64;
            assert!(mean.abs() < 4.0 / (N as f64).sqrt(), "{std}: {mean}");
            assert!((variance - 1.0).abs() < 4.0 * (2.0 / N as f64).sqrt(), "{std}: {variance}");
        }
        let (on_zero, on_values) = (noise(0.5, 1, vec![0.0; N]), noise(0.5, 1, vec![8.0; N]));
        assert!(on_zero.iter().zip(&on_values).all(|(a, b)| (b - 8.0 - a).abs() < 1e-6));
        let twice = noise(1.0, 1, vec![0.0; N]);
        assert!(on_zero.iter().zip(&twice).all(|(a, b)| 2.0 * a == *b), "one stream, scaled");
    }

    #[test]
    fn clients_do_not_share_noise() {
        const N: usize = 100_000;
        let (a, b) = (noise(1.0, 1, vec![0.0; N]), noise(1.0, 2, vec![0.0; N]));
        let product = a.iter().zip(&b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>() / N as f64;
        assert!(product.abs() < 4.0 / (N as f64).sqrt(), "{product}");
    }

    #[test]
    fn the_largest_number_is_where_it_ends() {
        let extreme = [f32::MAX, -f32::MAX, f32::INFINITY, f32::NEG_INFINITY];
        let out = noise(f64::from(f32::MAX), 1, extreme.repeat(100));
        for four in out.chunks(4) {
            assert!(four[0].is_finite() && four[1].is_finite());
            assert_eq!(four[2..], [f32::INFINITY, f32::NEG_INFINITY]);
        }
        assert!(out.contains(&f32::MAX) && out.contains(&-f32::MAX));
    }
}
