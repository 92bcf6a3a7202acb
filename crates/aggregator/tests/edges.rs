//! Partial sums of edge aggregators: what they claim is checked, and counts at most as much as their updates can.

mod small;

use small::{CAP, add, layout, update};
use sottovoce_aggregator::{AggregateError, PartialSum, Rejection, finish};
use sottovoce_core::wire::PartialHead;
use sottovoce_core::{Checksum, Grid, Rows};

#[test]
fn an_edge_is_believed_what_can_be_checked() {
    let base = Checksum::of(b"base");
    let mut edge = PartialSum::new(layout(), CAP);
    add(&mut edge, &update(1, 5, Rows::Some([2, 6].into()), vec![3.0; 5])).unwrap();
    let good = edge.message(4, base);
    let mut root = PartialSum::new(layout(), CAP);
    let mut refused = |m: &[u8]| root.receive_edge(4, base, m).unwrap_err().reason();
    assert_eq!(refused(&edge.message(5, base)), "other_round");
    assert_eq!(refused(&edge.message(4, Checksum::of(b"other"))), "other_round");
    assert_eq!(refused(&PartialSum::new(layout(), 7).message(4, base)), "other_cap");
    assert_eq!(refused(&good[..good.len() - 1]), "wire");
    for at in 0..good.len() {
        let mut damaged = good.clone();
        damaged[at] ^= 4;
        assert!(["wire", "schema", "shape"].contains(&refused(&damaged)));
    }
    assert_eq!(finish(&[&root]), Err(AggregateError::NoUpdates));
    root.receive_edge(4, base, &good).unwrap();
    assert_eq!(finish(&[&root]), finish(&[&edge]));
}

/// A bound is what the largest sum may be, not one less; and what is claimed counts.
#[test]
fn the_bound_of_an_edge_is_exact() {
    let base = Checksum::of(b"base");
    let with = |sums: &[i64], bound: u64| {
        let head = PartialHead {
            round: 4,
            base,
            schema: layout().schema(),
            cap: CAP.next_power_of_two(),
            grid: Grid::default(),
            weight: 4096,
            updates: 4096,
            bound,
            rows: Some(2),
        };
        let mut message = Vec::new();
        head.encode(&[2, 6], sums.iter().copied(), &mut message);
        let mut root = PartialSum::new(layout(), CAP);
        root.receive_edge(4, base, &message).map(|_| finish(&[&root]))
    };
    for sums in [[1, 2, 3, 4, 77], [0, -77, 0, 3, 5]] {
        assert!(with(&sums, 77).unwrap().is_ok() && with(&sums, 78).unwrap().is_ok());
        let refused = with(&sums, 76).unwrap_err();
        assert_eq!(refused, Rejection::FalseBound { largest: 77, bound: 76 });
    }
    let smallest = with(&[i64::MIN, 0, 0, 0, 0], (1 << 63) - 1).unwrap_err();
    assert_eq!(smallest, Rejection::FalseBound { largest: 1 << 63, bound: (1 << 63) - 1 });
    assert!(with(&[1; 5], (1 << 62) - 1).unwrap().is_ok());
    assert_eq!(with(&[1; 5], 1 << 62).unwrap(), Err(AggregateError::SumFull { updates: 4096 }));
}

/// Claims of an edge: a weight that its updates cannot have, a bound or sums that they cannot reach, the same sum twice.
/// Nothing of what is refused is in the sum, and no claim makes a round fail that honest edges would not.
#[test]
fn an_edge_counts_at_most_as_much_as_its_updates() {
    let (base, cap) = (Checksum::of(b"base"), CAP.next_power_of_two());
    let edge = |updates: u64, weight: u64, bound: u64, sums: i64| {
        let head = PartialHead {
            round: 4,
            base,
            schema: layout().schema(),
            cap,
            grid: Grid::default(),
            weight,
            updates,
            bound,
            rows: Some(2),
        };
        let mut message = Vec::new();
        head.encode(&[2, 6], [sums; 5].into_iter(), &mut message);
        message
    };
    let each = 1u64 << 51;
    let mut root = PartialSum::new(layout(), CAP);
    let mut receive = |message: &[u8]| root.receive_edge(4, base, message).map_err(|e| e.reason());
    for (updates, weight, bound, sums, reason) in [
        (1, cap + 1, 5, 5, "false_weight"),
        (0, 1, 0, 0, "false_weight"),
        (1, u64::MAX, 5, 5, "false_weight"),
        (u64::MAX, 3, 5, 5, "false_weight"),
        (0, 0, 5, 5, "unreachable_bound"),
        (0, 0, 0, 5, "false_bound"),
        (1, 3, each + 2, 5, "unreachable_bound"),
        (1, 3, u64::MAX, 5, "unreachable_bound"),
        (1, 1, 1 << 61, 1 << 60, "unreachable_bound"),
        (2, 1, 2 * each, 5, "unreachable_bound"),
        (1, 3, 5, 6, "false_bound"),
        (1, 3, 5, i64::MIN, "false_bound"),
    ] {
        assert_eq!(
            receive(&edge(updates, weight, bound, sums)).map(|_| ()),
            Err(reason),
            "{updates} {weight} {bound} {sums}"
        );
    }
    receive(&edge(2, 2, 2 * each + 2, (2 * each) as i64)).unwrap();
    receive(&edge(1, cap, 7, 7)).unwrap();
    // The same bytes again are the same sum again; another sum, and nothing at all, may come as often as it likes.
    assert_eq!(receive(&edge(1, cap, 7, 7)).map(|_| ()), Err("same_sum"));
    receive(&edge(1, cap, 7, -7)).unwrap();
    let empty = PartialSum::new(layout(), CAP).message(4, base);
    receive(&empty).unwrap();
    receive(&empty).unwrap();
    assert_eq!(finish(&[&root]).unwrap().updates, 4);
    // The next round has sums of its own.
    root.clear();
    root.receive_edge(4, base, &edge(1, cap, 7, 7)).unwrap();
}

/// What an edge has rounded up is within its bound.
#[test]
fn an_honest_edge_is_believed() {
    let base = Checksum::of(b"base");
    // 0.8 units of the grid at the full weight, which is rounded to 1.
    let (cap, tiny) = (CAP.next_power_of_two(), 0.8 * libm::exp2f(-40.0));
    let mut edge = PartialSum::new(layout(), CAP);
    add(&mut edge, &update(1, cap, Rows::All, vec![tiny; 20])).unwrap();
    let mut root = PartialSum::new(layout(), CAP);
    root.receive_edge(4, base, &edge.message(4, base)).unwrap();
    assert_eq!(finish(&[&root]).unwrap().delta.values(), [libm::exp2f(-40.0); 20]);
}
