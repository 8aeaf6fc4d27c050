//! A Space from approval to deletion, as the manual tells it, by `ssh` and by `spaces`.

use spaces_tests::{Person, Platform, run};

#[test]
fn a_space_goes_up_and_down_and_away_with_everything_it_had() {
    let platform = Platform::start();
    let (alice, id) = platform.owner("alice@example.com", "my-room");
    let list = alice.ssh("spaces", &["list"]).ok();
    let row: Vec<&str> = list.lines().nth(1).expect("one row").split_whitespace().take(9).collect();
    assert_eq!(row[..6], [id.as_str(), "my-room", "admin", "running", "2000", "4096"]);
    // Its disk may have been measured already.
    assert!(["-/~20000", "0/~20000"].contains(&row[6]), "{list}");
    assert_eq!(row[7..], ["0/100000", "0/-"]);
    assert_eq!(alice.ssh("my-room", &["echo kept > note; id -un"]).ok(), "space\n");
    for _twice in 0..2 {
        assert_eq!(
            alice.ssh("spaces", &["space", "down", "--space", "my-room"]).ok(),
            format!("space {id} is stopped\n")
        );
    }
    let stopped = alice.ssh("my-room", &["true"]).fails(1);
    assert_eq!(stopped, "error: space `my-room` is stopped\nhint: `space up --space my-room` starts it\n");
    for _twice in 0..2 {
        assert_eq!(
            alice.ssh("spaces", &["space", "up", "--space", &id]).ok(),
            format!("space {id} is running\n")
        );
    }
    assert_eq!(alice.ssh(&id, &["cat note"]).ok(), "kept\n");
    assert_eq!(
        alice.ssh("spaces", &["space", "delete", "--space", "my-room"]).ok(),
        format!("deleted space {id}\n")
    );
    assert_eq!(platform.engine_holds(&["ps", "-a"]), [""; 0]);
    assert_eq!(platform.engine_holds(&["network", "ls"]), [""; 0]);
    assert!(!platform.state().join("run").join(&id).exists(), "the socket folder is left over");
}

#[test]
fn a_platform_admin_runs_anybodys_space_by_its_id_and_enters_none() {
    let platform = Platform::start();
    let admin = platform.admin();
    let (alice, id) = platform.owner("alice@example.com", "room");
    let (bob, _) = platform.owner("bob@example.com", "den");
    let verb = |who: &Person, verb: &str, space: &str, more: &[&str]| {
        who.ssh("spaces", &[&["space", verb, "--space", space], more].concat())
    };
    assert_eq!(verb(admin, "down", &id, &[]).ok(), format!("space {id} is stopped\n"));
    assert!(verb(admin, "why", &id, &[]).ok().contains("somebody stopped it"));
    assert_eq!(verb(admin, "up", &id, &[]).ok(), format!("space {id} is running\n"));
    assert!(verb(admin, "usage", &id, &[]).ok().starts_with("resource "));
    let set = verb(admin, "set", &id, &["--idle-stop", "2h"]).ok();
    assert_eq!(set, format!("space {id} has forwarding allow, idle-stop 2h\n"));
    // By its name only one's own, so that a slip cannot hit somebody else's.
    for word in ["down", "delete", "why"] {
        let refused = verb(admin, word, "room", &[]).fails(1);
        let hint = "hint: `list` shows yours, `admin spaces` everybody's: name another's by its id\n";
        assert_eq!(refused, format!("error: no space named `room`\n{hint}"));
    }
    // To run a platform is no reason to be in people's machines, and to have a Space none to run others'.
    let absent = "hint: `list` shows the spaces you can use\n";
    assert!(admin.ssh(&id, &["true"]).fails(1).ends_with(absent));
    assert!(admin.ssh("spaces", &["session", "list", "--space", &id]).fails(1).ends_with(absent));
    for word in ["up", "down", "delete", "why", "usage"] {
        assert!(verb(&bob, word, &id, &[]).fails(1).ends_with(absent), "{word}");
    }
    assert_eq!(alice.ssh("room", &["echo still here"]).ok(), "still here\n");
    // A certificate of theirs runs nothing but what it is for.
    let key = std::fs::read(admin.key().with_extension("pub")).expect("a public key");
    let certificate = admin.ssh_with(&[], "spaces", &["issue-cert"], &key).ok();
    let file = admin.private_file("admin-cert.pub", &certificate);
    let by_certificate = format!("CertificateFile={}", file.display());
    let down = ["space", "down", "--space", id.as_str()];
    admin.ssh_with(&["-o", &by_certificate], "spaces", &down, b"").fails(1);
    assert_eq!(alice.ssh("room", &["echo still here"]).ok(), "still here\n");
    assert_eq!(verb(admin, "delete", &id, &[]).ok(), format!("deleted space {id}\n"));
    assert!(alice.ssh("room", &["true"]).fails(1).ends_with(absent));
}

#[test]
fn what_the_engine_says_against_a_new_space_is_told_to_the_admin_who_wanted_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let guest = folder.path().join("no-program");
    std::fs::write(&guest, "").expect("a file");
    let platform = Platform::start_with(&[("SPACE__GUEST", &guest.display().to_string())]);
    let admin = platform.admin();
    let create = ["admin", "create-space", "--owner", "root@example.com", "--name", "room"];
    let refused = admin.ssh("spaces", &create).fails(1);
    let engine = "error: the container engine does not take that: ";
    assert!(refused.contains(engine) && refused.contains("permission denied"), "{refused}");
    assert!(refused.ends_with("\nhint: `space up --space sp_1` tries again\n"), "{refused}");
    let bob = platform.stranger("bob@example.com");
    bob.ssh("join", &["request", "bob@example.com"]).ok();
    let approved = admin.ssh("spaces", &["admin", "approve", "bob@example.com"]);
    // The approval stands, and the key is shown this once.
    assert_eq!(approved.status, 0);
    assert!(approved.stdout.starts_with("spaces_"), "{}", approved.stdout);
    let told = approved.stderr;
    assert!(told.contains("approved bob@example.com: space sp_2 named bob is failed\n"), "{told}");
    assert!(told.contains(engine) && told.contains("permission denied"), "{told}");
}

#[test]
fn a_new_space_has_no_more_cores_than_the_host() {
    let platform = Platform::start_with(&[("SPACE__CPU_MILLIS", "1000000")]);
    let (alice, _) = platform.owner("alice@example.com", "room");
    let list = alice.ssh("spaces", &["list"]).ok();
    let cpu = list.lines().nth(1).and_then(|row| row.split_whitespace().nth(4)).expect("a row");
    let info = run(platform.docker().args(["info", "-f", "{{.NCPU}}"]), b"").ok();
    assert_eq!(cpu, format!("{}000", info.trim()));
}
