//! An installation of its own for each test, on the real engine of this machine. Removes all that the test
//! made, also when it panics, and nothing else.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use bollard::query_parameters::{
    CreateImageOptionsBuilder, ListContainersOptionsBuilder, ListNetworksOptionsBuilder,
    RemoveContainerOptionsBuilder, RemoveImageOptions,
};
use futures_util::TryStreamExt;
use spaces_protocol::name::SpaceId;
use spaces_provisioner::{
    Blueprint, Docker, DockerSettings, Egress, ImageName, Installation, Isolation, NetworkPolicy, SubnetPool,
};
use tempfile::TempDir;

pub(crate) const SOCKET: &str = "/var/run/docker.sock";

/// Stands in for the guest: runs until it is asked to end.
const POLITE: &str = "#include <signal.h>\n#include <unistd.h>\nstatic void bye(int s) { _exit(0); }\n\
                      int main() { signal(SIGTERM, bye); for (;;) pause(); }\n";

/// Never ends by itself: process 1 has no default handlers.
const STUBBORN: &str = "#include <unistd.h>\nint main() { for (;;) pause(); }\n";

/// An image with nothing in it but traps: each would show if the image had a say.
const TRAPS: [&str; 4] =
    ["ENTRYPOINT [\"/no/such/program\"]", "HEALTHCHECK CMD /no/such/check", "USER 1234", "VOLUME /data"];

pub(crate) struct Stage {
    pub(crate) docker: Docker,
    /// The engine, past our own code.
    pub(crate) engine: bollard::Docker,
    pub(crate) installation: Installation,
    pub(crate) image: ImageName,
    folder: TempDir,
}

impl Stage {
    pub(crate) async fn new() -> Result<Self> {
        Self::with_pool("10.213.0.0/16").await
    }

    pub(crate) async fn with_pool(pool: &str) -> Result<Self> {
        let nanoseconds = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
        let installation: Installation = format!("t{nanoseconds}").parse()?;
        let engine = bollard::Docker::connect_with_unix(SOCKET, 60, bollard::API_DEFAULT_VERSION)
            .context("these tests need a Docker Engine at /var/run/docker.sock")?
            .negotiate_version()
            .await?;
        let stage = Self {
            docker: docker_at(Path::new(SOCKET), &installation, pool.parse()?),
            engine,
            image: format!("spaces-conformance:{installation}").parse()?,
            installation,
            folder: tempfile::tempdir()?,
        };
        stage.import_image().await?;
        compile(POLITE, &stage.path("polite"))?;
        compile(STUBBORN, &stage.path("stubborn"))?;
        std::fs::create_dir(stage.path("sockets"))?;
        Ok(stage)
    }

    pub(crate) fn blueprint(&self, number: i64) -> Blueprint {
        Blueprint {
            space: SpaceId::new(number),
            hostname: format!("room-{number}"),
            image: self.image.clone(),
            cpu_millis: 500,
            memory_mib: 64,
            pids: 64,
            egress: Egress::default(),
            disk_bytes: None,
            guest: self.path("polite"),
            socket_folder: self.path("sockets"),
        }
    }

    /// A path in the test's own folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The name of a Space's container and network, as the documentation promises it.
    pub(crate) fn name_of(&self, number: i64) -> String {
        format!("spaces-{}-sp_{number}", self.installation)
    }

    pub(crate) fn labels(&self, number: i64) -> HashMap<String, String> {
        HashMap::from([
            ("dev.spaces.installation".to_owned(), self.installation.to_string()),
            ("dev.spaces.space".to_owned(), format!("sp_{number}")),
        ])
    }

    /// The subnets of all networks of this installation.
    pub(crate) async fn subnets(&self) -> Result<Vec<String>> {
        let options = ListNetworksOptionsBuilder::default().filters(&self.filter()).build();
        let networks = self.engine.list_networks(Some(options)).await?;
        let configs = networks.into_iter().filter_map(|network| network.ipam?.config).flatten();
        Ok(configs.filter_map(|config| config.subnet).collect())
    }

    fn filter(&self) -> HashMap<String, Vec<String>> {
        let label = format!("dev.spaces.installation={}", self.installation);
        HashMap::from([("label".to_owned(), vec![label])])
    }

    /// An empty tar makes an empty image, in milliseconds.
    async fn import_image(&self) -> Result<()> {
        let (repository, tag) = self.image.as_str().split_once(':').context("no tag")?;
        let options = CreateImageOptionsBuilder::default()
            .from_src("-")
            .repo(repository)
            .tag(tag)
            .changes(TRAPS.map(str::to_owned).to_vec())
            .build();
        let empty = bollard::body_full(vec![0; 1024].into());
        self.engine.create_image(Some(options), Some(empty), None).try_collect::<Vec<_>>().await?;
        Ok(())
    }

    /// Twice if needed: a test that failed may have left the engine at work on something.
    async fn remove_all(&self) -> Result<()> {
        if self.sweep().await.is_err() { self.sweep().await } else { Ok(()) }
    }

    async fn sweep(&self) -> Result<()> {
        let options = ListContainersOptionsBuilder::default().all(true).filters(&self.filter()).build();
        for container in self.engine.list_containers(Some(options)).await? {
            let force = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
            self.engine.remove_container(&container.id.context("no id")?, Some(force)).await?;
        }
        let options = ListNetworksOptionsBuilder::default().filters(&self.filter()).build();
        for network in self.engine.list_networks(Some(options)).await? {
            self.engine.remove_network(&network.id.context("no id")?).await?;
        }
        let table = format!("spaces_{}", self.installation);
        for table in [table.clone(), table + "_egress"] {
            drop(Command::new("nft").args(["delete", "table", "inet", &table]).output());
        }
        // The import may be what failed; then that is the news.
        drop(self.engine.remove_image(self.image.as_str(), None::<RemoveImageOptions>, None).await);
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // A thread of its own: a runtime cannot be entered from within one, and the test's may be unwinding.
        let removed = std::thread::scope(|scope| {
            scope
                .spawn(|| -> Result<()> {
                    tokio::runtime::Builder::new_current_thread()
                        .enable_all()
                        .build()?
                        .block_on(self.remove_all())
                })
                .join()
        });
        if !std::thread::panicking() {
            assert!(matches!(removed, Ok(Ok(()))), "the test left something behind: {removed:?}");
        }
    }
}

pub(crate) fn docker_at(socket: &Path, installation: &Installation, subnets: SubnetPool) -> Docker {
    let isolation = Isolation::Enforced(NetworkPolicy::default());
    Docker::new(DockerSettings {
        runtime: None,
        mapped_root: None,
        socket: socket.to_owned(),
        installation: installation.clone(),
        subnets,
        isolation,
    })
}

fn compile(source: &str, program: &Path) -> Result<()> {
    let file = program.with_extension("c");
    std::fs::write(&file, source)?;
    let status = Command::new("cc").args(["-static", "-o"]).arg(program).arg(&file).status();
    ensure!(status.context("these tests need a C compiler, `cc`")?.success(), "cc failed");
    Ok(())
}
