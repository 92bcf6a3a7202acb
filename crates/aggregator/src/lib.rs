//! How updates become one: what arrives is checked, and summed in an order that does not matter.
//!
//! ```
//! use sottovoce_aggregator::{OpenRound, PartialSum, finish};
//! use sottovoce_core::{ClientId, Checksum, Layout, Outbound, RowBlock, Rows, Update};
//!
//! let layout = Layout::new(&[("weight", 4, 2), ("bias", 1, 2)])?;
//! let base = Checksum::of(b"parameters of round 0");
//! let round = OpenRound::new(layout.clone(), 0, base, &[3, 8], 1000);
//! let mut part = PartialSum::new(layout.clone(), 1000);
//! for (client, weight, value) in [(3, 10, 1.0), (8, 30, 2.0)] {
//!     let rows = Rows::Some(layout.touched(&[2]).into());
//!     let delta = RowBlock::new(layout.clone(), rows, vec![value; 4])?;
//!     let mut message = Vec::new();
//!     Update { client: ClientId(client), round: 0, exchange: 0, base, weight, loss: 0.1, delta }.encode(&mut message);
//!     round.receive(&mut part, &message)?;
//! }
//! assert_eq!(finish(&[&part])?.delta.values(), [1.75; 4]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod aggregation;
mod columns;
mod distances;
pub mod error;
mod grid;
pub mod mean;
pub mod round;
pub mod rules;
mod spectrum;
pub mod stack;
pub mod sum;

pub use aggregation::{Absent, Accumulator, Aggregation, Memory, Moment, Part};
pub use error::{AggregateError, Rejection};
pub use mean::{mean, mean_into};
pub use round::{OpenRound, StaleUpdate};
pub use rules::{CustomRule, Outcome, Recipe, RuleError, Updates};
pub use stack::{Element, Stack, StackError};
pub use sum::{MAX_WEIGHT_CAP, PartialSum, finish};
