//! What a Space may use: set by a platform admin, shown by `list`, and binding at once.

use std::process::Command;

use spaces_tests::{Output, Person, Platform, eventually};

/// What a new Space may use of the rest.
const OTHERS: &str = ", disk 20000, net 100000, net-rate -, llm-tokens -";

/// `admin set-budget` with these words.
fn set(admin: &Person, space: &str, words: &[&str]) -> Output {
    admin.ssh("spaces", &[&["admin", "set-budget", "--space", space], words].concat())
}

/// Processor and memory, as `list` shows them.
fn listed(person: &Person) -> Vec<String> {
    let list = person.ssh("spaces", &["list"]).ok();
    list.lines().nth(1).expect("one row").split_whitespace().skip(4).take(2).map(str::to_owned).collect()
}

/// How many of forty programs at once can be started.
fn at_once(person: &Person) -> usize {
    let script = "for i in $(seq 40); do sleep 20 & done 2>/dev/null; jobs -p | wc -l; kill $(jobs -p)";
    person.ssh_with(&[], "room", &["timeout 60 bash"], script.as_bytes()).stdout.trim().parse().unwrap_or(0)
}

/// Takes so many mebibytes, and says so if it got them.
fn take(person: &Person, mebibytes: u32) -> Output {
    let program = format!("python3 -c 'x = bytearray({mebibytes} << 20); print(len(x) >> 20)'");
    person.ssh("room", &[&program])
}

#[test]
fn limits_bind_at_once_on_a_space_that_runs() {
    let platform = Platform::start();
    let (alice, id) = platform.owner("alice@example.com", "room");
    assert_eq!(listed(&alice), ["2000", "4096"]);
    assert_eq!(at_once(&alice), 40);
    assert_eq!(take(&alice, 200).ok(), "200\n");
    let answer = set(platform.admin(), "room", &["--memory", "128", "--pids", "30", "--cpu", "500"]).ok();
    assert_eq!(answer, format!("space {id} may use cpu 500, memory 128, pids 30{OTHERS}\n"));
    assert_eq!(listed(&alice), ["500", "128"]);
    assert!(at_once(&alice) < 30, "the limit of processes does not bind");
    assert_ne!(take(&alice, 200).status, 0, "the limit of memory does not bind");
    assert_eq!(take(&alice, 20).ok(), "20\n", "what is below it is given");
    let answer = set(platform.admin(), &id, &["--memory", "512"]).ok();
    assert_eq!(
        answer,
        format!("space {id} may use cpu 500, memory 512, pids 30{OTHERS}\n"),
        "the others stay"
    );
    assert_eq!(take(&alice, 200).ok(), "200\n");
}

#[test]
fn a_space_that_is_stopped_comes_up_with_the_limits_set_meanwhile() {
    let platform = Platform::start();
    let (alice, id) = platform.owner("alice@example.com", "room");
    alice.ssh("spaces", &["space", "down", "--space", "room"]).ok();
    set(platform.admin(), &id, &["--memory", "96"]).ok();
    alice.ssh("spaces", &["space", "up", "--space", "room"]).ok();
    assert_ne!(take(&alice, 200).status, 0);
    assert_eq!(take(&alice, 20).ok(), "20\n");
}

#[test]
fn limits_that_make_no_sense_or_that_the_engine_refuses_change_nothing() {
    let platform = Platform::start();
    let (alice, id) = platform.owner("alice@example.com", "room");
    for words in [&["--cpu", "0"][..], &["--memory", "1"], &["--pids", "many"], &[]] {
        assert_eq!(set(platform.admin(), "room", words).status, 2, "{words:?}");
    }
    // More cores than any engine has.
    let refused = set(platform.admin(), &id, &["--cpu", "1000000", "--memory", "64", "--net", "5"]).fails(1);
    assert!(refused.starts_with("error: the container engine does not take that: "), "{refused}");
    assert!(refused.contains("\nhint: the limits are as they were"), "{refused}");
    assert_eq!(listed(&alice), ["2000", "4096"]);
    assert!(alice.ssh("spaces", &["list"]).ok().contains("/100000"), "of the others, too");
    assert_eq!(take(&alice, 200).ok(), "200\n");
    let trail = platform.admin().ssh("spaces", &["admin", "audit", "--limit", "10"]).ok();
    assert!(trail.contains(&format!("{id}/cpu=1000000/memory=64/net=5")), "{trail}");
    let unknown = set(platform.admin(), "attic", &["--cpu", "500"]).fails(1);
    assert_eq!(unknown, "error: no space named `attic`\nhint: `admin spaces` shows all of them\n");
    let denied = set(&alice, "room", &["--cpu", "500"]);
    assert_eq!(denied.status, 1, "{denied:?}");
    assert_eq!(listed(&alice), ["2000", "4096"]);
}

#[test]
fn limits_that_were_left_undone_and_that_the_engine_refuses_do_not_keep_a_space_down() {
    let mut platform = Platform::start();
    let (alice, id) = platform.owner("alice@example.com", "room");
    alice.ssh("spaces", &["space", "down", "--space", "room"]).ok();
    platform.stop();
    // As a SIGKILL leaves it between the intent and the engine's answer.
    let statement = format!(
        "UPDATE spaces SET held_cpu_millis = cpu_millis, held_memory_mib = memory_mib, held_pids = pids, \
         cpu_millis = 1000000, limits = 'due' WHERE id = {}",
        id.trim_start_matches("sp_")
    );
    let script =
        "import sqlite3, sys\nd = sqlite3.connect(sys.argv[1])\nd.execute(sys.argv[2])\nd.commit()\n";
    let database = platform.state().join("spaces.db");
    let ran = Command::new("/usr/bin/python3").args(["-c", script]).arg(database).arg(statement).status();
    assert!(ran.expect("python runs").success());
    platform.serve();
    eventually(|| listed(&alice), |limits| limits == &["2000", "4096"]);
    assert_eq!(
        alice.ssh("spaces", &["space", "up", "--space", "room"]).ok(),
        format!("space {id} is running\n")
    );
}

#[test]
fn a_person_is_held_to_what_all_their_spaces_may_have_together() {
    let platform = Platform::start_with(&[("CEILING__CPU_MILLIS", "4000")]);
    let (alice, id) = platform.owner("alice@example.com", "room");
    let admin = platform.admin();
    let create = |name: &str| {
        admin.ssh("spaces", &["admin", "create-space", "--owner", "alice@example.com", "--name", name])
    };
    create("den").ok();
    let refused = "error: the spaces of alice@example.com may have 4000 of cpu together, and would have 6000\n\
                   hint: `admin set-ceiling alice@example.com --cpu ...` raises it\n";
    assert_eq!(create("attic").fails(1), refused);
    assert_eq!(set(admin, &id, &["--cpu", "4000"]).fails(1), refused);
    assert_eq!(alice.ssh("spaces", &["list"]).ok().lines().count(), 3);
    let set_ceiling = |words: &[&str]| {
        admin.ssh("spaces", &[&["admin", "set-ceiling", "alice@example.com"], words].concat()).ok()
    };
    let told = "spaces of alice@example.com have spaces 2/3, cpu 4000/6000, memory 8192/-, disk 40000/-, net 200000/-\n";
    assert_eq!(set_ceiling(&["--cpu", "6000", "--spaces", "3"]), told);
    assert_eq!(set_ceiling(&[]), told);
    create("attic").ok();
    assert!(create("loft").fails(1).contains("may have 3 of spaces together"));
    set(admin, &id, &["--cpu", "1000"]).ok();
    let all = admin.ssh("spaces", &["admin", "spaces"]).ok();
    assert_eq!(all.lines().filter(|line| line.contains("alice@example.com")).count(), 3, "{all}");
}

/// Megabytes on the disk and how many may be, as `list` shows them.
fn disk(person: &Person) -> String {
    let list = person.ssh("spaces", &["list"]).ok();
    list.lines().nth(1).and_then(|row| row.split_whitespace().nth(6)).expect("a row").to_owned()
}

/// The attack: fill the disk, in one piece and by many programs at once. The storage of this machine's engine has no
/// quota of its own, so that the limit is soft: what was written before it was measured is written.
#[test]
fn a_full_disk_refuses_writes_lets_everything_else_go_on_and_frees_itself() {
    let settings =
        [("METERING__EVERY", "300ms"), ("METERING__DISK_EVERY", "300ms"), ("SPACE__DISK_MB", "20")];
    let platform = Platform::start_with(&settings);
    let (alice, id) = platform.owner("alice@example.com", "room");
    let (bob, _) = platform.owner("bob@example.com", "den");
    let sh = |script: &str| alice.ssh("room", &[script]);
    sh("echo kept > kept").ok();
    eventually(|| disk(&alice), |disk| disk == "0/~20");
    sh("mkfifo go; (read line < go; echo late > late) > why 2>&1 & sleep 0.1; head -c 30000000 /dev/urandom > big").ok();
    eventually(|| disk(&alice), |disk| disk == "30/~20");
    let refused = eventually(|| sh("echo more > more"), |output| output.status != 0);
    assert!(refused.stderr.contains("File too large"), "{refused:?}");
    for attempt in ["sudo sh -c 'echo x > /root/x'", "sudo dd if=/dev/zero of=y count=1", "cat kept >> big"] {
        assert_ne!(sh(attempt).status, 0, "{attempt}");
    }
    // One that ran before is refused as well, and lives on.
    sh("echo now > go").ok();
    // Everything else goes on: reading, running, the terminal, the network, and the neighbour's disk.
    assert_eq!(sh("cat kept; cat late; echo shown").ok(), "kept\nshown\n");
    assert_eq!(bob.ssh("den", &["echo more > more; cat more"]).ok(), "more\n");
    // A start is no way around, and deleting is the way back.
    for command in ["down", "up"] {
        alice.ssh("spaces", &["space", command, "--space", "room"]).ok();
    }
    assert_ne!(sh("echo more > more").status, 0);
    sh("rm big").ok();
    eventually(|| sh("echo more > more; cat more"), |output| output.stdout == "more\n");
    assert_eq!(disk(&alice), "0/~20");
    // More room works at once.
    sh("head -c 30000000 /dev/urandom > big").ok();
    eventually(|| sh("echo more > more"), |output| output.status != 0);
    set(platform.admin(), &id, &["--disk", "100"]).ok();
    eventually(|| sh("echo more > more"), |output| output.status == 0);
}

/// Without a round of metering between.
#[test]
fn a_new_disk_budget_lets_programs_write_or_stops_them_at_once() {
    let settings =
        [("METERING__EVERY", "300ms"), ("METERING__DISK_EVERY", "300ms"), ("SPACE__DISK_MB", "20")];
    let mut platform = Platform::start_with(&settings);
    let (alice, id) = platform.owner("alice@example.com", "room");
    let write = || alice.ssh("room", &["echo more > more"]);
    alice.ssh("room", &["head -c 30000000 /dev/urandom > big"]).ok();
    eventually(write, |output| output.status != 0);
    platform.kill();
    platform.set("METERING__EVERY", "1h");
    platform.serve();
    platform.wait_for_log("writes to its disk");
    assert_ne!(write().status, 0);
    set(platform.admin(), &id, &["--disk", "100"]).ok();
    write().ok();
    set(platform.admin(), &id, &["--disk", "25"]).ok();
    assert_ne!(write().status, 0);
}

/// What a file reserves takes room, and hardly any processor time.
#[test]
fn a_disk_that_was_filled_in_no_time_is_looked_at_in_the_next_round() {
    let settings = [("METERING__EVERY", "300ms"), ("METERING__DISK_EVERY", "1h"), ("SPACE__DISK_MB", "400")];
    let platform = Platform::start_with(&settings);
    let (alice, _) = platform.owner("alice@example.com", "room");
    eventually(|| disk(&alice), |disk| disk == "0/~400");
    alice.ssh("room", &["fallocate -l 500000000 big"]).ok();
    eventually(|| disk(&alice), |disk| disk == "500/~400");
    eventually(|| alice.ssh("room", &["echo more > more"]), |output| output.status != 0);
}
