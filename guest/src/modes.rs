//! Encoded terminal modes, RFC 4254 section 8 and RFC 8160, applied to a termios. Pure.
//!
//! Opcodes that Linux has nothing for are ignored, and so are the line speeds (128, 129): a pseudo-terminal
//! has none.

use nix::libc;
use nix::sys::termios::SpecialCharacterIndices as Index;
use nix::sys::termios::{ControlFlags, InputFlags, LocalFlags, OutputFlags, Termios};

/// What an opcode stands for.
enum Mode {
    Character(Index),
    Input(InputFlags),
    Local(LocalFlags),
    Output(OutputFlags),
    Control(ControlFlags),
    /// A character's width in bits: one of several values of one field, not a flag.
    Width(ControlFlags),
}

/// The argument that says "no character".
const NO_CHARACTER: u32 = 255;

/// Applies each mode in the order given; a later one wins.
pub(crate) fn apply(termios: &mut Termios, modes: &[(u8, u32)]) {
    for (opcode, argument) in modes {
        let is_on = *argument != 0;
        match mode(*opcode) {
            Some(Mode::Character(index)) => set_character(termios, index, *argument),
            Some(Mode::Input(flag)) => termios.input_flags.set(flag, is_on),
            Some(Mode::Local(flag)) => termios.local_flags.set(flag, is_on),
            Some(Mode::Output(flag)) => termios.output_flags.set(flag, is_on),
            Some(Mode::Control(flag)) => termios.control_flags.set(flag, is_on),
            Some(Mode::Width(width)) if is_on => {
                termios.control_flags.remove(ControlFlags::CSIZE);
                termios.control_flags.insert(width);
            }
            Some(Mode::Width(_)) | None => {}
        }
    }
}

fn set_character(termios: &mut Termios, index: Index, argument: u32) {
    let character = match argument {
        NO_CHARACTER => Some(libc::_POSIX_VDISABLE),
        other => u8::try_from(other).ok(),
    };
    let slot = termios.control_chars.get_mut(index as usize);
    if let (Some(slot), Some(character)) = (slot, character) {
        *slot = character;
    }
}

fn mode(opcode: u8) -> Option<Mode> {
    match opcode {
        1..=18 => character(opcode).map(Mode::Character),
        30..=42 => input(opcode).map(Mode::Input),
        50..=62 => local(opcode).map(Mode::Local),
        70..=75 => output(opcode).map(Mode::Output),
        90 => Some(Mode::Width(ControlFlags::CS7)),
        91 => Some(Mode::Width(ControlFlags::CS8)),
        92 => Some(Mode::Control(ControlFlags::PARENB)),
        93 => Some(Mode::Control(ControlFlags::PARODD)),
        _ => None,
    }
}

fn character(opcode: u8) -> Option<Index> {
    Some(match opcode {
        1 => Index::VINTR,
        2 => Index::VQUIT,
        3 => Index::VERASE,
        4 => Index::VKILL,
        5 => Index::VEOF,
        6 => Index::VEOL,
        7 => Index::VEOL2,
        8 => Index::VSTART,
        9 => Index::VSTOP,
        10 => Index::VSUSP,
        12 => Index::VREPRINT,
        13 => Index::VWERASE,
        14 => Index::VLNEXT,
        16 => Index::VSWTC,
        18 => Index::VDISCARD,
        _ => return None,
    })
}

fn input(opcode: u8) -> Option<InputFlags> {
    Some(match opcode {
        30 => InputFlags::IGNPAR,
        31 => InputFlags::PARMRK,
        32 => InputFlags::INPCK,
        33 => InputFlags::ISTRIP,
        34 => InputFlags::INLCR,
        35 => InputFlags::IGNCR,
        36 => InputFlags::ICRNL,
        37 => InputFlags::from_bits_retain(libc::IUCLC),
        38 => InputFlags::IXON,
        39 => InputFlags::IXANY,
        40 => InputFlags::IXOFF,
        41 => InputFlags::IMAXBEL,
        42 => InputFlags::IUTF8,
        _ => return None,
    })
}

fn local(opcode: u8) -> Option<LocalFlags> {
    Some(match opcode {
        50 => LocalFlags::ISIG,
        51 => LocalFlags::ICANON,
        52 => LocalFlags::from_bits_retain(libc::XCASE),
        53 => LocalFlags::ECHO,
        54 => LocalFlags::ECHOE,
        55 => LocalFlags::ECHOK,
        56 => LocalFlags::ECHONL,
        57 => LocalFlags::NOFLSH,
        58 => LocalFlags::TOSTOP,
        59 => LocalFlags::IEXTEN,
        60 => LocalFlags::ECHOCTL,
        61 => LocalFlags::ECHOKE,
        62 => LocalFlags::PENDIN,
        _ => return None,
    })
}

fn output(opcode: u8) -> Option<OutputFlags> {
    Some(match opcode {
        70 => OutputFlags::OPOST,
        71 => OutputFlags::OLCUC,
        72 => OutputFlags::ONLCR,
        73 => OutputFlags::OCRNL,
        74 => OutputFlags::ONOCR,
        75 => OutputFlags::ONLRET,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terminal() -> Termios {
        let pair = nix::pty::openpty(None, None).unwrap();
        nix::sys::termios::tcgetattr(&pair.slave).unwrap()
    }

    #[test]
    fn flags_go_on_and_off() {
        let mut termios = terminal();
        apply(&mut termios, &[(53, 0), (36, 0), (72, 0), (42, 1), (92, 1)]);
        assert!(!termios.local_flags.contains(LocalFlags::ECHO));
        assert!(!termios.input_flags.contains(InputFlags::ICRNL));
        assert!(!termios.output_flags.contains(OutputFlags::ONLCR));
        assert!(termios.input_flags.contains(InputFlags::IUTF8));
        assert!(termios.control_flags.contains(ControlFlags::PARENB));
        apply(&mut termios, &[(53, 1)]);
        assert!(termios.local_flags.contains(LocalFlags::ECHO));
    }

    #[test]
    fn characters_are_set_and_255_means_none() {
        let mut termios = terminal();
        apply(&mut termios, &[(1, 7), (3, 255), (5, 300)]);
        assert_eq!(termios.control_chars[Index::VINTR as usize], 7);
        assert_eq!(termios.control_chars[Index::VERASE as usize], libc::_POSIX_VDISABLE);
        assert_eq!(termios.control_chars[Index::VEOF as usize], 4, "no character has this number");
    }

    #[test]
    fn a_width_is_one_value_whatever_the_order_of_its_opcodes() {
        let mut termios = terminal();
        apply(&mut termios, &[(91, 1), (90, 0)]);
        assert_eq!(termios.control_flags & ControlFlags::CSIZE, ControlFlags::CS8);
    }

    #[test]
    fn unknown_opcodes_change_nothing() {
        let (mut termios, before) = (terminal(), terminal());
        apply(&mut termios, &[(0, 1), (11, 1), (29, 1), (128, 9600), (129, 9600), (200, 1)]);
        assert_eq!(termios, before);
    }
}
