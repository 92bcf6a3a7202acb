//! What a rule is told beside its rows.

/// Weights, and where in a run the rows belong.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Context<'a> {
    /// Declared weights, one for each row.
    pub(crate) weights: Option<&'a [f64]>,
    /// Nothing for rows that belong to no run, such as those from files.
    pub(crate) round: Option<InRound<'a>>,
}

/// A block of a round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InRound<'a> {
    /// The run's seed.
    pub(crate) seed: u64,
    /// From 0.
    pub(crate) round: u64,
    /// The block's place among those of a message.
    pub(crate) block: u64,
    /// The server's own update.
    pub(crate) trusted: Option<&'a [f32]>,
    /// The rule's last result for this block; nothing stands for zeros.
    pub(crate) previous: &'a [f32],
}
