//! Messages that left clients, and the leaves of the chain that speak of them.

use sottovoce_aggregator::Rejection;
use sottovoce_core::{Checksum, ClientError, ClientId, LedgerLine, Summing};

/// What is known about a message that left its client.
pub(super) struct Sent {
    pub(super) line: LedgerLine,
    /// What the client keeps, if anything.
    pub(super) state: Vec<u8>,
}

impl Sent {
    pub(super) fn of(mut line: LedgerLine, state: Vec<u8>) -> Self {
        line.state = (!state.is_empty()).then(|| Checksum::of(&state));
        Self { line, state }
    }

    /// Of an answer that did not count: the client goes on with what it kept before.
    pub(super) fn forgotten(self) -> Self {
        Self { line: LedgerLine { state: None, ..self.line }, state: Vec::new() }
    }
}

pub(super) fn checksum_of(clients: &[u64]) -> Checksum {
    let mut all = Summing::default();
    for client in clients {
        all.number(*client);
    }
    all.finish()
}

/// The leaves of the clients: what they trained on, what became of their answers, what they keep. All lists are by client, and
/// every client of the cohort is among the first and second or in the third.
pub(super) fn leaves_of(
    cohort: &[u64],
    sent: &[Sent],
    rejected: &[(ClientId, Rejection)],
    dropped: &[(ClientId, ClientError)],
) -> (Checksum, Checksum, Checksum) {
    let (mut shards, mut messages, mut states) = (Summing::default(), Summing::default(), Summing::default());
    let (mut sent, mut rejected, mut dropped) =
        (sent.iter().peekable(), rejected.iter().peekable(), dropped.iter().peekable());
    for client in cohort {
        let of = ClientId(*client);
        messages.number(*client);
        if let Some(Sent { line, .. }) = sent.next_if(|sent| sent.line.client == of) {
            shards.number(*client).bytes(&line.source.0);
            messages.bytes(&line.checksum.0);
            if let Some(state) = line.state {
                states.number(*client).bytes(&state.0);
            }
        }
        let refused = rejected.next_if(|(client, _)| *client == of).map(|(_, why)| why.to_string());
        let why =
            refused.or_else(|| dropped.next_if(|(client, _)| *client == of).map(|(_, why)| why.to_string()));
        messages.bytes(why.unwrap_or_default().as_bytes());
    }
    (shards.finish(), messages.finish(), states.finish())
}
