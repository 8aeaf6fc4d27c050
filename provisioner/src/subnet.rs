//! The pool that Spaces' networks are cut from: explicit /29 subnets, since the engine's own pools end at 30.
//! Pure: which of them are free, only the engine knows.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// The length of a Space's subnet: eight addresses, of which the bridge and the machine take one each.
const PREFIX: u32 = 29;

/// Addresses in a subnet.
const SIZE: u32 = 1 << (32 - PREFIX);

/// Most subnets tried for one Space. A refused try costs about a millisecond, and a pool that is nine tenths
/// full refuses 256 tries in a row less than once in 10^11 Spaces.
const MAX_CANDIDATES: u64 = 256;

/// A range of IPv4 addresses, such as `10.213.0.0/16`. It must be free on the host: the engine compares it with
/// its own networks, not with the host's routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubnetPool {
    first: u32,
    prefix: u32,
}

/// One Space's subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Subnet(Ipv4Addr);

/// Why a text is not a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubnetPoolError {
    /// Not an IPv4 address, a slash and a number up to 32.
    #[error("a subnet pool is an IPv4 network such as `10.213.0.0/16`")]
    Shape,
    /// No /29 fits into it.
    #[error("a subnet pool is at least a /29")]
    TooSmall,
    /// The address is not the network's first one, so that it may mean another one.
    #[error("the address of a subnet pool is the first one of its network")]
    HostBits,
}

impl FromStr for SubnetPool {
    type Err = SubnetPoolError;

    fn from_str(text: &str) -> Result<Self, SubnetPoolError> {
        let (address, prefix) = text.split_once('/').ok_or(SubnetPoolError::Shape)?;
        let address: Ipv4Addr = address.parse().map_err(|_shape| SubnetPoolError::Shape)?;
        let digits = (1..=2).contains(&prefix.len()) && prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix: u32 = prefix.parse().ok().filter(|_| digits).ok_or(SubnetPoolError::Shape)?;
        match prefix {
            0..=PREFIX => {}
            30..=32 => return Err(SubnetPoolError::TooSmall),
            33.. => return Err(SubnetPoolError::Shape),
        }
        let first = address.to_bits();
        if first & (u32::MAX.checked_shr(prefix).unwrap_or(0)) != 0 {
            return Err(SubnetPoolError::HostBits);
        }
        Ok(Self { first, prefix })
    }
}

impl SubnetPool {
    /// How many Spaces have room in it.
    #[must_use]
    pub const fn count(self) -> u32 {
        1 << (PREFIX - self.prefix)
    }

    /// The subnet of this number, below [`Self::count`].
    #[must_use]
    pub fn nth(self, index: u32) -> Option<Subnet> {
        (index < self.count()).then(|| Subnet(Ipv4Addr::from_bits(self.first + index * SIZE)))
    }

    /// Subnets to try one after the other, no two alike: always the same ones for one seed, and other ones for
    /// another seed, so that Spaces seldom meet.
    pub(crate) fn candidates(self, seed: u64) -> impl Iterator<Item = Subnet> + Send {
        let count = u64::from(self.count());
        let start = seed >> 32;
        // Odd, thus coprime to the count, which is a power of two: no subnet comes twice before all came once.
        let stride = (seed % count) | 1;
        (0..count.min(MAX_CANDIDATES))
            .filter_map(move |step| self.nth(u32::try_from((start + step * stride) % count).ok()?))
    }
}

impl fmt::Display for SubnetPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from_bits(self.first), self.prefix)
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{PREFIX}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn pools() -> impl Strategy<Value = SubnetPool> {
        (any::<u32>(), 0..=PREFIX).prop_map(|(address, prefix)| {
            let mask = u32::MAX.checked_shr(prefix).unwrap_or(0);
            SubnetPool { first: address & !mask, prefix }
        })
    }

    #[test]
    fn a_pool_is_cut_into_eights() {
        let pool: SubnetPool = "10.213.0.0/16".parse().unwrap();
        assert_eq!(pool.count(), 8192);
        assert_eq!(pool.nth(0).unwrap().to_string(), "10.213.0.0/29");
        assert_eq!(pool.nth(33).unwrap().to_string(), "10.213.1.8/29");
        assert_eq!(pool.nth(8191).unwrap().to_string(), "10.213.255.248/29");
        assert_eq!(pool.nth(8192), None);
    }

    #[test]
    fn what_is_not_a_pool_is_refused_with_its_reason() {
        for bad in
            ["", "10.0.0.0", "10.0.0/8", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/33", "::/64", "10.0.0.0/8 "]
        {
            assert_eq!(bad.parse::<SubnetPool>(), Err(SubnetPoolError::Shape), "{bad}");
        }
        assert_eq!("10.0.0.0/30".parse::<SubnetPool>(), Err(SubnetPoolError::TooSmall));
        assert_eq!("10.0.0.8/28".parse::<SubnetPool>(), Err(SubnetPoolError::HostBits));
        assert_eq!("10.0.0.8/29".parse::<SubnetPool>().unwrap().count(), 1);
    }

    proptest! {
        #[test]
        fn a_pool_reads_back_as_it_prints(pool in pools()) {
            prop_assert_eq!(pool.to_string().parse::<SubnetPool>(), Ok(pool));
        }

        #[test]
        fn every_subnet_lies_within_its_pool_and_no_two_overlap(pool in pools(), index in any::<u32>()) {
            let index = index % pool.count();
            let subnet = pool.nth(index).unwrap().0.to_bits();
            let mask = u32::MAX.checked_shr(pool.prefix).unwrap_or(0);
            prop_assert_eq!(subnet & !mask, pool.first);
            prop_assert_eq!(subnet % SIZE, 0);
            prop_assert_eq!((subnet - pool.first) / SIZE, index);
        }

        #[test]
        fn candidates_never_repeat_and_cover_a_small_pool(pool in pools(), seed in any::<u64>()) {
            let candidates: Vec<_> = pool.candidates(seed).collect();
            let distinct: HashSet<_> = candidates.iter().collect();
            prop_assert_eq!(distinct.len(), candidates.len());
            prop_assert_eq!(candidates.len() as u64, u64::from(pool.count()).min(MAX_CANDIDATES));
        }

        #[test]
        fn hostile_text_parses_to_what_it_prints_or_not_at_all(text in "([0-9]{1,3}[.]){3}[0-9]{1,3}/[0-9+]{0,3}|.{0,40}") {
            if let Ok(pool) = text.parse::<SubnetPool>() {
                prop_assert_eq!(pool.to_string().parse(), Ok(pool));
            }
        }
    }
}
