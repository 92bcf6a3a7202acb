//! What one choice leaves for the next: who can be chosen, and what clients have told.

use crate::world::{Micros, Presence};
use std::cell::{Cell, OnceCell};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Everybody that can be chosen in a round, found when it is first asked for. Within a round nobody comes back to be chosen
/// again, so the list of one choice is that of the next without those that were chosen, as long as nobody comes or goes.
#[derive(Debug)]
pub struct Standby {
    list: OnceCell<Vec<u64>>,
    /// When somebody may come or go.
    until: Cell<Micros>,
}

impl Default for Standby {
    fn default() -> Self {
        Self { list: OnceCell::new(), until: Cell::new(Micros::MAX) }
    }
}

impl Standby {
    /// Time has passed.
    pub(crate) fn at(&mut self, now: Micros) {
        if now >= self.until.get() {
            *self = Self::default();
        }
    }

    /// Whether somebody is there, as it was found; that is known until then.
    pub(crate) fn there(&self, presence: Presence) -> bool {
        self.until.set(self.until.get().min(presence.until));
        presence.there
    }

    /// Those of so many clients that can be chosen, ascending.
    pub(super) fn everybody(&self, clients: u64, can: impl Fn(u64) -> bool) -> &[u64] {
        self.list.get_or_init(|| (0..clients).filter(|client| can(*client)).collect())
    }

    /// These were chosen, ascending.
    pub(crate) fn chosen(&mut self, chosen: &[u64]) {
        let Some(list) = self.list.get_mut() else { return };
        let mut chosen = chosen.iter().peekable();
        list.retain(|client| chosen.next_if(|chosen| *chosen == client).is_none());
    }
}

/// Clients' numbers of training examples: each is asked for once in a run, as counting them may cost as much as making them.
#[derive(Debug, Default)]
pub(crate) struct Told(OnceLock<Vec<AtomicU64>>);

impl Told {
    /// What a client of so many has told, or tells now.
    pub(crate) fn examples(&self, clients: u64, client: u64, ask: impl FnOnce() -> u64) -> u64 {
        const NOT_YET: u64 = u64::MAX;
        let all = self.0.get_or_init(|| (0..clients).map(|_| AtomicU64::new(NOT_YET)).collect());
        let Some(told) = all.get(client as usize) else { return ask() };
        match told.load(Relaxed) {
            NOT_YET => {
                let examples = ask();
                told.store(examples, Relaxed);
                examples
            }
            examples => examples,
        }
    }
}
