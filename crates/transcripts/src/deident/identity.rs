//! Numbers that an authority gave to a person, a company, an account or a car, validated by their checksums.

use regex::Regex;

use super::checksum;
use super::cue::Cue;
use super::entity::EntityKind;
use super::scene::{Scene, digits_of, pattern};

#[derive(Debug)]
pub(super) struct IdentityRules {
    resident_id: Regex,
    legacy_id: Regex,
    usci: Regex,
    iban: Regex,
    ssn: Regex,
    plate: Regex,
}

impl IdentityRules {
    pub(super) fn new() -> Self {
        const PROVINCE: &str = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼";
        Self {
            resident_id: pattern(r"[1-8][0-9]{5}[ -]?[0-9]{8}[ -]?[0-9]{3}[0-9Xx]"),
            legacy_id: pattern(r"[1-8][0-9]{14}"),
            usci: pattern(r"[0-9AaNnYy][0-9][0-9]{6}[0-9A-HJ-NPQRTUWXYa-hj-npqrtuwxy]{10}"),
            iban: pattern(r"[A-Za-z]{2}[0-9]{2}"),
            ssn: pattern(r"[0-9]{3}-[0-9]{2}-[0-9]{4}|[0-9]{3} [0-9]{2} [0-9]{4}|[0-9]{9}"),
            plate: pattern(&format!(
                r"(?i)[{PROVINCE}][A-HJ-NP-Z][·• -]?(?:[A-HJ-NP-Z0-9]{{4}}(?:[挂学警港澳]|[A-HJ-NP-Z0-9]{{1,2}}))"
            )),
        }
    }

    pub(super) fn find(&self, scene: &mut Scene<'_>) {
        if scene.digits >= 3 && !scene.text.is_ascii() {
            scene.each(&self.plate, accept_plate);
        }
        if scene.digits >= 9 {
            scene.each(&self.ssn, accept_ssn);
        }
        if scene.digits < 10 {
            return;
        }
        scene.each(&self.iban, accept_iban);
        scene.each(&self.usci, |scene, start, end| {
            let code = scene.text[start..end].to_ascii_uppercase();
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
        scene.each(&self.resident_id, |scene, start, end| {
            let id: Vec<u8> = scene.text[start..end].bytes().filter(u8::is_ascii_alphanumeric).collect();
            if !checksum::resident_id(&id) || !scene.stands_alone(start, end) {
                return None;
            }
            scene.add(start, end, EntityKind::CnResidentId);
            Some(end)
        });
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
    let number = &plate[2..];
    let small = plate.iter().any(char::is_ascii_lowercase);
    if small && scene.cue_before(start, 8, &[Cue::Plate]).is_none() {
        return None;
    }
    let letters = number.iter().filter(|c| c.is_ascii_alphabetic()).count();
    let electric = |c: Option<&char>| c.is_some_and(|c| "ABCDEFGHJK".contains(c.to_ascii_uppercase()));
    let fits = match number.len() {
        5 => letters <= 2,
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
