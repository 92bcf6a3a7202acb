//! The codec: what goes in comes out to the bit, and anything else is a typed error.

use proptest::prelude::*;
use sottovoce_core::sampling::{below, index};
use sottovoce_core::wire::{
    OVERHEAD, PIECE, PartialHead, PartialView, Piece, Unchecked, UpdateView, broadcast_bytes,
};
use sottovoce_core::{
    Address, BlockError, Checksum, ClientId, EvaluationCounts, Grid, Layout, Outbound, Purpose, RowBlock,
    Rows, Stream, Update, WireError,
};
use std::sync::Arc;
use twox_hash::XxHash3_128;

fn layout() -> Arc<Layout> {
    Layout::new(&[("table", 9, 3), ("output", 2, 5), ("bias", 1, 5)]).unwrap()
}

fn message(of: &impl Outbound) -> Vec<u8> {
    let mut bytes = Vec::new();
    of.encode(&mut bytes);
    bytes
}

/// Any update of the layout, with any bits as values: NaN of every payload, infinities, subnormal numbers.
fn updates() -> impl Strategy<Value = Update> {
    let rows = prop_oneof![
        Just(None),
        proptest::collection::btree_set(0u32..12, 0..12).prop_map(|rows| Some(rows.into_iter().collect())),
    ];
    let values = proptest::collection::vec(any::<u32>(), 42);
    (rows, values, any::<[u64; 3]>(), any::<[u8; 16]>(), any::<u32>()).prop_map(
        |(rows, values, [client, round, weight], base, loss)| {
            let rows = rows.map_or(Rows::All, |rows: Vec<u32>| Rows::Some(rows.into()));
            let n = match &rows {
                Rows::All => 42,
                Rows::Some(rows) => layout().params_in(rows.iter().copied()),
            };
            let values = values[..n].iter().copied().map(f32::from_bits).collect();
            let delta = RowBlock::new(layout(), rows, values).unwrap();
            let (client, base, loss) = (ClientId(client), Checksum(base), f32::from_bits(loss));
            Update { client, round, exchange: 0, base, weight, loss, delta }
        },
    )
}

/// Everything of an update, floating-point numbers as their bits: NaN is not equal to itself.
fn bits(u: &Update) -> (ClientId, u64, Checksum, u64, u32, Rows, Vec<u32>) {
    let values = u.delta.values().iter().map(|v| v.to_bits()).collect();
    (u.client, u.round, u.base, u.weight, u.loss.to_bits(), u.delta.rows().clone(), values)
}

proptest! {
    #[test]
    fn updates_come_back_to_the_bit(update in updates()) {
        let mut bytes = vec![0xab; 3];
        let checksum = update.encode(&mut bytes);
        let layout = layout();
        let view = UpdateView::parse(&bytes[3..], &layout).unwrap();
        let end: Vec<u8> = checksum.0.into_iter().rev().collect();
        prop_assert!(bytes.ends_with(&end));
        prop_assert_eq!(view.rows().map(|r| r.len()), match update.delta.rows() {
            Rows::All => None,
            Rows::Some(rows) => Some(rows.len()),
        });
        prop_assert_eq!(bits(&view.to_update()), bits(&update));
        prop_assert_eq!(message(&view.to_update()), &bytes[3..]);
    }

    #[test]
    fn every_prefix_and_every_extension_fails(update in updates(), extra in 1usize..64) {
        let (layout, mut bytes) = (layout(), message(&update));
        for length in 0..bytes.len() {
            let error = UpdateView::parse(&bytes[..length], &layout).unwrap_err();
            prop_assert!(matches!(error, WireError::Truncated { got, .. } if got == length), "{}", error);
        }
        bytes.resize(bytes.len() + extra, 0x5a);
        prop_assert_eq!(UpdateView::parse(&bytes, &layout).unwrap_err(), WireError::TrailingBytes { extra });
    }

    #[test]
    fn counts_come_back(client: u64, round: u64, examples: u64, correct: u64) {
        let counts = EvaluationCounts { client: ClientId(client), round, examples, correct };
        let bytes = message(&counts);
        prop_assert_eq!(EvaluationCounts::decode(&bytes).unwrap(), counts);
        for length in 0..bytes.len() {
            prop_assert!(EvaluationCounts::decode(&bytes[..length]).is_err());
        }
    }

    #[test]
    fn random_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(UpdateView::parse(&bytes, &layout()).is_err());
        prop_assert!(EvaluationCounts::decode(&bytes).is_err());
    }

    /// Whatever a hostile sender writes under a valid digest is an update that fits the layout, or an error.
    #[test]
    fn sealed_nonsense_is_refused_or_fits(
        head in proptest::collection::vec(any::<u8>(), 0..130),
        body in proptest::collection::vec(any::<u8>(), 0..200),
        kind in 0u16..4,
    ) {
        let bytes = sealed(kind, &head, &body);
        let layout = layout();
        if let Ok(view) = UpdateView::parse(&bytes, &layout) {
            prop_assert_eq!(view.head.schema, layout.schema());
        }
        if let Ok(counts) = EvaluationCounts::decode(&bytes) {
            prop_assert_eq!(message(&counts), bytes);
        }
    }
}

/// A frame with a valid checksum around any head and body.
fn sealed(kind: u16, head: &[u8], body: &[u8]) -> Vec<u8> {
    let mut bytes = b"SVFL\x04\x00".to_vec();
    bytes.extend(kind.to_le_bytes());
    bytes.extend((head.len() as u32).to_le_bytes());
    bytes.extend((body.len() as u64).to_le_bytes());
    bytes.extend(head);
    let mut content = bytes.clone();
    body.chunks(32_768).for_each(|piece| content.extend(XxHash3_128::oneshot(piece).to_le_bytes()));
    bytes.extend(body);
    bytes.extend(XxHash3_128::oneshot(&content).to_le_bytes());
    bytes
}

fn example() -> Update {
    let values = (0..11 + 10).map(|v| v as f32).collect();
    let rows = Rows::Some(layout().touched(&[1, 4]).into());
    let delta = RowBlock::new(layout(), rows, values).unwrap();
    Update {
        client: ClientId(7),
        round: 3,
        exchange: 0,
        base: Checksum::of(b"base"),
        weight: 10,
        loss: 0.5,
        delta,
    }
}

/// Head and body of a good message.
fn parts(message: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let head = u32::from_le_bytes(message[8..12].try_into().unwrap()) as usize;
    let end = message.len() - 16;
    (message[20..20 + head].to_vec(), message[20 + head..end].to_vec())
}

#[test]
fn ten_thousand_flips_are_all_found() {
    let (good, layout) = (message(&example()), layout());
    let counts = EvaluationCounts { client: ClientId(1), round: 2, examples: 30, correct: 4 };
    let good_counts = message(&counts);
    let mut s = Address::new(1, Purpose::Test).stream();
    let flip = |good: &[u8], s: &mut Stream| {
        let mut bytes = good.to_vec();
        for _ in 0..1 + below(s, 4) {
            let at = index(s, bytes.len() * 8);
            bytes[at / 8] ^= 1 << (at % 8);
        }
        bytes
    };
    for _ in 0..10_000 {
        let bytes = flip(&good, &mut s);
        assert!(bytes == good || UpdateView::parse(&bytes, &layout).is_err(), "{bytes:?}");
        let bytes = flip(&good_counts, &mut s);
        assert!(bytes == good_counts || EvaluationCounts::decode(&bytes).is_err(), "{bytes:?}");
    }
}

/// The checksum holds against accidents, not against a sender who computes it anew: under it, too, every length
/// and every row number is checked.
#[test]
fn a_sender_who_seals_what_he_changed_gets_no_further() {
    let (layout, good) = (layout(), message(&example()));
    let (head, body) = parts(&good);
    assert!(UpdateView::parse(&sealed(1, &head, &body), &layout).is_ok());
    let mut s = Address::new(2, Purpose::Test).stream();
    let mut fits = 0;
    for _ in 0..10_000 {
        let (mut head, mut body) = (head.clone(), body.clone());
        for _ in 0..1 + below(&mut s, 3) {
            let at = index(&mut s, (head.len() + body.len()) * 8);
            let byte = if at / 8 < head.len() { &mut head[at / 8] } else { &mut body[at / 8 - head.len()] };
            *byte ^= 1 << (at % 8);
        }
        body.truncate(body.len() - index(&mut s, 2) * index(&mut s, body.len()));
        if let Ok(view) = UpdateView::parse(&sealed(1, &head, &body), &layout) {
            // Copying builds a checked block, and would panic on one that does not fit.
            let update = view.to_update();
            assert_eq!(message(&update), sealed(1, &head, &body));
            fits += 1;
        }
    }
    assert!(fits > 100, "{fits} of 10,000 changed only numbers");
}

#[test]
fn lengths_that_promise_too_much_are_refused_before_anything_is_allocated() {
    let (good, layout) = (message(&example()), layout());
    let (head, body) = parts(&good);
    let parse = |bytes: &[u8]| UpdateView::parse(bytes, &layout).unwrap_err();
    for promise in [1 << 40, 1 << 60, u64::MAX] {
        let mut bomb = good.clone();
        bomb[12..20].copy_from_slice(&u64::to_le_bytes(promise));
        assert!(matches!(parse(&bomb), WireError::Truncated { needed, .. } if needed >= promise));
        assert!(matches!(parse(&bomb[..60]), WireError::Truncated { needed, .. } if needed >= promise));
    }
    for promise in [4097, 1 << 30, u32::MAX] {
        let mut bomb = good.clone();
        bomb[8..12].copy_from_slice(&promise.to_le_bytes());
        assert_eq!(parse(&bomb), WireError::HeadTooLarge { bytes: promise as usize });
    }
    // The number of rows is the last four bytes of the head.
    for promise in [13, 1 << 20, u32::MAX] {
        let mut head = head.clone();
        let at = head.len() - 4;
        head[at..].copy_from_slice(&u32::to_le_bytes(promise));
        let error = parse(&sealed(1, &head, &body));
        assert!(matches!(error, WireError::Truncated { .. } | WireError::Block(_)), "{promise}: {error}");
    }
    assert!(matches!(parse(&sealed(1, &head[..head.len() - 1], &body)), WireError::Head));
    assert!(matches!(parse(&sealed(1, &[&head[..], &[0]].concat(), &body)), WireError::Head));
    assert!(matches!(parse(&sealed(1, &head, &body[..body.len() - 1])), WireError::Block(_)));
    assert!(matches!(parse(&sealed(1, &head, &body[4..])), WireError::Block(_)));
    assert!(matches!(parse(&sealed(1, &head, &[])), WireError::Truncated { .. }));
}

/// A body of several pieces: looked at in place or piece by piece, the same holds.
#[test]
fn pieces_are_the_message() {
    let layout = Layout::new(&[("table", 300, 100)]).unwrap();
    let values: Vec<f32> = (0..30_000).map(|i| (i as f32 - 2e4) / 7.0).collect();
    let delta = RowBlock::new(layout.clone(), Rows::All, values).unwrap();
    let good = message(&Update { delta, ..example() });
    let (head, body) = parts(&good);
    assert_eq!(good, sealed(1, &head, &body));
    let pieces =
        |bytes: &[u8]| -> Vec<Piece> { bytes.chunks(PIECE).map(|p| Piece::of(p, p.len())).collect() };
    let check = |bytes: &[u8]| {
        let update = Unchecked::open(bytes, &layout).expect("a head that can be read");
        let mut seen = pieces(update.value_bytes());
        assert_eq!(seen.len(), 4);
        let view = update.check(seen.iter().copied()).map(|view| (view.largest(), view.to_update()));
        seen.swap(0, 2);
        assert!(update.check(seen.iter().copied()).is_err(), "pieces in another order");
        assert!(update.check(seen[1..].iter().copied()).is_err(), "a piece less");
        view
    };
    let view = UpdateView::parse(&good, &layout).unwrap();
    assert_eq!(check(&good).unwrap(), (view.largest(), view.to_update()));
    assert_eq!(view.largest(), 2e4 / 7.0);
    let mut s = Address::new(3, Purpose::Test).stream();
    let start = good.len() - 16 - body.len();
    for _ in 0..300 {
        let mut bytes = good.clone();
        let bit = index(&mut s, 8 * (bytes.len() - start));
        bytes[start + bit / 8] ^= 1 << (bit % 8);
        assert_eq!(check(&bytes).unwrap_err(), WireError::ChecksumMismatch);
        assert_eq!(UpdateView::parse(&bytes, &layout).unwrap_err(), WireError::ChecksumMismatch);
    }
    // The largest magnitude is that of values alone, wherever row numbers end.
    let rows: Vec<u32> = (0..150).map(|i| 2 * i).collect();
    let layout = Layout::new(&[("table", 20_000, 1)]).unwrap();
    let rows: Vec<u32> = rows.into_iter().chain(300..19_000).collect();
    let mut values = vec![0.5; rows.len()];
    values[0] = -3.0;
    let delta = RowBlock::new(layout.clone(), Rows::Some(rows.into()), values).unwrap();
    let sparse = message(&Update { delta, ..example() });
    assert_eq!(UpdateView::parse(&sparse, &layout).unwrap().largest(), 3.0);
    assert!(Unchecked::open(&sparse, &layout).is_none());
}

#[test]
fn one_kind_is_not_read_as_another() {
    let counts = EvaluationCounts { client: ClientId(1), round: 2, examples: 30, correct: 4 };
    let (update, counts) = (message(&example()), message(&counts));
    assert!(matches!(UpdateView::parse(&counts, &layout()), Err(WireError::Kind { got: 2, .. })));
    assert!(matches!(EvaluationCounts::decode(&update), Err(WireError::Kind { got: 1, .. })));
    assert_eq!(counts.len(), OVERHEAD + 32);
    let (head, _) = parts(&counts);
    let padded = sealed(2, &head, &[0; 4]);
    assert_eq!(EvaluationCounts::decode(&padded), Err(WireError::TrailingBytes { extra: 4 }));
    let mut later = counts.clone();
    later[4] = 5;
    assert_eq!(EvaluationCounts::decode(&later), Err(WireError::Version { expected: 4, got: 5 }));
    later[0] = b'X';
    assert_eq!(EvaluationCounts::decode(&later), Err(WireError::Magic));
}

#[test]
fn another_model_is_refused_by_its_schema() {
    let good = message(&example());
    for other in [
        [("output", 2, 5), ("table", 9, 3), ("bias", 1, 5)],
        [("table", 9, 3), ("hidden", 2, 5), ("bias", 1, 5)],
        [("table", 3, 9), ("output", 2, 5), ("bias", 1, 5)],
    ] {
        let other = Layout::new(&other).unwrap();
        let expected = WireError::Schema { expected: other.schema(), got: layout().schema() };
        assert_eq!(UpdateView::parse(&good, &other).unwrap_err(), expected);
    }
}

/// A frame of 20 bytes before its head and 16 behind its body, round and checksum, and four bytes a parameter.
#[test]
fn a_broadcast_has_the_size_of_its_frame() {
    assert_eq!(broadcast_bytes(&layout()), 20 + 16 + 8 + 16 + 4 * 42);
    assert_eq!(OVERHEAD, 20 + 16);
}

#[test]
fn messages_tell_their_round_and_their_parts() {
    let counts = EvaluationCounts { client: ClientId(3), round: 11, examples: 5, correct: 4 };
    assert_eq!((example().round(), counts.round()), (example().round, 11));
    let sent = message(&example());
    let layout = layout();
    let view = UpdateView::parse(&sent, &layout).unwrap();
    let values: Vec<u8> = example().delta.values().iter().flat_map(|v| v.to_le_bytes()).collect();
    assert_eq!(view.value_bytes(), values);
    assert_eq!(
        Piece::of(&values, values.len()).largest(),
        example().delta.values().iter().fold(0.0, |a, v| v.abs().max(a))
    );
    assert_eq!(Piece::of(&[0xff, 0, 0, 0x80, 0x3f], 4).largest(), 1.0);
}

/// Partial sums of some rows and of all; one number too few is named with both counts.
#[test]
fn partial_sums_come_back() {
    let layout = layout();
    for (rows, numbers) in [(Some(vec![2u32, 11]), 8), (None, 42)] {
        for missing in [0, 1] {
            let head = PartialHead {
                round: 3,
                base: Checksum([1; 16]),
                schema: layout.schema(),
                cap: 8,
                grid: Grid::default(),
                weight: 7,
                updates: 2,
                bound: 100,
                rows: rows.as_ref().map(|rows| rows.len() as u32),
            };
            let mut bytes = Vec::new();
            let sums = (0..numbers - missing).map(|v| i64::from(v) - 5);
            head.encode(rows.as_deref().unwrap_or_default(), sums.clone(), &mut bytes);
            match PartialView::parse(&bytes, &layout) {
                Ok(view) => {
                    assert_eq!((missing, &view.head), (0, &head));
                    assert_eq!(view.rows().map(|rows| rows.collect::<Vec<_>>()), rows);
                    assert!(view.sums().eq(sums));
                    // A grid that cannot be, of 60 binary digits, is no head.
                    let (mut head, body) = parts(&bytes);
                    head[64..68].copy_from_slice(&60u32.to_le_bytes());
                    let refused = PartialView::parse(&sealed(3, &head, &body), &layout).unwrap_err();
                    assert!(matches!(refused, WireError::Head), "{refused}");
                }
                Err(error) => {
                    let (expected, got) = (numbers as usize, numbers as usize - 1);
                    assert_eq!((missing, error), (1, BlockError::Values { expected, got }.into()));
                }
            }
        }
    }
}
