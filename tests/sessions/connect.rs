//! The ways in beside `ssh REF@host`.

use spaces_tests::Platform;

#[test]
fn connect_enters_by_every_way_as_ssh_does() {
    let platform = Platform::start();
    let alice = platform.stranger("alice@example.com");
    let key = alice.private_file("auth.key", &platform.auth_key(&alice.email));
    let (key, identity) = (key.display().to_string(), alice.key().display().to_string());
    alice.spaces(&["login", &alice.email, "--key-file", &key, "--identity", &identity]).ok();
    let id = platform.create_space(&alice.email, "room");

    // A login shell: the Space that is named, or the only one.
    let script = b"echo $0; exit 4\n";
    for words in [&["connect", "room"][..], &["connect", &id], &["connect"]] {
        let (ssh, spaces) = (alice.ssh_with(&[], "spaces", words, script), alice.spaces_with(words, script));
        assert_eq!((ssh.status, ssh.stdout.as_str(), ssh.stderr.as_str()), (4, "-bash\n", ""));
        assert_eq!(spaces, ssh);
    }
    let terminal = alice.ssh_with(&["-tt"], "spaces", &["connect", "room"], b"tty; exit 4\r");
    assert_eq!((terminal.status, terminal.stdout.contains("/dev/pts/0\r\n")), (4, true));

    // Several words are a program with exactly these arguments. Plain ssh joins its own with blanks, so the
    // person quotes for it.
    let words = ["connect", "room", "--", "printf", "<%s>", "a  b", "it's", "$HOME", "*", ""];
    let expected = "<a  b><it's><$HOME><*><>";
    assert_eq!(alice.spaces(&words).ok(), expected);
    let line = "connect room -- printf '<%s>' 'a  b' \"it's\" '$HOME' '*' ''";
    assert_eq!(alice.ssh("spaces", &[line]).ok(), expected);

    // One word is a line for the shell.
    let line = "echo ~ | cat; echo err >&2; exit 3";
    let spaces = alice.spaces(&["connect", "room", "--", line]);
    assert_eq!(
        (spaces.status, spaces.stdout.as_str(), spaces.stderr.as_str()),
        (3, "/home/space\n", "err\n")
    );
    assert_eq!(alice.ssh("spaces", &[&format!("connect room -- '{line}'")]), spaces);
    let bytes: Vec<u8> = (0..=u8::MAX).collect();
    assert_eq!(alice.spaces_with(&["connect", "room", "--", "cat"], &bytes).bytes, bytes);
    assert_eq!(alice.spaces(&["connect", "room", "--", "kill -KILL $$"]).fails(255), "");

    // With two there is no only one.
    let annex = platform.create_space(&alice.email, "annex");
    let expected = format!(
        "error: you have several spaces: `{id}` (room), `{annex}` (annex)\nhint: name the one: `connect SPACE`\n"
    );
    assert_eq!(alice.ssh("spaces", &["connect"]).fails(1), expected);
    assert_eq!(alice.spaces(&["connect"]).fails(1), expected);
}
