//! A zstd stream of any number of frames, with checksums verified and the window's size bounded.

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::io::{self, BufRead, Read};

/// First bytes of a frame.
pub(super) const MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

/// Largest window that a frame may ask for, bytes: levels up to 19 need 8 MiB.
const MAX_WINDOW: u64 = 32 << 20;

/// Decodes the frames of a stream one after the other.
pub(super) struct Frames<R: BufRead> {
    input: R,
    decoder: FrameDecoder,
    within: bool,
}

impl<R: BufRead> Frames<R> {
    pub(super) fn new(input: R) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(MAX_WINDOW);
        Self { input, decoder, within: false }
    }

    /// Goes to the next frame with data; false at the end of the stream.
    fn next_frame(&mut self) -> io::Result<bool> {
        loop {
            if self.input.fill_buf()?.is_empty() {
                return Ok(false);
            }
            match self.decoder.init(&mut self.input) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    io::copy(&mut (&mut self.input).take(length.into()), &mut io::sink())?;
                }
                Err(e) => return Err(io::Error::new(io::ErrorKind::InvalidData, e)),
            }
        }
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.within {
                if !self.next_frame()? {
                    return Ok(0);
                }
                self.within = true;
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                self.decoder
                    .decode_blocks(&mut self.input, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
            }
            let n = self.decoder.read(buffer)?;
            if n > 0 {
                return Ok(n);
            }
            let written = self.decoder.get_checksum_from_data();
            if written.is_some() && written != self.decoder.get_calculated_checksum() {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "zstd checksum does not match"));
            }
            self.within = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    fn decode(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        Frames::new(bytes).read_to_end(&mut out).map(|_| out)
    }

    #[test]
    fn frames_follow_each_other_and_damage_is_an_error() {
        let mut stream = compress_to_vec(&b"one\n"[..], CompressionLevel::Fastest);
        stream.extend([0x50, 0x2A, 0x4D, 0x18, 3, 0, 0, 0, 9, 9, 9]); // a skippable frame
        stream.extend(compress_to_vec(&b"two\n"[..], CompressionLevel::Uncompressed));
        assert_eq!(decode(&stream).unwrap(), b"one\ntwo\n");
        assert!(decode(&stream[..stream.len() - 3]).is_err(), "a truncated stream passed");
        let last = stream.len() - 1;
        stream[last] ^= 1;
        assert!(decode(&stream).is_err(), "a wrong checksum passed");
    }

    #[test]
    fn a_giant_window_is_refused_before_it_is_allocated() {
        // Frame header with window descriptor 0xFF: 1.875 * 2^41 bytes.
        assert!(decode(&[0x28, 0xB5, 0x2F, 0xFD, 0x00, 0xFF, 0, 0, 0]).is_err());
    }
}
