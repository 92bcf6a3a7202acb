//! Mail addresses, as they are written and as they are spelled: "a@b.com", "a [at] b [dot] com", "a艾特b点com".

use regex::Regex;

use super::cue::Cue;
use super::entity::EntityKind;
use super::han::han;
use super::scene::{Scene, pattern};

/// What the last part of a domain may be where the rest of the address is spelled.
const ENDS: &str = "(?:com|cn|net|org|edu|gov|io|me|co|uk|de|fr|jp|hk|tw|mo|sg|my|us|ca|au|in|ru|eu|it|es|nl|ch|kr|info|cc|vip|top|app|dev|xyz|site|online)";

#[derive(Debug)]
pub(super) struct MailRules {
    plain: Regex,
    spelled: Regex,
    words: Regex,
    said: Regex,
}

impl MailRules {
    pub(super) fn new() -> Self {
        // An ideographic full stop is what an input method makes of a dot, and a comma what a thumb does.
        const LABEL: &str = r"[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?";
        const AT: &str = r"\s{0,2}(?:@|%40|[\[({<] ?(?:at|@|a) ?[\])}>]|艾特|小老鼠|圈a)\s{0,2}";
        const DOT: &str =
            r"(?:[.。]|\s[.。]\s?|\s{0,2}(?:[\[({<] ?(?:dot|\.) ?[\])}>]|点)\s{0,2}|\s{1,2}dot\s{1,2})";
        const WORD: &str = "[a-z0-9_+-]+";
        Self {
            plain: pattern(&format!(
                r"[A-Za-z0-9_+%][A-Za-z0-9._+%'’-]*(?:@|%40)(?:{LABEL}(?:[.。]{LABEL})+|[A-Za-z0-9\p{{Han}}-]{{1,30}}\.(?:中国|公司|网络|网址|香港|台湾|com|cn))"
            )),
            spelled: pattern(&format!(
                r"(?i)[a-z0-9_+][a-z0-9_+-]*(?:(?:\.|{DOT})[a-z0-9_+-]+){{0,3}}{AT}[a-z0-9_-]+(?:{DOT}[a-z0-9_-]+){{0,3}}{DOT}{ENDS}(?-u:\b)"
            )),
            words: pattern(&format!(
                r"(?i)(?-u:\b){WORD}(?:(?: dot |\.){WORD}){{0,3}} at [a-z0-9-]+(?: dot [a-z0-9-]+){{0,2}} dot {ENDS}(?-u:\b)"
            )),
            said: pattern(&format!(
                r"(?i)(?-u:\b){WORD}(?:\.{WORD}){{0,3}} at [a-z0-9-]+(?:\.[a-z0-9-]+){{0,2}}\.{ENDS}(?-u:\b)"
            )),
        }
    }

    pub(super) fn find(&self, scene: &mut Scene<'_>) {
        let text = scene.text;
        let spelled = scene.has(Cue::SpokenMail) || (scene.seen.bracket && spelled_at(text));
        if scene.seen.at || spelled {
            for m in self.plain.find_iter(text) {
                let letters = text[..m.end()].chars().rev().take_while(|c| c.is_alphabetic()).count();
                if letters >= 2 {
                    scene.add(m.start(), m.end(), EntityKind::Email);
                }
            }
            han_local_parts(scene);
        }
        if scene.seen.at || spelled {
            for pattern in [&self.spelled, &self.words] {
                for m in pattern.find_iter(text).filter(|m| !is_speech(m.as_str())) {
                    scene.add(m.start(), m.end(), EntityKind::Email);
                }
            }
        }
        if scene.has(Cue::Mail) && (text.contains(" at ") || text.contains(" AT ")) {
            // "at example.com" may be a place to shop; after "mail" it is where mail goes.
            for m in self.said.find_iter(text) {
                if scene.cue_before(m.start(), 24, &[Cue::Mail]).is_some() {
                    scene.add(m.start(), m.end(), EntityKind::Email);
                }
            }
        }
    }
}

/// Whether a text has a sign for "@" in brackets, or encoded.
pub(super) fn spelled_at(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().enumerate().any(|(i, b)| {
        let next = |n: usize| bytes.get(i + n).map_or(0, u8::to_ascii_lowercase);
        let closed = |n: usize| matches!(next(n), b')' | b']' | b'}' | b'>');
        match b {
            b'%' => (next(1), next(2)) == (b'4', b'0'),
            b'(' | b'[' | b'{' | b'<' => match next(1) {
                b'a' => closed(2) || (next(2) == b't' && closed(3)),
                b' ' => (next(2), next(3)) == (b'a', b't'),
                _ => false,
            },
            _ => false,
        }
    })
}

/// Whether "at" goes on with a word of English: "look at the dot com bubble".
fn is_speech(found: &str) -> bool {
    let mut words = found.split(' ').skip_while(|w| !w.eq_ignore_ascii_case("at")).skip(1);
    words.next().is_some_and(|w| ["the", "a", "an", "this", "that", "my", "your", "our", "any"].contains(&w))
}

/// A name in Han before `@` and a domain: as many characters as a name has, after the last word that cannot be one.
fn han_local_parts(scene: &mut Scene<'_>) {
    const NOT_NAMES: &str = "到给是为发至箱的在寄向址我写联系";
    let text = scene.text;
    for (at, _) in text.match_indices('@') {
        let domain =
            text[at + 1..].bytes().take(64).take_while(|b| b.is_ascii_alphanumeric() || b".-".contains(b));
        let len = domain.count();
        let domain = text[at + 1..at + 1 + len].trim_end_matches(['.', '-']);
        let labels = domain.split('.').collect::<Vec<_>>();
        let ends = labels.last().is_some_and(|l| l.len() >= 2 && l.bytes().all(|b| b.is_ascii_alphabetic()));
        if labels.len() < 2 || !ends || labels.iter().any(|l| l.is_empty()) {
            continue;
        }
        let name = text[..at].char_indices().rev().take(4);
        if let Some((start, _)) = name.take_while(|(_, c)| han(*c) && !NOT_NAMES.contains(*c)).last() {
            scene.add(start, at + 1 + domain.len(), EntityKind::Email);
        }
    }
}
