//! Bytes that the gateway sent and the program has not taken. Pure. Bounded by whoever asks [`Queue::has_room`]
//! before reading more.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};

/// Beyond this, the connection is not read until the program takes some: enough to find a resize or a signal
/// behind a burst of input, small enough for a thousand channels.
const LIMIT: usize = 256 * 1024;

/// What an entry costs beside its bytes, so that many tiny frames are bounded too.
const ENTRY: usize = 64;

/// First in, first out.
#[derive(Default)]
pub(crate) struct Queue {
    pieces: VecDeque<Bytes>,
    cost: usize,
}

impl Queue {
    /// Whether one more piece may be read.
    pub(crate) fn has_room(&self) -> bool {
        self.cost < LIMIT
    }

    /// Appends a piece.
    pub(crate) fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.cost += ENTRY + piece.len();
            self.pieces.push_back(piece);
        }
    }

    /// The oldest bytes; none when empty.
    pub(crate) fn front(&self) -> Option<&[u8]> {
        self.pieces.front().map(Bytes::as_ref)
    }

    /// The oldest piece, for a wait during which others may be added; none when empty.
    pub(crate) fn front_piece(&self) -> Option<Bytes> {
        self.pieces.front().cloned()
    }

    /// Forgets the first `count` bytes of [`Self::front`].
    pub(crate) fn advance(&mut self, count: usize) {
        let Some(first) = self.pieces.front_mut() else {
            return;
        };
        let count = count.min(first.len());
        first.advance(count);
        self.cost -= count;
        if first.is_empty() {
            self.pieces.pop_front();
            self.cost -= ENTRY;
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_leave_in_order_however_they_are_cut() {
        let mut queue = Queue::default();
        queue.push(Bytes::from_static(b"abc"));
        queue.push(Bytes::new());
        queue.push(Bytes::from_static(b"de"));
        let mut left = Vec::new();
        while let Some(front) = queue.front() {
            let count = front.len().min(2);
            left.extend_from_slice(&front[..count]);
            queue.advance(count);
        }
        assert_eq!(left, b"abcde");
        assert_eq!(queue.cost, 0);
    }

    #[test]
    fn tiny_pieces_fill_it_too() {
        let mut queue = Queue::default();
        let mut count = 0;
        while queue.has_room() {
            queue.push(Bytes::from_static(b"x"));
            count += 1;
        }
        assert!(count <= LIMIT / ENTRY);
        queue.clear();
        assert!(queue.has_room());
    }
}
