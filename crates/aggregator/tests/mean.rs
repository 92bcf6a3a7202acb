//! The mean of a stack against exact rational numbers, and against itself in every order.

use num_rational::BigRational;
use proptest::prelude::*;
use sottovoce_aggregator::{PartialSum, Stack, StackError, finish, mean};
use sottovoce_core::wire::UpdateView;
use sottovoce_core::{
    Address, Checksum, ClientId, Layout, Outbound, Purpose, RowBlock, Rows, Update, sampling,
};

fn exact(v: f64) -> BigRational {
    BigRational::from_float(v).expect("finite")
}

fn whole(v: u64) -> BigRational {
    BigRational::from_integer(v.into())
}

fn abs(v: BigRational) -> BigRational {
    if v < whole(0) { -v } else { v }
}

/// Exact weighted mean of a column.
fn exact_mean(column: impl Iterator<Item = f64>, weights: &[u64]) -> BigRational {
    let total: u64 = weights.iter().sum();
    column.zip(weights).map(|(v, w)| exact(v) * whole(*w)).sum::<BigRational>() / whole(total)
}

fn stack(rows: &[Vec<f32>]) -> Stack<'_, f32> {
    Stack::new(rows.iter().map(Vec::as_slice).collect()).unwrap()
}

/// Any finite number: subnormal, huge, zero of either sign.
fn any_f32() -> impl Strategy<Value = f32> {
    any::<u32>().prop_map(f32::from_bits).prop_map(|v| if v.is_finite() { v } else { -0.0 })
}

/// Numbers as updates have them.
fn usual_f32() -> impl Strategy<Value = f32> {
    (any::<i16>(), -20..3).prop_map(|(m, e)| f32::from(m) * libm::exp2f((e - 15) as f32))
}

fn rows_of(value: impl Strategy<Value = f32>) -> impl Strategy<Value = (Vec<Vec<f32>>, Vec<u64>)> {
    (
        1usize..40,
        1usize..30,
        proptest::collection::vec(value, 40 * 30),
        proptest::collection::vec(0u64..2000, 40),
    )
        .prop_map(|(n, d, values, mut weights)| {
            weights.truncate(n);
            weights[0] += 1;
            (values.chunks(d).take(n).map(<[f32]>::to_vec).collect(), weights)
        })
}

/// The documented bound: half a unit of the column's grid for each row, in the mean's scale, then the rounding to `f32`.
fn check_bound(rows: &[Vec<f32>], weights: &[u64]) -> Result<(), TestCaseError> {
    let got = mean(&stack(rows), weights).unwrap();
    let largest = rows.iter().flatten().fold(0.0f64, |most, v| most.max(f64::from(v.abs())));
    let streaming = (1.0 / 256.0..2048.0).contains(&largest) || largest == 0.0;
    let cap = weights.iter().max().unwrap().next_power_of_two();
    let share = whole(cap * rows.len() as u64) / whole(weights.iter().sum());
    for (j, got) in got.iter().enumerate() {
        let expected = exact_mean(rows.iter().map(|r| f64::from(r[j])), weights);
        let error = abs(exact(f64::from(*got)) - &expected);
        let rounding = abs(expected.clone()) * exact(libm::exp2(-23.99)) + exact(1e-45);
        let largest = rows.iter().fold(0.0f64, |most, r| most.max(f64::from(r[j].abs())));
        let unit = if streaming {
            libm::exp2(-40.0)
        } else {
            libm::exp2(libm::floor(libm::log2(largest.max(1e-300))) + 1.0 - 51.0)
        };
        let bound = exact(unit / 2.0) * &share + rounding;
        prop_assert!(error <= bound, "column {j}: {got}, expected {expected}");
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_numbers_are_within_the_bound((rows, weights) in rows_of(any_f32())) {
        check_bound(&rows, &weights)?;
    }

    #[test]
    fn usual_numbers_are_within_the_bound((rows, weights) in rows_of(usual_f32())) {
        check_bound(&rows, &weights)?;
    }

    /// Numbers with 16 significant bits on a common scale lose nothing on the grid: the mean is the nearest `f32`,
    /// but for the two roundings of the quotient.
    #[test]
    fn numbers_on_the_grid_have_the_nearest_mean(
        values in proptest::collection::vec(any::<i16>(), 1..60),
        weights in proptest::collection::vec(1u64..500, 60),
    ) {
        let rows: Vec<Vec<f32>> = values.iter().map(|v| vec![f32::from(*v) / 32768.0, 0.5]).collect();
        let weights = &weights[..rows.len()];
        let got = mean(&stack(&rows), weights).unwrap()[0];
        let error = |v: f32| abs(exact(f64::from(v)) - exact_mean(rows.iter().map(|r| f64::from(r[0])), weights));
        let slack = exact(f64::from(got.abs()) * libm::exp2(-52.0));
        for neighbour in [got.next_up(), got.next_down()] {
            prop_assert!(error(got) <= error(neighbour) + &slack, "{got} {neighbour}");
        }
    }

    #[test]
    fn any_order_and_any_number_of_threads_give_the_same_bits(
        (rows, weights) in rows_of(any_f32()), seed: u64, threads in 1usize..9,
    ) {
        let bits = |m: Vec<f32>| m.into_iter().map(f32::to_bits).collect::<Vec<_>>();
        let expected = bits(mean(&stack(&rows), &weights).unwrap());
        let mut order: Vec<usize> = (0..rows.len()).collect();
        sampling::shuffle(&mut Address::new(seed, Purpose::Test).stream(), &mut order);
        let rows: Vec<Vec<f32>> = order.iter().map(|i| rows[*i].clone()).collect();
        let weights: Vec<u64> = order.iter().map(|i| weights[*i]).collect();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        prop_assert_eq!(bits(pool.install(|| mean(&stack(&rows), &weights).unwrap())), expected);
    }

    #[test]
    fn doubles_are_as_near((rows, weights) in rows_of(any_f32()), scale in -300i32..300) {
        let scale = libm::exp2(f64::from(scale) * 2.0);
        let rows: Vec<Vec<f64>> =
            rows.iter().map(|r| r.iter().map(|v| f64::from(*v) * scale * 1.1).collect()).collect();
        prop_assume!(rows.iter().flatten().all(|v| v.abs() < 1e308));
        let stack = Stack::new(rows.iter().map(Vec::as_slice).collect()).unwrap();
        let got = mean(&stack, &weights).unwrap();
        let cap = weights.iter().max().unwrap().next_power_of_two();
        let share = whole(cap * rows.len() as u64) / whole(weights.iter().sum());
        for (j, got) in got.iter().enumerate() {
            let error = abs(exact(*got) - exact_mean(rows.iter().map(|r| r[j]), &weights));
            let largest = rows.iter().fold(0.0f64, |most, r| most.max(r[j].abs()));
            prop_assert!(error <= exact(largest) * exact(libm::exp2(-50.0)) * &share + exact(libm::exp2(-900.0)));
        }
    }
}

/// A counter beside weights, as in the state of a batch normalisation: each column is as exact as if it stood alone.
#[test]
fn a_large_number_makes_no_other_column_less_exact() {
    let mut s = Address::new(9, Purpose::Test).stream();
    for counter in [2.5e5, 1e7, 1e300] {
        let row = |_| -> Vec<f64> {
            let mut row: Vec<f64> = (0..3000).map(|_| 1e-3 * (1.0 + sampling::unit(&mut s))).collect();
            row[1234] = counter;
            row
        };
        let rows: Vec<Vec<f64>> = (0..10).map(row).collect();
        let weights: Vec<u64> = (1..=10).collect();
        let got = mean(&Stack::new(rows.iter().map(Vec::as_slice).collect()).unwrap(), &weights).unwrap();
        for (j, got) in got.iter().enumerate() {
            let expected = exact_mean(rows.iter().map(|r| r[j]), &weights);
            let error = abs(exact(*got) - &expected);
            assert!(error <= abs(expected) * exact(1e-15), "{counter}: column {j}: {got}");
        }
        if counter < 1e30 {
            // In `f32` each is the nearest but for the last bit.
            let rows: Vec<Vec<f32>> = rows.iter().map(|r| r.iter().map(|v| *v as f32).collect()).collect();
            for (j, got) in mean(&stack(&rows), &weights).unwrap().iter().enumerate() {
                let expected = exact_mean(rows.iter().map(|r| f64::from(r[j])), &weights);
                let error = abs(exact(f64::from(*got)) - &expected);
                assert!(error <= abs(expected) * exact(libm::exp2(-23.99)), "{counter}: column {j}: {got}");
            }
        }
    }
}

/// Where the grid of the streaming sum is taken, the two agree to the bit.
#[test]
fn a_stack_and_a_stream_have_one_mean() {
    let mut s = Address::new(3, Purpose::Test).stream();
    let params = 20_000;
    let rows: Vec<Vec<f32>> =
        (0..23).map(|_| (0..params).map(|_| sampling::normal(&mut s) as f32).collect()).collect();
    let weights: Vec<u64> = (0..23).map(|i| 100 + 7 * i).collect();
    let layout = Layout::new(&[("weight", params / 100, 100)]).unwrap();
    let mut part = PartialSum::new(layout.clone(), *weights.last().unwrap());
    for (client, (row, weight)) in rows.iter().zip(&weights).enumerate() {
        let delta = RowBlock::new(layout.clone(), Rows::All, row.clone()).unwrap();
        let (client, base, weight) = (ClientId(client as u64), Checksum::default(), *weight);
        let mut message = Vec::new();
        Update { client, round: 0, exchange: 0, base, weight, loss: 0.0, delta }.encode(&mut message);
        part.add(&UpdateView::parse(&message, &layout).unwrap()).unwrap();
    }
    assert_eq!(finish(&[&part]).unwrap().delta.values(), mean(&stack(&rows), &weights).unwrap());
}

#[test]
fn the_largest_numbers_have_a_finite_mean() {
    for rows in [vec![vec![f32::MAX; 3]; 5], vec![vec![f32::MIN; 3]; 5], vec![vec![f32::from_bits(1); 3]; 5]]
    {
        assert_eq!(mean(&stack(&rows), &[1, 2, 3, 4, 5]).unwrap(), rows[0]);
    }
    for rows in [vec![vec![f64::MAX; 3]; 5], vec![vec![f64::MIN; 3]; 5]] {
        let stack = Stack::new(rows.iter().map(Vec::as_slice).collect()).unwrap();
        assert_eq!(mean(&stack, &[1, 2, 3, 4, 5]).unwrap(), rows[0]);
    }
}

#[test]
fn what_is_not_finite_is_named() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut rows = vec![vec![0.25f32; 9000]; 30];
        rows[17][8500] = bad;
        rows[17][8900] = f32::NAN;
        rows[21][3] = f32::INFINITY;
        let refused = mean(&stack(&rows), &[1; 30]).unwrap_err();
        let StackError::NotFinite { client, coordinate, value } = refused else { panic!("{refused}") };
        assert_eq!((client, coordinate, value.to_bits()), (17, 8500, f64::from(bad).to_bits()));
    }
}
