//! What a held terminal shows: a model of its screen, fed with the program's output, that can be drawn anew on any
//! terminal. Pure.
//!
//! The model is vt100's. Around it: a bound on its size, the line-drawing characters that it does not know, and a
//! guard, since it reads what programs print and runs in process 1.

use std::fmt::Write as _;
use std::mem;
use std::num::NonZeroU16;
use std::panic::{AssertUnwindSafe, catch_unwind};

use spaces_protocol::frame::WindowSize;
use spaces_protocol::session::TERMINAL_RESET;
use vt100::capture::{BasicFormattedCaptureRange, BasicFormattedCaptureState};
use vt100::{Callbacks, Parser};

use super::drawing::Drawing;

/// Lines that are kept after they have left the screen.
const HISTORY: usize = 1000;

/// Largest model: beyond what anybody sees at once, and a client may ask for 65,535 in both directions.
const MOST_COLUMNS: u16 = 512;
const MOST_ROWS: u16 = 256;

/// Smallest: a wide character needs two columns.
const LEAST: u16 = 2;

/// Longest title that is kept.
const TITLE: usize = 200;

/// A terminal's screen.
pub(crate) struct Screen {
    model: Parser<News>,
    drawing: Drawing,
}

/// What the model tells beside its cells.
#[derive(Default)]
struct News {
    title: String,
}

impl Callbacks for News {
    fn set_window_title(&mut self, _screen: &mut vt100::Screen, title: &[u8]) {
        let title = String::from_utf8_lossy(title);
        self.title = title.chars().filter(|character| !character.is_control()).take(TITLE).collect();
    }
}

impl Screen {
    /// An empty screen.
    pub(crate) fn new(size: WindowSize) -> Self {
        let (rows, columns) = fitting(size);
        Self {
            model: Parser::new_with_callbacks(rows, columns, HISTORY, News::default()),
            drawing: Drawing::default(),
        }
    }

    /// Follows the program's output.
    pub(crate) fn show(&mut self, bytes: &[u8]) {
        self.guarded(|screen| {
            let bytes = screen.drawing.translate(bytes);
            screen.model.process(&bytes);
        });
    }

    /// Follows the terminal's size.
    pub(crate) fn resize(&mut self, size: WindowSize) {
        let (rows, columns) = fitting(size);
        self.guarded(|screen| screen.model.set_size(rows, columns));
    }

    /// What the program calls its window.
    pub(crate) fn title(&self) -> &str {
        &self.model.callbacks().title
    }

    /// Text that makes another terminal of this size show the same: the lines that have left the screen scroll by, then
    /// the screen, the cursor and the modes of keyboard and mouse are as they were. A notice stands at the edge, where it
    /// covers nothing, until the program draws there.
    pub(crate) fn repaint(&mut self, notice: Option<&str>) -> Vec<u8> {
        let mut text = String::new();
        self.guarded(|screen| text = drawn(&screen.model, notice));
        text.push_str(self.drawing.selected());
        if !self.title().is_empty() {
            // A `String` takes whatever is written to it.
            write!(text, "\x1b]2;{}\x07", self.title()).ok();
        }
        text.into_bytes()
    }

    /// A model that cannot follow some output is given up for an empty one: the program and its Space go on.
    fn guarded(&mut self, act: impl FnOnce(&mut Self)) {
        if catch_unwind(AssertUnwindSafe(|| act(self))).is_err() {
            let (rows, columns) = self.model.screen().size();
            let news = mem::take(self.model.callbacks_mut());
            self.model = Parser::new_with_callbacks(rows, columns, HISTORY, news);
            self.drawing = Drawing::default();
        }
    }
}

fn drawn(model: &Parser<News>, notice: Option<&str>) -> String {
    let (rows, _columns) = model.screen().size();
    // Out of the alternate screen, all modes off, and what the client's terminal showed before scrolls away unharmed.
    let mut text = format!("{TERMINAL_RESET}{}\x1b[H", "\r\n".repeat(usize::from(rows.get())));
    let screen = model.screen();
    text.push_str(&history(screen));
    if screen.alternate_screen() {
        text.push_str(&main_screen(screen).screen().contents_formatted());
        text.push_str("\x1b[?1049h");
    }
    text.push_str(&screen.state_formatted());
    if let Some(notice) = notice
        && let Some((row, column)) = free_corner(screen, notice.chars().count() + 2)
    {
        // A `String` takes whatever is written to it.
        write!(text, "\x1b[{};{}H\x1b[m\x1b[7m {notice} \x1b[m", row + 1, column + 1).ok();
        text.push_str(&screen.cursor_state_formatted());
        text.push_str(&screen.attributes_formatted());
    }
    text
}

/// Where so many characters cover nothing: at the right edge, as far up as can be.
fn free_corner(screen: &vt100::Screen, width: usize) -> Option<(u16, u16)> {
    let (rows, columns) = screen.size();
    let first = columns.get().checked_sub(u16::try_from(width).ok()?)?;
    let has_contents = |row, column| screen.cell(row, column).is_some_and(vt100::Cell::has_contents);
    let is_free = |row: &u16| !(first..columns.get()).any(|column| has_contents(*row, column));
    (0..rows.get()).find(is_free).map(|row| (row, first))
}

/// The lines that have left the screen, and an empty screen after them.
fn history(screen: &vt100::Screen) -> String {
    let mut model = main_screen(screen);
    model.process(b"\x1b[r\x1b[?6l\x1b[m\x1b[2J");
    let mut text = String::new();
    let mut state = BasicFormattedCaptureState::new();
    // A `String` takes whatever is written to it.
    model
        .screen()
        .write_contents_formatted_basic(&mut text, BasicFormattedCaptureRange::Full(&mut state))
        .ok();
    text.replace('\n', "\x1b[m\r\n") + "\x1b[m"
}

/// The screen under the alternate one, which the model shows only to a program that leaves the latter.
fn main_screen(screen: &vt100::Screen) -> Parser {
    let (rows, columns) = screen.size();
    let mut model = Parser::new(rows, columns, HISTORY);
    *model.screen_mut() = screen.clone();
    model.process(b"\x1b[?47l");
    model
}

fn fitting(size: WindowSize) -> (NonZeroU16, NonZeroU16) {
    let fit = |asked: u16, default: u16, most: u16| {
        let asked = if asked == 0 { default } else { asked };
        NonZeroU16::new(asked.clamp(LEAST, most)).unwrap_or(NonZeroU16::MIN)
    };
    (fit(size.rows, 24, MOST_ROWS), fit(size.columns, 80, MOST_COLUMNS))
}

#[cfg(test)]
mod tests;
