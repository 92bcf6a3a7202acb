//! What each transform makes of a fixed update.
//!
//! Values that only pin what this version gives; changing one is a breaking change of the contract and must be said in
//! CHANGELOG.md together with a new contract version. Laws and distributions are in `transform_laws.rs` and
//! beside the code.

use sottovoce_core::{Address, Digest, Layout, Purpose, RowBlock, Rows, bytes};
use sottovoce_privacy::TransformConfig::{ClipNorm, ClipValue, GaussianNoise, Quantise, TopRows};

/// Holds a table against what was found; if they differ, the message is the table as it would have to be.
fn pinned(pins: &[(&str, &str)], found: &[(&str, String)]) {
    let found: String = found.iter().map(|(name, value)| format!("    ({name:?}, {value:?}),\n")).collect();
    let pins: String = pins.iter().map(|(name, value)| format!("    ({name:?}, {value:?}),\n")).collect();
    assert!(found == pins, "the values are now\n{found}");
}

/// Rows that are left, and the digest of the values.
const TRANSFORMS: &[(&str, &str)] = &[
    ("clip_norm 2.5", "201 7e9204d8bee805b6"),
    ("clip_value 0.125", "201 16ae095b63d2d9e2"),
    ("gaussian_noise 0.25", "201 1d9bc0fe50e76b90"),
    ("top_rows 0.4", "81 438b7656526ed41e"),
    ("quantise 2", "201 24814b4e697ed14d"),
    ("quantise 8", "201 ac0829df05483e01"),
    ("quantise 16", "201 969fa0162548a22e"),
];

#[test]
fn transforms_give_what_they_gave() {
    let layout = Layout::new(&[("table", 300, 7), ("bias", 1, 7)]).unwrap();
    let rows: Vec<u32> = layout.touched(&(0..300).filter(|row| row % 3 != 1).collect::<Vec<_>>());
    let values =
        (0..layout.params_in(rows.iter().copied())).map(|i| ((i * 7919) % 1009) as f32 / 1009.0 - 0.5);
    let delta = RowBlock::new(layout.clone(), Rows::Some(rows.clone().into()), values.collect()).unwrap();
    let found: Vec<(&str, String)> = [
        ("clip_norm 2.5", ClipNorm { max: 2.5 }),
        ("clip_value 0.125", ClipValue { max: 0.125 }),
        ("gaussian_noise 0.25", GaussianNoise { std: 0.25 }),
        ("top_rows 0.4", TopRows { share: 0.4 }),
        ("quantise 2", Quantise { bits: 2 }),
        ("quantise 8", Quantise { bits: 8 }),
        ("quantise 16", Quantise { bits: 16 }),
    ]
    .map(|(name, transform)| {
        let at = Address::new(2026, Purpose::Transform).slot(1).round(2).client(3);
        let mut delta = delta.clone();
        transform.build().unwrap().client(at, &mut delta);
        let mut content: Vec<u8> = delta.each_row().flat_map(|(row, _)| row.to_le_bytes()).collect();
        content.extend_from_slice(&bytes::le_bytes(delta.values()));
        (name, format!("{} {}", delta.each_row().count(), &Digest::of(&content).to_string()[..16]))
    })
    .into();
    pinned(TRANSFORMS, &found);
}
