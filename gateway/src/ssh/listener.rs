//! Accepts connections: bounded in all and by address, each with a deadline to authenticate in.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::server::run_stream;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tracing::{debug, info, warn};

use super::connection::Connection;
use super::lanes::Lanes;
use super::stream::{ClientStream, Standing};
use crate::limits::network;
use crate::platform::Platform;
use crate::tasks;

/// Accepts for ever; the caller drops it to stop.
pub(crate) async fn serve(
    listener: TcpListener,
    lanes: Lanes,
    ssh: russh::server::Config,
    platform: Arc<Platform>,
) {
    let ssh = Arc::new(ssh);
    let presence = Presence::default();
    loop {
        let (tcp, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, mostly: wait for some connection to end instead of spinning.
                warn!(%error, "a connection could not be accepted");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let limits = &platform.config.limits;
        let Some(present) = presence.enter(peer.ip(), limits.connections, limits.connections_per_address)
        else {
            debug!(%peer, "too many connections");
            continue;
        };
        let (ssh, platform) = (Arc::clone(&ssh), Arc::clone(&platform));
        // Off this thread's reactor, onto its lane's.
        let Ok(tcp) = tcp.into_std() else { continue };
        let counted = platform.metrics.connected();
        drop(tasks::spawn_on(lanes.next(), "connection", async move {
            if let Err(error) = connection(tcp, peer, ssh, platform).await {
                debug!(%peer, error = &error as &dyn std::error::Error, "connection ended");
            }
            drop((present, counted));
        }));
    }
}

async fn connection(
    tcp: std::net::TcpStream,
    peer: SocketAddr,
    ssh: Arc<russh::server::Config>,
    platform: Arc<Platform>,
) -> Result<(), russh::Error> {
    let tcp = TcpStream::from_std(tcp)?;
    tcp.set_nodelay(true)?;
    let local = tcp.local_addr()?;
    let standing = Arc::new(Standing::default());
    let limits = &platform.config.limits;
    let stream = ClientStream::new(tcp, limits.login_grace, limits.patience(), Arc::clone(&standing));
    let handler = Connection::new(platform, peer, local, standing);
    run_stream(ssh, stream, handler).await?.await
}

/// Who is connected, by address.
#[derive(Clone, Default)]
struct Presence(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One connection's place; gives it back when dropped.
struct Present {
    presence: Presence,
    address: IpAddr,
}

impl Presence {
    fn enter(&self, address: IpAddr, in_all: usize, per_address: usize) -> Option<Present> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let total: usize = counts.values().sum();
        let address = network(address);
        let here = counts.get(&address).copied().unwrap_or_default();
        if total >= in_all || here >= per_address {
            return None;
        }
        counts.insert(address, here + 1);
        Some(Present { presence: self.clone(), address })
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        let mut counts = self.presence.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

/// Binds the configured address.
pub(crate) async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address).await?;
    info!(address = %listener.local_addr()?, "listening");
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_by_address_and_in_all_and_given_back() {
        let presence = Presence::default();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let first = presence.enter(address("192.0.2.1"), 2, 1).unwrap();
        assert!(presence.enter(address("192.0.2.1"), 2, 1).is_none(), "the address's limit");
        let second = presence.enter(address("2001:db8::1"), 3, 1).unwrap();
        assert!(presence.enter(address("2001:db8::2"), 3, 1).is_none(), "a /64 counts as one address");
        assert!(presence.enter(address("192.0.2.2"), 2, 1).is_none(), "the limit in all");
        drop((first, second));
        assert!(
            presence.0.lock().unwrap().is_empty(),
            "nothing is remembered of those who left or were refused"
        );
    }
}
