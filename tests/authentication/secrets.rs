//! What must not be anywhere: auth keys and private keys.

use std::path::Path;
use std::process::Stdio;

use spaces_tests::{Platform, eventually};

/// Every file below this folder, with its bytes.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file() {
            found.push((path.display().to_string(), std::fs::read(&path).expect("a file")));
        }
    }
    found
}

fn holds(haystack: &[u8], needle: &str) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle.as_bytes())
}

/// The attack: somebody reads the log, the audit trail, a backup of the state folder, or the list of processes.
#[test]
fn no_secret_is_in_the_log_the_audit_trail_the_store_or_a_process_argument() {
    let platform = Platform::start_with(&[("LOG__FILTER", "trace")]);
    let (good, refused) = (platform.auth_key("carol@example.com"), platform.auth_key("dave@example.com"));
    let carol = platform.stranger("carol@example.com");
    carol.prompts_tell(&[], "carol@example.com", &refused);
    let mistyped = &good[..good.len() - 2];
    carol.prompts_tell(&[], "carol@example.com", mistyped);
    let mut login = carol.spaces_command();
    let login =
        login.args(["login", "carol@example.com", "--key-stdin"]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut login = login.spawn().expect("it runs");
    {
        use std::io::Write as _;
        let mut stdin = login.stdin.take().expect("stdin is piped");
        stdin.write_all(good.as_bytes()).expect("it reads");
        for (process, bytes) in processes() {
            assert!(!holds(&bytes, &good[..mistyped.len()]), "the auth key is in {process}");
        }
    }
    assert!(login.wait().expect("it ends").success());
    assert_eq!(carol.spaces(&["whoami"]).ok(), "carol@example.com\n");
    platform.create_space("carol@example.com", "room");
    carol.spaces(&["connect", "room", "--", "true"]).ok();
    // The part after the version byte is the secret; a few characters of it are enough to tell.
    let secrets = [&good, &refused].map(|key| key["spaces_".len() + 2..][..20].to_owned());
    let log = eventually(|| platform.log().join("\n"), |log| log.contains("entered"));
    let audit = platform.admin().ssh("spaces", &["admin", "audit", "--json"]).ok();
    assert!(audit.contains("session.login"), "{audit}");
    let mut places =
        vec![("the log".to_owned(), log.into_bytes()), ("the trail".to_owned(), audit.into_bytes())];
    places.extend(files(&platform.state()));
    let session = std::fs::read(carol.session_file()).expect("a session");
    places.push(("the session".to_owned(), session));
    for secret in &secrets {
        for (place, bytes) in &places {
            assert!(!holds(bytes, secret), "an auth key is in {place}");
        }
    }
    // And no private key but the gateway's own, each in its own file.
    for (place, bytes) in &places {
        let own = ["/ssh_host_ed25519_key", "/user_ca_key", "/host_ca_key"];
        let own = own.iter().any(|file| place.ends_with(file));
        assert_eq!(holds(bytes, "PRIVATE KEY"), own, "a private key is in {place}");
    }
}

/// Arguments and environment of every process that we may look at.
fn processes() -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
    let numbers = entries.filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok());
    let files = numbers.flat_map(|entry| ["cmdline", "environ"].map(|file| entry.path().join(file)));
    files.filter_map(|file| Some((file.display().to_string(), std::fs::read(&file).ok()?))).collect()
}
