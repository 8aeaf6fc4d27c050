//! The audit trail: who did what, when, from where, with which key, and how it ended. Never a secret.

mod trail;

use std::net::IpAddr;

use jiff::Timestamp;
use spaces_protocol::command::{
    AdminCommand, AuthCommand, CertCommand, Command, KeyCommand, SessionCommand, SetBudgetArguments,
    SetCeilingArguments, SpaceCommand,
};
use spaces_protocol::failure::{Code, Failure};
use spaces_protocol::name::{Email, Fingerprint};
use spaces_protocol::setting::Forwarding;
use spaces_store::{AuditEntry, Outcome};
use tracing::debug;

use crate::certificate::Fault;
use crate::identity::{Person, Principal, ProvenKey};
use crate::platform::Platform;
use crate::ssh::parse_public_key;

pub(crate) use trail::{Entries, Trail, trail};

/// What is recorded of a command: a word, and what it was done to. `None` for one that changes nothing.
pub(crate) fn act(command: &Command) -> Option<(&'static str, Option<String>)> {
    let (action, target) = match command {
        Command::Whoami
        | Command::Ca
        | Command::List
        | Command::Cert(CertCommand::List)
        | Command::Space(SpaceCommand::List | SpaceCommand::Usage(_) | SpaceCommand::Why(_))
        | Command::Session(SessionCommand::List(_))
        | Command::Key(KeyCommand::List)
        | Command::Admin(
            AdminCommand::Requests
            | AdminCommand::Users
            | AdminCommand::Spaces
            | AdminCommand::AuthKeys
            | AdminCommand::Audit(_),
        ) => return None,
        Command::Request(request) => ("access.request", request.email.to_string()),
        Command::Auth(AuthCommand::Logout) => return Some(("session.logout", None)),
        Command::Space(SpaceCommand::Up(arguments)) => ("space.up", arguments.space.to_string()),
        Command::Space(SpaceCommand::Down(arguments)) => ("space.down", arguments.space.to_string()),
        Command::Space(SpaceCommand::Delete(arguments)) => ("space.delete", arguments.space.to_string()),
        Command::Session(SessionCommand::Kill(arguments)) => {
            let space = arguments.space.as_ref().map(|space| format!("{space}/")).unwrap_or_default();
            ("session.kill", format!("{space}{}", arguments.session))
        }
        Command::Space(SpaceCommand::Set(arguments)) => {
            let action = match arguments.forwarding {
                Some(Forwarding::Allow) => "space.allow-forwarding",
                Some(Forwarding::Deny) => "space.deny-forwarding",
                None => "space.set",
            };
            let idle_stop = arguments.idle_stop.map(|setting| format!("/idle-stop={setting}"));
            (action, format!("{}{}", arguments.space, idle_stop.unwrap_or_default()))
        }
        Command::Key(KeyCommand::Add(arguments)) => {
            let key = parse_public_key(&arguments.public_key).ok();
            return Some(("key.add", key.map(|(key, _comment)| key.fingerprint.to_string())));
        }
        Command::Key(KeyCommand::Remove(arguments)) => ("key.remove", arguments.fingerprint.to_string()),
        // Its serial is known once it was issued.
        Command::IssueCert(_) => return Some(("cert.issue", None)),
        Command::Cert(CertCommand::Revoke(arguments)) => ("cert.revoke", arguments.serial.to_string()),
        Command::Admin(AdminCommand::Approve(arguments)) => ("access.approve", arguments.email.to_string()),
        Command::Admin(AdminCommand::Deny(arguments)) => ("access.deny", arguments.email.to_string()),
        Command::Admin(AdminCommand::Grant(arguments)) => ("platform.grant", arguments.email.to_string()),
        Command::Admin(AdminCommand::IssueKey(arguments)) => ("auth-key.issue", arguments.email.to_string()),
        Command::Admin(AdminCommand::RevokeKey(arguments)) => ("auth-key.revoke", arguments.id.to_string()),
        Command::Admin(AdminCommand::SetBudget(arguments)) => ("space.set-budget", budget(arguments)),
        Command::Admin(AdminCommand::SetCeiling(arguments)) => ("user.set-ceiling", ceiling(arguments)),
        Command::Admin(AdminCommand::CreateSpace(arguments)) => {
            ("space.create", format!("{}/{}", arguments.owner, arguments.name))
        }
    };
    Some((action, Some(target)))
}

/// A Space, and what is set for it.
fn budget(arguments: &SetBudgetArguments) -> String {
    let SetBudgetArguments { space, cpu, memory, pids, disk, net, net_rate, llm_tokens } = arguments;
    let limits = [
        ("cpu", cpu.map(u64::from)),
        ("memory", memory.map(u64::from)),
        ("pids", pids.map(u64::from)),
        ("disk", disk.map(u64::from)),
        ("net", net.map(u64::from)),
        ("net-rate", net_rate.map(u64::from)),
        ("llm-tokens", *llm_tokens),
    ];
    format!("{space}{}", named(&limits))
}

/// A person, and what is set for all their Spaces.
fn ceiling(arguments: &SetCeilingArguments) -> String {
    let SetCeilingArguments { email, spaces, cpu, memory, disk, net } = arguments;
    let limits = [("spaces", spaces), ("cpu", cpu), ("memory", memory), ("disk", disk), ("net", net)];
    format!("{email}{}", named(&limits.map(|(name, limit)| (name, limit.map(u64::from)))))
}

fn named(limits: &[(&str, Option<u64>)]) -> String {
    limits.iter().filter_map(|(name, limit)| Some(format!("/{name}={}", (*limit)?))).collect()
}

/// Records how a command ended.
pub(crate) async fn command(
    platform: &Platform,
    principal: &Principal,
    from: IpAddr,
    act: (&'static str, Option<String>),
    failure: Option<&Failure>,
) {
    let (actor, key) = match principal {
        Principal::Person(person) => (Some(person.user().email.clone()), Some(person.key().clone())),
        Principal::Newcomer(newcomer) => {
            (Some(newcomer.email.clone()), newcomer.key.as_ref().map(|key| key.fingerprint.clone()))
        }
        Principal::Stranger => (None, None),
    };
    let (action, target) = act;
    let mut entry = AuditEntry { actor, key, ..entry(from, action, target, failure) };
    if let Principal::Person(person) = principal {
        name_certificate(&mut entry, person);
    }
    match principal {
        Principal::Person(_) | Principal::Newcomer(_) => record(platform, entry).await,
        Principal::Stranger => record_of_stranger(platform, from, entry).await,
    }
}

/// To enter a Space, by a shell, a command, files or forwards.
pub(crate) const ENTER: &str = "space.enter";

/// Records that a person entered a Space or a session in it, or why not. Nobody waits for it: entering must not cost a
/// write to the disk.
pub(crate) fn entered(
    platform: &Platform,
    person: &Person,
    act: (&'static str, String),
    from: IpAddr,
    failure: Option<&Failure>,
) {
    let (action, target) = act;
    let entry = entry(from, action, Some(target), failure);
    let (actor, key) = (Some(person.user().email.clone()), Some(person.key().clone()));
    let mut entry = AuditEntry { actor, key, ..entry };
    name_certificate(&mut entry, person);
    platform.trail.add(entry);
}

/// Says by which certificate somebody came, whose key may be known to nobody.
fn name_certificate(entry: &mut AuditEntry, person: &Person) {
    if let Some(claim) = person.certificate() {
        let by = format!("by certificate {}", claim.serial);
        entry.detail =
            Some(entry.detail.take().map_or_else(|| by.clone(), |detail| format!("{detail}; {by}")));
    }
}

/// Records a certificate of ours that was refused.
pub(crate) async fn certificate_refused(
    platform: &Platform,
    from: IpAddr,
    serial: u64,
    key: Option<Fingerprint>,
    fault: Fault,
) {
    let failure = Failure::new(Code::Refused, fault.to_string());
    let target = Some(format!("certificate {serial}"));
    let entry = entry(from, "session.login", target, Some(&failure));
    record_of_stranger(platform, from, AuditEntry { key, ..entry }).await;
}

/// Records a try to log in that was refused, with the key that was proved on that connection.
pub(crate) async fn login_refused(
    platform: &Platform,
    from: IpAddr,
    email: &Email,
    key: Option<&ProvenKey>,
    reason: &'static str,
) {
    let failure = Failure::new(Code::Refused, reason);
    let entry = entry(from, "session.login", Some(email.to_string()), Some(&failure));
    let key = key.map(|key| key.fingerprint.clone());
    record_of_stranger(platform, from, AuditEntry { key, ..entry }).await;
}

/// What strangers do is recorded as far as it stays readable: nobody may fill the disk who has no name here.
async fn record_of_stranger(platform: &Platform, from: IpAddr, entry: AuditEntry) {
    if platform.limits.allow_record(from) {
        record(platform, entry).await;
    } else {
        debug!(%from, action = %entry.action, "not recorded: too much from this address");
    }
}

fn entry(
    from: IpAddr,
    action: &'static str,
    target: Option<String>,
    failure: Option<&Failure>,
) -> AuditEntry {
    let outcome = match failure.map(|failure| failure.code) {
        None => Outcome::Done,
        Some(Code::Usage | Code::NotFound | Code::Ambiguous | Code::Refused | Code::NotAuthenticated) => {
            Outcome::Refused
        }
        Some(Code::Unavailable | Code::Internal) => Outcome::Failed,
    };
    AuditEntry {
        at: Timestamp::now(),
        actor: None,
        key: None,
        from: Some(from),
        action: action.into(),
        target,
        outcome,
        detail: failure.map(|failure| failure.message.clone()),
    }
}

async fn record(platform: &Platform, entry: AuditEntry) {
    platform.trail.write(entry).await;
}
