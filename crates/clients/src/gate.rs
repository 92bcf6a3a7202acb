//! The egress gate: the only way out of a client.

use sottovoce_core::{Checksum, LedgerLine, Outbound};

/// Encodes messages and writes a ledger line for each.
///
/// It takes sealed [`Outbound`] types and nothing else. An update passes:
///
/// ```
/// use sottovoce_clients::Gate;
/// use sottovoce_core::{Checksum, ClientId, EvaluationCounts};
/// let counts = EvaluationCounts { client: ClientId(3), round: 0, examples: 10, correct: 9 };
/// let mut gate = Gate::default();
/// let (message, line) = gate.send(&counts, Checksum::of(b"its examples"));
/// assert_eq!(line.bytes, message.len() as u64);
/// ```
///
/// A transcript does not compile:
///
/// ```compile_fail
/// use sottovoce_clients::Gate;
/// use sottovoce_transcripts::{Language, Split, Transcript};
/// let transcript = Transcript {
///     id: String::new(), client: None, language: Language::EN, timestamp: None, domain: None,
///     split: Split::Train, turns: vec![], intent: String::new(),
/// };
/// let mut gate = Gate::default();
/// let (message, line) = gate.send(&transcript, Default::default());
/// ```
#[derive(Debug, Default)]
pub struct Gate {
    buffer: Vec<u8>,
}

impl Gate {
    /// The framed message, in the gate's memory until the next one, and its ledger line. `source` is the checksum of
    /// the examples behind the message.
    pub fn send<M: Outbound>(&mut self, message: &M, source: Checksum) -> (&[u8], LedgerLine) {
        self.buffer.clear();
        let checksum = message.encode(&mut self.buffer);
        let line = LedgerLine {
            round: message.round(),
            exchange: message.exchange(),
            client: message.client(),
            kind: M::KIND,
            bytes: self.buffer.len() as u64,
            checksum,
            source,
            state: None,
        };
        (&self.buffer, line)
    }
}
