//! Names of hosts, as the Space's own /etc/hosts and /etc/resolv.conf have them. A static program cannot ask the
//! C library, which would load parts of the image.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::Arc;

use hickory_resolver::config::ResolveHosts;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::system_conf::parse_resolv_conf;
use hickory_resolver::{Hosts, TokioResolver};

use crate::files::read_at_most;

/// Most that is read of either file: process 1 must not grow with what somebody puts there.
const MAX_FILE: u64 = 256 * 1024;

/// The addresses of a host, in the order to try them in.
pub(crate) async fn resolve(host: &str) -> io::Result<Vec<IpAddr>> {
    // Brackets around an IPv6 address are how people write it beside a port.
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = bare.parse() {
        return Ok(vec![address]);
    }
    if bare.eq_ignore_ascii_case("localhost") {
        return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    let found = resolver()?.lookup_ip(bare).await.map_err(|error| io::Error::other(why(&error)))?;
    Ok(found.iter().collect())
}

/// As the person reads it who wanted to go there.
fn why(error: &NetError) -> &'static str {
    if error.is_nx_domain() || error.is_no_records_found() {
        "no such host"
    } else {
        "the space's name server does not answer"
    }
}

/// Made anew each time: the files may have changed, and a forward is rare next to what it carries.
fn resolver() -> io::Result<TokioResolver> {
    let settings = read_at_most(Path::new("/etc/resolv.conf"), MAX_FILE)?;
    let (config, mut options) = parse_resolv_conf(settings).map_err(io::Error::other)?;
    // Not by itself, which would read the file without a bound.
    options.use_hosts_file = ResolveHosts::Never;
    let mut hosts = Hosts::default();
    if let Ok(file) = read_at_most(Path::new("/etc/hosts"), MAX_FILE) {
        hosts.read_hosts_conf(file.as_slice())?;
    }
    let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    let mut resolver = builder.with_options(options).build().map_err(io::Error::other)?;
    resolver.set_hosts(Arc::new(hosts));
    Ok(resolver)
}
