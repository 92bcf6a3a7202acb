//! The graph that masks run along: everybody with everybody, or the nearest on a shuffled ring.

use crate::parameters::Graph;
use sottovoce_core::{Address, sampling};

/// Neighbours of every member, by place in the sorted list of members, each list rising.
pub(crate) fn neighbours(graph: Graph, members: usize, shuffle: Address) -> Vec<Vec<usize>> {
    let Graph::Regular { neighbours } = graph else {
        return (0..members).map(|me| (0..members).filter(|i| *i != me).collect()).collect();
    };
    let mut ring: Vec<usize> = (0..members).collect();
    sampling::shuffle(&mut shuffle.stream(), &mut ring);
    let mut lists = vec![Vec::with_capacity(neighbours); members];
    for (place, member) in ring.iter().enumerate() {
        let list = &mut lists[*member];
        for distance in 1..=neighbours / 2 {
            list.push(ring[(place + distance) % members]);
            list.push(ring[(place + members - distance) % members]);
        }
        if neighbours % 2 == 1 {
            list.push(ring[(place + members / 2) % members]);
        }
        list.sort_unstable();
    }
    lists
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::disconnected;
    use sottovoce_core::Purpose;
    use std::collections::BTreeSet;

    fn shuffle(seed: u64) -> Address {
        Address::new(seed, Purpose::SecureGraph)
    }

    #[test]
    fn neighbours_are_mutual_different_and_as_many_as_asked_for() {
        for members in 3..40 {
            for k in (2..members).filter(|k| members * k % 2 == 0) {
                let lists = neighbours(Graph::Regular { neighbours: k }, members, shuffle(7));
                for (me, list) in lists.iter().enumerate() {
                    assert_eq!(list.iter().collect::<BTreeSet<_>>().len(), k, "{members}, {k}");
                    assert!(list.is_sorted() && !list.contains(&me));
                    assert!(list.iter().all(|other| lists[*other].contains(&me)));
                }
            }
        }
    }

    /// With every neighbour there is, the ring is the complete graph.
    #[test]
    fn the_largest_ring_is_complete() {
        for members in 3..20 {
            assert_eq!(
                neighbours(Graph::Regular { neighbours: members - 1 }, members, shuffle(1)),
                neighbours(Graph::Complete, members, shuffle(2))
            );
        }
    }

    /// Any two members are neighbours in a share k / (n − 1) of all shuffles: 4 of 19, within five deviations of 4,000 tries.
    #[test]
    fn who_is_whose_neighbour_is_random() {
        let tries = 4000;
        let met = (0..tries).map(|seed| neighbours(Graph::Regular { neighbours: 4 }, 20, shuffle(seed)));
        let met = met.filter(|lists| lists[3].contains(&11)).count();
        let (p, n) = (4.0 / 19.0, tries as f64);
        assert!((met as f64 - n * p).abs() < 5.0 * (n * p * (1.0 - p)).sqrt(), "{met}");
    }

    /// Fewer members than neighbours lost never cut a ring, whoever they are, and more of them cut it no more often than the
    /// bound says: all sets of 12 members and 4 or 5 neighbours.
    #[test]
    fn no_set_smaller_than_the_neighbours_cuts_the_graph() {
        for k in [4, 5] {
            let lists = neighbours(Graph::Regular { neighbours: k }, 12, shuffle(3));
            let (mut cut, mut sets) = ([0.0; 13], [0.0; 13]);
            for lost in 0u32..1 << 12 {
                let left: Vec<usize> = (0..12).filter(|i| lost >> i & 1 == 0).collect();
                let Some(first) = left.first() else { continue };
                let (mut seen, mut open) = (BTreeSet::from([*first]), vec![*first]);
                while let Some(next) = open.pop() {
                    open.extend(lists[next].iter().filter(|i| lost >> *i & 1 == 0 && seen.insert(**i)));
                }
                let size = lost.count_ones() as usize;
                sets[size] += 1.0;
                if seen.len() < left.len() {
                    assert!(size >= k, "{k}: {lost:b}");
                    cut[size] += 1.0;
                }
            }
            assert!(cut[k] > 0.0);
            for size in 0..12 {
                assert!(cut[size] / sets[size] <= disconnected(12, k, size), "{k}, {size}");
            }
        }
    }
}
