//! Laws that every transform keeps: a function of its address and the update, finite stays finite, shapes stay.

use proptest::prelude::*;
use sottovoce_core::{Address, Layout, Purpose, RowBlock, Rows};
use sottovoce_privacy::TransformConfig::{self, ClipNorm, ClipValue, GaussianNoise, Quantise, TopRows};
use std::sync::Arc;

const AT: Address = Address { seed: 1, purpose: Purpose::Transform, slot: 2, round: 3, client: 4 };

const ALL: [TransformConfig; 9] = [
    ClipNorm { max: 0.5 },
    ClipNorm { max: 1e300 },
    ClipValue { max: 0.25 },
    GaussianNoise { std: 0.5 },
    GaussianNoise { std: 1e-300 },
    GaussianNoise { std: f64::MAX },
    TopRows { share: 0.3 },
    Quantise { bits: 2 },
    Quantise { bits: 16 },
];
/// Those that must not change a bit.
const NOTHING: [TransformConfig; 4] = [
    ClipNorm { max: f64::MAX },
    ClipValue { max: f32::MAX },
    GaussianNoise { std: 0.0 },
    TopRows { share: 1.0 },
];

fn layout() -> Arc<Layout> {
    Layout::new(&[("table", 40, 5), ("output", 5, 7), ("bias", 1, 7)]).unwrap()
}

fn through(transform: TransformConfig, at: Address, delta: &RowBlock) -> RowBlock {
    let mut delta = delta.clone();
    transform.build().unwrap().client(at, &mut delta);
    delta
}

fn bits(block: &RowBlock) -> (Rows, Vec<u32>) {
    (block.rows().clone(), block.values().iter().map(|v| v.to_bits()).collect())
}

fn ordinary() -> RowBlock {
    let rows: Arc<[u32]> = layout().touched(&(0..40).step_by(3).collect::<Vec<u32>>()).into();
    let n = layout().params_in(rows.iter().copied());
    let values = (0..n).map(|i| ((i * 7919) % 1009) as f32 / 1009.0 - 0.5).collect();
    RowBlock::new(layout(), Rows::Some(rows), values).unwrap()
}

/// Updates of any rows, all of one magnitude: from subnormal to the largest.
fn finite() -> impl Strategy<Value = RowBlock> {
    let scale = prop_oneof![
        Just(0.0f32),
        Just(1e-45),
        Just(1e-40),
        Just(f32::MIN_POSITIVE),
        Just(1.0),
        Just(1e30),
        Just(f32::MAX)
    ];
    let values = proptest::collection::vec(-1.0..=1.0f32, layout().params());
    let rows = proptest::option::of(proptest::collection::btree_set(0u32..46, 0..46));
    (scale, values, rows).prop_map(|(scale, values, rows)| {
        let rows = rows.map_or(Rows::All, |rows| Rows::Some(rows.into_iter().collect()));
        let n = match &rows {
            Rows::All => layout().params(),
            Rows::Some(rows) => layout().params_in(rows.iter().copied()),
        };
        RowBlock::new(layout(), rows, values[..n].iter().map(|v| v * scale).collect()).unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn finite_updates_stay_finite_and_fit_their_layout(delta in finite()) {
        for transform in ALL {
            let out = through(transform, AT, &delta);
            prop_assert!(out.values().iter().all(|v| v.is_finite()), "{transform:?}");
            let again = RowBlock::new(layout(), out.rows().clone(), out.values().to_vec());
            prop_assert_eq!(again.as_ref(), Ok(&out));
            let held: Vec<u32> = delta.each_row().map(|(row, _)| row).collect();
            prop_assert!(out.each_row().all(|(row, _)| held.contains(&row)));
            prop_assert_eq!(bits(&out), bits(&through(transform, AT, &delta)));
        }
        for transform in NOTHING {
            prop_assert_eq!(bits(&through(transform, AT, &delta)), bits(&delta));
        }
    }

    /// Nothing hides from the aggregator that an update is no update.
    #[test]
    fn what_is_not_finite_does_not_become_finite(delta in finite(), at: prop::sample::Index, what in 0..3usize) {
        if delta.values().is_empty() {
            return Ok(());
        }
        let mut delta = delta;
        let at = at.index(delta.values().len());
        delta.values_mut()[at] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY][what];
        for transform in ALL {
            // Clipping a value at a bound makes a number of infinity, as it says.
            if !matches!(transform, ClipValue { .. }) {
                let out = through(transform, AT, &delta);
                prop_assert!(out.values().iter().any(|v| !v.is_finite()), "{transform:?}");
            }
        }
    }
}

#[test]
fn random_numbers_are_those_of_the_address() {
    for (transform, draws) in
        ALL.map(|t| (t, matches!(t, GaussianNoise { std } if std > 1e-9) || matches!(t, Quantise { .. })))
    {
        let here = bits(&through(transform, AT, &ordinary()));
        for elsewhere in [
            AT.slot(3),
            AT.round(4),
            AT.client(5),
            Address { seed: 2, ..AT },
            Address { purpose: Purpose::ServerTransform, ..AT },
        ] {
            let there = bits(&through(transform, elsewhere, &ordinary()));
            assert_eq!(here != there, draws, "{transform:?} {elsewhere:?}");
        }
    }
}

#[test]
fn parameters_out_of_range_are_named_with_what_would_do() {
    for (transform, message) in [
        (ClipNorm { max: 0.0 }, "clip_norm: max = 0, expected a positive finite number"),
        (ClipNorm { max: f64::NAN }, "clip_norm: max = NaN, expected a positive finite number"),
        (ClipValue { max: 0.0 }, "clip_value: max = 0, expected a positive finite number"),
        (ClipValue { max: f32::INFINITY }, "clip_value: max = inf, expected a positive finite number"),
        (GaussianNoise { std: -0.5 }, "gaussian_noise: std = -0.5, expected a finite number of at least 0"),
        (
            GaussianNoise { std: f64::NAN },
            "gaussian_noise: std = NaN, expected a finite number of at least 0",
        ),
        (TopRows { share: 0.0 }, "top_rows: share = 0, expected a share above 0, at most 1"),
        (TopRows { share: 1.5 }, "top_rows: share = 1.5, expected a share above 0, at most 1"),
        (Quantise { bits: 1 }, "quantise: bits = 1, expected 2 to 16"),
        (Quantise { bits: 17 }, "quantise: bits = 17, expected 2 to 16"),
    ] {
        assert_eq!(transform.build().err().map(|e| e.to_string()).as_deref(), Some(message));
    }
    for transform in ALL.into_iter().chain(NOTHING) {
        assert!(transform.build().is_ok(), "{transform:?}");
    }
}
