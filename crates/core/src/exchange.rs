//! A round is one exchange or several with the same cohort: a broadcast, answers, and again.

/// Which exchange of a round. All but the last are preliminary: what they come to is told to the cohort in the next, and
/// the last one's answers become the server's step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exchange {
    /// From 0.
    pub number: u32,
    /// How many the round has, at least 1.
    pub of: u32,
}

impl Exchange {
    /// That of a round with one.
    pub const ONLY: Self = Self { number: 0, of: 1 };

    /// Whether the server makes its step of it.
    pub fn is_last(self) -> bool {
        self.number + 1 == self.of
    }
}
