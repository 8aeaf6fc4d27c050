//! What people use instead: OpenSSH's sshd inside a container that equals a Space but for its first program.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::engine::Engine;
use crate::guard::Guard;
use crate::process::run;
use crate::twin::{self, Own};

/// Debian's own configuration stays; this lies over it. Keys are looked for in one file that root owns, and none of
/// the clients that come at once is turned away.
const SSHD_CONFIG: &str = "HostKey /etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile /etc/ssh/authorized_keys
PasswordAuthentication no
UseDNS no
MaxStartups 100
";

/// The image of the Space's files and Debian's sshd.
const RECIPE: &str = "RUN apt-get update -qq && \
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends openssh-server && \
rm -f /etc/ssh/ssh_host_* && mkdir -p /run/sshd
COPY ssh_host_ed25519_key authorized_keys /etc/ssh/
COPY bench.conf /etc/ssh/sshd_config.d/
";

/// The Spaces of the harness have their subnets in 10.213.0.0/16; twins are beside them.
const SUBNETS: u32 = 8192;

/// A running sshd.
pub(crate) struct Rival {
    /// Its container.
    pub(crate) container: String,
    /// On the bridge.
    pub(crate) address: String,
    /// Algorithm and key, as `known_hosts` has them.
    pub(crate) host_key: String,
}

impl Rival {
    /// Builds the image in `files` and starts a twin of the inspected Space from it.
    pub(crate) fn start(
        guard: &Guard,
        engine: &Engine,
        files: TempDir,
        space: &Value,
        key: &Path,
    ) -> anyhow::Result<Self> {
        let name = guard.name("sshd");
        let host_key = image(guard, &name, files.path(), space, key)?;
        drop(files);
        let own = Own { label: guard.label(), network: &name };
        engine.post("/networks/create", &twin_network(engine, space, &own, 0)?)?;
        let mut body = twin::container(space, &own);
        set(&mut body, "/Image", json!(name));
        set(&mut body, "/Entrypoint", json!(["/usr/sbin/sshd", "-D", "-e"]));
        set(&mut body, "/HostConfig/Mounts", json!([]));
        engine.post(&format!("/containers/create?name={name}"), &body)?;
        engine.post(&format!("/containers/{name}/start"), &Value::Null)?;
        let running = engine.get(&format!("/containers/{name}/json"))?;
        let address = running.pointer(&format!("/NetworkSettings/Networks/{name}/IPAddress"));
        let address = address.and_then(Value::as_str).context("sshd's container has no address")?.to_owned();
        Ok(Self { container: name, address, host_key })
    }
}

/// Builds the image; gives the public host key.
fn image(guard: &Guard, name: &str, files: &Path, space: &Value, key: &Path) -> anyhow::Result<String> {
    let base = space.pointer("/Config/Image").and_then(Value::as_str).context("a Space without an image")?;
    let host_key = files.join("ssh_host_ed25519_key");
    run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"]).arg(&host_key))?;
    std::fs::copy(key.with_extension("pub"), files.join("authorized_keys"))?;
    std::fs::write(files.join("bench.conf"), SSHD_CONFIG)?;
    std::fs::write(files.join("Dockerfile"), format!("FROM {base}\n{RECIPE}"))?;
    let (label, run_name) = guard.label();
    let label = format!("{label}={run_name}");
    let arguments = ["build", "--quiet", "--force-rm", "--tag", name, "--label", &label];
    run(Command::new("docker").args(arguments).arg(files)).context("an image with sshd")?;
    let public = std::fs::read_to_string(host_key.with_extension("pub"))?;
    Ok(public.trim().to_owned())
}

/// A twin of the Space's network. Its subnet is one that hardly anybody else has; the engine refuses it else.
pub(crate) fn twin_network(
    engine: &Engine,
    space: &Value,
    own: &Own<'_>,
    number: u32,
) -> anyhow::Result<Value> {
    let name = space.pointer("/HostConfig/NetworkMode").and_then(Value::as_str);
    let inspected = engine.get(&format!("/networks/{}", name.context("a Space without a network")?))?;
    let index = (std::process::id().wrapping_mul(61) + number) % SUBNETS;
    let subnet = format!("10.214.{}.{}/29", index / 32, index % 32 * 8);
    Ok(twin::network(&inspected, own, &subnet, &format!("bench{index}")))
}

fn set(body: &mut Value, pointer: &str, value: Value) {
    if let Some(field) = body.pointer_mut(pointer) {
        *field = value;
    }
}
