//! Numbers of no form of their own: the word right before them says what they are.

use regex::Regex;

use super::cue::Cue;
use super::entity::EntityKind;
use super::han::han;
use super::scene::{Scene, digits_of, pattern};

/// What may stand between a cue and its code.
pub(super) const LINK: &str = r#"\.?(?:['’]s)?["”’]?\s{0,3}(?:(?:我|你们)?(?:收到|看到|输入|填写?|发)的?|(?:i|we|you)(?:['’]ve)? (?:just )?(?:got|get|received|have|entered|see)\s)?(?P<named>号码?|码|卡号|编号|账号|代码|尾号|number|numbers|num\.?|no\.?|#|id|ref(?:erence)?|code)?["”’\)]?\s{0,2}(?:是不是|应该|不是|我的|应当)?(?P<link>应该是|就是|是|为|填的|写的|输入|发的是|收到的是|改成|改为|is|was|:|=|#|[(])?[\s:#"'“‘”’\[【\-]{0,3}"#;

/// What a cue announces, as a pattern of the value and the fewest digits in it.
const RULES: &[(Cue, EntityKind, &str, usize)] = &[
    (Cue::Imei, EntityKind::Imei, r"[0-9](?:[ /-]?[0-9]){13,16}", 14),
    (Cue::Iccid, EntityKind::Iccid, r"[0-9](?:[ -]?[0-9]){17,19}[A-F]?", 18),
    (Cue::Card, EntityKind::Iccid, r"8986(?:[ -]?[0-9]){14,16}", 18),
    (Cue::Card, EntityKind::BankCard, r"[0-9](?:[ ._-]{0,2}[0-9]){12,18}", 13),
    (Cue::Account, EntityKind::AccountNo, r"(?:[A-Za-z]{1,4} ?)?[0-9](?:[ -]?[0-9A-Za-z]){5,29}", 6),
    (Cue::Iban, EntityKind::Iban, r"[A-Za-z]{2}[0-9]{2}(?:[ -]?[0-9A-Za-z]){10,30}", 8),
    (Cue::Driver, EntityKind::DriverLicence, r"[A-Za-z]{0,2}[0-9](?:[ -]?[0-9A-Za-z]){5,17}", 5),
    (
        Cue::SocialSecurity,
        EntityKind::SocialSecurity,
        r"(?:[A-Za-z]{0,2} ?[0-9])(?:[ -]?[0-9]){5,19} ?[0-9A-Za-z]?",
        6,
    ),
    (Cue::Ssn, EntityKind::UsSsn, r"[0-9]{3}[ .-]?[0-9]{2}[ .-]?[0-9]{4}", 9),
    (Cue::Permit, EntityKind::Passport, r"[A-Za-z]{0,3}[0-9]{7,12}(?:\([0-9A-Za-z]\))?", 7),
    (
        Cue::Passport,
        EntityKind::Passport,
        r"[A-Za-z]{0,3}[0-9]{5,9}[A-Za-z]{0,2}|[CFGHJKLMNPRTVWXYZcfghjklmnprtvwxyz0-9]{9}",
        3,
    ),
    (Cue::IdCard, EntityKind::CnResidentId, r"[0-9](?:[ ._-]{0,2}[0-9]){13,16}[ ._-]{0,2}[0-9Xx×]", 14),
    (Cue::IdCard, EntityKind::TwId, r"[A-Za-z][1289A-Da-d][0-9]{8}", 8),
    (Cue::IdCard, EntityKind::HkId, r"[A-Za-z]{1,2}[0-9]{6} ?(?:\([0-9Aa]\)|[0-9Aa])", 6),
    (Cue::IdCard, EntityKind::Passport, r"[A-Za-z]{1,3}[0-9]{6,12}", 6),
    (Cue::Cvv, EntityKind::Cvv, r"[0-9]{3,4}", 3),
    (Cue::Mac, EntityKind::MacAddress, r"[0-9A-Fa-f]{4}[ .-]?[0-9A-Fa-f]{4}[ .-]?[0-9A-Fa-f]{4}", 0),
    (
        Cue::Plate,
        EntityKind::CnPlate,
        r"\p{Han}[A-Za-z][· -]?[0-9A-Za-z]{4,6}|[A-Za-z]{1,3}[ -]?[0-9]{3,4}",
        1,
    ),
];

#[derive(Debug)]
pub(super) struct AnnouncedRules {
    rules: Vec<(Cue, EntityKind, Regex, usize)>,
}

impl AnnouncedRules {
    pub(super) fn new() -> Self {
        let rule = |&(cue, kind, id, digits): &(Cue, EntityKind, &str, usize)| {
            (cue, kind, pattern(&format!("^(?i){LINK}(?P<id>{id})")), digits)
        };
        Self { rules: RULES.iter().map(rule).collect() }
    }

    pub(super) fn find(&self, scene: &mut Scene<'_>) {
        if scene.digits < 3 {
            return;
        }
        if !RULES.iter().any(|r| scene.has(r.0)) {
            return;
        }
        let known = scene.starts();
        for hit in scene.cues {
            // A value is not far, and all of them have digits.
            if !digit_near(scene.text, hit.end) {
                continue;
            }
            // The first pattern that fits says what it is.
            let mut rules = self.rules.iter().filter(|r| r.0 == hit.cue);
            rules.any(|(_, kind, pattern, digits)| {
                let Some(id) = pattern.captures(&scene.text[hit.end..]).and_then(|c| c.name("id")) else {
                    return false;
                };
                let (start, end) = (hit.end + id.start(), hit.end + id.end());
                // A rule that checks digits knows better where the number ends.
                if known.binary_search(&(start, *kind)).is_ok() {
                    return true;
                }
                let word = &scene.text[hit.start..hit.end];
                let fits = plausible(*kind, word, id.as_str(), *digits) && !scene.counted(end);
                if fits && scene.stands_alone(start, end) {
                    scene.add(start, end, *kind);
                    return true;
                }
                false
            });
        }
    }
}

/// Whether a digit stands within some words after a place.
pub(super) fn digit_near(text: &str, at: usize) -> bool {
    text.as_bytes()[at..].iter().take(64).any(u8::is_ascii_digit)
}

/// Whether a value can be what `word` announced.
fn plausible(kind: EntityKind, word: &str, id: &str, least: usize) -> bool {
    let digits = digits_of(id);
    let fits = match kind {
        EntityKind::BankCard => !(digits.len() == 13 && digits.starts_with(b"978")),
        // An account has a number, not a word with a year.
        EntityKind::AccountNo => digits.len() * 2 >= id.len(),
        EntityKind::CnPlate => id.contains(han) || !word.is_ascii(),
        EntityKind::UsSsn => {
            &digits[3..5] != b"00" && !digits.ends_with(b"0000") && !digits.starts_with(b"000")
        }
        _ => true,
    };
    fits && digits.len() >= least
}
