//! Memory of a round: a thousand updates of a million parameters, from their bytes into the mean.

use sottovoce_aggregator::rules::Value;
use sottovoce_aggregator::{Aggregation, OpenRound, PartialSum, Recipe, finish};
use sottovoce_core::{Checksum, ClientId, Format, Layout, Outbound, RowBlock, Rows, Update};
use std::alloc::{GlobalAlloc, Layout as Block, System};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The system's memory, counted.
struct Counted;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it came; counting touches no memory but two numbers. What is not
// written here, `realloc` and zeroed memory, is made of these two by the trait.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, block: Block) -> *mut u8 {
        let now = NOW.fetch_add(block.size(), Ordering::Relaxed) + block.size();
        MOST.fetch_max(now, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(block) }
    }
    unsafe fn dealloc(&self, at: *mut u8, block: Block) {
        NOW.fetch_sub(block.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, block) }
    }
}

#[global_allocator]
static MEMORY: Counted = Counted;

const PARAMS: usize = 1_000_000;
const MEGABYTE: usize = 1_000_000;

/// The most memory that `work` held at a time, above what there was before it.
fn above(work: impl FnOnce()) -> usize {
    let before = NOW.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    work();
    MOST.load(Ordering::Relaxed) - before
}

/// The input does not count: a few messages are there, and each batch is the same bytes again, under the numbers of
/// rounds that take them from the same clients. One sum takes them all.
#[test]
fn a_thousand_updates_of_a_million_parameters_take_less_than_64_megabytes() {
    const BATCH: u64 = 40;
    let layout = Layout::new(&[("weight", PARAMS / 100, 100)]).unwrap();
    let base = Checksum::of(b"base");
    let messages: Vec<Vec<u8>> = (0..BATCH)
        .map(|client| {
            let delta = RowBlock::new(layout.clone(), Rows::All, vec![client as f32; PARAMS]).unwrap();
            let mut bytes = Vec::new();
            let (client, weight) = (ClientId(client), 1 + client);
            Update { client, round: 0, exchange: 0, base, weight, loss: 0.0, delta }.encode(&mut bytes);
            bytes
        })
        .collect();
    let cohort: Vec<u64> = (0..BATCH).collect();
    // Many at once, and one after the other, as a simulation receives them.
    for together in [true, false] {
        let bytes = above(|| {
            let mut part = PartialSum::new(layout.clone(), 64);
            for _ in 0..1000 / BATCH {
                let open = OpenRound::new(layout.clone(), 0, base, &cohort, 64);
                if together {
                    assert!(open.receive_all(&mut part, &messages).iter().all(Result::is_ok));
                } else {
                    assert!(messages.iter().all(|m| open.receive(&mut part, m).is_ok()));
                }
            }
            let mean = finish(&[&part]).unwrap();
            assert_eq!((mean.updates, mean.delta.values().len()), (1000, PARAMS));
        });
        let (sums, mean) = (8 * PARAMS, 4 * PARAMS);
        assert!(
            bytes >= sums + mean,
            "{bytes} bytes are less than the sums and the mean: not all was counted"
        );
        assert!(bytes < 64 * MEGABYTE, "{bytes} bytes above the input");
    }
    // A rule that keeps its updates is seen to do so.
    let median = Recipe::parse("median", &BTreeMap::<String, Value>::new()).unwrap();
    let aggregation = Aggregation { recipe: Some(median), ..Aggregation::mean(64) };
    let format = Format::delta(layout.clone());
    let bytes = above(|| {
        let open = aggregation.open(&format, 0, base, &cohort);
        let mut part = aggregation.part(&format);
        assert!(messages[..16].iter().all(|m| open.receive(&mut part, m).is_ok()));
    });
    assert!(bytes >= 64 * MEGABYTE, "{bytes} bytes for 16 updates of 4 MB");
}
