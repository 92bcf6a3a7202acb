//! Names in English text: capitalised words after a phrase or a title that introduces somebody.

use regex::Regex;

use super::cue::{Cue, CueHit};
use super::entity::EntityKind;
use super::scene::{Scene, pattern};

/// Capitalised words that are no names, and words that follow "name is" without being one.
const NOT_NAMES: &str = " account address after all also america american an and android app apple are as at australia bank being \
    british but by can canada card cash chase chinese china christmas claim credit customer dear debit different easter \
    english euro european for french friday from german getting going good google hello here hi how i incorrect india \
    indian internet iphone is it just listed london mastercard me misspelled missing monday my name new no not now of ok on \
    online or order paypal paris phone please printed really regarding saturday service showing so something sorry spanish \
    spelled spelt still sunday support team thanks that the there this thursday to transfer tuesday uk unable urgent us \
    usa very visa wednesday what when where why windows with wrong yes you your misspelt changed changing correct \
    incorrectly wrongly under in too because if same displayed required and/or unclear mine in't mr mrs ms dr miss ";

#[derive(Debug)]
pub(super) struct EnglishNames {
    introduced: Regex,
    lower: Regex,
    next: Regex,
}

impl EnglishNames {
    pub(super) fn new() -> Self {
        const WORD: &str =
            r"(?:\p{Lu}['’]\p{Lu}\p{Ll}+|Ma?c\p{Lu}\p{Ll}+|\p{Lu}[\p{Ll}\p{M}]+(?:['’-]\p{Lu}?\p{Ll}+)*)";
        Self {
            introduced: pattern(&format!(
                r"^\.?(?:\s{{0,2}}(?:is|was|:|=|-|to))?\s{{0,2}}(?:(?:Mr|Mrs|Ms|Dr|Miss)\.? )?(?P<name>{WORD}(?: (?:(?:(?:de|van|von|der|da|la|el|bin|al) )?{WORD}|\p{{Lu}}(?-u:\b)\.?)){{0,3}})"
            )),
            lower: pattern(r"^(?:\s(?:is|was))?\s(?P<name>[a-z]{2,14})(?P<more> [a-z]{2,14})?"),
            next: pattern(r"^(?:$|\s*[,.;!?]|\s(?:and|i|my|from|here|calling)(?-u:\b))"),
        }
    }

    pub(super) fn find(&self, scene: &mut Scene<'_>) {
        for hit in scene.cues {
            match hit.cue {
                Cue::NameEn => {
                    let _ = self.capitalised(scene, hit, 1) || self.lower_case(scene, hit);
                }
                Cue::TitleEn => {
                    self.capitalised(scene, hit, 1);
                }
                Cue::NameEnWeak => {
                    self.capitalised(scene, hit, 2);
                }
                _ => {}
            }
        }
    }

    /// Adds the capitalised words after a cue, if there are at least `words` of them and none is known as
    /// something else.
    fn capitalised(&self, scene: &mut Scene<'_>, hit: &CueHit, words: usize) -> bool {
        let rest = &scene.text[hit.end..];
        let Some(name) = self.introduced.captures(rest).and_then(|c| c.name("name")) else { return false };
        let known = name.as_str().split(' ').position(is_known_word);
        let kept: Vec<&str> = name.as_str().split(' ').take(known.unwrap_or(usize::MAX)).collect();
        let full = kept.iter().filter(|w| w.chars().count() > 1 && !w.ends_with('.')).count();
        if full < words || (words > 1 && known.is_some()) {
            return false;
        }
        let len = kept.join(" ").len();
        scene.add(hit.end + name.start(), hit.end + name.start() + len, EntityKind::Person);
        true
    }

    /// Adds the one or two lower-case words after "my name is", as people type in a chat.
    fn lower_case(&self, scene: &mut Scene<'_>, hit: &CueHit) -> bool {
        let rest = &scene.text[hit.end..];
        let cue = &scene.text[hit.start..hit.end];
        let said = cue.len() == 7 && (rest.starts_with(" is ") || cue.ends_with("is"));
        if !said {
            return false;
        }
        let Some(groups) = self.lower.captures(rest) else { return false };
        let Some(name) = groups.name("name") else { return false };
        let ends = |at: usize| self.next.is_match(&rest[at..]);
        let end = match groups.name("more") {
            _ if is_known_word(name.as_str()) => return false,
            Some(more) if ends(more.end()) && !is_known_word(more.as_str().trim()) => more.end(),
            _ if ends(name.end()) => name.end(),
            _ => return false,
        };
        scene.add(hit.end + name.start(), hit.end + end, EntityKind::Person);
        true
    }
}

fn is_known_word(word: &str) -> bool {
    let lower = word.trim_matches(['.', ',']).to_lowercase();
    NOT_NAMES.split_ascii_whitespace().any(|w| w == lower)
}
