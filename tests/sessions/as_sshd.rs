//! The same sessions with OpenSSH's sshd and with a Space made of the same image: a person cannot tell which is which.

use spaces_tests::{Output, Person, Platform, Sshd};

/// What is blocked, ignored and caught, but for SIGXFSZ (1000000), which is ignored in a Space alone: so that a disk that is
/// full is an error to its programs and not their end.
const SIGNALS: &str =
    "grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status | sed '/^SigIgn/s/0000000001000000/0000000000000000/'";

/// A session: options of ssh's, words for the other side, and what is typed.
struct Session {
    options: &'static [&'static str],
    words: &'static [&'static str],
    input: &'static [u8],
}

const fn command(line: &'static [&'static str]) -> Session {
    Session { options: &[], words: line, input: b"" }
}

const fn fed(line: &'static [&'static str], input: &'static [u8]) -> Session {
    Session { options: &[], words: line, input }
}

const fn typed(line: &'static [&'static str], input: &'static [u8]) -> Session {
    Session { options: &["-tt"], words: line, input }
}

/// More than any pipe or window holds.
static MUCH: [u8; 5_000_000] = [b'x'; 5_000_000];

/// What a bash that is run by sshd reads, though it is not interactive.
const MAKE_RC: &str = "printf 'export RC=read\\n' > .bashrc";

/// Both sides start with an empty home and keep what an earlier session left there.
const SESSIONS: &[Session] = &[
    // Streams and status.
    command(&["echo out; echo err >&2; exit 7"]),
    command(&["printf 'no end of line'; exit 255"]),
    command(&["seq 200000; seq 200000 >&2"]),
    command(&["no-such-program"]),
    command(&["kill -TERM $$"]),
    command(&["kill -KILL $$"]),
    command(&["bash -c 'kill -SEGV $$'"]),
    command(&["exec >&- 2>&-; sleep 0.2; exit 3"]),
    command(&["(sleep 0.3; echo late; echo later >&2) & echo early; exit 5"]),
    command(&["sleep 1000 > /dev/null 2>&1 < /dev/null & echo left behind"]),
    command(&["nohup sleep 1001 > /dev/null 2>&1 & disown; exit 4"]),
    // Standard input: empty, short, long, unread, read in part, closed by the program, given to a child.
    fed(&["cat; echo ended"], b""),
    fed(&["cat; echo ended"], b"no end of line"),
    fed(&["sha256sum"], &MUCH),
    fed(&["echo unread"], &MUCH),
    fed(&["head -c 10"], &MUCH),
    fed(&["exec <&-; sleep 0.2; echo closed"], &MUCH),
    fed(&["read a; read b; echo \"$b-$a\""], b"1\n2\n3\n"),
    fed(&["cat & wait; echo done"], b"for nobody"),
    Session { options: &["-n"], words: &["cat; echo nothing"], input: b"not sent" },
    // A shell that reads its commands.
    fed(&["bash -s one two"], b"echo $# $2; exit 6\necho never\n"),
    fed(&[], b"echo $0; shopt login_shell; exit 4\n"),
    fed(&[], b"echo an end without exit; false\n"),
    fed(&["/bin/sh"], b"cat <<END\nwords\nEND\nexit 2"),
    fed(&["sh -c 'cat > script; sh script'"], b"echo from a file\n"),
    // Words are joined with blanks and read by the person's shell.
    command(&["echo", "a  b", "*.none", "$HOME", "'it is'"]),
    command(&["ps -o args= -p $$; echo $0 $#"]),
    command(&["pwd; umask; id; tty"]),
    command(&["echo $SHLVL $USER $LOGNAME $HOME $SHELL $PATH ${TERM-no terminal} ${SSH_TTY-none}"]),
    Session {
        options: &["-o", "SetEnv=LANG=de_DE.UTF-8 LC_TIME=C LC_NONE= SECRET=1 LD_PRELOAD=/x PATH=/y"],
        words: &["echo $LANG $LC_TIME ${LC_NONE-unset} ${SECRET-unset} ${LD_PRELOAD-unset} $PATH"],
        input: b"",
    },
    command(&[MAKE_RC]),
    command(&["echo ${RC-unread}"]),
    command(&["exec sh -c 'echo ${RC-unread}'"]),
    command(&["rm .bashrc"]),
    // The process: leads a session, is blocked by and ignores no signal, has three open files.
    command(&["ps -o sid=,pgid= -p $$ | sed s/$$/me/g | tr -s ' '; ps -o tty= -p $$"]),
    command(&[SIGNALS]),
    command(&["ls /proc/self/fd"]),
    // Terminals.
    typed(&["tty; echo out; echo err >&2; exit 5"], b""),
    typed(&["stty -a"], b""),
    typed(&["echo $TERM $SSH_TTY"], b""),
    typed(&["stty size; ps -o tty= -p $$"], b""),
    typed(&["cat; echo ended"], b"a line\r\x04"),
    typed(&["kill -TERM $$"], b""),
    typed(&["sleep 1002 & echo done"], b""),
    typed(&[SIGNALS], b""),
    typed(&["ls /proc/self/fd"], b""),
    typed(&["ps -o sid=,pgid=,tpgid= -p $$ | sed s/$$/me/g | tr -s ' '"], b""),
    // What is left of all this: nothing that had a terminal.
    command(&["pgrep -ax sleep | cut -d' ' -f2-"]),
    // No such thing.
    Session { options: &["-s"], words: &["no-such-subsystem"], input: b"" },
    Session { options: &["-W", "127.0.0.1:1"], words: &[], input: b"" },
];

#[test]
fn a_session_is_what_it_is_with_sshd() {
    let platform = Platform::start();
    let (alice, _) = platform.owner("alice@example.com", "room");
    let sshd = Sshd::start(&platform, &alice, "room");
    let visitor = sshd.visitor(&alice);
    let empty = "find . -mindepth 1 -delete";
    for (person, login) in [(&alice, "room"), (&visitor, "space")] {
        person.ssh(login, &[empty]).ok();
    }
    let differing: Vec<String> = SESSIONS
        .iter()
        .filter_map(|session| {
            let (ours, theirs) = (hold(&alice, "room", session), hold(&visitor, "space", session));
            let what = format!("{:?} {:?}", session.options, session.words);
            (ours != theirs).then(|| format!("{what}\n  ours:   {ours:?}\n  sshd's: {theirs:?}"))
        })
        .collect();
    assert!(differing.is_empty(), "{} differ:\n{}", differing.len(), differing.join("\n"));
}

/// Status and streams; of long ones the beginning and the length.
fn hold(person: &Person, login: &str, session: &Session) -> (i32, String, String) {
    let Output { status, stdout, stderr, .. } =
        person.ssh_with(session.options, login, session.words, session.input);
    let short = |text: String| {
        let beginning: String = text.chars().take(400).collect();
        format!("{beginning} ({} bytes)", text.len())
    };
    (status, short(stdout), short(stderr))
}
