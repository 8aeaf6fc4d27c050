//! What vt100 does not know or takes too literally, put right on the way to it. Pure.
//!
//! The line-drawing characters of the VT100, which `dialog`, `mc` and `aptitude` use: a character set that is selected
//! by escape sequences and shows letters as lines. And REP, which repeats a character as often as it is told: one
//! sequence of eight bytes could keep process 1 busy with 65,535 cells.

use std::borrow::Cow;

use vte::{Params, Parser, Perform};

/// From `` ` `` to `~`, as terminals draw them.
const LINES: [char; 31] = [
    '◆', '▒', '␉', '␌', '␍', '␊', '°', '±', '␤', '␋', '┘', '┐', '┌', '└', '┼', '⎺', '⎻', '─', '⎼', '⎽', '├',
    '┤', '┴', '┬', '│', '≤', '≥', 'π', '≠', '£', '·',
];

/// Repetitions of a character that a program can mean: as many as the widest line has.
const REPETITIONS: u16 = 512;

/// Cancels the control sequence that it stands in.
const CAN: u8 = 0x18;

/// Which character set the output is in.
#[derive(Default)]
pub(crate) struct Drawing {
    parser: Parser,
    selection: Selection,
    ending: Ending,
}

/// How the output so far ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Ending {
    #[default]
    Whole,
    /// Perhaps amid the selection of a set.
    Cut,
}

#[derive(Default)]
struct Selection {
    first: Set,
    second: Set,
    shift: Shift,
    /// The byte at hand, where it draws a line.
    line: Option<char>,
    /// The byte at hand, where it ends a sequence that is not meant.
    absurd: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Set {
    #[default]
    Text,
    Lines,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Shift {
    #[default]
    In,
    Out,
}

impl Drawing {
    /// The output, with letters that stand for lines as those lines.
    pub(crate) fn translate<'a>(&mut self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let before = std::mem::replace(&mut self.ending, ending(bytes));
        // Nothing selected before or here: nearly all output there is.
        if before == Ending::Whole && self.selection.is_plain() && !selects(bytes) {
            self.parser.advance(&mut self.selection, bytes);
            return Cow::Borrowed(bytes);
        }
        let mut translated = Vec::with_capacity(bytes.len());
        for byte in bytes {
            self.parser.advance(&mut self.selection, std::slice::from_ref(byte));
            if std::mem::take(&mut self.selection.absurd) {
                translated.push(CAN);
                continue;
            }
            match self.selection.line.take() {
                Some(line) => translated.extend_from_slice(line.encode_utf8(&mut [0; 4]).as_bytes()),
                None => translated.push(*byte),
            }
        }
        Cow::Owned(translated)
    }

    /// Text that selects the same on another terminal.
    pub(crate) fn selected(&self) -> &'static str {
        match (self.selection.first, self.selection.second, self.selection.shift) {
            (Set::Text, Set::Text, _) => "",
            (Set::Lines, Set::Text, Shift::In) => "\x1b(0",
            (Set::Lines, Set::Text, Shift::Out) => "\x1b(0\x0e",
            (Set::Text, Set::Lines, Shift::In) => "\x1b)0",
            (Set::Text, Set::Lines, Shift::Out) => "\x1b)0\x0e",
            (Set::Lines, Set::Lines, Shift::In) => "\x1b(0\x1b)0",
            (Set::Lines, Set::Lines, Shift::Out) => "\x1b(0\x1b)0\x0e",
        }
    }
}

/// Whether these bytes may select another set, or repeat a character.
fn selects(bytes: &[u8]) -> bool {
    bytes.first() == Some(&b'b')
        || bytes.contains(&0x0e)
        || bytes.windows(2).any(|pair| matches!(pair, [0x1b, b'(' | b')'] | [b'0'..=b'9', b'b']))
}

fn ending(bytes: &[u8]) -> Ending {
    match bytes {
        [.., 0x1b] | [.., 0x1b, b'(' | b')'] | [b'(' | b')'] => Ending::Cut,
        _ => Ending::Whole,
    }
}

impl Selection {
    fn is_plain(&self) -> bool {
        (self.first, self.second) == (Set::Text, Set::Text)
    }

    fn active(&self) -> Set {
        match self.shift {
            Shift::In => self.first,
            Shift::Out => self.second,
        }
    }
}

impl Perform for Selection {
    fn print(&mut self, character: char) {
        if self.active() == Set::Lines {
            let place = u32::from(character).checked_sub(u32::from('`'));
            self.line = place.and_then(|place| LINES.get(usize::try_from(place).ok()?)).copied();
        }
    }

    fn execute(&mut self, byte: u8) {
        match byte {
            0x0e => self.shift = Shift::Out,
            0x0f => self.shift = Shift::In,
            _ => {}
        }
    }

    fn csi_dispatch(&mut self, parameters: &Params, _intermediates: &[u8], _ignore: bool, action: char) {
        let first = parameters.iter().next().and_then(<[u16]>::first);
        self.absurd = action == 'b' && first.is_some_and(|count| *count > REPETITIONS);
    }

    fn esc_dispatch(&mut self, intermediates: &[u8], _ignore: bool, byte: u8) {
        let set = if byte == b'0' { Set::Lines } else { Set::Text };
        match intermediates {
            b"(" => self.first = set,
            b")" => self.second = set,
            // A full reset.
            b"" if byte == b'c' => *self = Self::default(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(pieces: &[&str]) -> String {
        let mut drawing = Drawing::default();
        let whole: Vec<u8> =
            pieces.iter().flat_map(|piece| drawing.translate(piece.as_bytes()).into_owned()).collect();
        String::from_utf8(whole).unwrap()
    }

    #[test]
    fn letters_become_lines_while_the_set_is_selected() {
        assert_eq!(translated(&["lqk\x1b(0lqk\x1b(Blqk"]), "lqk\x1b(0┌─┐\x1b(Blqk");
        assert_eq!(translated(&["\x1b)0x\x0ex\x0fx"]), "\x1b)0x\x0e│\x0fx");
        assert_eq!(translated(&["\x1b(0x\x1bcx"]), "\x1b(0│\x1bcx");
    }

    #[test]
    fn an_escape_sequence_may_be_cut_anywhere() {
        assert_eq!(translated(&["a\x1b", "(0q", "q\x1b(", "Bq"]), "a\x1b(0──\x1b(Bq");
        assert_eq!(translated(&["\x1b(", "0q"]), "\x1b(0─");
    }

    #[test]
    fn a_character_is_repeated_as_often_as_a_line_is_wide_and_no_more() {
        assert_eq!(translated(&["x\x1b[512b"]), "x\x1b[512b");
        assert_eq!(translated(&["x\x1b[513b"]), "x\x1b[513\x18");
        assert_eq!(translated(&["x\x1b[65535", "by"]), "x\x1b[65535\x18y");
        assert_eq!(translated(&["0x1b 99b"]), "0x1b 99b");
    }

    #[test]
    fn what_is_no_text_is_left_alone() {
        // Colours and titles hold the same letters.
        assert_eq!(translated(&["\x1b(0\x1b[31mx\x1b]2;qqq\x07q"]), "\x1b(0\x1b[31m│\x1b]2;qqq\x07─");
        assert_eq!(translated(&["\x1b(0é中"]), "\x1b(0é中");
    }
}
