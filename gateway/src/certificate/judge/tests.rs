//! Certificates made here, each with one thing wrong. Those of stock ssh-keygen are in tests/certificates.

use std::net::Ipv4Addr;

use ed25519_dalek::SigningKey;
use russh::keys::PrivateKey;
use russh::keys::ssh_key;
use russh::keys::ssh_key::certificate::Builder;
use russh::keys::ssh_key::private::Ed25519Keypair;

use super::*;

const NOW: i64 = 1_800_000_000;
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

fn key(seed: u8) -> PrivateKey {
    PrivateKey::new(Ed25519Keypair::from(&SigningKey::from_bytes(&[seed; 32])).into(), "").unwrap()
}

/// A good one but for what is changed, signed by the key of this seed.
fn certificate(
    ca: u8,
    dates: (u64, u64),
    change: impl FnOnce(&mut Builder) -> Result<&mut Builder, ssh_key::Error>,
) -> Certificate {
    let subject = key(7).public_key().key_data().clone();
    let mut builder = Builder::new([1; 32], subject, dates.0, dates.1).unwrap();
    builder.serial(5).unwrap().key_id("test").unwrap();
    change(&mut builder).unwrap();
    builder.sign(&key(ca)).unwrap()
}

fn judged(certificate: &Certificate) -> Result<Claim, Fault> {
    judge(certificate, key(1).public_key(), HERE, Timestamp::from_second(NOW).unwrap())
}

fn now() -> u64 {
    u64::try_from(NOW).unwrap()
}

fn made(change: impl FnOnce(&mut Builder) -> Result<&mut Builder, ssh_key::Error>) -> Result<Claim, Fault> {
    judged(&certificate(1, (now() - 60, now() + 300), |builder| {
        change(builder.valid_principal("ada@example.com")?)
    }))
}

#[test]
fn a_good_one_says_whom_it_is_for_and_what_it_leaves_out() {
    let claim = made(|builder| builder.extension("permit-pty", "")).unwrap();
    assert_eq!(claim.named, Named::Person("ada@example.com".parse().unwrap()));
    let expected = Restrictions {
        space: None,
        command: None,
        terminal: Permit::Given,
        forwards: Permit::Withheld,
        agent: Permit::Withheld,
        display: Permit::Withheld,
    };
    assert_eq!((claim.serial.number(), claim.restrictions), (5, expected));
    let limited = certificate(1, (now(), now() + 1), |builder| {
        builder.valid_principal("sp_3")?.critical_option("force-command", "make")
    });
    let claim = judged(&limited).unwrap();
    assert_eq!(claim.named, Named::Space(SpaceId::new(3)));
    assert_eq!(claim.restrictions.space, Some(SpaceId::new(3)));
    assert_eq!(claim.restrictions.command, Some("make".parse().unwrap()));
}

#[test]
fn another_authority_is_a_stranger() {
    let theirs =
        certificate(2, (now() - 60, now() + 300), |builder| builder.valid_principal("ada@example.com"));
    assert_eq!(judged(&theirs).unwrap_err(), Fault::Stranger);
}

#[test]
fn its_time_is_kept_to_the_second_and_its_sentinels_are_not_special() {
    let dated = |dates| judged(&certificate(1, dates, |builder| builder.valid_principal("a@b.c"))).map(drop);
    assert_eq!(dated((now(), now() + 1)), Ok(()));
    assert_eq!(dated((0, u64::MAX)), Ok(()));
    assert_eq!(dated((now() + 1, now() + 300)), Err(Fault::NotYet));
    assert_eq!(dated((u64::MAX, u64::MAX)), Err(Fault::NotYet));
    assert_eq!(dated((now() - 300, now())), Err(Fault::Expired));
}

#[test]
fn a_host_certificate_and_one_for_nobody_or_several_open_nothing() {
    assert_eq!(made(|builder| builder.cert_type(CertType::Host)).unwrap_err(), Fault::Kind);
    let anybody = certificate(1, (now(), now() + 1), Builder::all_principals_valid);
    assert_eq!(judged(&anybody).unwrap_err(), Fault::Principal);
    assert_eq!(made(|builder| builder.valid_principal("sp_1")).unwrap_err(), Fault::Principal);
    let root = certificate(1, (now(), now() + 1), |builder| builder.valid_principal("root"));
    assert_eq!(judged(&root).unwrap_err(), Fault::Principal);
}

#[test]
fn every_critical_option_has_to_be_understood() {
    let with = |name: &str, value: &str| made(|builder| builder.critical_option(name, value)).map(drop);
    assert_eq!(with("verify-required", ""), Err(Fault::Option));
    assert_eq!(with("Force-Command", "make"), Err(Fault::Option));
    assert_eq!(with("force-command", ""), Err(Fault::Value));
    assert_eq!(with("source-address", "home"), Err(Fault::Value));
    assert_eq!(with("source-address", ""), Err(Fault::Value));
    assert_eq!(with("source-address", "192.0.2.0/24"), Ok(()));
    assert_eq!(with("source-address", "198.51.100.0/24"), Err(Fault::Source));
    assert_eq!(made(|builder| builder.extension("unheard-of", "")).map(drop), Ok(()));
}

#[test]
fn a_serial_that_is_never_given_out_is_not_ours() {
    for serial in [0, u64::MAX] {
        let mut builder =
            Builder::new([1; 32], key(7).public_key().key_data().clone(), now(), now() + 1).unwrap();
        builder.serial(serial).unwrap().valid_principal("a@b.c").unwrap();
        assert_eq!(judged(&builder.sign(&key(1)).unwrap()).unwrap_err(), Fault::NotIssued);
    }
}
