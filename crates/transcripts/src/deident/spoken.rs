//! Numbers that are spelled out, as people dictate them and speech recognition writes them.

use regex::Regex;

use super::checksum::{luhn, resident_id};
use super::cue::Cue;
use super::entity::EntityKind;
use super::scene::{Scene, pattern};

#[derive(Debug)]
pub(super) struct SpokenRules {
    english_run: Regex,
}

impl SpokenRules {
    pub(super) fn new() -> Self {
        const DIGIT: &str = "(?:zero|oh|o|one|two|three|four|five|six|seven|eight|nine)";
        Self {
            english_run: pattern(&format!(
                r"(?i)(?-u:\b)(?:(?:double|triple) )?{DIGIT}(?:(?:, |[ -])(?:(?:double|triple) )?{DIGIT}){{6,20}}(?-u:\b)"
            )),
        }
    }

    pub(super) fn find(&self, scene: &mut Scene<'_>) {
        if !scene.has(Cue::SpokenDigit) {
            return;
        }
        for m in self.english_run.find_iter(scene.text) {
            if let Some(kind) = kind_of(&spoken_digits(m.as_str())) {
                scene.add(m.start(), m.end(), kind);
            }
        }
        find_chinese_runs(scene);
    }
}

/// The digit that a character of a spelled-out Chinese number stands for.
fn chinese_digit(c: char) -> Option<u8> {
    let value = match c {
        '零' | '〇' | '洞' | '○' => 0,
        '一' | '幺' | '壹' | '腰' => 1,
        '二' | '两' | '贰' => 2,
        '三' | '叁' => 3,
        '四' | '肆' => 4,
        '五' | '伍' => 5,
        '六' | '陆' => 6,
        '七' | '柒' | '拐' => 7,
        '八' | '捌' => 8,
        '九' | '玖' | '勾' => 9,
        '0'..='9' => return u8::try_from(c).ok(),
        _ => return None,
    };
    Some(b'0' + value)
}

fn find_chinese_runs(scene: &mut Scene<'_>) {
    let text = scene.text;
    let mut digits = Vec::new();
    let (mut start, mut end, mut spelled) = (0, 0, false);
    // One mark between digits belongs to the run; the final one closes the last run.
    let mut gap = 0;
    for (at, c) in text.char_indices().chain([(text.len(), '\n')]) {
        if let Some(digit) = chinese_digit(c) {
            if digits.is_empty() {
                (start, spelled) = (at, false);
            }
            digits.push(digit);
            spelled |= !c.is_ascii();
            (end, gap) = (at + c.len_utf8(), 0);
            continue;
        }
        gap += 1;
        if gap == 1 && matches!(c, ' ' | '-' | '、' | ',' | '，') && !digits.is_empty() {
            continue;
        }
        if spelled
            && !digits.is_empty()
            && let Some(kind) = kind_of(&digits)
        {
            scene.add(start, end, kind);
        }
        digits.clear();
        gap = 0;
    }
}

/// What a spelled-out number is, by its form alone.
fn kind_of(digits: &[u8]) -> Option<EntityKind> {
    match digits {
        [b'1', b'3'..=b'9', ..] if digits.len() == 11 => Some(EntityKind::CnMobile),
        [b'0', b'1'..=b'9', ..] if (11..=12).contains(&digits.len()) => Some(EntityKind::CnLandline),
        [b'2'..=b'9', _, _, b'2'..=b'9', ..] if digits.len() == 10 => Some(EntityKind::UsPhone),
        [b'1'..=b'8', ..] if digits.len() == 18 && resident_id(digits) => Some(EntityKind::CnResidentId),
        [b'3'..=b'6', ..] if (15..=19).contains(&digits.len()) && luhn(digits) => Some(EntityKind::BankCard),
        _ => None,
    }
}

/// The digits in a text, whether written as digits, in Chinese or in English words.
pub(super) fn spoken_digits(text: &str) -> Vec<u8> {
    let mut digits = Vec::new();
    let mut times = 1;
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()) {
        let lower = word.to_ascii_lowercase();
        let value = match lower.as_str() {
            "double" => {
                times = 2;
                continue;
            }
            "triple" => {
                times = 3;
                continue;
            }
            "zero" | "oh" | "o" => Some(b'0'),
            "one" => Some(b'1'),
            "two" => Some(b'2'),
            "three" => Some(b'3'),
            "four" => Some(b'4'),
            "five" => Some(b'5'),
            "six" => Some(b'6'),
            "seven" => Some(b'7'),
            "eight" => Some(b'8'),
            "nine" => Some(b'9'),
            _ => None,
        };
        match value {
            Some(value) => digits.extend(std::iter::repeat_n(value, times)),
            None => digits.extend(word.chars().filter_map(chinese_digit)),
        }
        times = 1;
    }
    digits
}
