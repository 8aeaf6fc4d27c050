//! What a Space is kept from, told as attacks from inside one, each with a friendly twin that must still work.

mod apart;
mod egress;
mod guest;
mod host;
mod kernel;
mod neighbours;
mod resources;
mod setup;
mod storage;
mod upkeep;

use spaces_tests::{Output, Person};

/// Asked of a program in a Space: whether a connection by TCP comes about, and what it brings.
const REACH: &str = "
import socket, sys
for where in sys.argv[2:]:
    address, port = where.rsplit(' ', 1)
    try:
        with socket.create_connection((address, int(port)), timeout=float(sys.argv[1])) as s:
            s.settimeout(float(sys.argv[1]))
            try: got = s.recv(100).decode(errors='replace').strip()
            except OSError: got = ''
            print(where, '=', 'reached', got.splitlines()[0] if got else '')
    except OSError as e: print(where, '=', 'not reached')
";

/// Runs this Python text in a Space, as root there.
fn python(person: &Person, space: &str, script: &str, arguments: &[&str]) -> Output {
    let words = arguments.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
    person.ssh_with(&[], space, &[&format!("sudo python3 - {words}")], script.as_bytes())
}

/// Tries to connect from a Space to each `ADDRESS PORT`; gives which were reached, in order.
#[track_caller]
fn reached(person: &Person, space: &str, places: &[&str]) -> Vec<String> {
    let answer = python(person, space, REACH, &[&["2"], places].concat()).ok();
    assert_eq!(answer.lines().count(), places.len(), "{answer}");
    let reached = answer.lines().filter_map(|line| line.split_once(" = reached"));
    reached.map(|(place, _greeting)| place.to_owned()).collect()
}
