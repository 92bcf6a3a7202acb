//! Phrase tables: small template grammars in plain text, parsed once, expanded with a stream.
//!
//! A table has sections, one template a line. `[fault.cannot_log_in]` holds the phrasings of an intent,
//! `[~login]` phrasings that fit every intent of a group, `[@when]` what a slot may become. In a template
//! `<a|b|>` is one of its alternatives (not nested) and `{when}` an expansion of `[@when]`; `{n}`, `{amount}`,
//! `{core}` and the kinds of [`Personal`] are built in. A slot must stand above its use, so expansion ends.

use super::personal::Personal;
use sottovoce_core::Stream;
use sottovoce_core::sampling;

/// What is wrong with a phrase table, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PhraseError {
    /// A template before the first section header.
    #[error("phrase table {table}, line {line}: a template outside of any section")]
    NoSection {
        /// Name of the table.
        table: &'static str,
        /// Line, from 1.
        line: usize,
    },
    /// A section that occurs twice.
    #[error("phrase table {table}, line {line}: the section occurs twice")]
    Repeated {
        /// Name of the table.
        table: &'static str,
        /// Line, from 1.
        line: usize,
    },
    /// A bracket without its partner.
    #[error("phrase table {table}, line {line}: a bracket is not closed")]
    Unclosed {
        /// Name of the table.
        table: &'static str,
        /// Line, from 1.
        line: usize,
    },
    /// A slot that no section above defines.
    #[error("phrase table {table}, line {line}: a slot has no section above it")]
    UnknownSlot {
        /// Name of the table.
        table: &'static str,
        /// Line, from 1.
        line: usize,
    },
}

#[derive(Debug)]
enum Piece {
    Text(&'static str),
    Slot(usize),
    Digit,
    Amount,
    Core,
    Personal(Personal),
    Choice(Vec<Vec<Piece>>),
}

#[derive(Debug)]
struct Section {
    name: &'static str,
    templates: Vec<Vec<Piece>>,
}

/// The parsed tables of one product line in one language, shared sections first.
#[derive(Debug)]
pub(super) struct Grammar {
    sections: Vec<Section>,
}

impl Grammar {
    /// Parses tables one after the other; each may use the slots of those before.
    pub(super) fn parse(tables: &[(&'static str, &'static str)]) -> Result<Self, PhraseError> {
        let mut grammar = Self { sections: Vec::new() };
        for (table, text) in tables.iter().copied() {
            let mut open = false;
            for (number, raw) in text.lines().enumerate() {
                let line = number + 1;
                let content = raw.trim();
                if content.is_empty() || content.starts_with('#') {
                    continue;
                }
                if let Some(header) = content.strip_prefix('[') {
                    let name = header.strip_suffix(']').ok_or(PhraseError::Unclosed { table, line })?;
                    if grammar.section(name).is_some() {
                        return Err(PhraseError::Repeated { table, line });
                    }
                    grammar.sections.push(Section { name, templates: Vec::new() });
                    open = true;
                } else {
                    let template = grammar.template(content, table, line)?;
                    match grammar.sections.last_mut() {
                        Some(section) if open => section.templates.push(template),
                        _ => return Err(PhraseError::NoSection { table, line }),
                    }
                }
            }
        }
        Ok(grammar)
    }

    fn template(
        &self,
        text: &'static str,
        table: &'static str,
        line: usize,
    ) -> Result<Vec<Piece>, PhraseError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['<', '{']) {
            if at > 0 {
                pieces.push(Piece::Text(&rest[..at]));
            }
            let close = if rest[at..].starts_with('<') { '>' } else { '}' };
            let inner = &rest[at + 1..];
            let end = inner.find(close).ok_or(PhraseError::Unclosed { table, line })?;
            let body = &inner[..end];
            if close == '>' {
                let choices: Result<_, _> = body.split('|').map(|c| self.template(c, table, line)).collect();
                pieces.push(Piece::Choice(choices?));
            } else {
                pieces.push(self.slot(body).ok_or(PhraseError::UnknownSlot { table, line })?);
            }
            rest = &inner[end + 1..];
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest));
        }
        Ok(pieces)
    }

    fn slot(&self, name: &str) -> Option<Piece> {
        match name {
            "n" => Some(Piece::Digit),
            "amount" => Some(Piece::Amount),
            "core" => Some(Piece::Core),
            _ => Personal::named(name).map(Piece::Personal).or_else(|| {
                // The last section is the one being filled: a slot inside itself would not end.
                let above = self.sections.len().saturating_sub(1);
                self.sections[..above]
                    .iter()
                    .position(|s| s.name.strip_prefix('@') == Some(name))
                    .map(Piece::Slot)
            }),
        }
    }

    /// The number of a section.
    pub(super) fn section(&self, name: &str) -> Option<usize> {
        self.sections.iter().position(|s| s.name == name)
    }

    /// How many templates a section has.
    #[cfg(test)]
    pub(super) fn phrasings(&self, section: usize) -> usize {
        self.sections[section].templates.len()
    }

    /// Names of all sections, in file order.
    #[cfg(test)]
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.sections.iter().map(|s| s.name)
    }

    /// Appends one random expansion of a section; `core` is the section that `{core}` stands for.
    /// An empty section appends nothing.
    pub(super) fn expand(&self, section: usize, core: usize, s: &mut Stream, out: &mut String) {
        let templates = &self.sections[section].templates;
        if !templates.is_empty() {
            self.write(&templates[sampling::index(s, templates.len())], core, s, out);
        }
    }

    fn write(&self, pieces: &[Piece], core: usize, s: &mut Stream, out: &mut String) {
        for piece in pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Slot(section) => self.expand(*section, core, s, out),
                Piece::Digit => out.push(char::from(b'2' + sampling::below(s, 8) as u8)),
                Piece::Amount => {
                    const AMOUNTS: [&str; 14] = [
                        "6", "18", "30", "50", "68", "98", "128", "200", "328", "500", "648", "1000", "2000",
                        "5000",
                    ];
                    out.push_str(AMOUNTS[sampling::index(s, AMOUNTS.len())]);
                }
                Piece::Core => self.expand(core, core, s, out),
                Piece::Personal(kind) => kind.write(s, out),
                Piece::Choice(choices) => {
                    self.write(&choices[sampling::index(s, choices.len())], core, s, out);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sottovoce_core::{Address, Purpose};
    use std::collections::BTreeSet;

    #[test]
    fn every_alternative_is_reached() {
        let g = Grammar::parse(&[("t", "[@x]\na\nb\n[y]\n<{x}|c>!\n")]).unwrap();
        let y = g.section("y").unwrap();
        let mut s = Address::new(1, Purpose::Test).stream();
        let mut seen = BTreeSet::new();
        for _ in 0..200 {
            let mut out = String::new();
            g.expand(y, y, &mut s, &mut out);
            seen.insert(out);
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["a!", "b!", "c!"]);
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        let error = |text| Grammar::parse(&[("t", text)]).unwrap_err();
        assert_eq!(error("x\n"), PhraseError::NoSection { table: "t", line: 1 });
        assert_eq!(error("[a]\nx\n[a]\n"), PhraseError::Repeated { table: "t", line: 3 });
        assert_eq!(error("[a]\n<x|y\n"), PhraseError::Unclosed { table: "t", line: 2 });
        assert_eq!(error("[@a]\n{a}\n"), PhraseError::UnknownSlot { table: "t", line: 2 });
    }
}
