//! Telephone numbers of mainland China. Public hotlines are no one's.

use regex::Regex;

use super::cue::Cue;
use super::entity::EntityKind;
use super::scene::{Scene, digits_of, pattern};

#[derive(Debug)]
pub(super) struct PhoneRules {
    mobile: Regex,
    landline: Regex,
    local: Regex,
    extension: Regex,
}

impl PhoneRules {
    pub(super) fn new() -> Self {
        /// What people put between two digits.
        const GAP: &str = r"(?:[ \t]{0,2}[-.,·/_)][ \t]?|[ \t]{1,2})?";
        Self {
            mobile: pattern(&format!(
                r"(?:\(?(?:\+ ?)?0{{0,3}}86\)?[ .-]{{0,2}}|0)?1{GAP}[3-9](?:{GAP}[0-9]){{9}}"
            )),
            landline: pattern(concat!(
                r"(?:(?:\+|00)86[ -]?0?[1-9][0-9]{1,2}|\(?86[) -]{1,2}0?[1-9][0-9]{1,2}|\(0[1-9][0-9]{1,2}\)|0[1-9][0-9]{1,2})",
                r"(?: ?[-./] ?| {1,2})?[2-8](?:[0-9]{6,7}|[0-9]{2,3}[ -][0-9]{4})"
            )),
            local: pattern(r"[2-8](?:[0-9]{6,7}|[0-9]{2,3}[ -][0-9]{4})"),
            extension: pattern(
                r"^(?i)\s?(?:转分机|转接|分机号?|转|ext(?:ension)?\.?|x|#|-)\s?(?:号|是|:|：)?\s?(?P<id>[0-9]{1,6})",
            ),
        }
    }

    pub(super) fn find(&self, scene: &mut Scene<'_>) {
        if scene.digits < 7 {
            return;
        }
        if scene.digits >= 11 {
            scene.each(&self.mobile, accept_mobile);
        }
        scene.each(&self.landline, accept_landline);
        if !scene.has(Cue::Phone) {
            return;
        }
        // A local number is known by the word before it, or as the next of a list.
        let mut list_end = None;
        scene.each(&self.local, |scene, start, end| {
            let listed = list_end.is_some_and(|e: usize| {
                let between = scene.text.get(e..start).unwrap_or("?");
                matches!(between, "、" | "，" | "," | "/" | " " | ", " | "或" | "和")
            });
            let named =
                follows_phone_word(scene, start) || (end - start >= 8 && near_phone_word(scene, start));
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
    }

    /// The desk behind a number that was found.
    pub(super) fn find_extensions(&self, scene: &mut Scene<'_>) {
        use EntityKind::{CnLandline, CnMobile, IntlPhone, UsPhone};
        for end in scene.ends_of(&[CnLandline, CnMobile, IntlPhone, UsPhone]) {
            let rest = &scene.text[end..];
            // A number that goes on is not an extension: the patterns above know how long theirs are.
            let Some(id) = self.extension.captures(rest).and_then(|c| c.name("id")) else { continue };
            let counted = rest[id.end()..].chars().next().is_some_and(|c| "元块个条次年月日天".contains(c));
            let (start, end) = (end + id.start(), end + id.end());
            if !counted && !scene.after(end).is_some_and(|c| c.is_ascii_alphanumeric()) {
                scene.add(start, end, EntityKind::Extension);
            }
        }
    }
}

/// Eleven digits in groups that a mobile number is written in; in other groups only with a country code or a word.
fn accept_mobile(scene: &mut Scene<'_>, start: usize, end: usize) -> Option<usize> {
    let found = &scene.text[start..end];
    let digits = digits_of(found).len();
    // What stands before the last eleven digits is a prefix.
    let national = found.char_indices().filter(|(_, c)| c.is_ascii_digit()).nth(digits - 11)?.0;
    let groups = groups(&found[national..]);
    let bare = start + national;
    let marks = |c: char| found[national..].contains(c);
    let named = || digits > 12 || scene.cue_before(start, 16, &[Cue::Phone, Cue::Wechat]).is_some();
    let usual = match groups[..] {
        [11] => true,
        [3, 4, 4] => true,
        [4, 3, 4] | [4, 4, 3] => !marks(','),
        // A decimal fraction and a quotient look like these.
        [3, 8] | [7, 4] | [3, 3, 5] => !marks('.') && !marks(',') && !marks('/'),
        [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1] => !goes_on(scene, bare, end),
        _ => false,
    };
    let grouped = groups[0] >= 3;
    let counted = groups.len() > 1 && scene.after(end).is_some_and(|c| "元块个条次年月日".contains(c));
    if counted || !(usual || (grouped && named())) {
        return None;
    }
    // Digits that only look like a prefix may belong to what stands before.
    let start = [start, bare].into_iter().find(|at| scene.stands_alone(*at, end))?;
    scene.add(start, end, EntityKind::CnMobile);
    Some(end)
}

/// Whether single digits with gaps go on before `start` or after `end`: a row of numbers, not one number.
fn goes_on(scene: &Scene<'_>, start: usize, end: usize) -> bool {
    let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    let gap = |c: Option<char>| c.is_some_and(|c| c.is_ascii_punctuation() || c == ' ');
    let before = gap(scene.before(start)) && digit(scene.before(start - 1));
    before || (gap(scene.after(end)) && digit(scene.after(end + 1)))
}

/// How many digits stand together, from the first group to the last.
fn groups(text: &str) -> Vec<usize> {
    text.split(|c: char| !c.is_ascii_digit()).map(str::len).filter(|n| *n > 0).collect()
}

/// Whether "电话", or the like, and nothing but a connecting word stand before `at`.
fn follows_phone_word(scene: &Scene<'_>, at: usize) -> bool {
    const WORDS: [&str; 5] = ["电话", "座机", "固话", "手机", "传真"];
    let before = scene.text[..at].trim_end_matches([' ', ':', '：', '是', '为', '号', '码']);
    WORDS.iter().any(|w| before.ends_with(w))
}

/// Whether "电话" stands a few characters before `at`: eight digits after it are seldom anything else.
fn near_phone_word(scene: &Scene<'_>, at: usize) -> bool {
    scene
        .cues_before(at, 7)
        .any(|h| scene.text[h.start..h.end].starts_with("电话") && scene.after(h.end) != Some('费'))
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
