//! Signals by name and by number. Pure.

use nix::libc::c_int;
use nix::sys::signal as unix;
use spaces_protocol::frame::Signal;

/// The signals that RFC 4254 section 6.10 names.
const NAMED: [Signal; 13] = [
    Signal::Abrt,
    Signal::Alrm,
    Signal::Fpe,
    Signal::Hup,
    Signal::Ill,
    Signal::Int,
    Signal::Kill,
    Signal::Pipe,
    Signal::Quit,
    Signal::Segv,
    Signal::Term,
    Signal::Usr1,
    Signal::Usr2,
];

/// The system's signal, or `None` for a number that has none to send (the real-time ones included).
pub(crate) fn to_unix(signal: Signal) -> Option<unix::Signal> {
    Some(match signal {
        Signal::Abrt => unix::SIGABRT,
        Signal::Alrm => unix::SIGALRM,
        Signal::Fpe => unix::SIGFPE,
        Signal::Hup => unix::SIGHUP,
        Signal::Ill => unix::SIGILL,
        Signal::Int => unix::SIGINT,
        Signal::Kill => unix::SIGKILL,
        Signal::Pipe => unix::SIGPIPE,
        Signal::Quit => unix::SIGQUIT,
        Signal::Segv => unix::SIGSEGV,
        Signal::Term => unix::SIGTERM,
        Signal::Usr1 => unix::SIGUSR1,
        Signal::Usr2 => unix::SIGUSR2,
        Signal::Other(number) => return unix::Signal::try_from(c_int::from(number)).ok(),
    })
}

/// The signal of a number that the kernel reports.
pub(crate) fn from_number(number: c_int) -> Signal {
    let is_it = |signal: &Signal| to_unix(*signal).is_some_and(|unix| unix as c_int == number);
    let named = NAMED.into_iter().find(is_it);
    named.unwrap_or_else(|| Signal::Other(u8::try_from(number).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_of_the_system_comes_back_as_itself() {
        for signal in unix::Signal::iterator() {
            assert_eq!(to_unix(from_number(signal as c_int)), Some(signal));
        }
    }

    #[test]
    fn a_real_time_signal_is_reported_by_number_and_never_sent() {
        assert_eq!(from_number(40), Signal::Other(40));
        assert_eq!(to_unix(Signal::Other(40)), None);
    }
}
