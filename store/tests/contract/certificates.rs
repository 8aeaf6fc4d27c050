use spaces_protocol::name::{Serial, SpaceId};
use spaces_store::{
    AddKey, CertificateRow, Certify, FindSpace, LastKey, NewCertificate, Pass, RemoveKey, Standing, UserId,
};

use crate::scene::{Scene, at, device_key, fingerprint, reference};

/// Issued by the key of this number for the key of that.
fn certificate(serial: i64, user: UserId, by: u8, subject: u8) -> NewCertificate {
    NewCertificate {
        serial: Serial::new(serial),
        user,
        issued_by: fingerprint(by),
        subject: fingerprint(subject),
        digest: [subject; 32],
        space: None,
        expires_at: at(100),
    }
}

async fn record(scene: &Scene, new: NewCertificate) -> Certify {
    scene.store.record_certificate(new, at(1)).await.unwrap()
}

/// Of a certificate whose digest is of this number.
async fn standing(scene: &Scene, serial: i64, digest: u8) -> Standing {
    scene.store.standing(Serial::new(serial), &[digest; 32]).await.unwrap()
}

#[tokio::test]
async fn a_recorded_certificate_stands_and_is_listed_until_it_ends() {
    let scene = Scene::new().await;
    let ada = scene.person("ada", 1).await;
    let limited = NewCertificate { space: Some(SpaceId::new(3)), ..certificate(7, ada.id, 1, 9) };
    assert_eq!(record(&scene, limited).await, Certify::Recorded);
    assert_eq!(standing(&scene, 7, 9).await, Standing::Stands(ada.clone()));
    let row = CertificateRow {
        serial: Serial::new(7),
        issued_by: fingerprint(1),
        subject: fingerprint(9),
        space: Some(SpaceId::new(3)),
        created_at: at(1),
        expires_at: at(100),
    };
    assert_eq!(scene.store.certificates(ada.id, at(99)).await.unwrap(), [row]);
    assert_eq!(scene.store.certificates(ada.id, at(100)).await.unwrap(), []);
}

#[tokio::test]
async fn it_finds_its_persons_spaces_while_it_stands() {
    let scene = Scene::new().await;
    let ada = scene.person("ada", 1).await.id;
    let bob = scene.person("bob", 2).await.id;
    let den = scene.space("ada", "den").await;
    record(&scene, certificate(7, ada, 1, 9)).await;
    let found = async |user, serial, digest: u8, named: &str| {
        let pass = Pass::Certificate { serial: Serial::new(serial), digest: &[digest; 32] };
        matches!(scene.store.find_space(user, pass, &reference(named)).await.unwrap(), FindSpace::Found(_))
    };
    for named in ["den", &den.to_string()] {
        assert!(found(ada, 7, 9, named).await);
        assert!(!found(ada, 7, 8, named).await, "other contents");
        assert!(!found(ada, 8, 9, named).await, "another serial");
        assert!(!found(bob, 7, 9, named).await, "another person");
    }
    scene.store.revoke_certificate(ada, Serial::new(7), at(2)).await.unwrap();
    assert!(!found(ada, 7, 9, "den").await);
}

#[tokio::test]
async fn a_serial_with_other_contents_is_unknown_and_never_given_twice() {
    let scene = Scene::new().await;
    let ada = scene.person("ada", 1).await.id;
    record(&scene, certificate(7, ada, 1, 9)).await;
    assert_eq!(standing(&scene, 7, 8).await, Standing::Unknown);
    assert_eq!(standing(&scene, 8, 9).await, Standing::Unknown);
    assert!(scene.store.record_certificate(certificate(7, ada, 1, 8), at(1)).await.is_err());
}

#[tokio::test]
async fn it_falls_with_the_key_that_issued_it_and_with_the_key_that_it_certifies() {
    let scene = Scene::new().await;
    let ada = scene.person("ada", 1).await.id;
    for key in [2, 3] {
        scene.store.add_key(ada, device_key(key), at(1)).await.unwrap();
    }
    for (serial, by, subject) in [(1, 2, 9), (2, 1, 3), (3, 1, 9)] {
        assert_eq!(record(&scene, certificate(serial, ada, by, subject)).await, Certify::Recorded);
    }
    for key in [2, 3] {
        let removed = scene.store.remove_key(ada, &fingerprint(key), LastKey::Keep, at(2)).await.unwrap();
        assert_eq!(removed, RemoveKey::Removed);
    }
    assert_eq!(standing(&scene, 1, 9).await, Standing::Revoked);
    assert_eq!(standing(&scene, 2, 3).await, Standing::Revoked);
    assert!(matches!(standing(&scene, 3, 9).await, Standing::Stands(_)));
    // To register the key anew brings nothing back.
    assert_eq!(scene.store.add_key(ada, device_key(2), at(3)).await.unwrap(), AddKey::Added);
    assert_eq!(standing(&scene, 1, 9).await, Standing::Revoked);
    let left = scene.store.certificates(ada, at(4)).await.unwrap();
    assert_eq!(left.iter().map(|row| row.serial.number()).collect::<Vec<_>>(), [3]);
}

#[tokio::test]
async fn a_last_key_that_is_kept_keeps_its_certificates() {
    let scene = Scene::new().await;
    let ada = scene.person("ada", 1).await.id;
    record(&scene, certificate(7, ada, 1, 9)).await;
    let kept = scene.store.remove_key(ada, &fingerprint(1), LastKey::Keep, at(2)).await.unwrap();
    assert_eq!(kept, RemoveKey::LastKey);
    assert!(matches!(standing(&scene, 7, 9).await, Standing::Stands(_)));
}

#[tokio::test]
async fn only_its_owner_revokes_it_and_once() {
    let scene = Scene::new().await;
    let (ada, bob) = (scene.person("ada", 1).await.id, scene.person("bob", 2).await.id);
    record(&scene, certificate(7, ada, 1, 9)).await;
    let revoke = async |who| scene.store.revoke_certificate(who, Serial::new(7), at(2)).await.unwrap();
    assert_eq!(revoke(bob).await, None);
    assert!(matches!(standing(&scene, 7, 9).await, Standing::Stands(_)));
    assert_eq!((revoke(ada).await, revoke(ada).await), (Some(()), None));
    assert_eq!(standing(&scene, 7, 9).await, Standing::Revoked);
}

#[tokio::test]
async fn a_removed_key_issues_nothing_and_nobody_certifies_anothers_key() {
    let scene = Scene::new().await;
    let ada = scene.person("ada", 1).await.id;
    scene.person("bob", 2).await;
    assert_eq!(record(&scene, certificate(1, ada, 9, 8)).await, Certify::IssuerGone);
    assert_eq!(record(&scene, certificate(2, ada, 2, 8)).await, Certify::IssuerGone);
    assert_eq!(record(&scene, certificate(3, ada, 1, 2)).await, Certify::Taken);
    for (serial, digest) in [(1, 8), (2, 8), (3, 2)] {
        assert_eq!(standing(&scene, serial, digest).await, Standing::Unknown);
    }
}

#[tokio::test]
async fn a_thousand_at_once_are_enough_and_those_that_ended_long_ago_are_forgotten() {
    let scene = Scene::new().await;
    let ada = scene.person("ada", 1).await.id;
    for serial in 1..=1000 {
        assert_eq!(record(&scene, certificate(serial, ada, 1, 9)).await, Certify::Recorded);
    }
    assert_eq!(record(&scene, certificate(1001, ada, 1, 9)).await, Certify::TooMany);
    let month = 30 * 24 * 3600;
    let later = NewCertificate { expires_at: at(200 + month), ..certificate(1001, ada, 1, 9) };
    let recorded = scene.store.record_certificate(later.clone(), at(100 + month)).await.unwrap();
    assert_eq!(recorded, Certify::Recorded);
    assert!(matches!(standing(&scene, 1, 9).await, Standing::Stands(_)), "a connection may still be there");
    let last = NewCertificate { serial: Serial::new(1002), ..later };
    scene.store.record_certificate(last, at(101 + month)).await.unwrap();
    assert_eq!(standing(&scene, 1, 9).await, Standing::Unknown);
}
