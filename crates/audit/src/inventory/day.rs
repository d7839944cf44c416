//! Days, counted, so that a range of them can be cut in halves.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Days of 400 years, after which the calendar repeats.
const DAYS_PER_ERA: i64 = 146_097;
/// From the first of March of the year 0, where the months are regular, to 1970-01-01.
const MARCH_0_TO_1970: i64 = 719_468;

/// A day of the Gregorian calendar, counted from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Day(pub i32);

impl Day {
    /// 1900-01-01: earlier studies are mistakes.
    pub const FIRST: Self = Self(-25_567);
    /// 2099-12-31: later ones too.
    pub const LAST: Self = Self(47_481);

    /// Reads a date as it stands in DA values; the dots of old ones may be there.
    pub fn read(text: &str) -> Option<Self> {
        let digits: String = text.trim().chars().filter(|char| *char != '.').collect();
        if digits.len() != 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let number = |from: usize, to: usize| digits.get(from..to)?.parse::<i64>().ok();
        let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        let year = if month <= 2 { year - 1 } else { year };
        let in_era = year.rem_euclid(400);
        let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let of_era = in_era * 365 + in_era / 4 - in_era / 100 + of_year;
        i32::try_from(year.div_euclid(400) * DAYS_PER_ERA + of_era - MARCH_0_TO_1970).ok().map(Self)
    }

    /// The day of a time, in microseconds since 1970, in UTC.
    pub fn of_us(us: i64) -> Self {
        Self(i32::try_from(us.div_euclid(86_400_000_000)).unwrap_or(i32::MAX))
    }

    /// The day in the middle, the earlier of two.
    #[must_use]
    pub fn middle(self, other: Self) -> Self {
        Self(self.0 + (other.0 - self.0) / 2)
    }

    /// The day before.
    #[must_use]
    pub fn before(self) -> Self {
        Self(self.0 - 1)
    }

    /// The day after.
    #[must_use]
    pub fn after(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = i64::from(self.0) + MARCH_0_TO_1970;
        let of_era = days.rem_euclid(DAYS_PER_ERA);
        let in_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * in_era + in_era / 4 - in_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = in_era + days.div_euclid(DAYS_PER_ERA) * 400 + i64::from(month <= 2);
        write!(f, "{year:04}{month:02}{day:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_written_as_they_are_read() {
        for (text, count) in [
            ("19700101", 0),
            ("19000101", -25_567),
            ("20991231", 47_481),
            ("20240229", 19_782),
            ("19991231", 10_956),
        ] {
            assert_eq!(Day::read(text), Some(Day(count)), "{text}");
            assert_eq!(Day(count).to_string(), text);
        }
        for day in -200_000..200_000 {
            assert_eq!(Day::read(&Day(day).to_string()), Some(Day(day)));
        }
        assert_eq!(Day::read("2024.02.29"), Some(Day(19_782)));
        for text in ["", "2024", "20241301", "2024010x", "20240100"] {
            assert_eq!(Day::read(text), None, "{text}");
        }
    }
}
