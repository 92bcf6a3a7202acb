//! Codes that only the word before them identifies: order, parcel, chat account, one-time code.

use regex::Regex;

use super::announced::{LINK, digit_near};
use super::checksum::real_date;
use super::cue::{Cue, CueHit};
use super::entity::EntityKind;
use super::scene::{Scene, pattern};

/// Patterns of what follows a cue; group `id` is the identifier, group `named` a word such as "number".
#[derive(Debug)]
pub(super) struct ContextRules {
    order: Regex,
    tracking: Regex,
    wechat: Regex,
    qq: Regex,
    code: Regex,
    code_before: Regex,
}

impl ContextRules {
    pub(super) fn new() -> Self {
        let after = |id: &str| pattern(&format!("^(?i){LINK}(?P<id>{id})"));
        Self {
            order: after(r"[A-Za-z]{0,6}-?[0-9](?:[A-Za-z0-9]|-[A-Za-z0-9]){4,31}"),
            tracking: after(r"[A-Za-z]{0,4}[0-9]{9,20}[A-Za-z]{0,2}|1Z[A-Za-z0-9]{16}"),
            wechat: after(r"[A-Za-z][A-Za-z0-9_-]{5,19}"),
            qq: after(r"[1-9][0-9]{4,10}"),
            code: after(r"[0-9]{4,8}|[0-9]{3}[ -][0-9]{3}"),
            code_before: pattern(
                r"(?i)(?P<id>[0-9]{4,8})[”']?(?:是|为|就是|这个|\s(?:is|was)\s(?:(?:the|my|your)\s)?)(?:我的|收到的|短信)?$",
            ),
        }
    }

    pub(super) fn find(&self, scene: &mut Scene<'_>) {
        for hit in scene.cues {
            if hit.cue != Cue::Wechat && scene.digits < 4 {
                continue;
            }
            match hit.cue {
                Cue::Order => self.order(scene, hit),
                Cue::Tracking => self.tracking(scene, hit),
                Cue::Wechat => self.wechat(scene, hit),
                Cue::Qq => {
                    value_after(scene, hit, &self.qq, EntityKind::Qq, |_, _| true);
                }
                Cue::Code => self.code(scene, hit),
                _ => {}
            }
        }
    }

    fn order(&self, scene: &mut Scene<'_>, hit: &CueHit) {
        let numbered = scene.text[hit.start..hit.end].ends_with('号');
        value_after(scene, hit, &self.order, EntityKind::OrderNo, |id, named| {
            let named = named || numbered;
            let digits = id.bytes().filter(u8::is_ascii_digit).count();
            let part = id.len() >= 3 && id[..3].eq_ignore_ascii_case("sku");
            let phone = id.len() == 11 && digits == 11 && id.starts_with('1') && !id.starts_with(['2', '0']);
            let unnamed_enough = digits >= 8 && !phone && !is_date(id);
            !part && digits >= 5 && !(is_date(id) && id.len() > 8) && (named || unnamed_enough)
        });
    }

    fn tracking(&self, scene: &mut Scene<'_>, hit: &CueHit) {
        let numbered = scene.text[hit.start..hit.end].ends_with(['号', '单']);
        value_after(scene, hit, &self.tracking, EntityKind::TrackingNo, |id, named| {
            let phone = id.len() == 11 && id.starts_with('1') && id.bytes().all(|b| b.is_ascii_digit());
            id.len() >= 10 && (named || numbered || !phone)
        });
    }

    fn wechat(&self, scene: &mut Scene<'_>, hit: &CueHit) {
        value_after(scene, hit, &self.wechat, EntityKind::WechatId, |id, named| {
            // A plain word is a name only where it is called one: "wechat payment" is none.
            named || id.bytes().any(|b| b.is_ascii_digit() || b == b'_')
        });
    }

    fn code(&self, scene: &mut Scene<'_>, hit: &CueHit) {
        let found = value_after(scene, hit, &self.code, EntityKind::VerificationCode, |_, _| true);
        // Only a few words stand between a code and its name, so a short look back is enough.
        let before = scene.chars_before(hit.start, 24);
        let window = hit.start - before.len();
        if !found && let Some(id) = self.code_before.captures(before).and_then(|c| c.name("id")) {
            let (start, end) = (window + id.start(), window + id.end());
            if scene.stands_alone(start, end) {
                scene.add(start, end, EntityKind::VerificationCode);
            }
        }
    }
}

/// Adds the identifier that follows a cue, if `accept` takes it; `accept` is told whether the text calls it a
/// number, id or the like, or introduces it with a colon.
fn value_after(
    scene: &mut Scene<'_>,
    hit: &CueHit,
    pattern: &Regex,
    kind: EntityKind,
    accept: impl Fn(&str, bool) -> bool,
) -> bool {
    if kind != EntityKind::WechatId && !digit_near(scene.text, hit.end) {
        return false;
    }
    let Some(groups) = pattern.captures(&scene.text[hit.end..]) else { return false };
    let Some(id) = groups.name("id") else { return false };
    let link = groups.name("link").map_or("", |m| m.as_str());
    let named = groups.name("named").is_some() || matches!(link, ":" | "=" | "#" | "是" | "为");
    let (start, end) = (hit.end + id.start(), hit.end + id.end());
    if scene.counted(end) || !scene.stands_alone(start, end) || !accept(id.as_str(), named) {
        return false;
    }
    scene.add(start, end, kind);
    true
}

/// Whether a code reads as a date: `20240903`, `2024-09-03`.
pub(super) fn is_date(id: &str) -> bool {
    let digits = super::scene::digits_of(id);
    let only = id.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    let number = |part: &[u8]| part.iter().fold(0u32, |n, b| n * 10 + u32::from(b - b'0'));
    only && digits.len() == 8
        && (1900..2100).contains(&number(&digits[..4]))
        && real_date(number(&digits[..4]), number(&digits[4..6]), number(&digits[6..]))
}
