//! What arrives in a round is checked before it is added.

use crate::error::Rejection;
use crate::sum::PartialSum;
use sottovoce_core::wire::{UpdateHead, UpdateView};
use sottovoce_core::{ClientId, Digest, Layout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A round that is open for updates. Shared by all threads that receive; each adds to a part of its own.
#[derive(Debug)]
pub struct OpenRound<'a> {
    layout: Arc<Layout>,
    round: u64,
    base: Digest,
    cohort: &'a [u64],
    answered: Vec<AtomicBool>,
    cap: u64,
}

impl<'a> OpenRound<'a> {
    /// Opens `round` for the clients of `cohort` (ascending), who start from the parameters of digest `base` and
    /// claim at most `cap` examples each.
    pub fn new(layout: Arc<Layout>, round: u64, base: Digest, cohort: &'a [u64], cap: u64) -> Self {
        let answered = cohort.iter().map(|_| AtomicBool::new(false)).collect();
        Self { layout, round, base, cohort, answered, cap }
    }

    /// Checks a message from beginning to end and adds it to `part`. What is refused has not touched the sum, and
    /// a client whose update is refused may send another one.
    pub fn receive(&self, part: &mut PartialSum, message: &[u8]) -> Result<UpdateHead, Rejection> {
        self.take(part, UpdateView::parse(message, &self.layout)?)
    }

    /// The same for a message that is known to come from `sender`: it speaks for no other client. Otherwise a
    /// client could answer in another's place, and whose update counts would depend on the order of arrival.
    pub fn receive_from(
        &self,
        sender: ClientId,
        part: &mut PartialSum,
        message: &[u8],
    ) -> Result<UpdateHead, Rejection> {
        let update = UpdateView::parse(message, &self.layout)?;
        if update.head.client != sender {
            return Err(Rejection::WrongSender { client: sender, claimed: update.head.client });
        }
        self.take(part, update)
    }

    fn take(&self, part: &mut PartialSum, update: UpdateView<'_>) -> Result<UpdateHead, Rejection> {
        let client = update.head.client;
        if update.head.round != self.round {
            return Err(Rejection::WrongRound { client, expected: self.round, got: update.head.round });
        }
        if update.head.base != self.base {
            return Err(Rejection::StaleBase { client, expected: self.base, got: update.head.base });
        }
        let place = self.place(client)?;
        if update.head.weight > self.cap {
            return Err(Rejection::WeightAboveCap { client, weight: update.head.weight, cap: self.cap });
        }
        if self.answered[place].swap(true, Ordering::Relaxed) {
            return Err(Rejection::Duplicate { client });
        }
        if let Err(refused) = part.add(&update) {
            self.answered[place].store(false, Ordering::Relaxed);
            return Err(refused);
        }
        Ok(update.head)
    }

    fn place(&self, client: ClientId) -> Result<usize, Rejection> {
        self.cohort.binary_search(&client.0).map_err(|_| Rejection::NotInCohort { client })
    }
}
