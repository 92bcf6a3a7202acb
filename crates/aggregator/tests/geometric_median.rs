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

/// The minimiser of rows in the plane by Newton's method from a point near it.
fn refined(rows: &[Vec<f64>], start: &[f64]) -> Vec<f64> {
    let mut v = [start[0], start[1]];
    for _ in 0..60 {
        let (mut g, mut h) = ([0.0; 2], [0.0; 3]);
        for row in rows {
            let (x, y) = (v[0] - row[0], v[1] - row[1]);
            let d = (x * x + y * y).sqrt();
            g = [g[0] + x / d, g[1] + y / d];
            let cube = d * d * d;
            h = [h[0] + y * y / cube, h[1] - x * y / cube, h[2] + x * x / cube];
        }
        let det = h[0] * h[2] - h[1] * h[1];
        let step = [(h[2] * g[0] - h[1] * g[1]) / det, (h[0] * g[1] - h[1] * g[0]) / det];
        let value = |v: &[f64; 2]| objective(rows, v);
        let scale = (0..30)
            .map(|k| 1.0 / f64::from(1u32 << k))
            .find(|t| value(&[v[0] - t * step[0], v[1] - t * step[1]]) <= value(&v) * (1.0 + 1e-15));
        let t = scale.unwrap_or(0.0);
        v = [v[0] - t * step[0], v[1] - t * step[1]];
    }
    v.to_vec()
}

#[test]
fn rows_near_a_line_have_their_median_found() {
    let recipe = Recipe::parse("geometric-median", &BTreeMap::new()).expect("a recipe");
    let mut compared = 0;
    for width in [1e-1, 1e-2, 1e-3, 1e-4, 1e-5] {
        for seed in 0..60 {
            let mut s = stream(seed);
            // An even number: on the line itself all between the middle two are minimisers.
            let n = 4 + 2 * index(&mut s, 5);
            let rows: Vec<Vec<f64>> = (0..n).map(|_| vec![normal(&mut s), width * normal(&mut s)]).collect();
            let got = one(&recipe, &rows, &vec![1.0; n]);
            // There the sum of distances has no derivative; that it is the minimum is held above.
            if rows.contains(&got) {
                continue;
            }
            compared += 1;
            let off = squared_distance(&got, &refined(&rows, &got)).sqrt();
            assert!(
                off <= f64::max(1e-10, 1e-14 / (width * width)),
                "{width}, {seed}: {off} from the minimum"
            );
        }
    }
    assert!(compared >= 100, "{compared} of 300");
}
