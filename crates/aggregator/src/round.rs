//! What arrives in a round is checked before it is added.

use crate::aggregation::Accumulator;
use crate::error::Rejection;
use crate::sum::{Early, PartialSum};
use rayon::prelude::*;
use sottovoce_core::wire::{Unchecked, UpdateHead, UpdateView};
use sottovoce_core::{Checksum, ClientId, Format, Layout, Outbound, bytes};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Messages that are added together: the sums are read and written once for all of them.
const BATCH: usize = 64;

/// A round that is open for updates. Shared by all threads that receive; each adds to a part of its own.
#[derive(Debug)]
pub struct OpenRound<'a> {
    format: Format,
    round: u64,
    exchange: u32,
    base: Checksum,
    cohort: &'a [u64],
    answered: Vec<AtomicBool>,
    cap: u64,
    norm_bound: Option<f64>,
}

/// Where an update of an earlier round comes from, and what it counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StaleUpdate {
    /// The round in which its client was asked.
    pub round: u64,
    /// Digest of the parameters that were broadcast then.
    pub base: Checksum,
    /// Factor on its values.
    pub factor: f32,
}

impl<'a> OpenRound<'a> {
    /// Opens `round` for the clients of `cohort` (ascending), who start from the parameters of digest `base`, send
    /// updates of that layout and claim at most `cap` examples each.
    pub fn new(layout: Arc<Layout>, round: u64, base: Checksum, cohort: &'a [u64], cap: u64) -> Self {
        Self::of(Format::delta(layout), round, base, cohort, cap)
    }

    /// The same for messages with more than a delta.
    pub fn of(format: Format, round: u64, base: Checksum, cohort: &'a [u64], cap: u64) -> Self {
        let answered = cohort.iter().map(|_| AtomicBool::new(false)).collect();
        Self { format, round, exchange: 0, base, cohort, answered, cap, norm_bound: None }
    }

    /// Takes messages of that exchange of the round, instead of the first.
    pub fn in_exchange(mut self, exchange: u32) -> Self {
        self.exchange = exchange;
        self
    }

    /// Refuses updates of which a block by itself has a Euclidean norm above `bound`. Numbers do not count.
    pub fn with_norm_bound(mut self, bound: f64) -> Self {
        self.norm_bound = Some(bound);
        self
    }

    /// Checks a message from beginning to end and adds it to `part`. What is refused has not touched the sum, and
    /// a client whose update is refused may send another one.
    pub fn receive(&self, part: &mut impl Accumulator, message: &[u8]) -> Result<UpdateHead, Rejection> {
        self.take(part, UpdateView::parse(message, self.format.message())?)
    }

    /// The same for a message that is known to come from `sender`: it speaks for no other client. Otherwise a
    /// client could answer in another's place, and whose update counts would depend on the order of arrival.
    pub fn receive_from(
        &self,
        sender: ClientId,
        part: &mut impl Accumulator,
        message: &[u8],
    ) -> Result<UpdateHead, Rejection> {
        let update = UpdateView::parse(message, self.format.message())?;
        if update.head.client != sender {
            return Err(Rejection::WrongSender { client: sender, claimed: update.head.client });
        }
        self.take(part, update)
    }

    /// The same for an update that belongs to an earlier round: its values count `stale.factor` times.
    pub fn receive_stale(
        &self,
        sender: ClientId,
        part: &mut impl Accumulator,
        message: &[u8],
        stale: StaleUpdate,
    ) -> Result<UpdateHead, Rejection> {
        let view = UpdateView::parse(message, self.format.message())?;
        if view.head.client != sender {
            return Err(Rejection::WrongSender { client: sender, claimed: view.head.client });
        }
        self.check_as(&view, stale.round, stale.base)?;
        let mut update = view.to_update();
        update.delta.values_mut().iter_mut().for_each(|v| *v *= stale.factor);
        (update.round, update.exchange, update.base) = (self.round, self.exchange, self.base);
        let mut scaled = Vec::new();
        update.encode(&mut scaled);
        self.take(part, UpdateView::parse(&scaled, self.format.message())?)
    }

    /// The same for many messages at once, each of which may come from anybody. Dense updates are read once: blocks of
    /// coordinates are checked and added in parallel, and what turns out to be damaged in the end is taken back before
    /// this returns. Of several messages of one client the first that is good counts. The answers are in the order
    /// of the messages.
    pub fn receive_all<M: AsRef<[u8]> + Sync>(
        &self,
        part: &mut PartialSum,
        messages: &[M],
    ) -> Vec<Result<UpdateHead, Rejection>> {
        messages.chunks(BATCH).flat_map(|batch| self.receive_batch(part, batch)).collect()
    }

    fn receive_batch<M: AsRef<[u8]> + Sync>(
        &self,
        part: &mut PartialSum,
        messages: &[M],
    ) -> Vec<Result<UpdateHead, Rejection>> {
        let early: Vec<Option<Early<'_>>> = messages.iter().map(|m| self.open(part, m.as_ref())).collect();
        let (places, early): (Vec<usize>, Vec<Early<'_>>) =
            (0..).zip(early).filter_map(|(i, one)| Some((i, one?))).unzip();
        let seen = part.add_early(&early);
        let checked: Vec<_> = messages
            .par_iter()
            .with_max_len(1)
            .enumerate()
            .map(|(i, message)| {
                let update = match places.binary_search(&i) {
                    Ok(at) => early[at].0.check(seen.of(at))?,
                    Err(_) => UpdateView::parse(message.as_ref(), self.format.message())?,
                };
                let place = self.check(&update)?;
                let factor = part.factor(&update)?;
                Ok((place, update, factor))
            })
            .collect();
        let admit = |(place, update, factor)| self.admit(place, &update).map(|()| (update, factor));
        let admitted: Vec<_> = checked.into_iter().map(|one| one.and_then(admit)).collect();
        let refused: Vec<usize> = (0..early.len()).filter(|at| admitted[places[*at]].is_err()).collect();
        part.take_back(&early, seen, &refused);
        let mut answer = |i: usize, update: UpdateView<'_>, factor| {
            if places.binary_search(&i).is_ok() {
                part.count(&update, factor);
            } else {
                part.add_one(&update, factor);
            }
            update.head
        };
        (0..).zip(admitted).map(|(i, one)| one.map(|(update, factor)| answer(i, update, factor))).collect()
    }

    /// A dense update that can be added before its checksum is known: it says of itself what it should.
    fn open<'m>(&'m self, part: &PartialSum, message: &'m [u8]) -> Option<Early<'m>> {
        let update = Unchecked::open(message, self.format.message())?;
        self.place(update.head(), self.round, self.base).ok()?;
        let factor = part.scale(update.head()).ok()?;
        Some((update, factor))
    }

    fn take(&self, part: &mut impl Accumulator, update: UpdateView<'_>) -> Result<UpdateHead, Rejection> {
        let place = self.check(&update)?;
        let factor = part.factor(&update)?;
        self.admit(place, &update)?;
        part.take(&update, factor);
        Ok(update.head)
    }

    /// Checks what the update says of itself, and its norm; returns its client's place in the cohort.
    fn check(&self, update: &UpdateView<'_>) -> Result<usize, Rejection> {
        self.check_as(update, self.round, self.base)
    }

    /// The same for an update of `round` that started from the parameters of digest `base`.
    fn check_as(&self, update: &UpdateView<'_>, round: u64, base: Checksum) -> Result<usize, Rejection> {
        let place = self.place(&update.head, round, base)?;
        if let Some(bound) = self.norm_bound {
            let several = self.format.contents().blocks > 1;
            for (block, values) in self.blocks(update) {
                let norm = libm::sqrt(bytes::squared_norm(values));
                // NaN is for the sum to name, with its coordinate.
                if norm > bound && norm.is_finite() {
                    let block = several.then_some(block);
                    return Err(Rejection::NormAboveBound { client: update.head.client, block, norm, bound });
                }
            }
        }
        Ok(place)
    }

    /// The values of each block of which an update has any, as their bytes.
    fn blocks<'u>(&self, update: &UpdateView<'u>) -> Vec<(usize, &'u [u8])> {
        let (params, all) = (self.format.model().params(), update.value_bytes());
        let numbers = self.format.number_values().start;
        // Ranges rise and none crosses from one block into another.
        let mut ends: Vec<(usize, usize)> = Vec::new();
        let mut end = 0;
        for range in update.ranges().take_while(|range| range.start < numbers) {
            end += 4 * range.len();
            match ends.last_mut() {
                Some((block, last)) if *block == range.start / params => *last = end,
                _ => ends.push((range.start / params, end)),
            }
        }
        let starts = std::iter::once(0).chain(ends.iter().map(|(_, end)| *end));
        starts.zip(&ends).map(|(start, (block, end))| (*block, &all[start..*end])).collect()
    }

    /// Checks what an update says of itself; returns its client's place in the cohort.
    fn place(&self, head: &UpdateHead, round: u64, base: Checksum) -> Result<usize, Rejection> {
        let client = head.client;
        if head.round != round {
            return Err(Rejection::WrongRound { client, expected: round, got: head.round });
        }
        if head.exchange != self.exchange {
            let (expected, got) = (self.exchange, head.exchange);
            return Err(Rejection::WrongExchange { client, expected, got });
        }
        if head.base != base {
            return Err(Rejection::StaleBase { client, expected: base, got: head.base });
        }
        let place = self.cohort.binary_search(&client.0).map_err(|_| Rejection::NotInCohort { client })?;
        if head.weight > self.cap {
            return Err(Rejection::WeightAboveCap { client, weight: head.weight, cap: self.cap });
        }
        if !head.loss.is_finite() {
            return Err(Rejection::LossNotFinite { client, loss: head.loss });
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
