//! What a Space's container and network are made of, in the engine's words. Pure.

use std::collections::HashMap;
use std::path::Path;

use bollard::models::{
    ContainerCreateBody, ContainerUpdateBody, HealthConfig, HostConfig, HostConfigLogConfig, Ipam,
    IpamConfig, Mount, MountType, NetworkCreateRequest, ResourcesUlimits, RestartPolicy,
    RestartPolicyNameEnum,
};
use spaces_protocol::frame::{GUEST_PATH, SOCKET_PATH};
use spaces_protocol::name::SpaceId;

use super::DockerSettings;
use super::crowds::Weight;
use crate::{Blueprint, Installation, ProvisionError, Subnet};

/// What root keeps: apt, sudo, nginx, sshd and databases run with these. `NET_RAW` is not among them, so that
/// no Space forges packets on its bridge.
const CAPABILITIES: [&str; 11] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "SETUID",
    "SETGID",
    "KILL",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "SETFCAP",
    "AUDIT_WRITE",
];

/// Lets every group open an ICMP socket: ping works without `NET_RAW`. Where groups are mapped, only those that are can be
/// named: 65,536 of them, as far as anybody sets up engines.
const PING_GROUPS: &str = "net.ipv4.ping_group_range";
const EVERY_GROUP: &str = "0 2147483647";
const EVERY_MAPPED_GROUP: &str = "0 65535";

/// Open files of one process: enough for a database. Not more, since an engine without `CAP_SYS_RESOURCE` (as in
/// a virtual machine of a cloud) fails to start what asks for more than the engine itself has: 20,000 in one seen.
const OPEN_FILES: i64 = 16_384;

/// Swap of a machine: a page, which is as good as none. None at all, on cgroup version 2, runc leaves out of what it tells
/// systemd, which takes the limit away when it reads its units anew, as each installation of a package has it do.
const SWAP: i64 = 4096;

/// Seconds that whoever stops the container without saying how long (such as an operator's `docker stop`)
/// leaves to it.
const STOP_TIMEOUT: i64 = 10;

/// The container of a Space. The image gives its files and its environment, and nothing else: no program of
/// its own, no health check, no user.
pub(super) fn container(
    blueprint: &Blueprint,
    settings: &DockerSettings,
    size: Option<&str>,
) -> Result<ContainerCreateBody, ProvisionError> {
    Ok(ContainerCreateBody {
        hostname: Some(blueprint.hostname.clone()),
        user: Some("0:0".to_owned()),
        image: Some(blueprint.image.tagged()),
        entrypoint: Some(vec![GUEST_PATH.to_owned()]),
        cmd: Some(Vec::new()),
        working_dir: Some("/".to_owned()),
        healthcheck: Some(HealthConfig { test: Some(vec!["NONE".to_owned()]), ..HealthConfig::default() }),
        labels: Some(settings.installation.labels(blueprint.space)),
        // An image may name another one, which the guest does not know.
        stop_signal: Some("SIGTERM".to_owned()),
        stop_timeout: Some(STOP_TIMEOUT),
        host_config: Some(host_config(blueprint, settings, size)?),
        ..ContainerCreateBody::default()
    })
}

fn host_config(
    blueprint: &Blueprint,
    settings: &DockerSettings,
    size: Option<&str>,
) -> Result<HostConfig, ProvisionError> {
    let groups = if settings.mapped_root.is_some() { EVERY_MAPPED_GROUP } else { EVERY_GROUP };
    Ok(HostConfig {
        mounts: Some(vec![
            read_only(&blueprint.guest, GUEST_PATH)?,
            read_only(&blueprint.socket_folder, parent(SOCKET_PATH))?,
        ]),
        network_mode: Some(settings.installation.name_of(blueprint.space)),
        runtime: settings.runtime.clone(),
        cpu_shares: Some(Weight::Usual.shares()),
        nano_cpus: Some(nano_cpus(blueprint)),
        memory: Some(memory(blueprint)),
        memory_swap: Some(memory(blueprint) + SWAP),
        pids_limit: Some(i64::from(blueprint.pids)),
        ulimits: Some(vec![ResourcesUlimits {
            name: Some("nofile".to_owned()),
            soft: Some(OPEN_FILES),
            hard: Some(OPEN_FILES),
        }]),
        cap_drop: Some(vec!["ALL".to_owned()]),
        cap_add: Some(CAPABILITIES.map(str::to_owned).to_vec()),
        sysctls: Some(HashMap::from([owned((PING_GROUPS, groups))])),
        // Whether a Space runs is decided by the gateway alone.
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        storage_opt: size.map(|size| HashMap::from([owned(("size", size))])),
        init: Some(false),
        log_config: Some(HostConfigLogConfig {
            typ: Some("local".to_owned()),
            // One file, for which the engine demands that compression be off. The guest prints next to nothing.
            config: Some(HashMap::from(
                [("max-size", "1m"), ("max-file", "1"), ("compress", "false")].map(owned),
            )),
        }),
        ..HostConfig::default()
    })
}

/// What the engine can change of a container that is there.
pub(super) fn limits(blueprint: &Blueprint, weight: Weight) -> ContainerUpdateBody {
    ContainerUpdateBody {
        cpu_shares: Some(weight.shares()),
        nano_cpus: Some(nano_cpus(blueprint)),
        memory: Some(memory(blueprint)),
        memory_swap: Some(memory(blueprint) + SWAP),
        pids_limit: Some(i64::from(blueprint.pids)),
        ..ContainerUpdateBody::default()
    }
}

fn nano_cpus(blueprint: &Blueprint) -> i64 {
    i64::from(blueprint.cpu_millis) * 1_000_000
}

fn memory(blueprint: &Blueprint) -> i64 {
    i64::from(blueprint.memory_mib) * 1024 * 1024
}

/// The network of a Space. Its interface's name is not for looks: the engine refuses a second network with it,
/// and of API versions before 1.44 nothing else refuses a second network of the same name.
pub(super) fn network(space: SpaceId, subnet: Subnet, installation: &Installation) -> NetworkCreateRequest {
    let interface = ("com.docker.network.bridge.name".to_owned(), installation.interface(space));
    NetworkCreateRequest {
        name: installation.name_of(space),
        driver: Some("bridge".to_owned()),
        internal: Some(false),
        enable_ipv6: Some(false),
        ipam: Some(Ipam {
            config: Some(vec![IpamConfig { subnet: Some(subnet.to_string()), ..IpamConfig::default() }]),
            ..Ipam::default()
        }),
        options: Some(HashMap::from([interface])),
        labels: Some(installation.labels(space)),
        ..NetworkCreateRequest::default()
    }
}

/// A path as the engine's API takes it.
pub(super) fn absolute(path: &Path) -> Result<&str, ProvisionError> {
    path.to_str()
        .filter(|_| path.is_absolute())
        .ok_or_else(|| ProvisionError::UnusablePath { path: path.to_owned() })
}

/// A mount and not a bind: the engine refuses a source that is not there, where for a bind it would make a
/// folder of that name.
fn read_only(source: &Path, target: &str) -> Result<Mount, ProvisionError> {
    Ok(Mount {
        typ: Some(MountType::BIND),
        source: Some(absolute(source)?.to_owned()),
        target: Some(target.to_owned()),
        read_only: Some(true),
        ..Mount::default()
    })
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("/", |(folder, _file)| folder)
}

fn owned((key, value): (&str, &str)) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn blueprint() -> Blueprint {
        Blueprint {
            space: SpaceId::new(7),
            hostname: "my-room".to_owned(),
            image: "debian".parse().unwrap(),
            cpu_millis: 1500,
            memory_mib: 512,
            pids: 200,
            egress: crate::Egress::default(),
            disk_bytes: None,
            guest: PathBuf::from("/opt/guest"),
            socket_folder: PathBuf::from("/run/spaces/sp:7"),
        }
    }

    fn settings(runtime: Option<&str>) -> DockerSettings {
        DockerSettings {
            socket: PathBuf::from("/run/docker.sock"),
            installation: "a1".parse().unwrap(),
            subnets: "10.213.0.0/16".parse().unwrap(),
            isolation: crate::Isolation::External,
            runtime: runtime.map(str::to_owned),
            mapped_root: None,
        }
    }

    #[test]
    fn a_machine_runs_by_the_runtime_that_is_wanted() {
        let body = container(&blueprint(), &settings(Some("runsc")), None).unwrap();
        assert_eq!(body.host_config.unwrap().runtime.as_deref(), Some("runsc"));
    }

    #[test]
    fn a_machine_is_told_its_size_where_the_storage_wants_it() {
        let body = container(&blueprint(), &settings(None), Some("20000000")).unwrap();
        let options = body.host_config.unwrap().storage_opt;
        assert_eq!(options, Some(HashMap::from([("size".to_owned(), "20000000".to_owned())])));
    }

    #[test]
    fn a_container_is_exactly_this() {
        let body = container(&blueprint(), &settings(None), None).unwrap();
        let expected = serde_json::json!({
            "Hostname": "my-room",
            "User": "0:0",
            "Cmd": [],
            "Healthcheck": { "Test": ["NONE"] },
            "Image": "debian:latest",
            "WorkingDir": "/",
            "Entrypoint": ["/.spaces/bin/spaces-guest"],
            "Labels": { "dev.spaces.installation": "a1", "dev.spaces.space": "sp_7" },
            "StopSignal": "SIGTERM",
            "StopTimeout": 10,
            "HostConfig": {
                "CpuShares": 1024,
                "Memory": 536_870_912_i64,
                "MemorySwap": 536_875_008_i64,
                "NanoCpus": 1_500_000_000_i64,
                "Init": false,
                "PidsLimit": 200,
                "Ulimits": [{ "Name": "nofile", "Soft": 16384, "Hard": 16384 }],
                "LogConfig": {
                    "Type": "local",
                    "Config": { "max-size": "1m", "max-file": "1", "compress": "false" },
                },
                "NetworkMode": "spaces-a1-sp_7",
                "RestartPolicy": { "Name": "no" },
                "Mounts": [
                    { "Type": "bind", "Source": "/opt/guest", "Target": "/.spaces/bin/spaces-guest", "ReadOnly": true },
                    { "Type": "bind", "Source": "/run/spaces/sp:7", "Target": "/.spaces/run", "ReadOnly": true },
                ],
                "CapDrop": ["ALL"],
                "CapAdd": [
                    "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "SETUID", "SETGID", "KILL", "NET_BIND_SERVICE",
                    "SYS_CHROOT", "SETFCAP", "AUDIT_WRITE",
                ],
                "Sysctls": { "net.ipv4.ping_group_range": "0 2147483647" },
            },
        });
        assert_eq!(serde_json::to_value(body).unwrap(), expected);
    }

    #[test]
    fn limits_are_those_that_a_container_is_made_with() {
        let made = serde_json::to_value(container(&blueprint(), &settings(None), None).unwrap()).unwrap();
        let update = serde_json::to_value(limits(&blueprint(), Weight::Usual)).unwrap();
        let update = update.as_object().unwrap();
        let names: Vec<_> = update.keys().map(String::as_str).collect();
        assert_eq!(names.len(), 5, "{names:?}");
        for (name, value) in update {
            assert_eq!(made["HostConfig"][name], *value, "{name}");
        }
    }

    #[test]
    fn a_network_is_exactly_this() {
        let subnet = "10.213.0.0/16".parse::<crate::SubnetPool>().unwrap().nth(1).unwrap();
        let installation: Installation = "a1".parse().unwrap();
        let expected = serde_json::json!({
            "Name": "spaces-a1-sp_7",
            "Driver": "bridge",
            "Internal": false,
            "EnableIPv6": false,
            "IPAM": { "Config": [{ "Subnet": "10.213.0.8/29" }] },
            "Options": { "com.docker.network.bridge.name": installation.interface(SpaceId::new(7)) },
            "Labels": { "dev.spaces.installation": "a1", "dev.spaces.space": "sp_7" },
        });
        assert_eq!(serde_json::to_value(network(SpaceId::new(7), subnet, &installation)).unwrap(), expected);
    }

    #[test]
    fn a_path_that_the_engine_would_read_otherwise_is_refused() {
        let relative = Blueprint { guest: PathBuf::from("guest"), ..blueprint() };
        assert!(matches!(
            container(&relative, &settings(None), None),
            Err(ProvisionError::UnusablePath { path }) if path == Path::new("guest")
        ));
    }
}
