//! Telephone numbers of mainland China, North America and, with a `+`, anywhere. Public hotlines are no one's.

use regex::Regex;

use super::cue::Cue;
use super::entity::EntityKind;
use super::scene::{Scene, digits_of, pattern};

#[derive(Debug)]
pub(super) struct PhoneRules {
    mobile: Regex,
    landline: Regex,
    local: Regex,
    us: Regex,
    international: Regex,
    foreign: Regex,
}

impl PhoneRules {
    pub(super) fn new() -> Self {
        Self {
            mobile: pattern(concat!(
                r"(?:(?:\+|00)86[ -]?|\(\+?86\)[ -]?|86[ -]?)?",
                r"1[3-9][0-9](?:(?:[ .-]?[0-9]{4}){2}|[0-9][ .-][0-9]{3}[ .-][0-9]{4})"
            )),
            landline: pattern(
                r"(?:(?:\+|00)86[ -]?0?[1-9][0-9]{1,2}|\(0[1-9][0-9]{1,2}\)|0[1-9][0-9]{1,2})[ -]?[2-8][0-9]{6,7}",
            ),
            local: pattern(r"[2-8][0-9]{6,7}"),
            us: pattern(
                r"(?:\+?1[ .-]?)?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[ .-]?)[2-9][0-9]{2}[ .-]?[0-9]{4}",
            ),
            foreign: pattern(r"\(?[0-9]{2,5}\)?(?:[ .-][0-9]{2,5}){1,5}|[0-9]{9,12}"),
            international: pattern(r"\+[1-9][0-9]{0,2}(?:[ .-]?\(?[0-9]{1,5}\)?){2,5}"),
        }
    }

    pub(super) fn find(&self, scene: &mut Scene<'_>) {
        if scene.digits < 7 {
            return;
        }
        if scene.digits >= 11 {
            scene.each(&self.mobile, |scene, start, end| {
                if !scene.stands_alone(start, end) {
                    return None;
                }
                scene.add(start, end, EntityKind::CnMobile);
                Some(end)
            });
        }
        scene.each(&self.landline, accept_landline);
        // A local number is known by the word before it, or as the next of a list.
        let mut list_end = None;
        scene.each(&self.local, |scene, start, end| {
            let listed = list_end.is_some_and(|e: usize| {
                let between = scene.text.get(e..start).unwrap_or("?");
                matches!(between, "、" | "，" | "," | "/" | " " | ", " | "或" | "和")
            });
            let named =
                follows_phone_word(scene, start) || (end - start == 8 && near_phone_word(scene, start));
            let counted = scene.after(end).is_some_and(|c| "元块个条次年月日".contains(c));
            // A dash after it is an extension, a dash before it an area code.
            let free = !matches!(scene.before(start), Some('-' | ')')) && scene.stands_alone(start, end);
            if !(listed || named) || counted || !free {
                return None;
            }
            list_end = Some(end);
            scene.add(start, end, EntityKind::CnLandline);
            Some(end)
        });
        if scene.digits >= 8 {
            scene.each(&self.us, accept_us);
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
            scene.each(&self.foreign, accept_foreign);
        }
    }
}

/// Whether "电话", or the like, and nothing but a connecting word stand before `at`.
fn follows_phone_word(scene: &Scene<'_>, at: usize) -> bool {
    const WORDS: [&str; 4] = ["电话", "座机", "固话", "电话号码"];
    let before = scene.text[..at].trim_end_matches([' ', ':', '：', '是', '为', '号', '码']);
    WORDS.iter().any(|w| before.ends_with(w))
}

/// Whether "电话" stands a few characters before `at`: eight digits after it are seldom anything else.
fn near_phone_word(scene: &Scene<'_>, at: usize) -> bool {
    scene
        .cues_before(at, 7)
        .any(|h| scene.text[h.start..h.end] == *"电话" && scene.after(h.end) != Some('费'))
}

fn accept_landline(scene: &mut Scene<'_>, start: usize, end: usize) -> Option<usize> {
    let digits = digits_of(&scene.text[start..end]);
    let national = digits.strip_prefix(b"0086").or_else(|| digits.strip_prefix(b"86")).unwrap_or(&digits);
    let national = national.strip_prefix(b"0").unwrap_or(national);
    // 10 and 2x are two digits after the zero and eight of number; the others three, with seven or eight.
    let fits = match national {
        [b'1', b'0', ..] | [b'2', ..] => national.len() == 10,
        [b'3'..=b'9', ..] => (10..=11).contains(&national.len()),
        _ => false,
    };
    if !fits || !scene.stands_alone(start, end) {
        return None;
    }
    scene.add(start, end, EntityKind::CnLandline);
    Some(end)
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
    let digits = digits_of(&scene.text[start..end]);
    let private = match digits.strip_prefix(b"1") {
        Some(national) => national.len() == 10 && !hotline(national),
        None => !digits.starts_with(b"86"),
    };
    private && (8..=15).contains(&digits.len()) && scene.stands_alone(start, end)
}

/// A number of no plan known here is a telephone number if the English text says so: "call me at 0494 92 82 32".
fn accept_foreign(scene: &mut Scene<'_>, start: usize, end: usize) -> Option<usize> {
    let said = scene.cues_before(start, 18).any(|h| {
        let word = &scene.text[h.start..h.end];
        h.cue == Cue::Phone && word.is_ascii() && !word.eq_ignore_ascii_case("number")
    });
    let found = &scene.text[start..end];
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
