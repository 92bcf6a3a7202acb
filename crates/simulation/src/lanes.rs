//! What threads keep from round to round, and how they share the work of one.

use rayon::prelude::*;
use sottovoce_aggregator::Part;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

/// One for each thread.
pub(crate) struct Lanes<W>(Vec<Mutex<Lane<W>>>);

/// What one thread keeps.
pub(crate) struct Lane<W> {
    pub(crate) worker: W,
    pub(crate) part: Part,
}

impl<W: Send> Lanes<W> {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    /// Empties the parts, or replaces those that are not `suitable`; as many lanes as there are threads in the pool, at most
    /// `work`, at least one.
    pub(crate) fn prepare(
        &mut self,
        work: usize,
        suitable: impl Fn(&Part) -> bool,
        part: impl Fn() -> Part,
        worker: impl Fn() -> W,
    ) {
        for old in &mut self.0 {
            let old = &mut old.get_mut().expect("no thread panics with a lane's lock").part;
            if suitable(old) { old.clear() } else { *old = part() }
        }
        let threads = rayon::current_num_threads().min(work.max(1));
        while self.0.len() < threads {
            self.0.push(Mutex::new(Lane { worker: worker(), part: part() }));
        }
    }

    /// Does `work` for each place, in this order; threads take the next as they become free. Results are by place.
    pub(crate) fn over<R: Send>(
        &self,
        order: &[usize],
        work: impl Fn(&mut Lane<W>, usize) -> R + Sync,
    ) -> Vec<R> {
        let next = AtomicUsize::new(0);
        let mut done: Vec<(usize, R)> = self
            .0
            .par_iter()
            .with_max_len(1)
            .flat_map_iter(|lane| {
                let mut lane: MutexGuard<'_, _> =
                    lane.lock().expect("a lane's lock is held by one thread, which does not panic");
                let mut done = Vec::new();
                while let Some(place) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                    done.push((*place, work(&mut lane, *place)));
                }
                done
            })
            .collect();
        done.sort_unstable_by_key(|(place, _)| *place);
        done.into_iter().map(|(_, result)| result).collect()
    }

    /// The parts of all lanes.
    pub(crate) fn parts(&mut self) -> Vec<&Part> {
        self.0
            .iter_mut()
            .map(|lane| &lane.get_mut().expect("no thread panics with a lane's lock").part)
            .collect()
    }
}
