//! Lines of bytes with a bound: a line that is too long is skipped without being held.

use std::io::{self, BufRead};

/// A byte order mark, which is no part of a text.
pub(super) const BOM: &[u8] = b"\xEF\xBB\xBF";

/// Reads lines that end in LF or CRLF; a byte order mark at the start of the stream is dropped.
pub(super) struct Lines<R> {
    input: R,
    limit: usize,
    line: u64,
    buffer: Vec<u8>,
}

/// A line's number, from 1, and its bytes; `None` where it is longer than the limit.
pub(super) type Line<'a> = (u64, Option<&'a [u8]>);

impl<R: BufRead> Lines<R> {
    /// `limit` is in bytes, without the line's end.
    pub(super) fn new(input: R, limit: usize) -> Self {
        Self { input, limit, line: 0, buffer: Vec::new() }
    }

    /// Number of the line that was read last.
    pub(super) fn number(&self) -> u64 {
        self.line
    }

    /// The next line; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.buffer.clear();
        // Two bytes of grace for a CR, and three at the start of the stream for a byte order mark.
        let hold = self.limit.saturating_add(if self.line == 0 { 5 } else { 2 });
        let mut too_long = false;
        let mut any = false;
        loop {
            let chunk = match self.input.fill_buf() {
                Ok(chunk) => chunk,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            if chunk.is_empty() {
                break;
            }
            any = true;
            let end = chunk.iter().position(|b| *b == b'\n');
            let part = &chunk[..end.unwrap_or(chunk.len())];
            if too_long || part.len() > hold - self.buffer.len() {
                too_long = true;
                self.buffer.clear();
            } else {
                self.buffer.extend_from_slice(part);
            }
            let used = part.len() + usize::from(end.is_some());
            self.input.consume(used);
            if end.is_some() {
                break;
            }
        }
        if !any {
            return Ok(None);
        }
        self.line += 1;
        let mut bytes = self.buffer.as_slice();
        if self.line == 1 {
            bytes = bytes.strip_prefix(BOM).unwrap_or(bytes);
        }
        bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        Ok(Some((self.line, (!too_long && bytes.len() <= self.limit).then_some(bytes))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufReader, Read};

    fn all(bytes: &[u8], limit: usize) -> Vec<(u64, Option<String>)> {
        // A buffer of three bytes puts a boundary everywhere.
        let mut lines = Lines::new(BufReader::with_capacity(3, bytes), limit);
        let mut out = Vec::new();
        while let Some((n, line)) = lines.next().unwrap() {
            out.push((n, line.map(|l| String::from_utf8(l.to_vec()).unwrap())));
        }
        out
    }

    #[test]
    fn ends_and_marks_do_not_matter() {
        let want: Vec<_> = [(1, "ab"), (2, ""), (3, "c")].map(|(n, l)| (n, Some(l.to_owned()))).into();
        assert_eq!(all(b"ab\n\nc", 2), want);
        assert_eq!(all(b"\xEF\xBB\xBFab\r\n\r\nc\r\n", 2), want);
        assert!(all(b"", 2).is_empty());
    }

    #[test]
    fn a_long_line_costs_its_number_and_no_memory() {
        assert_eq!(all(b"abc\nde\n", 2), [(1, None), (2, Some("de".into()))]);
        let giant = io::repeat(b'a').take(200 << 20).chain(&b"\nok"[..]);
        let mut lines = Lines::new(BufReader::new(giant), 1 << 20);
        assert_eq!(lines.next().unwrap(), Some((1, None)));
        assert_eq!(lines.next().unwrap(), Some((2, Some(&b"ok"[..]))));
        assert!(lines.buffer.capacity() <= 4 << 20, "the line was held: {}", lines.buffer.capacity());
    }
}
