//! Text from files on a terminal: names of intents, domains, files and clients are whatever somebody has written there.

use std::borrow::Cow;

/// Whether a character could control a terminal, or turn the order of what is shown around it.
pub fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text with such characters written out, as in `\u{1b}`. Line feeds and tabs stay.
pub fn visible(text: &str) -> Cow<'_, str> {
    let hidden = |c: char| is_control(c) && !matches!(c, '\n' | '\t');
    if !text.contains(hidden) {
        return Cow::Borrowed(text);
    }
    let written = |c: char| if hidden(c) { c.escape_unicode().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(written).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_controls_a_terminal_is_left() {
        assert!(matches!(visible("退款 é\tb\n"), Cow::Borrowed(_)));
        assert_eq!(
            visible("a\u{1b}[2Jb\r\u{9b}c\u{202e}d\u{0}"),
            "a\\u{1b}[2Jb\\u{d}\\u{9b}c\\u{202e}d\\u{0}"
        );
        let all: String = (0..0x3000).filter_map(char::from_u32).collect();
        assert!(!visible(&all).contains(|c: char| is_control(c) && c != '\n' && c != '\t'));
    }
}
