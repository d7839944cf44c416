//! How many associations there may be, in all and from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many associations one listener holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// In all.
    pub associations: usize,
    /// From one address.
    pub associations_per_address: usize,
}

/// Which limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LimitReached {
    /// The listener has as many as it may.
    #[error("{0} associations are open, as many as there may be")]
    InAll(usize),
    /// The address has as many as it may.
    #[error("{0} associations are open from this address, as many as there may be")]
    Address(usize),
}

/// The associations of one listener, counted; clones count together.
#[derive(Debug, Clone)]
pub struct Permits {
    limits: Limits,
    // A lock on a leaf map, held for a look-up and never across an await.
    counts: Arc<Mutex<Counts>>,
}

#[derive(Debug, Default)]
struct Counts {
    in_all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// The right to one association; given back when dropped.
#[derive(Debug)]
pub struct Permit {
    permits: Permits,
    address: IpAddr,
}

impl Permits {
    /// Nothing taken yet.
    pub fn new(limits: Limits) -> Self {
        Self { limits, counts: Arc::default() }
    }

    /// Takes the right to one association from `address`.
    pub fn take(&self, address: IpAddr) -> Result<Permit, LimitReached> {
        let address = address.to_canonical();
        let mut counts = self.counts();
        if counts.in_all >= self.limits.associations {
            return Err(LimitReached::InAll(self.limits.associations));
        }
        let of_address = counts.by_address.get(&address).copied().unwrap_or(0);
        if of_address >= self.limits.associations_per_address {
            return Err(LimitReached::Address(self.limits.associations_per_address));
        }
        counts.by_address.insert(address, of_address + 1);
        counts.in_all += 1;
        Ok(Permit { permits: self.clone(), address })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.permits.counts();
        counts.in_all = counts.in_all.saturating_sub(1);
        match counts.by_address.get_mut(&self.address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(counts.by_address.remove(&self.address)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_limits_hold_and_permits_come_back() {
        let permits = Permits::new(Limits { associations: 3, associations_per_address: 2 });
        let [one, two, three]: [IpAddr; 3] = [[10, 0, 0, 1], [10, 0, 0, 2], [10, 0, 0, 3]].map(IpAddr::from);
        let first = permits.take(one).unwrap();
        let second = permits.take(one).unwrap();
        assert_eq!(permits.take(one).unwrap_err(), LimitReached::Address(2));
        let third = permits.take(two).unwrap();
        assert_eq!(permits.take(three).unwrap_err(), LimitReached::InAll(3));
        drop(first);
        let fourth = permits.take(one).unwrap();
        drop((second, third, fourth));
        assert_eq!(permits.counts().in_all, 0);
        assert!(permits.counts().by_address.is_empty());
    }
}
