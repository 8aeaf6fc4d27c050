//! What a client sends into a channel, on its way to the guest: its bytes, their end, sizes and signals.
//!
//! Always reads the SSH channel, whatever the guest does: a full channel queue would stop the whole connection,
//! siblings included. What it holds is bounded by the channel's window.

use std::collections::VecDeque;
use std::io;

use bytes::{Bytes, BytesMut};
use russh::{ChannelMsg, ChannelReadHalf, Sig};
use spaces_protocol::frame::{Frame, MAX_DATA, Signal, ToGuest, WindowSize};
use tokio_util::sync::CancellationToken;

use super::socket::GuestWriter;
use super::window::Window;

/// Most pieces of input that are kept apart. A client that sends single bytes must not make each of them cost
/// what a piece costs.
const PIECES: usize = 1024;

/// Pieces up to this many bytes are joined: to copy a larger one costs more than a frame of its own.
const SMALL: usize = 8 * 1024;

/// What came from the client and has not been taken by the guest yet.
pub(super) struct Ingress<'a> {
    window: &'a mut Window,
    output_closed: &'a CancellationToken,
    messages: VecDeque<ToGuest>,
    data: VecDeque<Bytes>,
    end: End,
    /// Bytes of the frame that is being written.
    in_flight: usize,
}

/// Whether the guest's socket takes frames.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Guest {
    Idle,
    Busy,
    Deaf,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Due,
    Told,
}

impl<'a> Ingress<'a> {
    pub(super) fn new(window: &'a mut Window, output_closed: &'a CancellationToken) -> Self {
        Self {
            window,
            output_closed,
            messages: VecDeque::new(),
            data: VecDeque::new(),
            end: End::Open,
            in_flight: 0,
        }
    }

    /// Ends when the client closed the channel. A guest that takes no more input may still have output and
    /// a status to give: from then on input is thrown away, as sshd does.
    pub(super) async fn run(&mut self, read: &mut ChannelReadHalf, writer: &mut GuestWriter) {
        let mut guest = Guest::Idle;
        let mut output_open = true;
        loop {
            while guest != Guest::Busy
                && let Some(frame) = self.next_frame()
            {
                guest = match guest {
                    Guest::Idle if writer.queue(frame).is_ok() => Guest::Busy,
                    Guest::Idle | Guest::Busy | Guest::Deaf => {
                        self.taken();
                        Guest::Deaf
                    }
                };
            }
            tokio::select! {
                message = read.wait() => match message {
                    Some(message) => if self.take(message) == Client::Closed { return },
                    None => return,
                },
                result = writer.flush(), if guest == Guest::Busy => {
                    guest = if result.is_ok() { Guest::Idle } else { Guest::Deaf };
                    self.taken();
                }
                () = self.output_closed.cancelled(), if output_open => {
                    output_open = false;
                    self.messages.push_back(ToGuest::OutputClosed);
                }
            }
        }
    }

    /// Gives the guest what it has not taken yet, and the end of it.
    pub(super) async fn drain(&mut self, writer: &mut GuestWriter) -> io::Result<()> {
        if self.end == End::Open {
            self.end = End::Due;
        }
        writer.flush().await?;
        while let Some(frame) = self.next_frame() {
            writer.queue(frame)?;
            writer.flush().await?;
        }
        Ok(())
    }

    fn take(&mut self, message: ChannelMsg) -> Client {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "russh's enum is open; the rest is not for a running program"
        )]
        match message {
            ChannelMsg::Data { data } if !data.is_empty() => self.keep(data),
            ChannelMsg::Eof if self.end == End::Open => self.end = End::Due,
            ChannelMsg::Close => return Client::Closed,
            ChannelMsg::WindowChange { col_width, row_height, pix_width, pix_height } => {
                let size = window_size(col_width, row_height, pix_width, pix_height);
                // Only the newest size matters: a client that floods sizes holds one slot.
                self.messages.retain(|queued| !matches!(queued, ToGuest::Resize(_)));
                self.messages.push_back(ToGuest::Resize(size));
            }
            ChannelMsg::Signal { signal } => {
                if let Some(signal) = from_ssh(&signal)
                    && self.messages.len() < 64
                {
                    self.messages.push_back(ToGuest::Signal(signal));
                }
            }
            _ => {}
        }
        Client::Here
    }

    fn keep(&mut self, data: Bytes) {
        self.data.push_back(data);
        if self.data.len() > PIECES {
            let joined = self.data.make_contiguous().concat();
            self.data = VecDeque::from([joined.into()]);
        }
    }

    fn next_frame(&mut self) -> Option<Frame<ToGuest>> {
        if let Some(message) = self.messages.pop_front() {
            return Some(Frame::Message(message));
        }
        if let Some(data) = self.next_data() {
            self.in_flight = data.len();
            return Some(Frame::Stdin(data));
        }
        if self.end == End::Due {
            self.end = End::Told;
            return Some(Frame::Message(ToGuest::StdinEof));
        }
        None
    }

    /// The next piece of input: small ones joined, none above [`MAX_DATA`].
    fn next_data(&mut self) -> Option<Bytes> {
        let mut first = self.data.pop_front()?;
        if first.len() > MAX_DATA {
            self.data.push_front(first.split_off(MAX_DATA));
            return Some(first);
        }
        let fits = |data: &VecDeque<Bytes>, have: usize| {
            data.front().is_some_and(|next| next.len() <= SMALL && have + next.len() <= MAX_DATA)
        };
        if !fits(&self.data, first.len()) {
            return Some(first);
        }
        let mut joined = BytesMut::from(first);
        while fits(&self.data, joined.len()) {
            joined.extend_from_slice(&self.data.pop_front()?);
        }
        Some(joined.freeze())
    }

    fn taken(&mut self) {
        self.window.free(std::mem::take(&mut self.in_flight));
    }
}

#[derive(PartialEq, Eq)]
enum Client {
    Here,
    Closed,
}

/// A size off the wire, cut to what a terminal can have.
pub(crate) fn window_size(columns: u32, rows: u32, pixel_width: u32, pixel_height: u32) -> WindowSize {
    let fit = |value: u32| u16::try_from(value).unwrap_or(u16::MAX);
    WindowSize {
        columns: fit(columns),
        rows: fit(rows),
        pixel_width: fit(pixel_width),
        pixel_height: fit(pixel_height),
    }
}

/// Whether a program can be sent this signal.
pub(crate) fn can_signal(signal: &Sig) -> bool {
    from_ssh(signal).is_some()
}

fn from_ssh(signal: &Sig) -> Option<Signal> {
    Some(match signal {
        Sig::ABRT => Signal::Abrt,
        Sig::ALRM => Signal::Alrm,
        Sig::FPE => Signal::Fpe,
        Sig::HUP => Signal::Hup,
        Sig::ILL => Signal::Ill,
        Sig::INT => Signal::Int,
        Sig::KILL => Signal::Kill,
        Sig::PIPE => Signal::Pipe,
        Sig::QUIT => Signal::Quit,
        Sig::SEGV => Signal::Segv,
        Sig::TERM => Signal::Term,
        Sig::USR1 => Signal::Usr1,
        Sig::Custom(name) if name == "USR2" => Signal::Usr2,
        // OpenSSH's INFO is the BSDs' ^T; Linux has none.
        Sig::Custom(_) => return None,
    })
}
