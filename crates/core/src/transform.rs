//! What is done to updates on their way from clients to the server.

use crate::aggregate::Aggregate;
use crate::exchange::Exchange;
use crate::message::Answer;
use crate::row_block::RowBlock;
use crate::stream::Address;

/// Whatever edits updates in flight: clipping, noise, compression, attack. Clients run them first to last before an
/// update leaves, the server last to first on the aggregate.
///
/// A client's half is given the blocks of a message one by one, each with what it sends of the model's rows: a block has a norm
/// and a scale of its own. The numbers that an algorithm sends beside its blocks are left alone: servers divide by them.
///
/// Random numbers come from the address: that of a client's half belongs to this transform, this block, this round and this
/// client alone, that of the server's half to this transform and this round.
pub trait Transform: Send + Sync {
    /// Edits a block of a client's answer in place.
    fn client(&self, at: Address, block: &mut RowBlock);
    /// Edits the aggregate in place; most have nothing to do here.
    fn server(&self, _at: Address, _aggregate: &mut Aggregate) {}
}

/// Runs the clients' halves of `transforms` on the blocks of an answer, first to last. `at` is the address of the client's
/// transforms in this round.
pub fn transform(transforms: &[Box<dyn Transform>], at: Address, exchange: Exchange, answer: &mut Answer) {
    let exchange = u64::from(exchange.number) << 48;
    for (slot, transform) in (0..).zip(transforms) {
        for (place, block) in &mut answer.blocks {
            // The first block of the first exchange has the address that a delta alone has.
            transform.client(at.slot(slot | (*place as u64) << 32 | exchange), block);
        }
    }
}
