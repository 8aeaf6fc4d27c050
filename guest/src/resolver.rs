//! Names of hosts, as the Space's own /etc/hosts and /etc/resolv.conf have them. A static program cannot ask the
//! C library, which would load parts of the image.

use std::io;
use std::net::IpAddr;

use hickory_resolver::{ResolverBuilder, TokioResolver};

/// The addresses of a host, in the order to try them in.
pub(crate) async fn resolve(host: &str) -> io::Result<Vec<IpAddr>> {
    // Brackets around an IPv6 address are how people write it beside a port.
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = bare.parse() {
        return Ok(vec![address]);
    }
    // Made anew each time: the files may have changed, and a forward is rare next to what it carries.
    let resolver =
        TokioResolver::builder_tokio().and_then(ResolverBuilder::build).map_err(io::Error::other)?;
    let found = resolver.lookup_ip(bare).await.map_err(io::Error::other)?;
    Ok(found.iter().collect())
}
