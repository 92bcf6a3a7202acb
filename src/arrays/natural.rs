//! Names in the order in which people count: `client_2` before `client_10`.

use std::cmp::Ordering;

/// Compares names by their runs of digits as numbers and by their other bytes; names that are the same so far, such as
/// `1` and `01`, by all their bytes. A total order.
pub(super) fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        match (left.first(), right.first()) {
            (Some(l), Some(r)) if l.is_ascii_digit() && r.is_ascii_digit() => {
                let (l, r) = (number(&mut left), number(&mut right));
                // Without zeros at the front the longer number is the larger one.
                let order = l.len().cmp(&r.len()).then(l.cmp(r));
                if order.is_ne() {
                    return order;
                }
            }
            (Some(l), Some(r)) if l == r => (left, right) = (&left[1..], &right[1..]),
            (None, None) => return a.cmp(b),
            (l, r) => return l.cmp(&r),
        }
    }
}

/// Takes the digits from the front; returns them without zeros at their front.
fn number<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (number, rest) = text.split_at(digits);
    *text = rest;
    let zeros = number.iter().take_while(|b| **b == b'0').count();
    &number[zeros..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_count() {
        let long = |last: char| format!("{}{last}", "9".repeat(300));
        let (less, more) = (long('8'), long('9'));
        let sorted = [
            "",
            "0",
            "00",
            "01",
            "1",
            "1.9",
            "1.10",
            "2",
            &less,
            &more,
            "client_2",
            "client_10",
            "client_10b",
        ];
        for (i, a) in sorted.iter().enumerate() {
            for (j, b) in sorted.iter().enumerate() {
                assert_eq!(compare(a.as_bytes(), b.as_bytes()), i.cmp(&j), "{a} {b}");
            }
        }
    }

    proptest! {
        #[test]
        fn the_order_is_total(names in proptest::collection::vec("[0129a/:é]{0,6}", 3)) {
            let order = |i: usize, j: usize| compare(names[i].as_bytes(), names[j].as_bytes());
            for (i, j, k) in [(0, 1, 2), (1, 2, 0), (2, 0, 1), (0, 2, 1), (1, 0, 2), (2, 1, 0)] {
                prop_assert_eq!(order(i, j), order(j, i).reverse());
                prop_assert_eq!(order(i, j).is_eq(), names[i] == names[j]);
                if order(i, j).is_le() && order(j, k).is_le() {
                    prop_assert!(order(i, k).is_le());
                }
            }
        }
    }
}
