//! What a Space may send.

use std::process::Command;

use spaces_tests::{eventually, run};

use crate::apart::{MOMENT, PUBLIC, Town};
use crate::{python, reached};

/// Sends datagrams of so many bytes each second, for so many seconds, to the world, and tells how many it sent.
const SEND: &str = "
import socket, sys, time
to, total = sys.argv[1], int(sys.argv[2])
s = socket.socket(type=socket.SOCK_DGRAM)
sent = 0
while sent < total:
    try: sent += s.sendto(bytes(1000), (to, 80))
    except OSError: break
    time.sleep(0.0002)
print(sent)
";

/// Megabytes sent and may be sent, as `list` shows them.
fn net(town: &Town) -> String {
    let list = town.mallory.ssh("spaces", &["list"]).ok();
    list.lines().nth(1).and_then(|row| row.split_whitespace().nth(7)).expect("a row").to_owned()
}

/// The attack: send more than the month's budget, faster than anybody reads the counters; then stop and start the Space,
/// and the gateway, to be counted anew.
#[test]
fn what_is_sent_beyond_the_budget_goes_nowhere_while_ssh_goes_on() {
    let mut town = Town::new(&[("METERING__EVERY", "500ms")]);
    let public = format!("{PUBLIC} 80");
    let set = |town: &Town, net: &str| {
        let words = ["admin", "set-budget", "--space", &town.space, "--net", net];
        town.platform.admin().ssh("spaces", &words).ok();
    };
    assert_eq!(reached(&town.mallory, "lair", &[&public]).len(), 1);
    set(&town, "5");
    python(&town.mallory, "lair", SEND, &[PUBLIC, "20000000"]);
    let arrived = town.world.received(MOMENT);
    // On a busy machine some are lost on the way.
    assert!((2_000_000..5_100_000).contains(&arrived), "{arrived} bytes arrived");
    eventually(|| net(&town), |net| net == "5/5");
    assert_eq!(reached(&town.mallory, "lair", &[&public]), [""; 0]);
    assert_eq!(town.mallory.ssh("lair", &["echo alive"]).ok(), "alive\n");
    // Whoever sits at a terminal is told why, on the way in; a program is not.
    let told = town.mallory.ssh_with(&["-tt"], "lair", &["true"], b"").stdout;
    assert!(
        told.starts_with("space lair: its network budget is used up: nothing leaves it until 20"),
        "{told}"
    );
    let why = town.mallory.ssh("spaces", &["space", "why", "--space", "lair"]).ok();
    assert!(why.contains("its network budget is used up"), "{why}");
    // Neither a start of the Space nor one of the gateway gives anything back.
    for command in ["down", "up"] {
        town.mallory.ssh("spaces", &["space", command, "--space", "lair"]).ok();
    }
    assert_eq!(reached(&town.mallory, "lair", &[&public]), [""; 0]);
    town.platform.kill();
    town.platform.serve();
    town.platform.wait_for_log("store and engine agree");
    assert_eq!(net(&town), "5/5");
    assert_eq!(reached(&town.mallory, "lair", &[&public]), [""; 0]);
    // The twin: a larger budget opens the way at once, without a restart.
    set(&town, "50");
    assert_eq!(reached(&town.mallory, "lair", &[&public]).len(), 1);
    python(&town.mallory, "lair", SEND, &[PUBLIC, "2000000"]).ok();
    eventually(|| net(&town), |net| net == "7/50");
}

/// The attack: stop and start the Space again and again before anybody has read what it sent, so that each start grants
/// anew what was left at the last reading.
#[test]
fn a_stop_and_a_start_give_nothing_back() {
    let town = Town::new(&[("METERING__EVERY", "1h"), ("SPACE__EGRESS_MB", "3")]);
    let mut arrived = 0;
    for _time in 0..4 {
        python(&town.mallory, "lair", SEND, &[PUBLIC, "2000000"]);
        arrived += town.world.received(MOMENT);
        for command in ["up", "down", "up"] {
            town.mallory.ssh("spaces", &["space", command, "--space", "lair"]).ok();
        }
    }
    assert!((1_000_000..3_100_000).contains(&arrived), "{arrived} bytes arrived");
    assert_eq!(net(&town), "3/3");
}

/// The attack: send as fast as the machine can, and, as root, remove what slows it down.
#[test]
fn what_is_sent_is_held_to_a_rate_that_nobody_inside_can_lift() {
    let town = Town::new(&[("SPACE__EGRESS_MBIT", "8")]);
    // Asked of the kernel from outside.
    let discipline = || {
        let mut docker = town.engine.docker();
        let format = ["inspect", "-f", "{{.State.Pid}}", &town.platform.container(&town.space)];
        let pid = run(docker.args(format), b"").ok();
        let mut nsenter = Command::new("nsenter");
        nsenter.arg(format!("--net=/proc/{}/ns/net", pid.trim()));
        run(nsenter.args(["tc", "-s", "qdisc", "show", "dev", "eth0"]), b"").ok()
    };
    let held = |told: &str| told.starts_with("qdisc tbf ") && told.contains(" rate 8Mbit ");
    assert!(held(&discipline()), "{}", discipline());
    for undo in
        ["tc qdisc del dev eth0 root", "tc qdisc replace dev eth0 root pfifo", "ip link set eth0 down"]
    {
        assert_ne!(town.mallory.ssh("lair", &[&format!("sudo {undo}")]).status, 0, "{undo}");
    }
    python(&town.mallory, "lair", SEND, &[PUBLIC, "3000000"]).ok();
    let told = discipline();
    assert!(held(&told), "{told}");
    assert!(!told.contains("overlimits 0 "), "nothing was held back: {told}");
    // A machine that is started anew is held again, and a running one when its budget says so.
    for command in ["down", "up"] {
        town.mallory.ssh("spaces", &["space", command, "--space", "lair"]).ok();
    }
    assert!(held(&discipline()), "{}", discipline());
    let words = ["admin", "set-budget", "--space", &town.space, "--net-rate"];
    let set = |mbit: &str| town.platform.admin().ssh("spaces", &[&words[..], &[mbit]].concat()).ok();
    set("0");
    assert!(!discipline().contains("tbf"), "{}", discipline());
    set("8");
    assert!(held(&discipline()), "{}", discipline());
    assert_eq!(reached(&town.mallory, "lair", &[&format!("{PUBLIC} 80")]).len(), 1);
}
