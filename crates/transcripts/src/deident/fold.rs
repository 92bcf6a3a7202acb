//! What one character, or one escape of JSON, is read as by the rules.

use unicode_normalization::UnicodeNormalization;

/// What becomes of a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fold {
    Keep,
    Drop,
    To(char),
    Nfkc,
}

/// Marks without a width of their own: joiners, marks of direction, variation selectors, enclosing keycaps.
macro_rules! invisible {
    () => {
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{20dd}'..='\u{20e4}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
    };
}

pub(super) fn fold(c: char) -> Fold {
    match c {
        '\0'..='\u{7f}' | '\u{4e00}'..='\u{9fff}' => Fold::Keep,
        // Full-width marks that end a clause stay: as ASCII they would join a web address to the words after it.
        '，' | '；' | '！' | '？' => Fold::Keep,
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).map_or(Fold::Keep, Fold::To),
        '\u{3000}' | '\u{a0}' | '\u{1680}' | '\u{2002}'..='\u{200a}' | '\u{202f}' | '\u{205f}' => {
            Fold::To(' ')
        }
        '\u{85}' | '\u{2028}' | '\u{2029}' => Fold::To('\n'),
        '\u{3001}'..='\u{303f}' => Fold::Keep,
        // Dashes and the minus sign, which NFKC leaves alone, separate the digits of numbers.
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{2500}' => Fold::To('-'),
        '\u{2022}' | '\u{30fb}' | '\u{2027}' | '\u{2219}' | '\u{22c5}' => Fold::To('·'),
        invisible!() => Fold::Drop,
        '\u{2016}'..='\u{201f}' => Fold::Keep,
        // Digits that NFKC leaves alone.
        '\u{24ff}' => Fold::To('0'),
        _ => match digit(c) {
            Some(d) => Fold::To(d),
            None => Fold::Nfkc,
        },
    }
}

/// The ASCII digit of a decimal digit of another script, or of one in a circle.
fn digit(c: char) -> Option<char> {
    /// The zeros of scripts in which numbers are typed; their digits follow in order.
    const ZEROS: [u32; 16] = [
        0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xe50, 0xed0,
        0xf20, 0x1040,
    ];
    /// The ones of digits in circles, which run to ten.
    const ONES: [u32; 4] = [0x24f5, 0x2776, 0x2780, 0x278a];
    let code = u32::from(c);
    if !(0x660..=0x2793).contains(&code) {
        return None;
    }
    let zero = ZEROS.iter().find(|z| (**z..**z + 10).contains(&code)).copied();
    let zero = zero.or_else(|| ONES.iter().find(|o| (**o..**o + 9).contains(&code)).map(|o| o - 1))?;
    char::from_digit(code - zero, 10)
}

/// Whether a character, folded, may take part in an identifier although it is not ASCII and not Han.
pub(super) fn hides_something(c: char) -> bool {
    match fold(c) {
        Fold::Keep => false,
        Fold::Drop => true,
        Fold::To(to) => to.is_ascii_alphanumeric() || to == '@',
        Fold::Nfkc => !matches!(std::iter::once(c).nfkc().next(), Some(same) if same == c),
    }
}

/// `text` without the backslashes it begins with, eight at most: text may have been escaped more than once, and to
/// look at a long row of them from each of its places would take the square of its length.
fn after_slashes(text: &str) -> &str {
    &text[text.bytes().take(8).take_while(|b| *b == b'\\').count()..]
}

/// The character that an escape of JSON at the start of `text` stands for, and the bytes of the escape.
pub(super) fn escape_at(text: &str) -> Option<(char, usize)> {
    let letters = after_slashes(text);
    let slashes = text.len() - letters.len();
    let (c, len) = match letters.as_bytes().first()? {
        b'n' | b'r' | b't' | b'f' | b'b' | b'v' => ('\n', 1),
        mark @ (b'"' | b'\'' | b'/') => (char::from(*mark), 1),
        b'u' => unicode_escape(letters)?,
        _ => return None,
    };
    (slashes > 0).then_some((c, slashes + len))
}

/// `uXXXX`, or both halves of a surrogate pair; half a pair is the replacement character.
fn unicode_escape(text: &str) -> Option<(char, usize)> {
    let unit = |text: &str| u32::from_str_radix(text.strip_prefix('u')?.get(..4)?, 16).ok();
    let high = unit(text)?;
    if let Some(c) = char::from_u32(high) {
        return Some((c, 5));
    }
    let rest = &text[5..];
    let low = after_slashes(rest);
    let pair = (low.len() < rest.len()).then(|| unit(low)).flatten().and_then(|low| {
        let both = (0xd800..0xdc00).contains(&high) && (0xdc00..0xe000).contains(&low);
        both.then(|| char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))).flatten()
    });
    Some(match pair {
        Some(c) => (c, 5 + (rest.len() - low.len()) + 5),
        None => (char::REPLACEMENT_CHARACTER, 5),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_other_scripts() {
        for (given, want) in
            [('٣', '3'), ('۹', '9'), ('५', '5'), ('❶', '1'), ('➒', '9'), ('⓿', '0'), ('๐', '0')]
        {
            assert_eq!(fold(given), Fold::To(want), "{given}");
        }
        assert_eq!(fold('❿'), Fold::Nfkc);
    }

    #[test]
    fn escapes() {
        for (text, want) in [
            (r"\n1", Some(('\n', 2))),
            (r"\\n1", Some(('\n', 3))),
            (r"\u624b1", Some(('手', 6))),
            (r"\\u624B1", Some(('手', 7))),
            (r"\ud842\udfb7x", Some(('𠮷', 12))),
            (r"\ud83d 1", Some(('\u{fffd}', 6))),
            (r"\ud83d\u0041", Some(('\u{fffd}', 6))),
            (r"\u62", None),
            (r"\u62手1", None),
            (r"\1", None),
            (r"\", None),
            ("n", None),
        ] {
            assert_eq!(escape_at(text), want, "{text}");
        }
    }
}
