//! Both sides, ready: a private platform with one running Space, and sshd in an equal container.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::Value;
use spaces_tests::{Person, Platform};

use crate::engine::Engine;
use crate::guard::Guard;
use crate::held::Held;
use crate::interrupt::Interrupt;
use crate::process::{run, say};
use crate::rival::Rival;
use crate::sizes::Sizes;
use crate::target::Target;

/// The name of the Space.
pub(crate) const SPACE: &str = "bench-space";

/// What the defaults would refuse is the pace of a benchmark. The log is as an operator has it.
const SETTINGS: [(&str, &str); 5] = [
    ("LOG__FILTER", "info"),
    ("LIMITS__CONNECTIONS_PER_ADDRESS", "4096"),
    ("LIMITS__REQUESTS_PER_ADDRESS", "1000000"),
    ("LIMITS__LOGIN_ATTEMPTS_PER_ADDRESS", "1000000"),
    ("LIMITS__LOGIN_ATTEMPTS_PER_EMAIL", "1000000"),
];

/// Everything that the measurements need.
pub(crate) struct Lab {
    pub(crate) sizes: Sizes,
    pub(crate) engine: Engine,
    /// The Space's container.
    pub(crate) container: String,
    /// What the engine says of it.
    pub(crate) inspected: Value,
    pub(crate) rival: Rival,
    interrupt: Interrupt,
    owner: Person,
    // Dropped in this order, after whatever uses them.
    pub(crate) platform: Platform,
    pub(crate) guard: Guard,
}

impl Lab {
    pub(crate) fn set_up(sizes: Sizes, interrupt: Interrupt) -> anyhow::Result<Self> {
        let engine = Engine { socket: PathBuf::from("/var/run/docker.sock") };
        let guard = Guard::new(run_name()?);
        raise_open_files()?;
        say("starting a gateway and a Space");
        let platform = Platform::start_with(&SETTINGS);
        let (owner, id) = platform.owner("bench@example.com", SPACE);
        let container = platform.container(&id);
        let inspected = engine.get(&format!("/containers/{container}/json"))?;
        interrupt.check()?;
        say("building an image with sshd");
        let files = tempfile::tempdir_in(platform.folder()).context("a folder")?;
        let rival = Rival::start(&guard, &engine, files, &inspected, &owner.key())?;
        interrupt.check()?;
        let lab = Self { sizes, engine, container, inspected, rival, interrupt, owner, platform, guard };
        lab.pin_host_keys()?;
        run(&mut lab.space().ssh(&[], &["true"])).context("the Space")?;
        run(&mut lab.rival().ssh(&["-o", "ConnectionAttempts=30"], &["true"])).context("sshd")?;
        Ok(lab)
    }

    /// `ssh REF@host`.
    pub(crate) fn space(&self) -> Target {
        self.gateway(SPACE, &self.owner)
    }

    /// `ssh spaces@host`, as the owner of the Space.
    pub(crate) fn console(&self) -> Target {
        self.gateway("spaces", &self.owner)
    }

    /// `ssh spaces@host`, as the platform admin.
    pub(crate) fn admin(&self) -> Target {
        self.gateway("spaces", self.platform.admin())
    }

    /// `ssh join@host`.
    pub(crate) fn join(&self) -> Target {
        self.gateway("join", &self.owner)
    }

    /// `ssh space@container`, where sshd answers.
    pub(crate) fn rival(&self) -> Target {
        Target {
            login: "space".to_owned(),
            address: self.rival.address.clone(),
            port: 22,
            key: self.owner.key(),
            known_hosts: self.known_hosts(),
        }
    }

    /// Both sides, each over a connection that is held: ours, and sshd's.
    pub(crate) fn held(&self) -> anyhow::Result<[Held; 2]> {
        let socket = |name| self.platform.folder().join(name);
        Ok([
            Held::connect(self.space(), socket("ours.ctl"))?,
            Held::connect(self.rival(), socket("theirs.ctl"))?,
        ])
    }

    /// The numbers of the rounds, each of them after a look at whether somebody wants this to end.
    pub(crate) fn rounds<'a>(&'a self, what: &'a str) -> impl Iterator<Item = anyhow::Result<u32>> + 'a {
        self.rounds_up_to(self.sizes.rounds, what)
    }

    /// The same where one round takes seconds.
    pub(crate) fn heavy_rounds<'a>(
        &'a self,
        what: &'a str,
    ) -> impl Iterator<Item = anyhow::Result<u32>> + 'a {
        self.rounds_up_to(self.sizes.heavy_rounds(), what)
    }

    /// An error once somebody wants this to end.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.interrupt.check()
    }

    fn rounds_up_to<'a>(
        &'a self,
        rounds: u32,
        what: &'a str,
    ) -> impl Iterator<Item = anyhow::Result<u32>> + 'a {
        (1..=rounds).map(move |round| {
            if round % 10 == 1 {
                say(&format!("  {what}: round {round} of {rounds}"));
            }
            self.check().map(|()| round)
        })
    }

    fn gateway(&self, login: &str, person: &Person) -> Target {
        Target {
            login: login.to_owned(),
            address: "127.0.0.1".to_owned(),
            port: self.platform.port(),
            key: person.key(),
            known_hosts: self.known_hosts(),
        }
    }

    fn known_hosts(&self) -> PathBuf {
        self.platform.folder().join("bench_known_hosts")
    }

    fn pin_host_keys(&self) -> anyhow::Result<()> {
        let ours = std::fs::read_to_string(self.platform.state().join("ssh_host_ed25519_key.pub"))?;
        let text = format!(
            "[127.0.0.1]:{} {}\n{} {}\n",
            self.platform.port(),
            ours.trim(),
            self.rival.address,
            self.rival.host_key
        );
        std::fs::write(self.known_hosts(), text).context("known_hosts")
    }
}

/// The gateway inherits it: each connection that it holds is an open file.
fn raise_open_files() -> anyhow::Result<()> {
    let (_soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).context("the limit on open files")?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).context("the limit on open files")
}

/// A name that no run before or beside this one has.
fn run_name() -> anyhow::Result<String> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock")?.as_secs();
    Ok(format!("{seconds:x}{:x}", std::process::id()))
}
