//! What arrives in a round is checked before it is added.

use crate::aggregation::Accumulator;
use crate::error::Rejection;
use crate::sum::PartialSum;
use rayon::prelude::*;
use sottovoce_core::wire::{UpdateHead, UpdateView};
use sottovoce_core::{Checksum, ClientId, Layout, bytes};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Messages that are checked before they are added together: two groups, so that the sums are read and written half as
/// often, and few enough for small messages to be in the last cache still.
const BATCH: usize = 20;

/// A round that is open for updates. Shared by all threads that receive; each adds to a part of its own.
#[derive(Debug)]
pub struct OpenRound<'a> {
    layout: Arc<Layout>,
    round: u64,
    base: Checksum,
    cohort: &'a [u64],
    answered: Vec<AtomicBool>,
    cap: u64,
    norm_bound: Option<f64>,
}

impl<'a> OpenRound<'a> {
    /// Opens `round` for the clients of `cohort` (ascending), who start from the parameters of digest `base` and
    /// claim at most `cap` examples each.
    pub fn new(layout: Arc<Layout>, round: u64, base: Checksum, cohort: &'a [u64], cap: u64) -> Self {
        let answered = cohort.iter().map(|_| AtomicBool::new(false)).collect();
        Self { layout, round, base, cohort, answered, cap, norm_bound: None }
    }

    /// Refuses updates whose Euclidean norm exceeds `bound`.
    pub fn with_norm_bound(mut self, bound: f64) -> Self {
        self.norm_bound = Some(bound);
        self
    }

    /// Checks a message from beginning to end and adds it to `part`. What is refused has not touched the sum, and
    /// a client whose update is refused may send another one.
    pub fn receive(&self, part: &mut impl Accumulator, message: &[u8]) -> Result<UpdateHead, Rejection> {
        self.take(part, UpdateView::parse(message, &self.layout)?)
    }

    /// The same for a message that is known to come from `sender`: it speaks for no other client. Otherwise a
    /// client could answer in another's place, and whose update counts would depend on the order of arrival.
    pub fn receive_from(
        &self,
        sender: ClientId,
        part: &mut impl Accumulator,
        message: &[u8],
    ) -> Result<UpdateHead, Rejection> {
        let update = UpdateView::parse(message, &self.layout)?;
        if update.head.client != sender {
            return Err(Rejection::WrongSender { client: sender, claimed: update.head.client });
        }
        self.take(part, update)
    }

    /// The same for many messages at once, each of which may come from anybody: they are checked in parallel, those of
    /// one client in the order given, and added in groups, so that this runs at a good part of the speed at which
    /// memory can be read. The answers are in the order of the messages.
    pub fn receive_all<M: AsRef<[u8]> + Sync>(
        &self,
        part: &mut PartialSum,
        messages: &[M],
    ) -> Vec<Result<UpdateHead, Rejection>> {
        let mut answers = Vec::with_capacity(messages.len());
        for batch in messages.chunks(BATCH) {
            let checked: Vec<_> = batch
                .par_iter()
                .with_max_len(1)
                .map(|message| {
                    let update = UpdateView::parse(message.as_ref(), &self.layout)?;
                    let place = self.check(&update)?;
                    let factor = part.factor(&update)?;
                    Ok((place, update, factor))
                })
                .collect();
            let mut accepted = Vec::with_capacity(batch.len());
            for one in checked {
                answers.push(one.and_then(|(place, update, factor)| {
                    self.admit(place, &update)?;
                    let head = update.head.clone();
                    accepted.push((update, factor));
                    Ok(head)
                }));
            }
            part.add_all(&accepted);
        }
        answers
    }

    fn take(&self, part: &mut impl Accumulator, update: UpdateView<'_>) -> Result<UpdateHead, Rejection> {
        let place = self.check(&update)?;
        let factor = part.factor(&update)?;
        self.admit(place, &update)?;
        part.take(&update, factor);
        Ok(update.head)
    }

    /// Checks what the update says of itself; returns its client's place in the cohort.
    fn check(&self, update: &UpdateView<'_>) -> Result<usize, Rejection> {
        let client = update.head.client;
        if update.head.round != self.round {
            return Err(Rejection::WrongRound { client, expected: self.round, got: update.head.round });
        }
        if update.head.base != self.base {
            return Err(Rejection::StaleBase { client, expected: self.base, got: update.head.base });
        }
        let place = self.cohort.binary_search(&client.0).map_err(|_| Rejection::NotInCohort { client })?;
        if update.head.weight > self.cap {
            return Err(Rejection::WeightAboveCap { client, weight: update.head.weight, cap: self.cap });
        }
        if let Some(bound) = self.norm_bound {
            let norm = libm::sqrt(bytes::squared_norm(update.value_bytes()));
            // NaN is for the sum to name, with its coordinate.
            if norm > bound && norm.is_finite() {
                return Err(Rejection::NormAboveBound { client, norm, bound });
            }
        }
        Ok(place)
    }

    /// Notes that the client has answered.
    fn admit(&self, place: usize, update: &UpdateView<'_>) -> Result<(), Rejection> {
        if self.answered[place].swap(true, Ordering::Relaxed) {
            return Err(Rejection::Duplicate { client: update.head.client });
        }
        Ok(())
    }
}
