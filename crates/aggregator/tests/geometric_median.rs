//! The geometric median is the minimum, a row or not, outliers or not.

mod rows;

use rows::{matrix, one, squared_distance, stream};
use sottovoce_aggregator::Recipe;
use sottovoce_core::sampling::{index, normal};
use std::collections::BTreeMap;

/// Sum of distances, the function that the geometric median minimises.
fn objective(rows: &[Vec<f64>], point: &[f64]) -> f64 {
    rows.iter().fold(0.0, |sum, row| sum + squared_distance(row, point).sqrt())
}

#[test]
fn the_geometric_median_is_one_of_the_rows_where_that_is_the_minimum() {
    let recipe = Recipe::parse("geometric-median", &BTreeMap::new()).expect("a recipe");
    let line = |xs: &[f64]| xs.iter().map(|x| vec![*x, 2.0 * x, -x]).collect::<Vec<_>>();
    // On a line it is the middle one, wherever the mean, at which the steps begin, lies.
    for (xs, middle) in [
        (&[0.0, 1.0, 10.0][..], 1.0),
        (&[-1.0, 0.0, 1.0], 0.0),
        (&[0.0, 3.0, 4.0, 5.0, 1e9], 4.0),
        (&[5.0, 5.0, 5.0, -7.0, 100.0], 5.0),
        // The mean is the row 4, which is not the minimum.
        (&[0.0, 1.0, 2.0, 4.0, 13.0], 2.0),
    ] {
        let rows = line(xs);
        assert_eq!(
            one(&recipe, &rows, &vec![1.0; rows.len()]),
            vec![middle, 2.0 * middle, -middle],
            "{xs:?}"
        );
    }
    // Four points around a fifth: at it the others' pulls cancel.
    let rows = vec![vec![1.0, 0.0], vec![-3.0, 0.0], vec![0.0, 7.0], vec![0.0, -2.0], vec![0.0, 0.0]];
    assert_eq!(one(&recipe, &rows, &[1.0; 5]), vec![0.0, 0.0]);
}

#[test]
fn nothing_near_the_geometric_median_is_better() {
    let recipe = Recipe::parse("geometric-median", &BTreeMap::new()).expect("a recipe");
    // Fixed seeds: rows can lie so that the sum of distances hardly knows its minimum.
    for seed in 0..200 {
        let mut s = stream(seed);
        let (rows, columns, far) = (1 + index(&mut s, 8), 1 + index(&mut s, 3), index(&mut s, 30));
        let mut data = matrix::<f64>(&mut s, rows, columns);
        // Far outliers must not loosen the tolerance for the others.
        if rows > 4 {
            data[0].iter_mut().for_each(|v| (0..far).for_each(|_| *v *= 10.0));
        }
        let got = one(&recipe, &data, &vec![1.0; rows]);
        let least = objective(&data, &got);
        for step in [1e-1, 1e-2, 1e-3, 1e-4] {
            for _ in 0..20 {
                let near: Vec<f64> = got.iter().map(|v| v + step * normal(&mut s)).collect();
                assert!(least <= objective(&data, &near) + 1e-12 * least, "{seed}: {got:?} against {near:?}");
            }
        }
        for row in &data {
            assert!(least <= objective(&data, row) * (1.0 + 1e-12), "{seed}: {got:?} against {row:?}");
        }
    }
}
