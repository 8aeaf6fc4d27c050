//! Memory for a piece of output while it goes from a program to the connection. A channel that has nothing to
//! say holds none of it.

use std::cell::RefCell;
use std::mem;
use std::rc::Rc;

use spaces_protocol::frame::MAX_DATA;

/// Buffers kept for the next piece; one is in use at a time unless connections are slow.
const SPARE: usize = 2;

/// Where buffers come from and go back to.
#[derive(Default)]
pub(crate) struct Buffers {
    spare: RefCell<Vec<Box<[u8]>>>,
}

/// [`MAX_DATA`] bytes, of which the first few are filled.
pub(crate) struct Buffer {
    bytes: Box<[u8]>,
    filled: usize,
    home: Rc<Buffers>,
}

impl Buffers {
    /// An empty buffer.
    pub(crate) fn take(self: &Rc<Self>) -> Buffer {
        let spare = self.spare.borrow_mut().pop();
        Buffer {
            bytes: spare.unwrap_or_else(|| vec![0; MAX_DATA].into_boxed_slice()),
            filled: 0,
            home: Rc::clone(self),
        }
    }
}

impl Buffer {
    /// The bytes so far.
    pub(crate) fn filled(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }

    /// Room for more; empty when full.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.filled..).unwrap_or_default()
    }

    /// Says that the first `count` bytes of [`Self::room`] are filled now.
    pub(crate) fn advance(&mut self, count: usize) {
        self.filled = self.bytes.len().min(self.filled.saturating_add(count));
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut spare = self.home.spare.borrow_mut();
        if spare.len() < SPARE {
            spare.push(mem::take(&mut self.bytes));
        }
    }
}
