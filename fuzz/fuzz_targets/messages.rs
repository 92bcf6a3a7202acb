//! Any bytes as a message of a client or of an edge: refused with a reason, or in the sum once, within its bound.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sottovoce::aggregator::{OpenRound, PartialSum, finish};
use sottovoce::core::{Checksum, Layout};

fuzz_target!(|bytes: &[u8]| {
    let layout = Layout::new(&[("w", 6, 2), ("b", 1, 3)]).expect("a layout");
    let base = Checksum::of(b"p");
    let cohort: Vec<u64> = (0..8).collect();
    let round = OpenRound::new(layout.clone(), 0, base, &cohort, 100);
    let mut sum = PartialSum::new(layout.clone(), 100);
    let first = round.receive(&mut sum, bytes);
    if first.is_ok() {
        assert!(round.receive(&mut sum, bytes).is_err(), "a message counts once");
    }
    if let Err(e) = &first {
        let _ = (format!("{e}"), e.reason());
    }
    let mut root = PartialSum::new(layout, 100);
    if let Ok(head) = root.receive_edge(0, base, bytes) {
        assert!(head.updates == 0 || root.receive_edge(0, base, bytes).is_err(), "a sum counts once");
    }
    for part in [&sum, &root] {
        if let Ok(aggregate) = finish(&[part]) {
            assert!(aggregate.delta.values().iter().all(|v| v.is_finite()));
        }
    }
});
