//! Payment card numbers: length, issuer, grouping and Luhn's check.

use regex::Regex;

use super::checksum::luhn;
use super::cue::Cue;
use super::entity::EntityKind;
use super::scene::{Scene, digits_of, pattern};

#[derive(Debug)]
pub(super) struct CardRule {
    number: Regex,
}

impl CardRule {
    pub(super) fn new() -> Self {
        Self {
            number: pattern(concat!(
                r"[0-9]{4}(?:[ -][0-9]{4}){2,3}(?:[ -][0-9]{1,4})?",
                r"|[0-9]{4}[ -][0-9]{6}[ -][0-9]{4,5}",
                r"|[0-9]{6}[ -][0-9]{6,13}",
                r"|[0-9]{12,19}"
            )),
        }
    }

    pub(super) fn find(&self, scene: &mut Scene<'_>) {
        if scene.digits < 12 {
            return;
        }
        scene.each(&self.number, |scene, start, end| {
            let found = &scene.text[start..end];
            // The last group may be the first of something else, an expiry date say.
            let shorter = found.rfind([' ', '-']).map(|at| start + at);
            let end = [Some(end), shorter].into_iter().flatten().find(|end| accept(scene, start, *end))?;
            scene.add(start, end, EntityKind::BankCard);
            Some(end)
        });
    }
}

fn accept(scene: &Scene<'_>, start: usize, end: usize) -> bool {
    let digits = digits_of(&scene.text[start..end]);
    // One number in ten passes Luhn's check by chance, so one of no known issuer needs a word before it.
    let fits = (12..=19).contains(&digits.len()) && luhn(&digits) && digits.iter().any(|d| *d != b'0');
    let book = digits.len() == 13 && (digits.starts_with(b"978") || digits.starts_with(b"979"));
    let named = || scene.cue_before(start, 12, &[Cue::Card]).is_some();
    fits && !book && scene.stands_alone(start, end) && (known_issuer(&digits) || named())
}

/// Whether a number begins and is as long as those of a card scheme.
fn known_issuer(digits: &[u8]) -> bool {
    let prefix = digits[..4].iter().fold(0u32, |n, b| n * 10 + u32::from(b - b'0'));
    let length = digits.len();
    match prefix {
        // American Express; Diners Club; JCB.
        3400..=3499 | 3700..=3799 => length == 15,
        3000..=3059 | 3600..=3699 | 3800..=3999 => (14..=19).contains(&length),
        3528..=3589 => (16..=19).contains(&length),
        2131 | 1800 => length == 15,
        // Visa.
        4000..=4999 => matches!(length, 13 | 16 | 19),
        // Mastercard.
        5100..=5599 | 2221..=2720 => length == 16,
        // Discover; UnionPay; older cards of Chinese banks.
        6011 | 6440..=6599 | 8100..=8171 => (16..=19).contains(&length),
        6200..=6299 | 6000..=6010 => (16..=19).contains(&length),
        9558..=9559 => length == 19,
        // Maestro.
        5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763 => true,
        _ => false,
    }
}
