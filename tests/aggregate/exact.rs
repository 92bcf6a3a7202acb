//! How exact results are, against sums of whole numbers.

use super::*;
use sottovoce::core::sampling::normal;
use sottovoce::core::{Address, Purpose};
use std::path::Path;

/// `x` in units of 2^-100, cut off below.
fn fixed(x: f64) -> i128 {
    let bits = x.to_bits();
    let (exponent, fraction) = ((bits >> 52 & 0x7ff) as i32, i128::from(bits & ((1 << 52) - 1)));
    let mantissa = if exponent == 0 { fraction } else { fraction | 1 << 52 };
    let shift = exponent.max(1) - 1075 + 100;
    let magnitude =
        if shift >= 0 { mantissa << shift } else { mantissa.checked_shr(-shift as u32).unwrap_or(0) };
    if x < 0.0 { -magnitude } else { magnitude }
}

fn read_f64(path: &Path) -> Vec<f64> {
    bytes(path)[128..].as_chunks::<8>().0.iter().map(|n| f64::from_le_bytes(*n)).collect()
}

/// A matrix of 10 × 1,000: the first column a counter at 250,000, the others around 0.001 and of either sign.
fn counter(files: &Files) -> (PathBuf, Vec<Vec<f64>>) {
    let mut stream = Address::new(1, Purpose::Test).stream();
    let mut number = |j: usize| if j == 0 { 250_000.0 } else { 1e-3 * normal(&mut stream) };
    let rows: Vec<Vec<f64>> = (0..10).map(|_| (0..1000).map(&mut number).collect()).collect();
    (files.write("x.npy", &npy("<f8", false, "(10, 1000)", &f64s(&rows.concat()))), rows)
}

/// Holds a row against `Σ weights · rows / Σ weights`, computed in whole numbers.
fn hold(got: &[f64], rows: &[Vec<f64>], weights: &[i128], roundings: i128, what: &str) {
    let total: i128 = weights.iter().sum();
    for (j, got) in got.iter().enumerate() {
        let sum: i128 = rows.iter().zip(weights).map(|(row, w)| w * fixed(row[j])).sum();
        let largest = rows.iter().map(|row| fixed(row[j]).abs()).max().unwrap_or(0);
        // A part in 10^15 of the column's largest number; where nothing cancels, that of the mean itself.
        let slack = roundings * (largest / 1_000_000_000_000_000 * total + total);
        let error = (fixed(*got) * total - sum).abs();
        assert!(error <= slack, "{what}, column {j}: {got} is off by {error} of {slack}");
    }
}

#[test]
fn a_large_column_takes_no_digit_from_the_others() {
    let files = Files::new();
    let (input, rows) = counter(&files);
    let all: &[&str] = &[];
    for (rule, words, weights, roundings) in [
        ("mean", all, None, 1),
        ("average", all, None, 1),
        ("weighted-average", &["--weights=3,1,4,1,5,9,2,6,5,3"], Some([3, 1, 4, 1, 5, 9, 2, 6, 5, 3]), 1),
        ("trimmed-mean", &["--faulty=0"], None, 1),
        ("meamed", &["--faulty=0"], None, 1),
        ("norm-bounding-average", &["--param=M=1e9"], None, 1),
        ("caf", &["--faulty=0"], None, 1),
        ("static-clipping+mean", &["--param=c=1e9"], None, 2),
        ("bucketing+mean", &["--param=s=5", "--param=seed=1"], None, 2),
    ] {
        files.call(rule, "out.npy").args(words).arg(&input).ok();
        hold(&read_f64(&files.path("out.npy")), &rows, &weights.unwrap_or([1; 10]), roundings, rule);
    }
    // Mixed rows share a grid, that of the largest number of their neighbourhood.
    files.call("nnm+mean", "out.npy").arg("--faulty=0").arg(&input).ok();
    for (j, got) in read_f64(&files.path("out.npy")).iter().enumerate() {
        let sum: i128 = rows.iter().map(|row| fixed(row[j])).sum();
        let error = (fixed(*got) * 10 - sum).abs();
        assert!(
            error <= 10 * fixed(250_000.0) / 1_000_000_000_000_000,
            "nnm, column {j}: {got} is off by {error}"
        );
    }
    for (rule, words) in [
        ("krum", &["--faulty=2"][..]),
        ("multi-krum", &["--faulty=2"]),
        ("mda", &["--faulty=2"]),
        ("smea", &["--faulty=2"]),
        ("monna", &["--faulty=2", "--param=idx=3"]),
    ] {
        let report = files.call(rule, "out.npy").args(words).arg("--json").arg(&input).ok().json();
        let selected = report["selected"].as_array().expect("rows are selected");
        let weights: Vec<i128> = (0..10).map(|i| i128::from(selected.contains(&i.into()))).collect();
        assert!(weights.contains(&1) && weights.contains(&0), "{rule}: {report}");
        hold(&read_f64(&files.path("out.npy")), &rows, &weights, 1, rule);
    }
}

#[test]
fn a_number_near_the_largest_takes_no_digit_from_the_others() {
    let files = Files::new();
    let rows = [[1e300, 1e-3, 1.0, -5e-324], [-1e300, 3e-3, 2.0, 5e-324], [1e300, 5e-3, -6.0, 5e-324]];
    let input = files.write("x.npy", &npy("<f8", false, "(3, 4)", &f64s(rows.as_flattened())));
    for rule in ["mean", "trimmed-mean --faulty=0"] {
        let words: Vec<&str> = rule.split(' ').collect();
        files.call(words[0], "out.npy").args(&words[1..]).arg(&input).ok();
        let got = read_f64(&files.path("out.npy"));
        for (got, expected) in got.iter().zip([1e300 / 3.0, 3e-3, -1.0]) {
            assert!((got / expected - 1.0).abs() <= 1e-15, "{rule}: {got} is not {expected}");
        }
    }
    files.call("median", "out.npy").arg(&input).ok();
    assert_eq!(read_f64(&files.path("out.npy")), [1e300, 3e-3, 1.0, 5e-324]);
    // A rule of distances, whose squares would overflow, says so.
    assert!(files.call("krum", "no.npy").arg("--faulty=0").arg(&input).fails(2).contains("1e300"));
}
