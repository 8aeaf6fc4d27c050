//! The configuration: config/gateway.toml holds every key with its default, a file of the operator's and
//! `SPACES_GATEWAY_*` variables lie over it. Unknown keys are errors.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use figment::Figment;
use figment::providers::{Env, Format, Toml};
use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Deserializer};
use spaces_provisioner::{Isolation, MappedRoot, NetworkPolicy, SubnetPool};
use tracing_subscriber::filter::{EnvFilter, LevelFilter};

use crate::certificate::HostName;

/// The defaults, and their documentation.
pub(crate) const DEFAULTS: &str = include_str!("../../config/gateway.toml");

/// Everything that an operator can choose. Its keys are explained in config/gateway.toml.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) state: PathBuf,
    pub(crate) log: LogConfig,
    pub(crate) engine: EngineConfig,
    pub(crate) isolation: IsolationConfig,
    pub(crate) space: SpaceConfig,
    pub(crate) metering: MeteringConfig,
    pub(crate) metrics: MetricsConfig,
    pub(crate) ceiling: CeilingConfig,
    pub(crate) access: AccessConfig,
    pub(crate) forwarding: ForwardingConfig,
    pub(crate) certificates: CertificatesConfig,
    pub(crate) limits: LimitsConfig,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogConfig {
    pub(crate) format: LogFormat,
    pub(crate) filter: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    Human,
    Json,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EngineConfig {
    pub(crate) socket: PathBuf,
    pub(crate) runtime: String,
    #[serde(deserialize_with = "pool")]
    pub(crate) network_pool: SubnetPool,
    #[serde(deserialize_with = "duration")]
    pub(crate) reconcile_every: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IsolationConfig {
    pub(crate) firewall: FirewallOwner,
    #[serde(deserialize_with = "networks")]
    pub(crate) closed: Vec<IpNet>,
    #[serde(deserialize_with = "networks")]
    pub(crate) open: Vec<IpNet>,
    pub(crate) resolvers: Vec<IpAddr>,
    /// None: users of Spaces are users of this host.
    #[serde(deserialize_with = "mapped_root")]
    pub(crate) user_namespace: Option<MappedRoot>,
}

/// Who keeps Spaces apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FirewallOwner {
    Gateway,
    External,
}

impl fmt::Display for FirewallOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gateway => "gateway",
            Self::External => "external",
        })
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SpaceConfig {
    pub(crate) image: String,
    pub(crate) guest: PathBuf,
    pub(crate) cpu_millis: u32,
    pub(crate) memory_mib: u32,
    pub(crate) pids: u32,
    pub(crate) disk_mb: u32,
    pub(crate) egress_mb: u32,
    pub(crate) egress_mbit: u32,
    pub(crate) llm_tokens: u64,
    pub(crate) user: String,
    pub(crate) accept_env: Vec<String>,
    #[serde(deserialize_with = "duration")]
    pub(crate) stop_grace: Duration,
    /// None: never.
    #[serde(deserialize_with = "duration_or_off")]
    pub(crate) idle_stop: Option<Duration>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MeteringConfig {
    #[serde(deserialize_with = "duration")]
    pub(crate) every: Duration,
    #[serde(deserialize_with = "duration")]
    pub(crate) disk_every: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MetricsConfig {
    /// None: nowhere.
    #[serde(deserialize_with = "loopback")]
    pub(crate) listen: Option<SocketAddr>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CeilingConfig {
    pub(crate) spaces: u32,
    pub(crate) cpu_millis: u32,
    pub(crate) memory_mib: u32,
    pub(crate) disk_mb: u32,
    pub(crate) egress_mb: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccessConfig {
    pub(crate) requests: bool,
    #[serde(deserialize_with = "duration")]
    pub(crate) auth_key_lifetime: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForwardingConfig {
    pub(crate) allowed: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CertificatesConfig {
    pub(crate) host_names: Vec<HostName>,
    #[serde(deserialize_with = "duration")]
    pub(crate) lifetime: Duration,
    #[serde(deserialize_with = "duration")]
    pub(crate) longest_lifetime: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitsConfig {
    #[serde(deserialize_with = "duration")]
    pub(crate) login_grace: Duration,
    #[serde(deserialize_with = "duration")]
    pub(crate) keepalive_every: Duration,
    pub(crate) keepalive_missed: std::num::NonZeroU32,
    pub(crate) connections: usize,
    pub(crate) connections_per_address: usize,
    pub(crate) channels_per_connection: usize,
    pub(crate) login_attempts_per_address: std::num::NonZeroU32,
    pub(crate) login_attempts_per_email: std::num::NonZeroU32,
    pub(crate) requests_per_address: std::num::NonZeroU32,
    pub(crate) rekey_mib: usize,
}

/// What is wrong with a configuration, for the operator.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// A file that cannot be read or is not TOML, a key that is unknown, missing, or of another type.
    #[error("{0}")]
    Malformed(String),
    /// A value that cannot work.
    #[error("{key}: {problem}")]
    Value {
        /// Which key.
        key: &'static str,
        /// Why.
        problem: String,
    },
}

impl LimitsConfig {
    /// How long a client may be silent between two questions; `None` asks nothing.
    pub(crate) fn keepalive_every(&self) -> Option<Duration> {
        Some(self.keepalive_every).filter(|every| !every.is_zero())
    }

    /// How long a client is waited for that does nothing at all; `None` is for ever.
    pub(crate) fn patience(&self) -> Option<Duration> {
        // The last question, too, has its time to be answered in.
        let rounds = self.keepalive_missed.get().saturating_add(1);
        self.keepalive_every().map(|every| every.saturating_mul(rounds))
    }
}

impl IsolationConfig {
    /// The same as the provisioner's value.
    pub(crate) fn isolation(&self) -> Isolation {
        match self.firewall {
            FirewallOwner::Gateway => Isolation::Enforced(NetworkPolicy {
                closed: self.closed.clone(),
                open: self.open.clone(),
                resolvers: self.resolvers.clone(),
            }),
            FirewallOwner::External => Isolation::External,
        }
    }
}

impl Config {
    /// The defaults, then `file`, then the environment.
    pub(crate) fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let mut figment = Figment::from(Toml::string(DEFAULTS));
        if let Some(file) = file {
            figment = figment.merge(Toml::file_exact(file));
        }
        // Names the file itself.
        let environment = Env::prefixed("SPACES_GATEWAY_").ignore(&["config_file"]).split("__");
        let config: Self =
            figment.merge(environment).extract().map_err(|error| ConfigError::Malformed(explain(&error)))?;
        config.checked()
    }

    fn checked(self) -> Result<Self, ConfigError> {
        let fault = |key, problem: &str| Err(ConfigError::Value { key, problem: problem.to_owned() });
        if !(1..=1024).contains(&self.limits.rekey_mib) {
            return fault("limits.rekey_mib", "not between 1 and 1024");
        }
        let certificates = &self.certificates;
        if certificates.lifetime > certificates.longest_lifetime {
            return fault("certificates.lifetime", "more than certificates.longest_lifetime");
        }
        let never = [
            ("certificates.lifetime", certificates.lifetime < Duration::from_secs(1)),
            ("access.auth_key_lifetime", self.access.auth_key_lifetime.is_zero()),
            ("metering.every", self.metering.every.is_zero()),
            ("engine.reconcile_every", self.engine.reconcile_every.is_zero()),
            ("limits.login_grace", self.limits.login_grace.is_zero()),
            ("limits.connections", self.limits.connections == 0),
            ("limits.connections_per_address", self.limits.connections_per_address == 0),
            ("limits.channels_per_connection", self.limits.channels_per_connection == 0),
        ];
        if let Some((key, _)) = never.into_iter().find(|(_, zero)| *zero) {
            return fault(key, "zero would let nothing happen");
        }
        if !is_private(self.engine.network_pool) {
            return fault(
                "engine.network_pool",
                "not a private network: Spaces would have other people's addresses",
            );
        }
        if self.metrics.listen == Some(self.listen) && self.listen.port() != 0 {
            return fault("metrics.listen", "the same as `listen`");
        }
        if self.metering.every > Duration::from_hours(1) {
            return fault("metering.every", "more than an hour: limits would bind too late");
        }
        if !self.log.filter.split(',').all(is_directive) {
            return fault(
                "log.filter",
                "neither a level (error, warn, info, debug, trace, off) nor a filter",
            );
        }
        if !self.space.accept_env.iter().all(|pattern| is_variable(pattern)) {
            return fault("space.accept_env", "not names of variables, with at most one `*`, at the end");
        }
        if self.space.cpu_millis < 10 {
            return fault("space.cpu_millis", "less than 10 cannot run anything");
        }
        if self.space.egress_mbit > 1_000_000 {
            return fault("space.egress_mbit", "more than 1000000");
        }
        if self.space.memory_mib < 16 {
            return fault("space.memory_mib", "less than 16 cannot run anything");
        }
        if self.space.pids < 8 {
            return fault("space.pids", "less than 8 cannot run anything");
        }
        Ok(self)
    }

    /// Where the guest program is: as configured, or beside this program.
    pub(crate) fn guest_program(&self) -> std::io::Result<PathBuf> {
        if self.space.guest.as_os_str().is_empty() {
            Ok(std::env::current_exe()?.with_file_name("spaces-guest"))
        } else {
            std::path::absolute(&self.space.guest)
        }
    }
}

/// Whether the whole pool is among the addresses that are for private use.
fn is_private(pool: SubnetPool) -> bool {
    let private = ["10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "198.18.0.0/15"];
    let network = |text: &str| text.parse::<Ipv4Net>().ok();
    let Some(pool) = network(&pool.to_string()) else { return false };
    private.into_iter().filter_map(network).any(|private| private.contains(&pool))
}

/// Which key, what is the matter, and where it was read.
fn explain(error: &figment::Error) -> String {
    let key = error.path.join(".");
    let place = error.metadata.as_ref().map(|metadata| match &metadata.source {
        Some(source) => format!(" (in {source})"),
        None => format!(" (in {})", metadata.name),
    });
    let place = place.unwrap_or_default();
    if let figment::error::Kind::UnknownField(..) = error.kind {
        return format!("no key named `{key}`{place}");
    }
    let key = if key.is_empty() { key } else { format!("{key}: ") };
    format!("{key}{}{place}", error.kind.to_string().trim_end())
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text).map_err(|_malformed| {
        serde::de::Error::custom(format!("`{text}` is not a time, such as 30s, 10m, 12h or 7d"))
    })
}

/// Of a filter of tracing. A word alone would be taken for a program's part and shut all others up: it is a typing error.
fn is_directive(text: &str) -> bool {
    let text = text.trim();
    let known = text.contains(['=', '[']) || text.parse::<LevelFilter>().is_ok();
    known && EnvFilter::try_new(text).is_ok()
}

/// The name of a variable, or how it begins.
fn is_variable(pattern: &str) -> bool {
    let name = pattern.strip_suffix('*').unwrap_or(pattern);
    let in_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !pattern.is_empty()
        && name.bytes().all(in_name)
        && !name.starts_with(|first: char| first.is_ascii_digit())
}

/// Networks; an address is the network of it alone.
fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let network = |text: String| {
        let network = text.parse().or_else(|_malformed| text.parse::<IpAddr>().map(IpNet::from));
        network.map_err(|_malformed| {
            serde::de::Error::custom(format!(
                "`{text}` is neither a network, such as 10.1.0.0/16, nor an address"
            ))
        })
    };
    texts.into_iter().map(network).collect()
}

/// Empty is none.
fn mapped_root<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<MappedRoot>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(serde::de::Error::custom) }
}

fn duration_or_off<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text == "off" {
        return Ok(None);
    }
    match humantime::parse_duration(&text) {
        Ok(time) if time >= Duration::from_secs(1) => Ok(Some(time)),
        Ok(_) | Err(_) => Err(serde::de::Error::custom(format!(
            "`{text}` is neither `off` nor a time, such as 45m, 2h or 7d"
        ))),
    }
}

/// Empty is none. What is said there is for this host.
fn loopback<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(None);
    }
    match text.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Ok(Some(address)),
        Ok(_) | Err(_) => Err(serde::de::Error::custom(format!(
            "`{text}` is not an address and port of this host alone, such as 127.0.0.1:9464"
        ))),
    }
}

fn pool<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SubnetPool, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_file_is_the_defaults_and_says_what_each_key_is_for() {
        Config::load(None).unwrap();
        let lines: Vec<&str> = DEFAULTS.lines().collect();
        for (at, line) in
            lines.iter().enumerate().filter(|(_, line)| line.contains(" = ") && !line.starts_with('#'))
        {
            // A pair of keys may share one comment.
            let above = lines[..at].iter().rev().find(|above| !above.contains(" = ")).unwrap();
            assert!(above.starts_with('#'), "no comment above `{line}`");
        }
    }

    #[test]
    fn what_operators_write_in_other_ways_is_taken() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = "[isolation]\nopen = [\"10.0.0.7\", \"fd00::/64\"]\n\
                    [log]\nfilter = \"info,spaces_gateway::relay=debug, off\"\n\
                    [space]\naccept_env = [\"*\", \"_x1\"]\n";
        std::fs::write(file.path(), text).unwrap();
        let open = Config::load(Some(file.path())).unwrap().isolation.open;
        assert_eq!(open, ["10.0.0.7/32".parse().unwrap(), "fd00::/64".parse().unwrap()]);
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "[space]\nimgae = \"x\"\n").unwrap();
        let error = Config::load(Some(file.path())).unwrap_err().to_string();
        assert!(error.contains("imgae"), "{error}");
    }

    #[test]
    fn a_value_that_cannot_work_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for text in [
            "[space]\npids = 1\n",
            "[space]\nidle_stop = \"0s\"\n",
            "[engine]\nnetwork_pool = \"10.0.0.0/30\"\n",
            "[engine]\nnetwork_pool = \"0.0.0.0/0\"\n",
            "[engine]\nnetwork_pool = \"127.0.0.0/8\"\n",
            "[engine]\nnetwork_pool = \"172.0.0.0/8\"\n",
            "listen = \"localhost\"\n",
            "[metrics]\nlisten = \"0.0.0.0:9464\"\n",
            "listen = \"127.0.0.1:2222\"\n[metrics]\nlisten = \"127.0.0.1:2222\"\n",
            "[certificates]\nhost_names = [\"*\"]\n",
            "[certificates]\nlifetime = \"25h\"\n",
            "[certificates]\nlifetime = \"0s\"\n",
            "[access]\nauth_key_lifetime = \"0s\"\n",
            "[metering]\nevery = \"25h\"\n",
            "[log]\nfilter = \"inof\"\n",
            "[log]\nfilter = \"info,spaces_gateway=loud\"\n",
            "[space]\naccept_env = [\"LANG\", \"L*NG\"]\n",
            "[space]\naccept_env = [\"PATH=/tmp\"]\n",
            "[isolation]\nopen = [\"mirror.example.com\"]\n",
        ] {
            std::fs::write(file.path(), text).unwrap();
            assert!(Config::load(Some(file.path())).is_err(), "{text}");
        }
    }
}
