//! SIGKILL of the gateway at any point of approve, up, down, delete and a new budget. After the next start the store and the
//! engine agree, nothing is left over, and the same command does what it says.

use spaces_tests::{Output, Person, Platform};

use crate::agreement::{assert_agreement, told};
use crate::interposer::{Interposer, Moment};

/// A platform whose gateway may be killed at each call to the engine.
struct Scene {
    // Dropped first: it cleans up by way of the interposer.
    platform: Platform,
    engine: Interposer,
}

impl Scene {
    fn new() -> Self {
        let engine = Interposer::new();
        let socket = engine.socket().display().to_string();
        Self { platform: Platform::start_with(&[("ENGINE__SOCKET", &socket)]), engine }
    }

    /// Lets `act` happen while the gateway dies at that call, and starts another. `None`: there is no such call.
    #[track_caller]
    fn killed(&mut self, pass: u32, moment: Moment, act: impl FnOnce(&Platform) -> Output) -> Option<()> {
        self.engine.arm(pass, moment, self.platform.pid());
        let outcome = act(&self.platform);
        if !self.engine.disarm() {
            outcome.ok();
            return None;
        }
        assert_eq!(outcome.status, 255, "the connection should have broken: {outcome:?}");
        self.platform.kill();
        self.platform.serve();
        self.platform.wait_for_log("store and engine agree");
        Some(())
    }
}

/// More calls to the engine than any operation makes.
const MOST_CALLS: u32 = 20;

/// Every call of an operation, before it, during it and after it.
fn at_every_point(mut at: impl FnMut(u32, Moment) -> Option<()>) -> u32 {
    let mut points = 0;
    for moment in Moment::ALL {
        let calls = (0..MOST_CALLS).take_while(|pass| at(*pass, moment).is_some()).count();
        assert!(calls > 0, "no call to the engine was seen");
        points += u32::try_from(calls).expect("a few");
    }
    points
}

#[test]
fn approve_survives_a_kill_at_any_point() {
    let mut scene = Scene::new();
    let mut people: Vec<Person> = Vec::new();
    let points = at_every_point(|pass, moment| {
        let email = format!("person-{}@example.com", people.len());
        let newcomer = scene.platform.stranger(&email);
        newcomer.ssh("join", &["request", &email]).ok();
        let approve = |platform: &Platform| platform.admin().ssh("spaces", &["admin", "approve", &email]);
        let reached = scene.killed(pass, moment, approve);
        let key = match approve(&scene.platform) {
            Output { status: 0, stdout, .. } => stdout,
            // It was approved before the kill, or there was none; a key that was never shown is made anew.
            other => {
                let hint = "hint: `admin requests` lists them; `admin issue-key` needs none\n";
                assert_eq!(other.fails(1), format!("error: no open request from {email}\n{hint}"));
                scene.platform.auth_key(&email)
            }
        };
        let login = newcomer.ssh_answering(key.trim(), &["login"]);
        assert_eq!(login.stdout, format!("authenticated as {email}\n"), "{}", login.stderr);
        let spaces = told(&[&newcomer]);
        assert_eq!(spaces.values().collect::<Vec<_>>(), ["running"], "{pass} {moment:?}");
        let name = email.split('@').next().expect("a local part");
        assert_eq!(newcomer.ssh(name, &["hostname"]).ok(), format!("{name}\n"));
        people.push(newcomer);
        assert_agreement(&scene.platform, &people.iter().collect::<Vec<_>>());
        reached
    });
    // Ping, start, network, container, start: each before, during and after.
    assert!(points >= 15, "{points}");
}

#[test]
fn up_and_down_survive_a_kill_at_any_point() {
    let mut scene = Scene::new();
    let (alice, id) = scene.platform.owner("alice@example.com", "room");
    let command = |word: &'static str| {
        let alice = &alice;
        move |_: &Platform| alice.ssh("spaces", &["space", word, "--space", "room"])
    };
    for (word, there, back) in [("down", "stopped", "up"), ("up", "running", "down")] {
        if word == "up" {
            command("down")(&scene.platform).ok();
        }
        at_every_point(|pass, moment| {
            let reached = scene.killed(pass, moment, command(word));
            assert_agreement(&scene.platform, &[&alice]);
            assert_eq!(told(&[&alice])[&id], there, "{word} {pass} {moment:?}");
            assert_eq!(command(word)(&scene.platform).ok(), format!("space {id} is {there}\n"));
            assert_agreement(&scene.platform, &[&alice]);
            command(back)(&scene.platform).ok();
            reached
        });
    }
}

#[test]
fn delete_survives_a_kill_at_any_point() {
    let mut scene = Scene::new();
    let alice = scene.platform.person("alice@example.com");
    let points = at_every_point(|pass, moment| {
        scene.platform.create_space("alice@example.com", "room");
        let delete = |_: &Platform| alice.ssh("spaces", &["space", "delete", "--space", "room"]);
        let reached = scene.killed(pass, moment, delete);
        assert_agreement(&scene.platform, &[&alice]);
        assert_eq!(told(&[&alice]).len(), 0, "{pass} {moment:?}");
        let gone = "error: no space named `room`\nhint: `list` shows the spaces you can use\n";
        assert_eq!(delete(&scene.platform).fails(1), gone);
        // And its name is free.
        scene.platform.create_space("alice@example.com", "room");
        assert_eq!(alice.ssh("room", &["echo fresh; ls"]).ok(), "fresh\n");
        delete(&scene.platform).ok();
        reached
    });
    assert!(points >= 6, "{points}");
}

/// The memory that the engine gives this Space, in MiB.
fn given(platform: &Platform, id: &str) -> String {
    let format = "{{.HostConfig.Memory}}";
    let output = platform.docker().args(["inspect", "--format", format, &platform.container(id)]).output();
    let bytes = String::from_utf8(output.expect("docker runs").stdout).expect("text");
    (bytes.trim().parse::<u64>().expect("a number") >> 20).to_string()
}

#[test]
fn a_new_budget_survives_a_kill_at_any_point() {
    let mut scene = Scene::new();
    let (alice, id) = scene.platform.owner("alice@example.com", "room");
    let mut memory = 500;
    at_every_point(|pass, moment| {
        memory += 1;
        let wanted = memory.to_string();
        let set = |platform: &Platform| {
            let words = ["admin", "set-budget", "--space", &id, "--memory", &wanted];
            platform.admin().ssh("spaces", &words)
        };
        let reached = scene.killed(pass, moment, set);
        let list = alice.ssh("spaces", &["list"]).ok();
        let shown = list.lines().nth(1).and_then(|row| row.split_whitespace().nth(5)).expect("a row");
        assert_eq!((shown, given(&scene.platform, &id).as_str()), (&*wanted, &*wanted), "{pass} {moment:?}");
        set(&scene.platform).ok();
        assert_eq!(given(&scene.platform, &id), wanted);
        reached
    });
}
