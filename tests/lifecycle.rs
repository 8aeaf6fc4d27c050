//! A Space from approval to deletion, as the manual tells it, by `ssh` and by `spaces`.

use spaces_tests::Platform;

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
