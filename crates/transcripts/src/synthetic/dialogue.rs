//! How a conversation goes: who speaks when, and how an intent becomes words.

use super::client::ClientProfile;
use super::config::{SyntheticConfig, SyntheticError};
use super::grammar::Grammar;
use super::slips::Slips;
use crate::Language;
use crate::transcript::{Speaker, Turn};
use sottovoce_core::Stream;
use sottovoce_core::sampling::{self, chance};

/// Sections of a grammar that the dialogue itself asks for.
#[derive(Debug)]
struct Parts {
    greeting: usize,
    opening: usize,
    tail: usize,
    personal: usize,
    detail: usize,
    distractor: usize,
    reply: usize,
    closing: usize,
    polite: usize,
    agent_hello: usize,
    agent_question: usize,
    agent_answer: usize,
    agent_bye: usize,
    system: usize,
}

/// Everything needed to write conversations of one product line in one language.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) grammar: Grammar,
    parts: Parts,
    slips: Slips,
    language: Language,
}

/// What one conversation is about: sections of the grammar, and the habits of who writes.
pub(super) struct Subject<'a> {
    /// Phrasings of the problem.
    pub(super) core: usize,
    /// Phrasings of another problem, for distractions.
    pub(super) other: usize,
    /// Whether the core is a group's, so that the intent cannot be told for sure.
    pub(super) ambiguous: bool,
    pub(super) config: &'a SyntheticConfig,
    pub(super) profile: &'a ClientProfile,
}

impl Writer {
    pub(super) fn new(
        table: &'static str,
        language: Language,
        texts: &[(&'static str, &'static str)],
    ) -> Result<Self, SyntheticError> {
        let grammar = Grammar::parse(texts)?;
        let find = |name: &str| {
            grammar
                .section(name)
                .ok_or_else(|| SyntheticError::MissingSection { table, section: name.to_owned() })
        };
        let parts = Parts {
            greeting: find("@greeting")?,
            opening: find("@opening")?,
            tail: find("@tail")?,
            personal: find("@personal")?,
            detail: find("@detail")?,
            distractor: find("@distractor")?,
            reply: find("@reply")?,
            closing: find("@closing")?,
            polite: find("@polite")?,
            agent_hello: find("@agent_hello")?,
            agent_question: find("@agent_question")?,
            agent_answer: find("@agent_answer")?,
            agent_bye: find("@agent_bye")?,
            system: find("@system")?,
        };
        Ok(Self { grammar, parts, slips: Slips::new(language), language })
    }

    /// Writes a conversation of 1 to about 14 turns; the problem stands in the first or second customer turn.
    pub(super) fn conversation(&self, subject: &Subject<'_>, s: &mut Stream) -> Vec<Turn> {
        let spoken = chance(s, subject.config.speech);
        let mut turns = Vec::with_capacity(8);
        let customer = |text: String, s: &mut Stream| Turn {
            speaker: Speaker::Customer,
            text: self.finish(text, spoken, subject, s),
        };
        if chance(s, 0.25) {
            turns.push(self.support(Speaker::System, self.parts.system, s));
        }
        let short = chance(s, 0.3);
        if !short && chance(s, 0.4) {
            turns.push(customer(self.plain(self.parts.greeting, s), s));
            turns.push(self.support(Speaker::Agent, self.parts.agent_hello, s));
        } else if chance(s, 0.4) {
            turns.push(self.support(Speaker::Agent, self.parts.agent_hello, s));
        }
        turns.push(customer(self.problem(subject, s), s));
        if short {
            return turns;
        }
        for _ in 0..sampling::index(s, 4) {
            turns.push(self.support(Speaker::Agent, self.parts.agent_question, s));
            let text = if chance(s, subject.config.distractors) {
                self.about(self.parts.distractor, subject.other, s)
            } else if !subject.ambiguous && chance(s, 0.15) {
                self.plain(subject.core, s)
            } else {
                self.plain(self.parts.detail, s)
            };
            turns.push(customer(text, s));
        }
        turns.push(self.support(Speaker::Agent, self.parts.agent_answer, s));
        if chance(s, 0.5) {
            turns.push(customer(self.plain(self.parts.reply, s), s));
            turns.push(self.support(Speaker::Agent, self.parts.agent_bye, s));
        }
        if chance(s, 0.4) {
            turns.push(customer(self.plain(self.parts.closing, s), s));
        }
        turns
    }

    fn problem(&self, subject: &Subject<'_>, s: &mut Stream) -> String {
        let mut text = String::with_capacity(120);
        if chance(s, 0.35) {
            self.grammar.expand(self.parts.opening, subject.other, s, &mut text);
            if self.language == Language::EN {
                text.push(' ');
            }
        }
        self.grammar.expand(subject.core, subject.other, s, &mut text);
        if chance(s, 0.35) {
            self.grammar.expand(self.parts.tail, subject.other, s, &mut text);
        }
        if chance(s, 0.3 * subject.profile.politeness) {
            self.grammar.expand(self.parts.polite, subject.other, s, &mut text);
        }
        text
    }

    fn plain(&self, section: usize, s: &mut Stream) -> String {
        self.about(section, section, s)
    }

    fn about(&self, section: usize, core: usize, s: &mut Stream) -> String {
        let mut text = String::new();
        self.grammar.expand(section, core, s, &mut text);
        text
    }

    fn support(&self, speaker: Speaker, section: usize, s: &mut Stream) -> Turn {
        Turn { speaker, text: self.plain(section, s) }
    }

    /// Slips first, personal data after them: an invented value must not be mistyped into a real one.
    fn finish(&self, mut text: String, spoken: bool, subject: &Subject<'_>, s: &mut Stream) -> String {
        tidy(&mut text);
        if chance(s, subject.profile.code_switching) {
            self.slips.mix(&mut text, s);
        }
        if spoken {
            self.slips.mishear(&mut text, s);
        } else {
            self.slips.mistype(&mut text, subject.profile.typos, s);
        }
        if chance(s, subject.config.personal_data) {
            text.push_str(if self.language == Language::ZH { "，" } else { ", " });
            self.grammar.expand(self.parts.personal, self.parts.personal, s, &mut text);
        }
        text
    }
}

/// Removes the spaces that alternatives left empty leave behind: doubled, at the ends, before punctuation.
fn tidy(text: &mut String) {
    let mut last = ' ';
    let mut kept = String::with_capacity(text.len());
    for c in text.chars() {
        if last == ' ' && (c == ' ' || c == ',') {
            if c == ',' && !kept.is_empty() {
                kept.pop();
                kept.push(',');
                last = ',';
            }
            continue;
        }
        kept.push(c);
        last = c;
    }
    kept.truncate(kept.trim_end().len());
    *text = kept;
}

#[cfg(test)]
mod tests {
    use super::tidy;

    #[test]
    fn spaces_left_by_empty_alternatives_go() {
        for (from, to) in
            [("  a  b ", "a b"), ("a , b", "a, b"), ("a  , b", "a, b"), (", a", "a"), ("账号 ，", "账号 ，")]
        {
            let mut text = from.to_owned();
            tidy(&mut text);
            assert_eq!(text, to);
        }
    }
}
