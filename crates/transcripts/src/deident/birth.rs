//! Dates of birth: a date after a word for it, or before "出生" and "生".

use regex::Regex;

use super::context::is_date;
use super::cue::Cue;
use super::entity::EntityKind;
use super::scene::{Scene, pattern};

const MONTH: &str = "(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:t(?:ember)?)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)";
/// A day in Chinese, in digits of either kind.
const ZH: &str = "(?:[0-9]{4}|[0-9]{2}|[零〇○一二三四五六七八九]{2,4})年(?:[0-9]{1,2}|[一二三四五六七八九十]{1,2})月(?:[0-9]{1,2}|[一二三四五六七八九十廿]{1,3})(?:日|号)?";

#[derive(Debug)]
pub(super) struct BirthRules {
    after: Regex,
    before: Regex,
    born: Regex,
}

impl BirthRules {
    pub(super) fn new() -> Self {
        let date = format!(
            r"{ZH}|[0-9]{{4}} ?[-/.] ?[0-9]{{1,2}} ?[-/.] ?[0-9]{{1,2}}|[0-9]{{1,2}}[-/. ][0-9]{{1,2}}[-/. ](?:[0-9]{{4}}|[0-9]{{2}})|{MONTH}\.?,? ?[0-9]{{1,2}}(?:st|nd|rd|th)?,? ?[0-9]{{4}}|[0-9]{{1,2}}(?:st|nd|rd|th)?[ -]?(?:of )?{MONTH}\.?,?[ -]?[0-9]{{4}}|[0-9]{{8}}|(?:[0-9]{{4}}|[0-9]{{2}})年[0-9]{{1,2}}月"
        );
        Self {
            after: pattern(&format!(
                r#"^(?i)["”’]?\s?(?:期|时间)?\s{{0,2}}(?:应该是|是|为|在|于|is|was|on|in|:|=)?["“‘\s:(]{{0,3}}(?:公历|阳历|农历|阴历|on )?(?P<id>{date})"#
            )),
            before: pattern(&format!(
                r"(?P<id>[0-9]{{4}}[-/.][0-9]{{1,2}}[-/.][0-9]{{1,2}}|{ZH}|[0-9]{{4}}年[0-9]{{1,2}}月)\s?$"
            )),
            born: pattern(&format!(
                r"(?P<id>{ZH}|[0-9]{{4}}[-/.][0-9]{{1,2}}[-/.][0-9]{{1,2}})生(?:人|的|[,，。;；、.\s]|$)"
            )),
        }
    }

    pub(super) fn find(&self, scene: &mut Scene<'_>) {
        let text = scene.text;
        for hit in scene.cues.iter().filter(|h| h.cue == Cue::Birth) {
            if let Some(id) = self.after.captures(&text[hit.end..]).and_then(|c| c.name("id")) {
                let plain = id.len() == 8 && id.as_str().bytes().all(|b| b.is_ascii_digit());
                if !plain || is_date(id.as_str()) {
                    add(scene, hit.end + id.start(), hit.end + id.end());
                }
            } else if text[hit.start..hit.end].starts_with("出生") {
                let before = scene.chars_before(hit.start, 20);
                if let Some(id) = self.before.captures(before).and_then(|c| c.name("id")) {
                    let window = hit.start - before.len();
                    add(scene, window + id.start(), window + id.end());
                }
            }
        }
        if text.contains('生') {
            for groups in self.born.captures_iter(text) {
                if let Some(id) = groups.name("id") {
                    add(scene, id.start(), id.end());
                }
            }
        }
    }
}

fn add(scene: &mut Scene<'_>, start: usize, end: usize) {
    if scene.stands_alone(start, end) {
        scene.add(start, end, EntityKind::DateOfBirth);
    }
}
