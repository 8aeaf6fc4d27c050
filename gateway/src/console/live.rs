//! `space usage` on a terminal: drawn anew each second until a key is pressed.

mod picture;

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen};
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};
use russh::ChannelMsg;
use spaces_protocol::failure::{Code, Failure};
use spaces_protocol::frame::WindowSize;
use spaces_protocol::name::SpaceReference;
use spaces_protocol::reply::{Reply, Usage};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::reach::seen;
use super::run::Caller;
use super::usage::{Now, told};
use crate::ssh::ChannelParts;
use picture::{Colours, History};

/// How often it is drawn.
const EVERY: Duration = Duration::from_secs(1);

/// How soon after the terminal was resized: somebody who drags a corner sends many sizes.
const SOON: Duration = Duration::from_millis(50);

/// How long a client may take for one picture.
const PATIENCE: Duration = Duration::from_secs(30);

/// No terminal is larger, whatever it says: each character costs memory.
const LARGEST: (u16, u16) = (300, 100);

/// Of a terminal that does not tell.
const USUAL: (u16, u16) = (80, 24);

/// Whether this channel's terminal can show it.
pub(super) fn suits(parts: &ChannelParts) -> bool {
    parts.terminal.as_ref().is_some_and(|terminal| !matches!(terminal.term.as_str(), "" | "dumb"))
}

/// Shows it until the person has seen enough; the answer is what was shown last.
pub(super) async fn show(
    caller: &Caller<'_>,
    reference: &SpaceReference,
    parts: &mut ChannelParts,
) -> Result<Reply, Failure> {
    let size = parts.terminal.as_ref().map(|terminal| terminal.size).unwrap_or_default();
    let colourless = parts.environment.iter().any(|(name, value)| name == "NO_COLOR" && !value.is_empty());
    let mut screen = Screen::new(size).map_err(|error| broken(&error))?;
    let colours = if colourless { Colours::None } else { Colours::Some };
    let begun = screen.begin();
    send(parts, begun.map_err(|error| broken(&error))?).await?;
    let seen = watch(caller, reference, parts, &mut screen, colours).await;
    if let Ok(farewell) = screen.end() {
        // Also after a failure, which is to be read on the screen that was there before.
        drop(send(parts, farewell).await);
    }
    Ok(Reply::SpaceUses(Box::new(seen?)))
}

async fn watch(
    caller: &Caller<'_>,
    reference: &SpaceReference,
    parts: &mut ChannelParts,
    screen: &mut Screen,
    colours: Colours,
) -> Result<Usage, Failure> {
    let (mut history, mut before, mut shown) = (History::default(), None, None);
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut resized, mut leaving) = (None, false);
    loop {
        // Both are safe to drop: nothing is half done where they wait. What is due is drawn first, whatever a client sends.
        tokio::select! {
            biased;
            _ = tick.tick() => {
                if let Some((columns, rows)) = resized.take() {
                    screen.resize(columns, rows).map_err(|error| broken(&error))?;
                }
                let space = seen(caller, reference).await?;
                let reading = caller.platform.lifecycle.reading(&space).await;
                let reading = (Instant::now(), reading.map_err(|error| error.explain(&reference.to_string()))?);
                let usage = told(caller.platform, &space, &Now::between(before.take(), &reading));
                before = Some(reading);
                history.add(&usage);
                let drawn = screen.draw(|frame| picture::draw(frame, &usage, &history, colours));
                shown = Some(usage);
                send(parts, drawn.map_err(|error| broken(&error))?).await?;
            }
            message = parts.ssh.read.wait(), if !leaving => match message {
                Some(ChannelMsg::Data { data }) => {
                    parts.ssh.window.free(data.len());
                    leaving = data.iter().any(|byte| leaves(*byte));
                }
                Some(ChannelMsg::WindowChange { col_width, row_height, .. }) => {
                    // Who drags a corner sends many sizes; the first of them says when to draw.
                    if resized.replace((col_width, row_height)).is_none() {
                        tick.reset_after(SOON);
                    }
                }
                Some(ChannelMsg::Eof | ChannelMsg::Close) | None => leaving = true,
                Some(_) => {}
            },
        }
        // Not before it was drawn once: whose input has ended wants to see it too.
        if leaving && let Some(usage) = shown.take() {
            return Ok(usage);
        }
    }
}

/// `q`, escape, Ctrl-C and Ctrl-D.
fn leaves(byte: u8) -> bool {
    matches!(byte, b'q' | b'Q' | 0x1b | 3 | 4)
}

async fn send(parts: &ChannelParts, bytes: Vec<u8>) -> Result<(), Failure> {
    match timeout(PATIENCE, parts.ssh.write.data_bytes(bytes)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Failure::new(Code::Unavailable, "the terminal takes no more")),
    }
}

fn broken(error: &io::Error) -> Failure {
    Failure::new(Code::Internal, format!("it cannot be drawn: {error}"))
}

/// A terminal somewhere else: what is drawn becomes the bytes that draw it there.
struct Screen {
    terminal: Terminal<CrosstermBackend<Sheet>>,
    sheet: Sheet,
}

/// Bytes that were not sent yet. Shared, since the terminal keeps the end that it writes to.
#[derive(Clone, Default)]
struct Sheet(Arc<Mutex<Vec<u8>>>);

impl Screen {
    fn new(size: WindowSize) -> io::Result<Self> {
        let sheet = Sheet::default();
        Ok(Self { terminal: terminal(&sheet, size.columns.into(), size.rows.into())?, sheet })
    }

    fn begin(&mut self) -> io::Result<Vec<u8>> {
        execute!(self.terminal.backend_mut(), EnterAlternateScreen, Hide)?;
        Ok(self.sheet.take())
    }

    fn end(&mut self) -> io::Result<Vec<u8>> {
        execute!(self.terminal.backend_mut(), LeaveAlternateScreen, Show)?;
        Ok(self.sheet.take())
    }

    /// A new terminal in the place of the old one, whose own `resize` asks the terminal that this process may have.
    fn resize(&mut self, columns: u32, rows: u32) -> io::Result<()> {
        self.terminal = terminal(&self.sheet, columns, rows)?;
        execute!(self.terminal.backend_mut(), Clear(ClearType::All))
    }

    fn draw(&mut self, draw: impl FnOnce(&mut ratatui::Frame<'_>)) -> io::Result<Vec<u8>> {
        self.terminal.draw(draw)?;
        Ok(self.sheet.take())
    }
}

fn terminal(sheet: &Sheet, columns: u32, rows: u32) -> io::Result<Terminal<CrosstermBackend<Sheet>>> {
    let viewport = Viewport::Fixed(area(columns, rows));
    Terminal::with_options(CrosstermBackend::new(sheet.clone()), TerminalOptions { viewport })
}

fn area(columns: u32, rows: u32) -> Rect {
    let fit = |said: u32, usual: u16, largest: u16| match u16::try_from(said) {
        Ok(0) => usual,
        Ok(said) => said.min(largest),
        Err(_) => largest,
    };
    Rect::new(0, 0, fit(columns, USUAL.0, LARGEST.0), fit(rows, USUAL.1, LARGEST.1))
}

impl Sheet {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.bytes())
    }

    fn bytes(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Sheet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_as_large_as_it_says_within_reason() {
        assert_eq!(area(80, 24), Rect::new(0, 0, 80, 24));
        assert_eq!(area(0, 0), Rect::new(0, 0, 80, 24));
        assert_eq!(area(u32::MAX, 65_535), Rect::new(0, 0, 300, 100));
    }
}
