//! No engine, a silent one, one that goes away, and one that does not have the image.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::StreamExt;
use spaces_protocol::name::SpaceId;
use spaces_provisioner::{Blueprint, Docker, Egress, Observed, Progress, ProvisionError, Provisioner};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use crate::harness::{SOCKET, Stage, docker_at};

fn docker_behind(socket: &std::path::Path) -> Result<Docker> {
    Ok(docker_at(socket, &"t0".parse()?, "10.213.0.0/16".parse()?))
}

#[tokio::test]
async fn no_engine_is_told_as_such_by_every_operation() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let docker = docker_behind(&folder.path().join("docker.sock"))?;
    let space = SpaceId::new(1);
    let blueprint = Blueprint {
        space,
        hostname: "a".to_owned(),
        image: "a".parse()?,
        cpu_millis: 1,
        memory_mib: 1,
        egress: Egress::default(),
        disk_bytes: None,
        pids: 1,
        guest: PathBuf::from("/a"),
        socket_folder: PathBuf::from("/b"),
    };
    let outcomes = [
        docker.ping().await,
        docker.ensure_running(&blueprint, &Progress::none()).await,
        docker.ensure_stopped(space, Duration::ZERO).await,
        docker.ensure_absent(space).await,
        docker.observe(space).await.map(drop),
        docker.observe_all().await.map(drop),
        docker.image_exists(&blueprint.image).await.map(drop),
        docker.changes().next().await.context("no error")?.map(drop),
    ];
    for outcome in outcomes {
        assert!(matches!(outcome, Err(ProvisionError::EngineUnavailable(_))), "{outcome:?}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_silent_engine_is_given_up_on() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let socket = folder.path().join("docker.sock");
    let _silent = UnixListener::bind(&socket)?;
    let outcome = docker_behind(&socket)?.ping().await;
    assert!(matches!(outcome, Err(ProvisionError::DeadlineExceeded { .. })), "{outcome:?}");
    Ok(())
}

#[tokio::test]
async fn an_engine_that_goes_away_ends_the_changes_and_its_return_needs_no_new_client() -> Result<()> {
    let stage = Stage::new().await?;
    let socket = stage.path("docker.sock");
    let docker = docker_at(&socket, &stage.installation, "10.213.0.0/16".parse()?);
    let mut relay = relay(UnixListener::bind(&socket)?);
    let mut changes = docker.changes();
    docker.ensure_running(&stage.blueprint(1), &Progress::none()).await?;
    changes.next().await.context("ended before its time")??;

    relay.shutdown().await;
    std::fs::remove_file(&socket)?;

    let last = changes.next().await.context("ended without an error")?;
    assert!(last.is_err(), "{last:?}");
    assert!(changes.next().await.is_none());
    assert!(matches!(docker.ping().await, Err(ProvisionError::EngineUnavailable(_))));

    let mut relay = self::relay(UnixListener::bind(&socket)?);
    docker.ping().await?;
    relay.shutdown().await;
    Ok(())
}

/// The real engine behind another socket, until it is shut down.
fn relay(listener: UnixListener) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut near, _address)) = listener.accept().await {
            connections.spawn(async move {
                let Ok(mut far) = UnixStream::connect(SOCKET).await else {
                    return;
                };
                drop(tokio::io::copy_bidirectional(&mut near, &mut far).await);
            });
        }
    });
    tasks
}

#[tokio::test]
async fn an_image_that_is_nowhere_is_named_and_what_was_made_meanwhile_is_removed() -> Result<()> {
    let stage = Stage::new().await?;
    // A registry on a port where nobody listens: refused at once, wherever the test runs.
    let image = "localhost:1/spaces/no-such-image:1".parse()?;
    assert!(!stage.docker.image_exists(&image).await?);
    assert!(stage.docker.image_exists(&stage.image).await?);
    let blueprint = Blueprint { image, ..stage.blueprint(1) };
    let (progress, mut heard) = Progress::channel();

    let refused = stage.docker.ensure_running(&blueprint, &progress).await;

    let Err(error @ ProvisionError::ImageMissing { .. }) = refused else {
        anyhow::bail!("not refused as it should be: {refused:?}")
    };
    assert_eq!(
        error.to_string(),
        "image `localhost:1/spaces/no-such-image:1` is not on this host and cannot be pulled"
    );
    assert!(std::error::Error::source(&error).is_some());
    assert_eq!(heard.recv().await.as_deref(), Some("creating the machine"));
    assert_eq!(heard.recv().await.as_deref(), Some("pulling localhost:1/spaces/no-such-image:1"));
    assert_eq!(stage.docker.observe(SpaceId::new(1)).await?, Observed::Absent);
    stage.docker.ensure_absent(SpaceId::new(1)).await?;
    assert!(stage.docker.observe_all().await?.is_empty());
    Ok(())
}
