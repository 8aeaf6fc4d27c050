//! How often a stranger may try: each try is counted, by address and by e-mail.

use std::net::IpAddr;
use std::num::NonZeroU32;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use spaces_protocol::name::Email;

use crate::config::LimitsConfig;

/// Rate limits for those who have not proved who they are.
pub(crate) struct Limits {
    logins_by_address: DefaultKeyedRateLimiter<IpAddr>,
    logins_by_email: DefaultKeyedRateLimiter<Email>,
    requests_by_address: DefaultKeyedRateLimiter<IpAddr>,
    records_by_address: DefaultKeyedRateLimiter<IpAddr>,
}

/// Lines of the audit trail that an address gets a minute for people who are not known.
const RECORDS: NonZeroU32 = NonZeroU32::new(60).unwrap();

impl Limits {
    pub(crate) fn new(config: &LimitsConfig) -> Self {
        Self {
            logins_by_address: RateLimiter::keyed(Quota::per_minute(config.login_attempts_per_address)),
            logins_by_email: RateLimiter::keyed(Quota::per_minute(config.login_attempts_per_email)),
            requests_by_address: RateLimiter::keyed(Quota::per_hour(config.requests_per_address)),
            records_by_address: RateLimiter::keyed(Quota::per_minute(RECORDS)),
        }
    }

    /// Whether one more try with an auth key is within the limits.
    pub(crate) fn allow_login(&self, address: IpAddr, email: &Email) -> bool {
        self.logins_by_address.check_key(&network(address)).is_ok()
            && self.logins_by_email.check_key(email).is_ok()
    }

    /// Whether one more request for access is within the limits.
    pub(crate) fn allow_request(&self, address: IpAddr) -> bool {
        self.requests_by_address.check_key(&network(address)).is_ok()
    }

    /// Whether one more line of the audit trail about a stranger is within the limits.
    pub(crate) fn allow_record(&self, address: IpAddr) -> bool {
        self.records_by_address.check_key(&network(address)).is_ok()
    }

    /// Drops the entries of those who have not tried for long; otherwise the tables grow for ever.
    pub(crate) fn forget_the_idle(&self) {
        self.logins_by_address.retain_recent();
        self.logins_by_email.retain_recent();
        self.requests_by_address.retain_recent();
        self.records_by_address.retain_recent();
    }
}

/// One customer of an IPv6 network has a whole /64: that counts as one address.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & !u128::from(u64::MAX)).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_v6_network_counts_as_one_and_a_mapped_v4_as_itself() {
        let parse = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(network(parse("2001:db8::1")), network(parse("2001:db8::2")));
        assert_ne!(network(parse("2001:db8::1")), network(parse("2001:db8:0:1::1")));
        assert_eq!(network(parse("::ffff:192.0.2.1")), parse("192.0.2.1"));
    }

    #[test]
    fn tries_beyond_the_limit_are_refused_by_address_and_by_email() {
        let config = crate::config::Config::load(None).unwrap().limits;
        let limits = Limits::new(&crate::config::LimitsConfig {
            login_attempts_per_email: 2.try_into().unwrap(),
            login_attempts_per_address: 3.try_into().unwrap(),
            ..config
        });
        let (home, email) = ("192.0.2.1".parse().unwrap(), |name: &str| name.parse::<Email>().unwrap());
        assert!(limits.allow_login(home, &email("a@b.c")));
        assert!(limits.allow_login(home, &email("a@b.c")));
        assert!(!limits.allow_login("192.0.2.2".parse().unwrap(), &email("a@b.c")), "the e-mail's limit");
        assert!(limits.allow_login(home, &email("d@b.c")));
        assert!(!limits.allow_login(home, &email("e@b.c")), "the address's limit");
    }
}
