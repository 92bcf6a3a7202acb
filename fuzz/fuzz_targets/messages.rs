//! Any bytes as a message of a client or of an edge, as they are and with lengths and checksum put right: refused with a
//! reason, or in the sum once, within its bound; and the same in a batch.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sottovoce_aggregator::{OpenRound, PartialSum, finish};
use sottovoce_core::wire::{OVERHEAD, PIECE};
use sottovoce_core::{Checksum, Layout};

/// Bytes of a frame behind its body.
const CHECKSUM: usize = 16;

/// The bytes as a frame whose head is as long as it says, or ends where they end.
fn sealed(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut all = bytes.to_vec();
    let room = bytes.len().checked_sub(OVERHEAD)?;
    let head = u32::from_le_bytes(bytes[8..12].try_into().ok()?).min(room as u32);
    all[8..12].copy_from_slice(&head.to_le_bytes());
    all[12..20].copy_from_slice(&(room as u64 - u64::from(head)).to_le_bytes());
    let end = all.len() - CHECKSUM;
    let (front, body) = all[..end].split_at(OVERHEAD - CHECKSUM + head as usize);
    // A checksum's bytes begin with the highest, a frame's with the lowest.
    let of = |bytes: &[u8]| Checksum::of(bytes).0.into_iter().rev();
    let content: Vec<u8> = front.iter().copied().chain(body.chunks(PIECE).flat_map(of)).collect();
    all.splice(end.., of(&content));
    Some(all)
}

fn take(bytes: &[u8]) {
    let layout = Layout::new(&[("w", 6, 2), ("b", 1, 3)]).expect("a layout");
    let base = Checksum::of(b"p");
    let cohort: Vec<u64> = (0..8).collect();
    let round = OpenRound::new(layout.clone(), 0, base, &cohort, 100);
    let mut sum = PartialSum::new(layout.clone(), 100);
    let first = round.receive(&mut sum, bytes);
    match &first {
        Ok(_) => assert!(round.receive(&mut sum, bytes).is_err(), "a message counts once"),
        Err(e) => _ = (format!("{e}"), e.reason()),
    }

    let together = OpenRound::new(layout.clone(), 0, base, &cohort, 100);
    let mut batch = PartialSum::new(layout.clone(), 100);
    let answers = together.receive_all(&mut batch, &[bytes, bytes]);
    assert_eq!(
        answers[0].as_ref().ok().map(|h| h.client),
        first.ok().map(|h| h.client),
        "one by one or in a batch"
    );
    assert!(answers[1].is_err(), "a message counts once");
    assert_eq!(finish(&[&sum]).ok(), finish(&[&batch]).ok(), "one by one or in a batch");

    let mut root = PartialSum::new(layout, 100);
    if let Ok(head) = root.receive_edge(0, base, bytes) {
        assert!(head.updates == 0 || root.receive_edge(0, base, bytes).is_err(), "a sum counts once");
    }
    for part in [&sum, &root] {
        if let Ok(aggregate) = finish(&[part]) {
            assert!(aggregate.delta.values().iter().all(|v| v.is_finite()));
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    take(bytes);
    if let Some(sealed) = sealed(bytes) {
        take(&sealed);
    }
});
