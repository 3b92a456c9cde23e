//! How often one caller may ask.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Callers that are remembered at once; beyond it those who asked longest ago are forgotten.
const MOST: usize = 16_384;

/// A limit on the requests of each caller: the generic cell rate algorithm (ITU-T I.371), whose state is one instant
/// a caller. A minute's allowance may be used at once and comes back evenly.
#[derive(Debug)]
pub struct RateLimit {
    interval: Duration,
    /// For each caller, when the allowance will be whole again.
    whole_at: Mutex<HashMap<String, Instant>>,
}

impl RateLimit {
    /// Allows so many requests a minute.
    #[must_use]
    pub fn per_minute(requests: u32) -> Self {
        Self { interval: Duration::from_secs(60) / requests.max(1), whole_at: Mutex::default() }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// The time after which the caller may ask again.
    pub fn take(&self, caller: &str, now: Instant) -> Result<(), Duration> {
        let mut callers = self.whole_at.lock().unwrap_or_else(PoisonError::into_inner);
        let whole_at = callers.get(caller).copied().filter(|at| *at > now).unwrap_or(now) + self.interval;
        let debt = whole_at - now;
        // Nanoseconds are lost when a minute is divided; a hundredth of an interval never matters.
        let allowance = Duration::from_secs(60) + self.interval / 100;
        if debt > allowance {
            return Err(debt.saturating_sub(Duration::from_secs(60)));
        }
        if callers.len() >= MOST && !callers.contains_key(caller) {
            callers.retain(|_, at| *at > now);
            while callers.len() >= MOST
                && let Some(idle) = callers.iter().min_by_key(|(_, at)| **at).map(|(name, _)| name.clone())
            {
                callers.remove(&idle);
            }
        }
        callers.insert(caller.to_owned(), whole_at);
        Ok(())
    }
}

/// Returns the name under which an address is counted: IPv6 by its /64, which is what one customer has.
#[must_use]
pub fn address_key(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minutes_allowance_may_be_used_at_once_and_comes_back_evenly() {
        let (limit, start) = (RateLimit::per_minute(7), Instant::now());
        for n in 0..7 {
            assert_eq!(limit.take("a", start), Ok(()), "request {n}");
        }
        let wait = limit.take("a", start).expect_err("the eighth is too much");
        assert!(wait <= Duration::from_secs(9) && wait > Duration::from_secs(8), "{wait:?}");
        assert_eq!(limit.take("b", start), Ok(()), "another caller is not concerned");
        assert_eq!(limit.take("a", start + wait), Ok(()));
        assert!(limit.take("a", start + wait).is_err());
    }

    #[test]
    fn the_number_of_remembered_callers_is_bounded() {
        let (limit, start) = (RateLimit::per_minute(600), Instant::now());
        for n in 0..MOST + 10 {
            assert_eq!(limit.take(&n.to_string(), start), Ok(()));
        }
        assert_eq!(limit.whole_at.lock().expect("no panic").len(), MOST);
    }

    #[test]
    fn one_customers_addresses_count_together() {
        let key = |text: &str| address_key(text.parse().expect("an address"));
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:192.0.2.1"), "192.0.2.1");
    }
}
