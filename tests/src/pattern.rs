//! Bytes without end that look random and can be told from any others, as fast as memory.

use std::io::{self, Read, Write};

/// A stream of its own for each seed.
pub struct Pattern(u64);

impl Pattern {
    /// The stream of this seed, from its beginning.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Writes so many MB of it; gives how many were written when the reader closed.
    pub fn write_to(mut self, writer: &mut impl Write, megabytes: usize) -> usize {
        let mut piece = vec![0; 1_000_000];
        for written in 0..megabytes {
            self.fill(&mut piece);
            if writer.write_all(&piece).is_err() {
                return written;
            }
        }
        megabytes
    }

    /// Reads so many MB and fails at the first that is not this stream's.
    #[track_caller]
    pub fn expect_from(mut self, reader: &mut impl Read, megabytes: usize) {
        let (mut piece, mut expected) = (vec![0; 1_000_000], vec![0; 1_000_000]);
        for at in 0..megabytes {
            let read: io::Result<()> = reader.read_exact(&mut piece);
            assert!(read.is_ok(), "it ended within megabyte {at} of {megabytes}: {read:?}");
            self.fill(&mut expected);
            assert!(piece == expected, "megabyte {at} is not what was sent");
        }
    }

    fn fill(&mut self, piece: &mut [u8]) {
        for bytes in piece.chunks_mut(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            bytes.copy_from_slice(&self.0.to_le_bytes()[..bytes.len()]);
        }
    }
}
