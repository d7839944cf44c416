//! How many files and connections this process may have open at once.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit of open files to `wanted` as far as the system lets this process; gives the limit that holds then.
pub fn allow(wanted: u64) -> io::Result<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let (current, maximum) = (current.unwrap_or(u64::MAX), maximum.unwrap_or(u64::MAX));
    if current >= wanted || current >= maximum {
        return Ok(current);
    }
    let raised = wanted.min(maximum);
    let limit =
        Rlimit { current: Some(raised), maximum: Some(maximum).filter(|maximum| *maximum < u64::MAX) };
    setrlimit(Resource::Nofile, limit)?;
    Ok(raised)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_allowed_than_the_system_allows() {
        let allowed = allow(64).unwrap();
        assert!(allowed >= 64);
        assert_eq!(allow(64).unwrap(), allowed, "a limit is never lowered");
        let maximum = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
        assert!(allow(u64::MAX).unwrap() <= maximum);
    }
}
