//! This host's firewall around Spaces: one nftables table for each installation, beside everybody else's rules.
//!
//! A refusal in a chain of ours is final, whatever the engine's own chains accept, and nothing of ours accepts what
//! they refuse. The engine does not know the table, so that it survives the engine's restarts.

mod egress;
mod resolvers;
mod rules;

use spaces_protocol::name::SpaceId;
use tokio::sync::Mutex;
use tracing::{info, warn};

use crate::{EgressBound, Installation, IsolationError, NetworkPolicy, program};

/// The rules of one installation.
#[derive(Debug)]
pub(crate) struct Firewall {
    installation: Installation,
    policy: NetworkPolicy,
    /// Held while rules are looked at and set, so that this is done once at a time.
    standing: Mutex<Option<Standing>>,
}

/// Rules that were put up.
#[derive(Debug)]
struct Standing {
    rules: String,
    /// What the kernel made of them, in `nft`'s words: what differs from it was changed from outside.
    listed: String,
}

impl Firewall {
    pub(crate) fn new(installation: Installation, policy: NetworkPolicy) -> Self {
        Self { installation, policy, standing: Mutex::new(None) }
    }

    /// Puts the rules up, unless they stand as they should.
    pub(crate) async fn ensure(&self) -> Result<(), IsolationError> {
        let resolvers = match self.policy.resolvers.as_slice() {
            [] => resolvers::of_this_host().await,
            configured => configured.to_vec(),
        };
        let rules = rules::text(&self.installation, &self.policy, &resolvers);
        let mut standing = self.standing.lock().await;
        if let Some(known) = standing.as_ref().filter(|known| known.rules == rules) {
            if self.list().await.is_ok_and(|listed| listed == known.listed) {
                return Ok(());
            }
            warn!("the firewall's rules were changed from outside");
        }
        *standing = None;
        program::run("nft", &["-f", "-"], &rules).await?;
        let listed = self.list().await?;
        info!(table = rules::table(&self.installation), "the firewall's rules stand");
        *standing = Some(Standing { rules, listed });
        Ok(())
    }

    /// Whether they could be put up here; puts up nothing.
    pub(crate) async fn try_out(&self) -> Result<(), IsolationError> {
        let rules = rules::text(&self.installation, &self.policy, &self.policy.resolvers)
            + &egress::text(&self.installation, &[]);
        program::run("nft", &["--check", "-f", "-"], &rules).await.map(drop)
    }

    /// Takes them down. Those of a gateway that was killed, too.
    pub(crate) async fn remove(&self) -> Result<(), IsolationError> {
        let mut standing = self.standing.lock().await;
        *standing = None;
        let removal = rules::removal(&self.installation) + &egress::removal(&self.installation);
        program::run("nft", &["-f", "-"], &removal).await.map(drop)
    }

    /// From now on each of these Spaces can send so much more. Apart from the rules, so that they can be compared.
    pub(crate) async fn bound_egress(&self, bounds: &[EgressBound]) -> Result<(), IsolationError> {
        let _one_at_a_time = self.standing.lock().await;
        program::run("nft", &["-f", "-"], &egress::text(&self.installation, bounds)).await.map(drop)
    }

    /// The rules cannot hold a Space whose bridge they do not see.
    pub(crate) fn expect_interface(&self, space: SpaceId) -> Result<(), IsolationError> {
        let interface = self.installation.interface(space);
        // Asked of the kernel and not of /sys, which may show another network namespace.
        match nix::net::if_::if_nametoindex(interface.as_str()) {
            Ok(_index) => Ok(()),
            Err(_absent) => Err(IsolationError::ForeignNetwork { interface }),
        }
    }

    /// Without counters, which change by themselves.
    async fn list(&self) -> Result<String, IsolationError> {
        program::run("nft", &["-s", "list", "table", "inet", &rules::table(&self.installation)], "").await
    }
}
