//! Lines of bytes in bounded memory, with the digest of everything read.

use std::io::{self, Read};

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};

use super::encoding::{decode, fits, settle};
use super::{LINE_LIMIT, StreamError, TextEncoding};

/// Bytes asked for at a time.
const CHUNK: usize = 1 << 16;

/// Reads an input line by line.
pub(super) struct Lines<R> {
    input: R,
    buffer: Vec<u8>,
    /// What of the buffer belongs to lines that were given out.
    used: usize,
    ended: bool,
    digest: blake3::Hasher,
    /// Bytes of the input before the buffer.
    before: u64,
    number: u64,
    encoding: &'static Encoding,
}

impl<R: Read> Lines<R> {
    /// Reads the beginning and settles the encoding by it.
    pub(super) fn open(input: R, asked: Option<TextEncoding>) -> Result<Self, StreamError> {
        let mut lines = Self {
            input,
            buffer: Vec::new(),
            used: 0,
            ended: false,
            digest: blake3::Hasher::new(),
            before: 0,
            number: 0,
            encoding: encoding_rs::UTF_8,
        };
        // A mark has four bytes at most; somebody who types has sent a line before that.
        while !lines.ended && lines.buffer.len() < 4 && !lines.buffer.contains(&b'\n') {
            lines.fill()?;
        }
        let (encoding, mark) = settle(&lines.buffer, asked)?;
        lines.encoding = encoding;
        lines.used = mark;
        lines.check_head()?;
        Ok(lines)
    }

    /// Refuses what came first as a whole, before any line of it is given out.
    fn check_head(&self) -> Result<(), StreamError> {
        let mut at = self.used;
        for number in 1.. {
            let Some(end) = self.line_end(at) else { return Ok(()) };
            self.text(number, at, end)?;
            at = end;
        }
        Ok(())
    }

    fn fill(&mut self) -> Result<(), StreamError> {
        let len = self.buffer.len();
        self.buffer.resize(len + CHUNK, 0);
        let read = loop {
            match self.input.read(&mut self.buffer[len..]) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.buffer.truncate(len + *read.as_ref().unwrap_or(&0));
        let read = read.map_err(StreamError::Read)?;
        self.digest.update(&self.buffer[len..]);
        self.ended = read == 0;
        Ok(())
    }

    /// The end of the line that begins at `from`, its line end included, if all of it is in the buffer.
    fn line_end(&self, from: usize) -> Option<usize> {
        self.line_end_after(from, from)
    }

    /// The same if no line end begins before `scan`.
    fn line_end_after(&self, from: usize, scan: usize) -> Option<usize> {
        let bytes = &self.buffer[scan..];
        if self.encoding != UTF_16LE && self.encoding != UTF_16BE {
            return bytes.iter().position(|b| *b == b'\n').map(|at| scan + at + 1);
        }
        let end: [u8; 2] = if self.encoding == UTF_16LE { [b'\n', 0] } else { [0, b'\n'] };
        debug_assert!((scan - from).is_multiple_of(2));
        bytes.chunks_exact(2).position(|unit| unit == end).map(|at| scan + 2 * at + 2)
    }

    /// The next line as text with its line end; `None` after the last. Before it waits for input it calls `idle`.
    pub(super) fn next(
        &mut self,
        mut idle: impl FnMut() -> io::Result<()>,
    ) -> Result<Option<std::borrow::Cow<'_, str>>, StreamError> {
        let mut scanned = self.used;
        let end = loop {
            if let Some(end) = self.line_end_after(self.used, scanned) {
                break end;
            }
            if self.ended {
                break self.buffer.len();
            }
            if self.buffer.len() - self.used > LINE_LIMIT {
                return Err(self.too_long());
            }
            self.before += self.used as u64;
            self.buffer.drain(..self.used);
            self.used = 0;
            // Half a unit of UTF-16 is looked at again with its other half.
            scanned = self.buffer.len() & !1;
            idle().map_err(StreamError::Write)?;
            self.fill()?;
        };
        if end == self.used {
            return Ok(None);
        }
        if end - self.used > LINE_LIMIT {
            return Err(self.too_long());
        }
        let start = std::mem::replace(&mut self.used, end);
        self.number += 1;
        self.text(self.number, start, end).map(Some)
    }

    fn too_long(&self) -> StreamError {
        StreamError::LineTooLong { line: self.number + 1, limit: LINE_LIMIT }
    }

    fn text(&self, line: u64, start: usize, end: usize) -> Result<std::borrow::Cow<'_, str>, StreamError> {
        let bytes = &self.buffer[start..end];
        let text = decode(self.encoding, bytes).map_err(|bad| StreamError::NotText {
            line,
            byte: self.before + (start + bad) as u64,
            encoding: self.encoding.name(),
            fits: fits(bytes).filter(|name| !name.eq_ignore_ascii_case(self.encoding.name())),
        })?;
        match text.bytes().any(|b| b == 0) {
            true => Err(StreamError::Nul { line, encoding: self.encoding.name() }),
            false => Ok(text),
        }
    }

    pub(super) fn encoding(&self) -> &'static str {
        self.encoding.name()
    }

    /// Bytes read, and their BLAKE3 digest.
    pub(super) fn read(&self) -> (u64, String) {
        (self.digest.count(), self.digest.finalize().to_hex().to_string())
    }
}
