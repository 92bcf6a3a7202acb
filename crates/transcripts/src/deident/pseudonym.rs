//! Keyed pseudonyms: the same value gives the same tag under one key and an unrelated one under another.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::entity::EntityKind;
use super::normal::normalised;
use super::spoken::spoken_digits;

/// The key of pseudonyms. Whoever holds it can test guesses (there are few mobile numbers), so it stays on the
/// client with the text it was used on.
#[derive(Clone)]
pub struct PseudonymKey {
    mac: Hmac<Sha256>,
}

impl std::fmt::Debug for PseudonymKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PseudonymKey")
    }
}

impl PseudonymKey {
    /// A key of any length; 32 random bytes are right.
    pub fn new(key: &[u8]) -> Self {
        Self { mac: Hmac::new_from_slice(key).expect("HMAC takes keys of every length") }
    }

    /// Eight hexadecimal digits: the first 32 bits of HMAC-SHA256 over the kind and the canonical value.
    pub(super) fn tag(&self, kind: EntityKind, value: &str) -> String {
        let mut mac = self.mac.clone();
        mac.update(kind.name().as_bytes());
        mac.update(&[0]);
        mac.update(canonical(kind, value).as_bytes());
        mac.finalize().into_bytes()[..4].iter().map(|b| format!("{b:02x}")).collect()
    }
}

/// A value without the freedom of its spelling: separators, case, width, country prefix, digits spelled out.
fn canonical(kind: EntityKind, value: &str) -> String {
    let value = normalised(value);
    let digits = || {
        let digits: String = spoken_digits(&value).into_iter().map(char::from).collect();
        // Not a spelled-out number after all: better the letters than nothing.
        if digits.is_empty() { value.to_lowercase() } else { digits }
    };
    let last = |n: usize| {
        let digits = digits();
        digits.get(digits.len().saturating_sub(n)..).map(str::to_owned).unwrap_or(digits)
    };
    match kind {
        EntityKind::CnMobile => last(11),
        EntityKind::UsPhone => last(10),
        EntityKind::CnLandline => {
            let digits = digits();
            let national = digits.strip_prefix("0086").or_else(|| digits.strip_prefix("86"));
            national.unwrap_or(&digits).trim_start_matches('0').to_owned()
        }
        EntityKind::IntlPhone => digits().trim_start_matches('0').to_owned(),
        // Case is part of a password.
        EntityKind::Credential => value,
        EntityKind::BankCard | EntityKind::UsSsn | EntityKind::Qq | EntityKind::VerificationCode => digits(),
        EntityKind::CnResidentId if !value.is_ascii() => digits(),
        EntityKind::Email => {
            const SPELLED: [(&str, &str); 20] = [
                ("[at]", "@"),
                ("(at)", "@"),
                ("{at}", "@"),
                ("<at>", "@"),
                ("[@]", "@"),
                ("(@)", "@"),
                ("(a)", "@"),
                ("%40", "@"),
                ("艾特", "@"),
                ("小老鼠", "@"),
                ("圈a", "@"),
                (" at ", "@"),
                ("[dot]", "."),
                ("(dot)", "."),
                ("{dot}", "."),
                ("[.]", "."),
                ("(.)", "."),
                (" dot ", "."),
                ("点", "."),
                ("。", "."),
            ];
            let lower = value.to_lowercase();
            let joined = SPELLED.iter().fold(lower, |text, (from, to)| text.replace(from, to));
            joined.split_whitespace().collect()
        }
        EntityKind::Url | EntityKind::WechatId | EntityKind::IpAddress => value.to_lowercase(),
        EntityKind::Person | EntityKind::Address => {
            value.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
        }
        _ => value.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_does_not_matter_but_kind_and_key_do() {
        let key = PseudonymKey::new(b"one");
        let tag = |kind, value| key.tag(kind, value);
        let mobile = tag(EntityKind::CnMobile, "13900007462");
        for same in ["139 0000 7462", "+86-139-0000-7462", "１３９００００７４６２", "幺三九零零零零七四六二"]
        {
            assert_eq!(tag(EntityKind::CnMobile, same), mobile, "{same}");
        }
        assert_eq!(tag(EntityKind::Email, "Li.Na@Example.com"), tag(EntityKind::Email, "li.na@example.com"));
        assert_eq!(
            tag(EntityKind::Email, "li.na艾特example点com"),
            tag(EntityKind::Email, "li.na@example.com")
        );
        for same in ["li.na [at] example [dot] com", "li.na at example dot com", "Li.Na@example。com"] {
            assert_eq!(tag(EntityKind::Email, same), tag(EntityKind::Email, "li.na@example.com"), "{same}");
        }
        assert_eq!(
            tag(EntityKind::IntlPhone, "00852-6123 4567"),
            tag(EntityKind::IntlPhone, "+852 61234567")
        );
        assert_eq!(tag(EntityKind::Person, "陳大文"), tag(EntityKind::Person, "陈大文"));
        assert_ne!(tag(EntityKind::Credential, "Abc123"), tag(EntityKind::Credential, "abc123"));
        assert_eq!(tag(EntityKind::UsPhone, "(212) 555-0176"), tag(EntityKind::UsPhone, "+1 212.555.0176"));
        assert_eq!(
            tag(EntityKind::CnResidentId, "11010519491231002x"),
            tag(EntityKind::CnResidentId, "11010519491231002X")
        );
        assert_ne!(tag(EntityKind::Qq, "13900007462"), mobile);
        assert_ne!(PseudonymKey::new(b"two").tag(EntityKind::CnMobile, "13900007462"), mobile);
    }

    #[test]
    fn the_tag_is_the_one_of_an_independent_hmac() {
        // python3: hmac.new(b"key", b"QQ\0" + b"56013369", "sha256").hexdigest()[:8]
        assert_eq!(PseudonymKey::new(b"key").tag(EntityKind::Qq, "56013369"), "78be5432");
    }
}
