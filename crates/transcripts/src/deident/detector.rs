//! The detector: one cheap pass that ends for most texts, then the rules, then the settling of overlaps.

use std::collections::BTreeMap;

use super::address_en::EnglishAddresses;
use super::address_zh::ChineseAddresses;
use super::announced::AnnouncedRules;
use super::birth::BirthRules;
use super::card::CardRule;
use super::context::ContextRules;
use super::cue::{Cue, CueFinder, CueHit, DIGITS_ENOUGH};
use super::entity::Span;
use super::fold::hides_something;
use super::han::common;
use super::identity::IdentityRules;
use super::mail::{MailRules, spelled_at};
use super::network::NetworkRules;
use super::normal::{Normal, normalised};
use super::person_en::EnglishNames;
use super::person_zh;
use super::phone::PhoneRules;
use super::phone_abroad::AbroadRules;
use super::scene::{Candidate, Scene};
use super::secret::SecretRules;
use super::seen::Seen;
use super::spoken::SpokenRules;

/// Finds personal identifiers in Chinese and English text. Immutable: build one (some milliseconds) and share
/// it between threads.
#[derive(Debug)]
pub struct Detector {
    cues: CueFinder,
    network: NetworkRules,
    mail: MailRules,
    identity: IdentityRules,
    phone: PhoneRules,
    abroad: AbroadRules,
    card: CardRule,
    context: ContextRules,
    announced: AnnouncedRules,
    birth: BirthRules,
    secret: SecretRules,
    names: EnglishNames,
    addresses_zh: ChineseAddresses,
    addresses_en: EnglishAddresses,
    spoken: SpokenRules,
}

impl Default for Detector {
    fn default() -> Self {
        Self::new()
    }
}

impl Detector {
    /// Builds every pattern.
    pub fn new() -> Self {
        Self {
            cues: CueFinder::new(),
            network: NetworkRules::new(),
            mail: MailRules::new(),
            identity: IdentityRules::new(),
            phone: PhoneRules::new(),
            abroad: AbroadRules::new(),
            card: CardRule::new(),
            context: ContextRules::new(),
            announced: AnnouncedRules::new(),
            birth: BirthRules::new(),
            secret: SecretRules::new(),
            names: EnglishNames::new(),
            addresses_zh: ChineseAddresses::new(),
            addresses_en: EnglishAddresses::new(),
            spoken: SpokenRules::new(),
        }
    }

    /// Every identifier in a text: ascending, without overlaps. Placeholders of a
    /// [`Redactor`](super::Redactor) are never part of one. Time is linear in the text.
    pub fn detect(&self, text: &str) -> Vec<Span> {
        if !self.worth_a_look(text) {
            return Vec::new();
        }
        let normal = Normal::new(text);
        let cues: Vec<CueHit> = self.cues.find(&normal.text).collect();
        let mut scene = Scene::new(&normal.text, &cues);
        self.network.find(&mut scene);
        self.mail.find(&mut scene);
        self.identity.find(&mut scene);
        self.phone.find(&mut scene);
        self.abroad.find(&mut scene);
        self.phone.find_extensions(&mut scene);
        self.card.find(&mut scene);
        self.context.find(&mut scene);
        self.announced.find(&mut scene);
        self.birth.find(&mut scene);
        self.secret.find(&mut scene);
        self.spoken.find(&mut scene);
        person_zh::find(&mut scene);
        self.names.find(&mut scene);
        self.addresses_zh.find(&mut scene);
        self.addresses_en.find(&mut scene);
        spans(text, &normal, settle(scene.into_found()))
    }

    /// Whether a word in `label`, a key or the head of a column, may tell what stands under it.
    pub(super) fn announced_by(&self, label: &str) -> bool {
        self.cues.find(&normalised(label)).next().is_some()
    }

    /// Whether any rule could match: true for few texts, false only where none can.
    fn worth_a_look(&self, text: &str) -> bool {
        let seen = Seen::in_text(text);
        let digits = seen.digits;
        let enough_digits = digits >= DIGITS_ENOUGH || (digits >= 3 && !text.is_ascii());
        if enough_digits || seen.colons >= 2 || seen.at || seen.code || (seen.slash && text.contains('.')) {
            return true;
        }
        if seen.bracket && spelled_at(text) {
            return true;
        }
        if seen.other && text.chars().any(|c| !everyday(c) && hides_something(c)) {
            return true;
        }
        self.cues
            .find_early(text)
            .any(|hit| hit.cue.digits_needed() <= digits || said_without_digits(text, &hit, digits))
    }
}

/// Most characters of most texts, told without a look at tables: ASCII, common Han, the marks of a Chinese sentence.
fn everyday(c: char) -> bool {
    c.is_ascii() || common(c) || matches!(c, '，' | '。' | '？' | '！' | '、' | '；' | '“' | '”')
}

/// Whether a password or a date in Chinese numerals may follow: "密码：hunter", "九零年…出生".
fn said_without_digits(text: &str, hit: &CueHit, digits: usize) -> bool {
    // A digit alone counts something: "password 3 times".
    let after = || {
        let near = &text.as_bytes()[hit.end..text.len().min(hit.end + 40)];
        near.windows(2).any(|w| w.iter().all(u8::is_ascii_alphanumeric) && w.iter().any(u8::is_ascii_digit))
    };
    let said = || text[hit.end..].chars().take(8).any(|c| "=:：是为".contains(c));
    match hit.cue {
        Cue::Birth => digits > 0 || text.contains('年'),
        Cue::Mail => text.contains(" at ") || text.contains(" AT "),
        Cue::Password | Cue::UserName => said() || after(),
        _ => false,
    }
}

/// Of candidates that overlap, the one of the higher priority, then the longer, then the earlier.
fn settle(mut found: Vec<Candidate>) -> Vec<Candidate> {
    found.sort_unstable_by_key(|c| (c.kind, std::cmp::Reverse(c.end - c.start), c.start));
    let mut kept: BTreeMap<usize, Candidate> = BTreeMap::new();
    for c in found {
        // Those kept do not overlap each other, so only the last one that starts before the end can be hit.
        let free = kept.range(..c.end).next_back().is_none_or(|(_, k)| k.end <= c.start);
        if free && c.start < c.end {
            kept.insert(c.start, c);
        }
    }
    kept.into_values().collect()
}

/// Candidates as spans of the given text.
fn spans(given: &str, normal: &Normal<'_>, found: Vec<Candidate>) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::with_capacity(found.len());
    for c in found {
        let (start, end) = normal.original(c.start, c.end);
        // What was drawn over the last character goes with it.
        let over =
            |c: &char| matches!(c, '\u{300}'..='\u{36f}' | '\u{20dd}'..='\u{20e4}' | '\u{fe00}'..='\u{fe0f}');
        let end = end + given[end..].chars().take_while(over).map(char::len_utf8).sum::<usize>();
        match spans.last_mut() {
            // One character that folds to several may belong to two neighbours: the first keeps it.
            Some(last) if last.end > start => last.end = last.end.max(end),
            _ => spans.push(Span { start, end, kind: c.kind }),
        }
    }
    spans
}
