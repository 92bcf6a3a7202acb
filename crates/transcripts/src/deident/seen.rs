//! What the bytes of a text say at a glance, so that rules without a chance are passed over.

/// Bytes looked at together.
const BLOCK: usize = 32;

/// Counts and marks of a text.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    pub(super) digits: usize,
    pub(super) colons: usize,
    pub(super) dots: usize,
    /// An ASCII letter.
    pub(super) letter: bool,
    pub(super) slash: bool,
    pub(super) at: bool,
    pub(super) dash: bool,
    /// An equals sign or a backslash.
    pub(super) code: bool,
    /// A bracket that opens, or a percent sign.
    pub(super) bracket: bool,
    /// A lead byte of anything but the common Han characters.
    pub(super) other: bool,
}

impl Seen {
    // Inlined, so that a caller does not pay for what it does not ask.
    #[inline(always)]
    pub(super) fn in_text(text: &str) -> Self {
        let mut seen = Self::default();
        let (blocks, rest) = text.as_bytes().as_chunks();
        blocks.iter().for_each(|block| seen.add(block));
        if !rest.is_empty() {
            let mut block = [0; BLOCK];
            block[..rest.len()].copy_from_slice(rest);
            seen.add(&block);
        }
        seen
    }

    /// Sums over the bytes of a block, which the compiler turns into vectors; zeros add nothing.
    #[inline(always)]
    fn add(&mut self, block: &[u8; BLOCK]) {
        let (mut digits, mut colons, mut dots) = (0u8, 0u8, 0u8);
        let (mut letter, mut slash, mut at, mut dash) = (0u8, 0u8, 0u8, 0u8);
        let (mut code, mut bracket, mut other) = (0u8, 0u8, 0u8);
        for &b in block {
            let is = |c: u8| u8::from(b == c);
            digits += u8::from(b.wrapping_sub(b'0') < 10);
            colons += is(b':');
            dots += is(b'.');
            letter |= u8::from((b | 0x20).wrapping_sub(b'a') < 26);
            slash |= is(b'/');
            at |= is(b'@');
            dash |= is(b'-');
            code |= is(b'=') | is(b'\\');
            bracket |= is(b'(') | is(b'[') | is(b'{') | is(b'<') | is(b'%');
            // e4 to e9 lead the common Han characters; what is below c2 leads nothing but ASCII.
            other |= u8::from(b >= 0xc2) & u8::from(b.wrapping_sub(0xe4) > 5);
        }
        self.digits += usize::from(digits);
        self.colons += usize::from(colons);
        self.dots += usize::from(dots);
        self.letter |= letter != 0;
        self.slash |= slash != 0;
        self.at |= at != 0;
        self.dash |= dash != 0;
        self.code |= code != 0;
        self.bracket |= bracket != 0;
        self.other |= other != 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_and_what_is_left_of_them_are_counted() {
        let text = "1:.".repeat(1000) + "(é";
        let seen = Seen::in_text(&text);
        assert_eq!((seen.digits, seen.colons, seen.dots), (1000, 1000, 1000));
        assert!(
            seen.bracket && seen.other && !seen.letter && !seen.at && !seen.slash && !seen.dash && !seen.code
        );
        let seen = Seen::in_text("中文，Z/@-=");
        assert!(seen.letter && seen.slash && seen.at && seen.dash && seen.code && !seen.bracket);
        assert!(!Seen::in_text("中文字[`{").letter);
    }
}
