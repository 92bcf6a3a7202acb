//! Telephone numbers of other plans: North America, Hong Kong, Macau, Taiwan, and any with a country code or a word.

use regex::Regex;

use super::cue::Cue;
use super::entity::EntityKind;
use super::scene::{Scene, digits_of, pattern};

#[derive(Debug)]
pub(super) struct AbroadRules {
    us: Regex,
    international: Regex,
    foreign: Regex,
    eight_digits: Regex,
    taiwan: Regex,
}

impl AbroadRules {
    pub(super) fn new() -> Self {
        Self {
            us: pattern(
                r"(?:\+?1[ .-]?)?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[ .-]?)[2-9][0-9]{2}[ .-]?[0-9]{4}",
            ),
            international: pattern(r"(?:\+ ?|00)[1-9][0-9]{0,2}(?:[ ./-]?\(?[0-9]{1,5}\)?){2,5}"),
            foreign: pattern(r"\(?[0-9]{2,5}\)?(?:[ .-][0-9]{2,5}){1,5}|[0-9]{9,12}"),
            eight_digits: pattern(r"(?:\(?(?:\+|00)?85[23]\)?[ -]{0,2})?[2-9][0-9]{3}[ -]?[0-9]{4}"),
            taiwan: pattern(concat!(
                r"(?:\(?886\)?[ -]{1,2}0?9|09)[0-9]{2}[ -]?[0-9]{3}[ -]?[0-9]{3}",
                r"|\(0[2-8][0-9]?\) ?[0-9]{3,4}[ -]?[0-9]{4}|0[2-8][0-9]?-[0-9]{3,4}-[0-9]{4}"
            )),
        }
    }

    pub(super) fn find(&self, scene: &mut Scene<'_>) {
        if scene.digits < 8 {
            return;
        }
        let text = scene.text;
        // Digits in one piece are a number of these plans only behind a word.
        let pieces =
            scene.seen.dash || scene.seen.bracket || scene.seen.dots > 1 || text.contains([' ', '+']);
        let said = scene.has(Cue::Phone);
        if scene.digits >= 10 && (pieces || said) {
            scene.each(&self.us, accept_us);
        }
        let digit = |i: usize| text.as_bytes()[i].is_ascii_digit();
        if text.contains('+') || text.match_indices("00").any(|(i, _)| i == 0 || !digit(i - 1)) {
            scene.each(&self.international, |scene, start, end| {
                // The last group may be the first of something else.
                let shorter = scene.text[start..end].rfind([' ', '-', '.']).map(|at| start + at);
                let end = [Some(end), shorter]
                    .into_iter()
                    .flatten()
                    .find(|end| international(scene, start, *end))?;
                scene.add(start, end, EntityKind::IntlPhone);
                Some(end)
            });
        }
        if said {
            scene.each(&self.foreign, accept_foreign);
        }
        let coded = || text.contains("852") || text.contains("853");
        if (said && pieces) || scene.has(Cue::Region) || coded() {
            scene.each(&self.eight_digits, accept_eight_digits);
        }
        // Brackets, a dash, or the first digits of a mobile.
        if !(text.contains("09") || text.contains("886") || text.contains("(0") || scene.seen.dash) {
            return;
        }
        scene.each(&self.taiwan, |scene, start, end| {
            let numbered = scene.cue_before(start, 6, &[Cue::Order, Cue::Tracking]).is_some();
            let counted = scene.after(end).is_some_and(|c| "元块个条次年月日".contains(c));
            if numbered || counted || !scene.stands_alone(start, end) {
                return None;
            }
            scene.add(start, end, EntityKind::IntlPhone);
            Some(end)
        });
    }
}

fn accept_us(scene: &mut Scene<'_>, start: usize, end: usize) -> Option<usize> {
    let found = &scene.text[start..end];
    let digits = digits_of(found);
    let national = &digits[digits.len() - 10..];
    let area = &national[..3];
    let public = hotline(area);
    let separators = found.bytes().filter(|b| !b.is_ascii_digit()).count();
    let named = || scene.cue_before(start, 16, &[Cue::Phone]) == Some(Cue::Phone);
    let shaped = found.starts_with('+') || separators >= 2;
    if public || !(shaped || (found.len() == 10 && named())) || !scene.stands_alone(start, end) {
        return None;
    }
    scene.add(start, end, EntityKind::UsPhone);
    Some(end)
}

/// Toll-free and premium area codes belong to companies; 400 and 800 are hotlines in China too.
fn hotline(area: &[u8]) -> bool {
    matches!(area, [b'8', a, b, ..] if a == b) || area.starts_with(b"900") || area.starts_with(b"400")
}

fn international(scene: &Scene<'_>, start: usize, end: usize) -> bool {
    let found = &scene.text[start..end];
    let digits = digits_of(found);
    // Two zeros may begin anything, a plus seldom.
    let zeros = found.starts_with("00");
    let grouped = || found.contains([' ', '-', '.', '/']);
    if zeros && !(grouped() || scene.cue_before(start, 12, &[Cue::Phone]).is_some()) {
        return false;
    }
    let digits = if zeros { &digits[2..] } else { &digits[..] };
    let private = match digits.strip_prefix(b"1") {
        Some(national) => national.len() == 10 && national[0] >= b'2' && !hotline(national),
        None => !digits.starts_with(b"86"),
    };
    private && (8..=15).contains(&digits.len()) && scene.stands_alone(start, end)
}

/// A number of no plan known here is a telephone number if the text says so: "call me at 0494 92 82 32".
fn accept_foreign(scene: &mut Scene<'_>, start: usize, end: usize) -> Option<usize> {
    let found = &scene.text[start..end];
    let said = scene.cues_before(start, 18).any(|h| {
        let word = &scene.text[h.start..h.end];
        h.cue == Cue::Phone && word.is_ascii() && !word.eq_ignore_ascii_case("number")
    });
    // In Chinese a zero or a bracket before the area must help.
    let said = said || (found.starts_with(['0', '(']) && scene.cue_before(start, 4, &[Cue::Phone]).is_some());
    let digits = digits_of(found);
    // 2018-02-14 and 14.02.2018 have the length of a number too.
    let year = |d: &[u8]| d.starts_with(b"19") || d.starts_with(b"20");
    let date = digits.len() == 8 && (year(&digits) || year(&digits[4..]));
    let fits = (8..=13).contains(&digits.len()) && !date && !hotline(&digits);
    if !said || !fits || !scene.stands_alone(start, end) {
        return None;
    }
    scene.add(start, end, EntityKind::IntlPhone);
    Some(end)
}

/// Eight digits of Hong Kong or Macau: by their country code, or by the place and a word for a telephone.
fn accept_eight_digits(scene: &mut Scene<'_>, start: usize, end: usize) -> Option<usize> {
    let found = &scene.text[start..end];
    let digits = digits_of(found).len();
    let coded = digits > 8 && (found.contains([' ', '-', ')', '+']) || digits == 13);
    let near = |within, cue| scene.cue_before(start, within, &[cue]).is_some();
    let said = || near(10, Cue::Phone) || scene.chars_before(start, 6).contains('号');
    let local = digits == 8 && near(16, Cue::Region) && said();
    // Two groups after the word itself: "WhatsApp 9123 4567".
    let grouped = || digits == 8 && found.len() == 9 && scene.cue_before(start, 2, &[Cue::Phone]).is_some();
    // "澳门6612-3456这个号码": the word may come after.
    let after = || scene.text[end..].chars().take(6).any(|c| matches!(c, '号' | '话'));
    let before = || digits == 8 && scene.cue_before(start, 1, &[Cue::Region]).is_some();
    let counted = scene.after(end).is_some_and(|c| "元块个条次年月日蚊".contains(c));
    if counted || !(coded || local || grouped() || (before() && after())) || !scene.stands_alone(start, end) {
        return None;
    }
    scene.add(start, end, EntityKind::IntlPhone);
    Some(end)
}
