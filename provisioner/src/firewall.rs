//! This host's firewall around Spaces: one nftables table for each installation, beside everybody else's rules.
//!
//! A refusal in a chain of ours is final, whatever the engine's own chains accept, and nothing of ours accepts what
//! they refuse. The engine does not know the table, so that it survives the engine's restarts.

mod egress;
mod resolvers;
mod rules;

use std::collections::HashMap;

use spaces_protocol::name::SpaceId;
use tokio::sync::Mutex;
use tracing::{info, warn};

use self::egress::{Quota, Standing as StandingQuota};
use crate::meter::{self, Interfaces};
use crate::{Egress, Installation, IsolationError, NetworkPolicy, program};

/// The rules of one installation.
#[derive(Debug)]
pub(crate) struct Firewall {
    installation: Installation,
    policy: NetworkPolicy,
    /// Held while rules are looked at and set, so that this is done once at a time.
    known: Mutex<Known>,
}

/// What was put up.
#[derive(Debug, Default)]
struct Known {
    rules: Option<Standing>,
    /// What the quotas were set by last: for a Space that sends nothing there is nothing to set.
    bounds: HashMap<SpaceId, Egress>,
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
        Self { installation, policy, known: Mutex::default() }
    }

    /// Puts the rules up, unless they stand as they should.
    pub(crate) async fn ensure(&self) -> Result<(), IsolationError> {
        let resolvers = match self.policy.resolvers.as_slice() {
            [] => resolvers::of_this_host().await,
            configured => configured.to_vec(),
        };
        let rules = rules::text(&self.installation, &self.policy, &resolvers);
        let mut known = self.known.lock().await;
        if let Some(standing) = known.rules.as_ref().filter(|standing| standing.rules == rules) {
            match self.list().await {
                Ok(listed) if listed == standing.listed => return Ok(()),
                Ok(_changed) => warn!("the firewall's rules were changed from outside"),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    warn!(error, "the firewall's rules cannot be listed: they are set once more");
                }
            }
        }
        // Whoever took the rules away may have taken the quotas too.
        *known = Known::default();
        program::run("nft", &["-f", "-"], &rules).await?;
        let listed = self.list().await?;
        info!(table = rules::table(&self.installation), "the firewall's rules stand");
        known.rules = Some(Standing { rules, listed });
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
        let mut known = self.known.lock().await;
        *known = Known::default();
        let removal = rules::removal(&self.installation) + &egress::removal(&self.installation);
        program::run("nft", &["-f", "-"], &removal).await.map(drop)
    }

    /// From now on each of these Spaces can send so much more, if it has a network still: the rules of one that was
    /// removed meanwhile do not come back.
    pub(crate) async fn bound_egress(&self, bounds: &[(SpaceId, Egress)]) -> Result<(), IsolationError> {
        let mut known = self.known.lock().await;
        let fresh = |(space, bound): &&(SpaceId, Egress)| {
            known.bounds.get(space).is_none_or(|before| !before.leaves_as_much_as(bound))
        };
        let there = bounds.iter().filter(fresh).filter(|(space, _)| self.expect_interface(*space).is_ok());
        let there: Vec<_> = there.map(|(space, bound)| (*space, bound)).collect();
        if there.is_empty() { Ok(()) } else { self.allow(&mut known, &there).await }
    }

    /// The same of a Space whose network is about to be made.
    pub(crate) async fn bound_egress_ahead(
        &self,
        space: SpaceId,
        bound: &Egress,
    ) -> Result<(), IsolationError> {
        let mut known = self.known.lock().await;
        self.allow(&mut known, &[(space, bound)]).await
    }

    /// What is gone needs no quota.
    pub(crate) async fn forget_egress(&self, space: SpaceId) -> Result<(), IsolationError> {
        let mut known = self.known.lock().await;
        known.bounds.remove(&space);
        self.set(&[(space, Quota::Endless)]).await
    }

    async fn allow(&self, known: &mut Known, bounds: &[(SpaceId, &Egress)]) -> Result<(), IsolationError> {
        // In this order: what is sent between the two readings is then taken off twice, and not given away; the next
        // round puts that right.
        let standing = self.quotas().await?;
        let interfaces = Interfaces::read();
        let quota = |(space, bound): &(SpaceId, &Egress)| {
            let sent = meter::egress(&interfaces, &self.installation, *space);
            (*space, Quota::of(bound.left_after(sent.as_ref()), standing.get(space)))
        };
        let quotas: Vec<_> = bounds.iter().map(quota).collect();
        self.set(&quotas).await?;
        known.bounds.extend(bounds.iter().map(|(space, bound)| (*space, (*bound).clone())));
        Ok(())
    }

    async fn set(&self, quotas: &[(SpaceId, Quota)]) -> Result<(), IsolationError> {
        program::run("nft", &["-f", "-"], &egress::text(&self.installation, quotas)).await.map(drop)
    }

    /// Those that stand; none where their table does not.
    async fn quotas(&self) -> Result<HashMap<SpaceId, StandingQuota>, IsolationError> {
        let table = egress::table(&self.installation);
        match program::run("nft", &["-j", "list", "quotas", "table", "inet", &table], "").await {
            Ok(listing) => egress::read(&listing).map_err(IsolationError::Listing),
            Err(IsolationError::Refused { words, .. }) if words.contains("No such file") => {
                Ok(HashMap::new())
            }
            Err(error) => Err(error),
        }
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
