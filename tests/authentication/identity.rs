//! Identity is taken from a verified signature, and from nothing else.

use russh::client::KeyboardInteractiveAuthResponse;
use russh::keys::agent::AgentIdentity;
use russh::keys::{HashAlg, PrivateKeyWithHashAlg};
use russh::{MethodKind, Signer};
use spaces_tests::{Person, Platform, run};

use crate::client::{client, exec, key_of, leave};

/// An agent that holds no key of those that it is asked for.
struct NoSignature;

/// An agent that gives a signature, and not of the key that was asked for.
struct WrongSignature;

#[derive(Debug)]
struct Unsigned;

impl From<russh::SendError> for Unsigned {
    fn from(_gone: russh::SendError) -> Self {
        Self
    }
}

impl Signer for NoSignature {
    type Error = Unsigned;

    async fn auth_sign(
        &mut self,
        _key: &AgentIdentity,
        _hash: Option<HashAlg>,
        _text: Vec<u8>,
    ) -> Result<Vec<u8>, Unsigned> {
        Err(Unsigned)
    }
}

impl Signer for WrongSignature {
    type Error = Unsigned;

    async fn auth_sign(
        &mut self,
        _key: &AgentIdentity,
        _hash: Option<HashAlg>,
        mut text: Vec<u8>,
    ) -> Result<Vec<u8>, Unsigned> {
        // string( string("ssh-ed25519") string(64 bytes) )
        let mut signature = vec![0, 0, 0, 83, 0, 0, 0, 11];
        signature.extend_from_slice(b"ssh-ed25519");
        signature.extend_from_slice(&[0, 0, 0, 64]);
        signature.extend_from_slice(&[7; 64]);
        text.extend_from_slice(&signature);
        Ok(text)
    }
}

fn registered(person: &Person) -> PrivateKeyWithHashAlg {
    PrivateKeyWithHashAlg::new(key_of(person).into(), None)
}

/// The attack: the attacker knows the admin's public key, as everybody does. They offer it, the gateway says that
/// its signature would do, and they never sign; then they go on as if they were somebody, or sign with a key of
/// their own and hope that the connection is remembered as the admin's.
#[tokio::test]
async fn a_key_offered_but_not_signed_gives_no_identity() {
    let platform = Platform::start();
    let (mallory, stranger) = (platform.person("mallory@example.com"), platform.stranger("x@example.com"));
    let admins = key_of(platform.admin()).public_key().clone();
    for login in ["spaces", "sp_1"] {
        let mut attacker = client(&platform).await;
        let offered =
            attacker.authenticate_publickey_with(login, admins.clone(), None, &mut NoSignature).await;
        offered.expect_err("nothing was signed");
        // As nobody: no channel, and no prompt that takes the admin for granted.
        assert!(attacker.channel_open_session().await.is_err(), "a channel without authentication");
    }
    // On the same connection another key is verified: the person is that key's owner.
    let mut attacker = client(&platform).await;
    drop(attacker.authenticate_publickey_with("spaces", admins.clone(), None, &mut NoSignature).await);
    let verified = attacker.authenticate_publickey("spaces", registered(&mallory)).await;
    assert!(verified.expect("an answer").success());
    assert_eq!(exec(&attacker, b"whoami").await, (0, "mallory@example.com\n".to_owned(), String::new()));
    assert_eq!(exec(&attacker, b"admin users").await.0, 1);
    leave(attacker).await;
    // And a key that nobody registered remains nobody's.
    let mut attacker = client(&platform).await;
    drop(attacker.authenticate_publickey_with("spaces", admins, None, &mut NoSignature).await);
    let unknown = attacker.authenticate_publickey("spaces", registered(&stranger)).await;
    assert!(!unknown.expect("an answer").success());
}

/// The attack: the signature is there, and is not the key's.
#[tokio::test]
async fn a_signature_of_another_key_gives_no_identity() {
    let platform = Platform::start();
    let admins = key_of(platform.admin()).public_key().clone();
    let mut attacker = client(&platform).await;
    let answer = attacker.authenticate_publickey_with("spaces", admins, None, &mut WrongSignature).await;
    match answer.expect("an answer") {
        russh::client::AuthResult::Success => panic!("a forged signature was taken"),
        russh::client::AuthResult::Failure { partial_success, remaining_methods } => {
            assert!(!partial_success);
            assert!(remaining_methods.contains(&MethodKind::PublicKey));
        }
    }
    // The friendly twin: the very same with the key itself.
    let mut admin = client(&platform).await;
    let answer = admin.authenticate_publickey("spaces", registered(platform.admin())).await;
    assert!(answer.expect("an answer").success());
    assert_eq!(exec(&admin, b"whoami").await.1, "root@example.com\n");
    leave(admin).await;
}

/// The attack: a newcomer offers somebody else's public key, which is not registered yet, does not sign, and logs
/// in with an auth key of their own. If the gateway took the offer for proof, the key would be registered as
/// theirs, and its owner would one day log in as the attacker.
#[tokio::test]
async fn login_registers_no_key_that_was_not_signed_with() {
    let platform = Platform::start();
    let victim = platform.stranger("victim@example.com");
    let auth_key = platform.auth_key("mallory@example.com");
    let mut attacker = client(&platform).await;
    let public = key_of(&victim).public_key().clone();
    drop(attacker.authenticate_publickey_with("spaces", public, None, &mut NoSignature).await);
    drop(attacker.authenticate_keyboard_interactive_start("spaces", None).await.expect("prompts"));
    let answers = vec!["mallory@example.com".to_owned(), auth_key.clone()];
    let answer = attacker.authenticate_keyboard_interactive_respond(answers).await.expect("an answer");
    assert!(matches!(answer, KeyboardInteractiveAuthResponse::Success), "{answer:?}");
    let no_key = "error: no SSH key came with this connection\n\
                  hint: make one with `ssh-keygen -t ed25519`; your auth key still works\n";
    assert_eq!(exec(&attacker, b"login").await, (1, String::new(), no_key.to_owned()));
    leave(attacker).await;
    victim.ssh("spaces", &["whoami"]).fails(255);
    // The friendly twin: with a key that signs, and the auth key does still work.
    let mallory = platform.stranger("mallory@example.com");
    assert_eq!(mallory.ssh_answering(&auth_key, &["login"]).ok(), "authenticated as mallory@example.com\n");
}

#[test]
fn an_unregistered_key_is_refused_without_a_prompt_where_none_can_be_answered() {
    let platform = Platform::start();
    let (alice, id) = platform.owner("alice@example.com", "room");
    let stranger = platform.stranger("stranger@example.com");
    let denied = |methods: &str| format!("spaces@127.0.0.1: Permission denied ({methods}).\r\n");
    let console = stranger.ssh("spaces", &["list"]);
    assert_eq!(console.fails(255), denied("publickey,keyboard-interactive"));
    for login in ["room", id.as_str(), "no-such-room", "sp_99", "root", "admin", "Not A Name"] {
        let space = stranger.ssh(login, &["true"]);
        assert_eq!(space.fails(255), format!("{login}@127.0.0.1: Permission denied (publickey).\r\n"));
    }
    // The friendly twin.
    assert_eq!(alice.ssh("spaces", &["whoami"]).ok(), "alice@example.com\n");
    assert_eq!(alice.ssh("room", &["echo hello"]).ok(), "hello\n");
    // A key that is taken back opens nothing from then on.
    alice.ssh("spaces", &["auth", "logout"]).ok();
    alice.ssh("spaces", &["whoami"]).fails(255);
    alice.ssh("room", &["true"]).fails(255);
}

#[test]
fn an_agent_with_the_registered_key_behind_others_logs_in_without_a_prompt() {
    let platform = Platform::start();
    let (alice, _id) = platform.owner("alice@example.com", "room");
    let others = [platform.stranger("one@example.com"), platform.stranger("two@example.com")];
    let keys = [&others[0], &alice, &others[1]].map(Person::key);
    // An agent for one command: ssh-agent ends with it.
    let mut agent = spaces_tests::timeout_command("ssh-agent", 60);
    agent.args(["sh", "-c", "ssh-add -q \"$1\" \"$2\" \"$3\" && shift 3 && exec \"$@\"", "sh"]).args(&keys);
    let known_hosts = format!("UserKnownHostsFile={}", platform.known_hosts().display());
    let port = platform.port().to_string();
    agent.args(["ssh", "-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"]);
    agent.args(["-o", "GlobalKnownHostsFile=/dev/null", "-o", &known_hosts, "-p", &port]);
    // Nothing but the agent: no key files of whoever runs the test.
    agent.args(["-o", "IdentityFile=none"]);
    for (login, words, answer) in
        [("spaces", "whoami", "alice@example.com\n"), ("room", "echo hello", "hello\n")]
    {
        let mut ssh = std::process::Command::new(agent.get_program());
        ssh.args(agent.get_args()).arg(format!("{login}@127.0.0.1")).arg(words);
        let output = run(&mut ssh, b"");
        assert_eq!((output.stdout.as_str(), output.stderr.as_str(), output.status), (answer, "", 0));
    }
}
