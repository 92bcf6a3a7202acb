//! Check digits and calendar dates.

/// Luhn's check (ISO/IEC 7812-1, annex B) over ASCII digits.
pub(super) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, b)| {
            let d = u32::from(b - b'0');
            if i % 2 == 0 { d } else { d * 2 - if d > 4 { 9 } else { 0 } }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Whether a Gregorian date exists.
pub(super) fn real_date(year: u32, month: u32, day: u32) -> bool {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => 0,
    };
    (1..=days).contains(&day)
}

fn number(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |n, b| n * 10 + u32::from(b - b'0'))
}

/// Province part of an administrative division code (GB/T 2260).
pub(super) fn province(code: &[u8]) -> bool {
    matches!(number(&code[..2]), 11..=15 | 21..=23 | 31..=37 | 41..=46 | 50..=54 | 61..=65 | 71 | 81..=83)
}

/// A resident identity number of 18 characters: province, date of birth and check character
/// (GB 11643-1999; ISO 7064 MOD 11-2). `id` is 17 digits and a digit, `X` or `x`.
pub(super) fn resident_id(id: &[u8]) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    const CHECK: &[u8; 11] = b"10X98765432";
    let year = number(&id[6..10]);
    let dated = (1850..=2100).contains(&year) && real_date(year, number(&id[10..12]), number(&id[12..14]));
    let sum: u32 = WEIGHTS.iter().zip(id).map(|(w, b)| w * u32::from(b - b'0')).sum();
    province(id) && dated && CHECK[(sum % 11) as usize] == id[17].to_ascii_uppercase()
}

/// A resident identity number of 15 digits as issued until 1999: province and date of birth, no check digit.
pub(super) fn legacy_resident_id(id: &[u8]) -> bool {
    province(id) && real_date(1900 + number(&id[6..8]), number(&id[8..10]), number(&id[10..12]))
}

/// A Hong Kong identity number: one or two letters, six digits and the check character; weights 9 to 1, a missing
/// letter counts 36, the sum is a multiple of 11.
pub(super) fn hk_id(id: &[u8]) -> bool {
    let value = |b: u8| {
        if b.is_ascii_digit() { u32::from(b - b'0') } else { u32::from(b.to_ascii_uppercase() - b'A') + 10 }
    };
    let missing = if id.len() == 8 { 36 * 9 } else { 0 };
    let sum: u32 = id.iter().rev().zip(1..).map(|(b, weight)| value(*b) * weight).sum();
    matches!(id.len(), 8 | 9) && (sum + missing).is_multiple_of(11)
}

/// A Taiwanese identity number: a letter for the place, a digit (1, 2; 8, 9 for residents from abroad) and eight digits,
/// the last of which makes the weighted sum a multiple of 10.
pub(super) fn tw_id(id: &[u8]) -> bool {
    /// Letters in the order of their codes, which begin with 10.
    const PLACES: &[u8; 26] = b"ABCDEFGHJKLMNPQRSTUVXYWZIO";
    let Some(place) = PLACES.iter().position(|p| *p == id[0].to_ascii_uppercase()) else { return false };
    let place = place as u32 + 10;
    let digits: u32 =
        id[1..9].iter().zip((1..=8).rev()).map(|(b, weight)| u32::from(b - b'0') * weight).sum();
    let sum = place / 10 + place % 10 * 9 + digits + u32::from(id[9] - b'0');
    matches!(id[1], b'1' | b'2' | b'8' | b'9') && sum.is_multiple_of(10)
}

/// A unified social credit code (GB 32100-2015), upper case, 18 characters: known registration authority and
/// category, province, check character.
pub(super) fn usci(code: &[u8]) -> bool {
    const ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
    const WEIGHTS: [usize; 17] = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];
    let authority = matches!(
        (code[0], code[1]),
        (b'1' | b'5', b'1'..=b'3' | b'9') | (b'9', b'1'..=b'3') | (b'2'..=b'4' | b'6'..=b'8' | b'A' | b'N', b'1'..=b'3' | b'9') | (b'Y', b'1')
    );
    if !authority
        || !code[2..8].iter().all(u8::is_ascii_digit)
        || !(province(&code[2..]) || &code[2..4] == b"10")
    {
        return false;
    }
    let mut sum = 0;
    for (w, b) in WEIGHTS.iter().zip(code) {
        match ALPHABET.iter().position(|a| a == b) {
            Some(value) => sum += w * value,
            None => return false,
        }
    }
    ALPHABET[(31 - sum % 31) % 31] == code[17]
}

/// The length of an IBAN in a country (ISO 13616 registry), by its two upper-case letters.
pub(super) fn iban_length(country: &[u8]) -> Option<usize> {
    const LENGTHS: &[(usize, &str)] = &[
        (15, "NO"),
        (16, "BE"),
        (18, "DK FI FO GL NL SD"),
        (19, "MK SI"),
        (20, "AT BA EE KZ LT LU XK"),
        (21, "CH HR LI LV"),
        (22, "BG BH CR DE GB GE IE ME RS VA"),
        (23, "AE GI IL IQ OM SO TL"),
        (24, "AD CZ ES MD PK RO SA SE SK TN VG"),
        (25, "LY PT ST"),
        (26, "IS TR"),
        (27, "BI FR GR IT MC MR SM"),
        (28, "AL AZ BY CY DO GT HU LB NI PL SV"),
        (29, "BR EG PS QA UA"),
        (30, "JO KW MU"),
        (31, "MT SC"),
        (32, "LC"),
        (33, "RU"),
    ];
    let is = |list: &str| list.split(' ').any(|c| c.as_bytes() == country);
    LENGTHS.iter().find(|(_, list)| is(list)).map(|(length, _)| *length)
}

/// The mod 97 check of an IBAN (ISO 7064 MOD 97-10), upper-case letters and digits only.
pub(super) fn iban(code: &[u8]) -> bool {
    let mut rest = 0u32;
    for b in code[4..].iter().chain(&code[..4]) {
        rest = match b {
            b'0'..=b'9' => rest * 10 + u32::from(b - b'0'),
            _ => rest * 100 + u32::from(b - b'A') + 10,
        } % 97;
    }
    rest == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_examples() {
        assert!(resident_id(b"11010519491231002X"), "the example of GB 11643");
        assert!(!resident_id(b"110105194912310021"));
        assert!(luhn(b"79927398713") && !luhn(b"79927398714"));
        assert!(iban(b"GB82WEST12345698765432") && !iban(b"GB82WEST12345698765433"));
        assert!(legacy_resident_id(b"110105491231002") && !legacy_resident_id(b"110105491331002"));
        assert_eq!(iban_length(b"DE"), Some(22));
        assert_eq!(iban_length(b"E "), None);
    }

    #[test]
    fn hong_kong_and_taiwan() {
        // The examples of the authorities' own leaflets, worked through by hand.
        assert!(hk_id(b"A1234563") && hk_id(b"a1234563") && !hk_id(b"A1234564"));
        assert!(hk_id(b"AB9876543") && !hk_id(b"AB9876544"));
        assert!(tw_id(b"A123456789") && !tw_id(b"A123456788") && !tw_id(b"A323456789"));
    }

    #[test]
    fn one_changed_digit_is_always_seen() {
        let good = *b"11010519491231002X";
        for i in 0..17 {
            for d in b'0'..=b'9' {
                let mut bad = good;
                bad[i] = d;
                assert_eq!(resident_id(&bad), bad == good);
            }
        }
    }

    #[test]
    fn calendar() {
        assert!(real_date(2000, 2, 29) && !real_date(1900, 2, 29));
        assert!(!real_date(2001, 4, 31) && !real_date(2001, 0, 1) && !real_date(2001, 1, 0));
    }
}
