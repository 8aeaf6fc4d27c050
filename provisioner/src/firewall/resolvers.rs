//! Which resolvers this host asks: the engine sends a Space's questions to them from within the Space's network.

use std::net::IpAddr;

use resolv_conf::ScopedIp;

/// As the engine does: the second file is where systemd-resolved keeps those behind its own loopback address.
const FILES: [&str; 2] = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];

/// Those that a Space can reach, as of now; none where no file can be read.
pub(super) async fn of_this_host() -> Vec<IpAddr> {
    for file in FILES {
        let reachable = tokio::fs::read(file).await.map(|text| in_text(&text)).unwrap_or_default();
        if !reachable.is_empty() {
            return reachable;
        }
    }
    Vec::new()
}

/// Loopback is left out: the engine asks there by itself, from this host.
fn in_text(text: &[u8]) -> Vec<IpAddr> {
    let servers = resolv_conf::Config::parse(text).map(|config| config.nameservers).unwrap_or_default();
    let addresses = servers.into_iter().map(|server| match server {
        ScopedIp::V4(address) => IpAddr::V4(address),
        ScopedIp::V6(address, _scope) => IpAddr::V6(address),
    });
    addresses.filter(|address| !address.is_loopback()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolvers_are_read_but_those_on_loopback() {
        let text = b"# who\nsearch example\nnameserver 127.0.0.53\nnameserver 10.0.0.2\nnameserver fd00::2\n";
        let expected: Vec<IpAddr> = vec!["10.0.0.2".parse().unwrap(), "fd00::2".parse().unwrap()];
        assert_eq!(in_text(text), expected);
        assert_eq!(in_text(b"nameserver nonsense\n"), Vec::<IpAddr>::new());
    }
}
