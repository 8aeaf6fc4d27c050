//! A channel's receive window: given back to the client as its bytes are taken.

use russh::ChannelId;
use russh::server::Handle;

/// Given back in pieces of this many bytes: an eighth of the window, as OpenSSH does. russh queues grants without
/// a bound, but no more can be under way than a window's worth: eight for each channel.
const PIECE: usize = 256 * 1024;

/// What was taken of one channel's window and not given back yet.
pub(crate) struct Window {
    channel: ChannelId,
    handle: Handle,
    taken: usize,
}

impl Window {
    /// The window of a channel that was opened just now.
    pub(crate) fn new(channel: ChannelId, handle: Handle) -> Self {
        Self { channel, handle, taken: 0 }
    }

    /// Counts bytes as taken: their place is free for more.
    pub(crate) fn free(&mut self, bytes: usize) {
        self.taken += bytes;
        if self.taken >= PIECE {
            // A window is 32 bits wide, and what was taken of it never exceeds it.
            self.handle.grant_window(self.channel, u32::try_from(self.taken).unwrap_or(u32::MAX));
            self.taken = 0;
        }
    }
}
