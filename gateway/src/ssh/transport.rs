//! Algorithms and sizes of the SSH transport.

use std::borrow::Cow;
use std::time::Duration;

use russh::keys::{Algorithm, Certificate, EcdsaCurve, HashAlg, PrivateKey};
use russh::server::Config;
use russh::{Limits, MethodKind, MethodSet, Preferred, SshId, cipher, compression, kex, mac};

use crate::config::LimitsConfig;

/// Bytes that a client may send on a channel before we grant more: enough for a gigabit at 16 ms.
const WINDOW: u32 = 2 * 1024 * 1024;

/// OpenSSH tells its peer that it reads no more (`eow@openssh.com`, what ends `ssh host yes | head`) only if
/// the peer's version begins like its own.
const VERSION: &str = concat!("SSH-2.0-OpenSSH_9.2 Spaces_", env!("CARGO_PKG_VERSION"));

/// russh's configuration for this gateway.
pub(crate) fn config(host_key: PrivateKey, certificate: Certificate, limits: &LimitsConfig) -> Config {
    let rekey = limits.rekey_mib << 20;
    Config {
        server_id: SshId::Standard(Cow::Borrowed(VERSION)),
        methods: MethodSet::from(&[MethodKind::PublicKey, MethodKind::KeyboardInteractive][..]),
        // A refused key says nothing that its owner does not know; guesses at auth keys are rate-limited.
        auth_rejection_time: Duration::ZERO,
        auth_rejection_time_initial: Some(Duration::ZERO),
        // An agent may hold many keys before the one we know.
        max_auth_attempts: 32,
        keys: vec![host_key],
        // For clients that ask for one; whoever pins the plain key gets that.
        certificates: vec![certificate],
        window_size: WINDOW,
        maximum_packet_size: 64 * 1024 - 1,
        // `relay::window` gives it back as bytes are taken; patches/russh-flow.patch says why.
        manual_window: true,
        // Deep enough that a whole window of typical packets fits while a Space is being woken.
        channel_buffer_size: 4096,
        limits: Limits::new(rekey, rekey, Duration::from_hours(1)),
        preferred: preferred(),
        inactivity_timeout: None,
        keepalive_interval: limits.keepalive_every(),
        keepalive_max: usize::try_from(limits.keepalive_missed.get()).unwrap_or(usize::MAX),
        nodelay: true,
        ..Config::default()
    }
}

fn preferred() -> Preferred {
    Preferred {
        kex: Cow::Borrowed(&[
            kex::MLKEM768X25519_SHA256,
            kex::CURVE25519,
            kex::CURVE25519_PRE_RFC_8731,
            kex::DH_G16_SHA512,
            kex::DH_G18_SHA512,
            kex::EXTENSION_SUPPORT_AS_SERVER,
            kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
        ]),
        // Of these the host has the first alone. The others are what clients may sign with, which they are told:
        // an RSA key is not even tried otherwise.
        key: Cow::Borrowed(&[
            Algorithm::Ed25519,
            Algorithm::SkEd25519,
            Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
            Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
            Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
            Algorithm::SkEcdsaSha2NistP256,
            Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
            Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
        ]),
        cipher: Cow::Borrowed(&[
            cipher::AES_256_GCM,
            cipher::AES_128_GCM,
            cipher::CHACHA20_POLY1305,
            cipher::AES_256_CTR,
            cipher::AES_192_CTR,
            cipher::AES_128_CTR,
        ]),
        // The last two are for libssh2, which knows no encrypt-then-MAC.
        mac: Cow::Borrowed(&[mac::HMAC_SHA512_ETM, mac::HMAC_SHA256_ETM, mac::HMAC_SHA256, mac::HMAC_SHA512]),
        compression: Cow::Borrowed(&[compression::NONE]),
        ..Preferred::default()
    }
}
