//! Days of the calendar, and times as people and programs read them.

use std::fmt;

use outrigger_model::WallTime;

/// A time as RFC 3339 writes it, in UTC, to the millisecond.
pub fn rfc3339(time: WallTime) -> String {
    let of_day = time.0.rem_euclid(DAY_US) / 1_000;
    let (seconds, milliseconds) = (of_day / 1_000, of_day % 1_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z", Day::of(time))
}

/// A day in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Day(i64);

const DAY_US: i64 = 86_400_000_000;

impl Day {
    pub(crate) fn of(time: WallTime) -> Self {
        Self(time.0.div_euclid(DAY_US))
    }

    /// Year, month and day of the proleptic Gregorian calendar.
    fn date(self) -> (i64, i64, i64) {
        // Counted from 1 March of year 0, so that the leap day is the last of its year; 146,097 days make 400 years.
        let days = self.0 + 719_468;
        let era = days.div_euclid(146_097);
        let of_era = days.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        (era * 400 + year_of_era + i64::from(month <= 2), month, day)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_text() {
        assert_eq!(rfc3339(WallTime(1_709_251_199_999_999)), "2024-02-29T23:59:59.999Z");
        assert_eq!(rfc3339(WallTime(-1)), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn dates_of_the_calendar() {
        for (seconds, date) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (951_782_400, "2000-02-29"),
            (1_709_164_800, "2024-02-29"),
            (1_735_689_599, "2024-12-31"),
            (1_735_689_600, "2025-01-01"),
            (4_107_542_400, "2100-03-01"),
        ] {
            assert_eq!(Day::of(WallTime(seconds * 1_000_000)).to_string(), date);
        }
    }
}
