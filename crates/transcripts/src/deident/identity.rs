//! Numbers that an authority gave to a person, a company, an account or a car, validated by their checksums.

use regex::Regex;

use super::checksum;
use super::cue::Cue;
use super::entity::EntityKind;
use super::han::han;
use super::scene::{Scene, digits_of, pattern};

#[derive(Debug)]
pub(super) struct IdentityRules {
    resident_id: Regex,
    legacy_id: Regex,
    usci: Regex,
    iban: Regex,
    ssn: Regex,
    plate: Regex,
    embassy: Regex,
    hk_id: Regex,
    tw_id: Regex,
    mo_id: Regex,
    iccid: Regex,
}

impl IdentityRules {
    pub(super) fn new() -> Self {
        const PROVINCE: &str = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼";
        Self {
            resident_id: pattern(r"[1-8](?:[ ._-]{0,2}[0-9]){16}[ ._-]{0,2}[0-9Xx×]"),
            legacy_id: pattern(r"[1-8][0-9]{14}"),
            usci: pattern(r"[0-9AaNnYy](?:[ -]?[0-9]){7}(?:[ -]?[0-9A-HJ-NPQRTUWXYa-hj-npqrtuwxy]){10}"),
            iban: pattern(r"[A-Za-z]{2}[0-9]{2}"),
            ssn: pattern(r"[0-9]{3}-[0-9]{2}-[0-9]{4}|[0-9]{3} [0-9]{2} [0-9]{4}|[0-9]{9}"),
            plate: pattern(&format!(
                r"(?i)(?:WJ ?)?[{PROVINCE}][A-HJ-NP-Z][· -]?(?:[A-HJ-NP-Z0-9]{{4}}(?:[挂学警港澳领]|[A-HJ-NP-Z0-9]{{1,2}}))"
            )),
            embassy: pattern(r"[使领][0-9]{6}|[0-9]{6}使"),
            hk_id: pattern(r"[A-Za-z]{1,2}[0-9]{6} ?\([0-9Aa]\)"),
            tw_id: pattern(r"[A-Z][1289][0-9]{8}"),
            mo_id: pattern(r"[157](?:[0-9]{6}|/[0-9]{6}/|[0-9]{3} [0-9]{3}) ?(?:\([0-9]\)|[0-9](?-u:\b))"),
            iccid: pattern(r"89(?:[ -]?[0-9]){17,18}"),
        }
    }

    pub(super) fn find(&self, scene: &mut Scene<'_>) {
        if scene.digits >= 2 && !scene.text.is_ascii() {
            scene.each(&self.plate, accept_plate);
        }
        if scene.digits >= 6 && scene.has(Cue::Embassy) {
            scene.each(&self.embassy, |scene, start, end| {
                // "即使014578": the sign begins a word of its own, or the text speaks of plates.
                let own = !scene.before(start).is_some_and(han)
                    && !scene.after(end).is_some_and(|c| "用元块个".contains(c));
                if !(own || scene.cue_before(start, 8, &[Cue::Plate]).is_some())
                    || !scene.stands_alone(start, end)
                {
                    return None;
                }
                scene.add(start, end, EntityKind::CnPlate);
                Some(end)
            });
        }
        let marked = scene.has(Cue::IdCard) || scene.seen.bracket || scene.seen.slash;
        if scene.digits >= 7 && marked {
            scene.each(&self.hk_id, |scene, start, end| {
                let id: Vec<u8> = scene.text[start..end].bytes().filter(u8::is_ascii_alphanumeric).collect();
                let named = || scene.cue_before(start, 16, &[Cue::IdCard, Cue::Region]).is_some();
                if !(checksum::hk_id(&id) || named()) || !scene.stands_alone(start, end) {
                    return None;
                }
                scene.add(start, end, EntityKind::HkId);
                Some(end)
            });
            scene.each(&self.mo_id, accept_mo_id);
        }
        if scene.digits >= 9 && scene.seen.letter {
            scene.each(&self.tw_id, |scene, start, end| {
                let numbered = || scene.cue_before(start, 8, &[Cue::Order, Cue::Tracking]).is_some();
                let fits = checksum::tw_id(&scene.text.as_bytes()[start..end]);
                if !fits || !scene.stands_alone(start, end) || numbered() {
                    return None;
                }
                scene.add(start, end, EntityKind::TwId);
                Some(end)
            });
        }
        if scene.digits >= 9 && (scene.seen.dash || scene.has(Cue::Ssn)) {
            scene.each(&self.ssn, accept_ssn);
        }
        if scene.digits < 10 {
            return;
        }
        if scene.seen.letter {
            scene.each(&self.iban, accept_iban);
        }
        if scene.seen.letter || scene.has(Cue::CreditCode) {
            scene.each(&self.usci, |scene, start, end| {
                let code: String =
                    scene.text[start..end].chars().filter(|c| c.is_ascii_alphanumeric()).collect();
                let code = code.to_ascii_uppercase();
                // One in 31 numbers passes by chance; a code of digits only needs its name beside it.
                let lettered = code.bytes().any(|b| b.is_ascii_alphabetic());
                let named = || scene.cue_before(start, 12, &[Cue::CreditCode]).is_some();
                let fits = checksum::usci(code.as_bytes()) && (lettered || named());
                if !fits || !scene.stands_alone(start, end) {
                    return None;
                }
                scene.add(start, end, EntityKind::CnUsci);
                Some(end)
            });
        }
        if scene.digits < 15 {
            return;
        }
        if scene.digits >= 17 {
            scene.each(&self.resident_id, |scene, start, end| {
                let id = scene.text[start..end].replace('×', "X");
                let id: Vec<u8> = id.bytes().filter(u8::is_ascii_alphanumeric).collect();
                if !checksum::resident_id(&id) || !scene.stands_alone(start, end) {
                    return None;
                }
                scene.add(start, end, EntityKind::CnResidentId);
                Some(end)
            });
        }
        if scene.digits >= 19 {
            scene.each(&self.iccid, |scene, start, end| {
                let digits = digits_of(&scene.text[start..end]);
                // 86 is China's code; of the others the check digit decides.
                let fits = digits.starts_with(b"8986") || checksum::luhn(&digits);
                if !fits || !scene.stands_alone(start, end) {
                    return None;
                }
                scene.add(start, end, EntityKind::Iccid);
                Some(end)
            });
        }
        if !scene.has(Cue::IdCard) {
            return;
        }
        scene.each(&self.legacy_id, |scene, start, end| {
            // Fifteen digits may as well be a card: whichever word is nearer decides.
            let named = scene.cue_before(start, 16, &[Cue::IdCard, Cue::Card]) == Some(Cue::IdCard);
            let fits = checksum::legacy_resident_id(&scene.text.as_bytes()[start..end]);
            if !named || !fits || !scene.stands_alone(start, end) {
                return None;
            }
            scene.add(start, end, EntityKind::CnResidentId);
            Some(end)
        });
    }
}

/// The check digit of Macau is not public: brackets around it, or a word before it, tell the number.
fn accept_mo_id(scene: &mut Scene<'_>, start: usize, end: usize) -> Option<usize> {
    let found = &scene.text[start..end];
    let shaped = found.ends_with(')') || found.contains('/');
    let macau = || scene.cue_before(start, 16, &[Cue::IdCard, Cue::Region]).is_some();
    let named = || scene.cue_before(start, 10, &[Cue::IdCard]).is_some();
    // "1234567 (8)" may count something.
    let tight = !found.contains(' ') || macau();
    if !(shaped && tight || named()) || !scene.stands_alone(start, end) {
        return None;
    }
    scene.add(start, end, EntityKind::MoId);
    Some(end)
}

fn accept_iban(scene: &mut Scene<'_>, start: usize, _: usize) -> Option<usize> {
    let bytes = scene.text.as_bytes();
    let country = bytes[start..start + 2].to_ascii_uppercase();
    let length = checksum::iban_length(&country)?;
    let mut code = Vec::with_capacity(length);
    let mut end = start;
    while code.len() < length {
        match bytes.get(end)? {
            b if b.is_ascii_alphanumeric() => code.push(b.to_ascii_uppercase()),
            b' ' | b'-' if code.len() % 4 == 0 => {}
            _ => return None,
        }
        end += 1;
    }
    if !checksum::iban(&code) || !scene.stands_alone(start, end) {
        return None;
    }
    scene.add(start, end, EntityKind::Iban);
    Some(end)
}

fn accept_ssn(scene: &mut Scene<'_>, start: usize, end: usize) -> Option<usize> {
    let found = &scene.text[start..end];
    let digits = digits_of(found);
    let (area, group, serial) = (&digits[..3], &digits[3..5], &digits[5..]);
    let issued = area != b"000" && area != b"666" && area[0] != b'9' && group != b"00" && serial != b"0000";
    // Without its dashes the form says little.
    let named = found.contains('-') || scene.cue_before(start, 16, &[Cue::Ssn]).is_some();
    if !issued || !named || !scene.stands_alone(start, end) {
        return None;
    }
    scene.add(start, end, EntityKind::UsSsn);
    Some(end)
}

fn accept_plate(scene: &mut Scene<'_>, start: usize, end: usize) -> Option<usize> {
    let plate: Vec<char> = scene.text[start..end].chars().filter(|c| c.is_alphanumeric()).collect();
    // Police plates begin with WJ before the province.
    let at = plate.iter().position(|c| han(*c)).unwrap_or(0);
    let number = &plate[at + 2..];
    let small = plate.iter().any(char::is_ascii_lowercase);
    if small && scene.cue_before(start, 8, &[Cue::Plate]).is_none() {
        return None;
    }
    let letters = number.iter().filter(|c| c.is_ascii_alphabetic()).count();
    let electric = |c: Option<&char>| c.is_some_and(|c| "ABCDEFGHJK".contains(c.to_ascii_uppercase()));
    let dotted = scene.text[start..end].contains('·') || scene.cue_before(start, 8, &[Cue::Plate]).is_some();
    let fits = match number.len() {
        5 => letters <= if dotted { 3 } else { 2 },
        6 => (electric(number.first()) && letters <= 2) || (letters == 1 && electric(number.last())),
        _ => false,
    };
    let free = !scene.after(end).is_some_and(|c| c.is_ascii_alphanumeric());
    if !fits || !free {
        return None;
    }
    scene.add(start, end, EntityKind::CnPlate);
    Some(end)
}
