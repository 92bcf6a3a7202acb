//! Passwords, tokens and the user names beside them: whatever follows the word, up to the next mark.

use regex::Regex;

use super::cue::{Cue, CueHit};
use super::entity::EntityKind;
use super::scene::{Scene, pattern};

#[derive(Debug)]
pub(super) struct SecretRules {
    value: Regex,
}

impl SecretRules {
    pub(super) fn new() -> Self {
        Self {
            // Link and value; marks that separate the fields of forms and connection strings end a value.
            value: pattern(
                r#"^(?i)["'”’]?\s{0,2}(?P<link>应该是|就是|是|为|改成了?|改为了?|设为|设成|换成了?|填的|写的|:=|=>|=|:|is|was|(?:(?:set|changed) )?to)?\s{0,2}["'“‘”’]?(?P<id>[!#-%(-+\--:<-~]{3,256})"#,
            ),
        }
    }

    pub(super) fn find(&self, scene: &mut Scene<'_>) {
        for hit in scene.cues.iter().filter(|h| matches!(h.cue, Cue::Password | Cue::UserName)) {
            let Some(groups) = self.value.captures(&scene.text[hit.end..]) else { continue };
            let Some(id) = groups.name("id") else { continue };
            let link = groups.name("link").map_or("", |m| m.as_str());
            let value = id.as_str().trim_end_matches(['.', '!', '?', ')', ']', '}', ':']);
            let gap = &scene.text[hit.end..hit.end + id.start()];
            if value.len() >= 3 && secret(scene, hit, link, gap, value) {
                let start = hit.end + id.start();
                scene.add(start, start + value.len(), EntityKind::Credential);
            }
        }
    }
}

/// Whether what follows is the secret itself and not the sentence going on: "password is wrong".
fn secret(scene: &Scene<'_>, hit: &CueHit, link: &str, gap: &str, value: &str) -> bool {
    let word = scene.text[hit.start..hit.end].to_ascii_lowercase();
    let end = hit.end + gap.len() + value.len();
    if value.starts_with(['[', '(']) || value.contains("://") || scene.counted(end) {
        return false;
    }
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let letters = |ok: fn(&u8) -> bool| value.bytes().all(|b| ok(&b) || b == b'-' || b == b'\'');
    // A plain word after a colon and a space may begin a sentence; if it is the only one, it is the value.
    let rest = scene.text[end..].trim_start_matches(['.', '!', '"', '\'']);
    let only = rest.chars().next().is_none_or(|c| ",;&\n，。；\"'".contains(c));
    let assigned = word.ends_with(['=', ':']) || matches!(link, "=" | ":=" | "=>" | ":");
    let given = assigned && (!gap.ends_with(' ') || !letters(u8::is_ascii_lowercase) || only);
    let in_chinese = !link.is_empty() && !link.is_ascii();
    match (hit.cue, word.as_str()) {
        (_, "pin" | "pin码" | "pin code") => digits >= 3 && digits == value.len(),
        (Cue::UserName, _) => given || (!word.is_ascii() && in_chinese),
        (_, "token" | "bearer" | "secret") => {
            (assigned && !gap.ends_with(' ')) || (digits >= 2 && value.len() >= 8)
        }
        // "密码hunter2", "my password is Tr0ub4dor"; in Chinese no Latin word goes on after "是".
        _ => {
            let telling = (digits > 0 || in_chinese) && value.len() >= 4;
            given || telling || (!letters(u8::is_ascii_alphabetic) && value.len() >= 6)
        }
    }
}
