//! What the tests share: a store in a folder of its own, and short ways to say who, what and when.

use std::net::{IpAddr, Ipv4Addr};
use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;

use jiff::Timestamp;
use spaces_protocol::name::{AuthKeyId, Email, Fingerprint, SpaceId, SpaceName, SpaceReference};
use spaces_store::{
    Budget, Ceiling, CreateSpace, FindSpace, Grant, Issue, NewAuthKey, NewDeviceKey, NewSpace, Pass, Redeem,
    SpaceSpec, Store, User, UserId,
};
use tempfile::TempDir;

pub(crate) const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

pub(crate) struct Scene {
    folder: TempDir,
    pub(crate) store: Store,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("db")).await.unwrap();
        Self { folder, store }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("db")
    }

    /// The same file, opened anew.
    pub(crate) async fn reopened(self) -> Self {
        self.store.close().await;
        let store = Store::open(&self.path()).await.unwrap();
        Self { store, ..self }
    }

    pub(crate) async fn admin(&self) -> UserId {
        self.store.ensure_platform_admin(&email("admin"), at(0)).await.unwrap()
    }

    /// An open auth key of that secret, good until second 100.
    pub(crate) async fn issue(&self, who: &str, grant: Grant, secret: u8) -> AuthKeyId {
        let key =
            NewAuthKey { email: email(who), grant, hash: [secret; 32], expires_at: at(100), issued_by: None };
        match self.store.issue_auth_key(key, at(0)).await.unwrap() {
            Issue::Issued(id) => id,
            Issue::NoSpace => panic!("no such space"),
        }
    }

    /// A person with one device key, of that number.
    pub(crate) async fn person(&self, who: &str, key: u8) -> User {
        self.let_in(who, Grant::Owner, key).await
    }

    pub(crate) async fn let_in(&self, who: &str, grant: Grant, key: u8) -> User {
        let secret = 255 - key;
        self.issue(who, grant, secret).await;
        match self.store.redeem(&email(who), &[secret; 32], device_key(key), at(0)).await.unwrap() {
            Redeem::Redeemed(user) => user,
            refused @ (Redeem::Refused | Redeem::KeyTaken | Redeem::TooManyKeys) => panic!("{refused:?}"),
        }
    }

    /// What somebody gets who comes in by the key of this number.
    pub(crate) async fn find(&self, user: UserId, key: u8, named: &str) -> FindSpace {
        let key = fingerprint(key);
        self.store.find_space(user, Pass::Key(&key), &reference(named)).await.unwrap()
    }

    pub(crate) async fn space(&self, owner: &str, name: &str) -> SpaceId {
        match self.store.create_space(&email(owner), &new_space(name), at(0)).await.unwrap() {
            CreateSpace::Created(id) => id,
            refused @ (CreateSpace::NameTaken | CreateSpace::Overdrawn(_)) => panic!("{name}: {refused:?}"),
        }
    }
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

pub(crate) fn email(who: &str) -> Email {
    format!("{who}@example.com").parse().unwrap()
}

pub(crate) fn space_name(name: &str) -> SpaceName {
    name.parse().unwrap()
}

pub(crate) fn reference(text: &str) -> SpaceReference {
    text.parse().unwrap()
}

pub(crate) fn fingerprint(number: u8) -> Fingerprint {
    format!("SHA256:{number:A>43}").parse().unwrap()
}

pub(crate) fn device_key(number: u8) -> NewDeviceKey {
    NewDeviceKey {
        name: format!("laptop-{number}").parse().unwrap(),
        fingerprint: fingerprint(number),
        public_key: format!("ssh-ed25519 AAAA{number}"),
    }
}

pub(crate) fn spec() -> SpaceSpec {
    SpaceSpec { image: "spaces/base:1".to_owned(), budget: budget() }
}

pub(crate) fn budget() -> Budget {
    Budget {
        cpu_millis: 2000,
        memory_mib: 4096,
        pids: 512,
        disk_mb: NonZeroU32::new(20_000),
        egress_mb: NonZeroU32::new(100_000),
        egress_mbit: None,
        llm_tokens: NonZeroU64::new(5_000_000_000),
    }
}

/// Without a ceiling.
pub(crate) fn new_space(name: &str) -> NewSpace {
    NewSpace { name: space_name(name), spec: spec(), ceiling: Ceiling::default() }
}
