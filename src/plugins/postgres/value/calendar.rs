//! Days, times and moments. Days and microseconds are counted from the first of January 2000, as
//! PostgreSQL does; its years reach further than those of the usual libraries.

use crate::plugins::bindings::wasmcloud::postgres0_2_0::types::{Date, Offset, Time, Timestamp, TimestampTz};

/// Days from the first of March of the year 0 to the first of January 2000, and the days of 400 years.
const DAYS_TO_2000: i64 = 730_425;
const DAYS_OF_ERA: i64 = 146_097;
const MICROSECONDS_OF_DAY: i64 = 86_400_000_000;

/// The day that is so many days after the first of January 2000.
pub fn date(days: i32) -> Date {
    match days {
        i32::MAX => Date::PositiveInfinity,
        i32::MIN => Date::NegativeInfinity,
        days => Date::Ymd(year_month_day(i64::from(days))),
    }
}

/// Counted from the first of March of the year 0, so that a leap day is the last of its year.
fn year_month_day(days: i64) -> (i32, u32, u32) {
    let days = days + DAYS_TO_2000;
    let (era, day_of_era) = (days.div_euclid(DAYS_OF_ERA), days.rem_euclid(DAYS_OF_ERA));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    ((year_of_era + era * 400 + carry) as i32, month as u32, day as u32)
}

/// The time of the day after so many microseconds; 24 o'clock is one, too.
pub fn time(microseconds: i64) -> Time {
    let seconds = microseconds / 1_000_000;
    Time {
        hour: (seconds / 3600) as u32,
        min: (seconds / 60 % 60) as u32,
        sec: (seconds % 60) as u32,
        micro: (microseconds % 1_000_000) as u32,
    }
}

/// The moment that is so many microseconds after the beginning of 2000.
pub fn timestamp(microseconds: i64) -> Timestamp {
    let midnight = Time { hour: 0, min: 0, sec: 0, micro: 0 };
    match microseconds {
        i64::MAX => Timestamp { date: Date::PositiveInfinity, time: midnight },
        i64::MIN => Timestamp { date: Date::NegativeInfinity, time: midnight },
        microseconds => {
            let days = microseconds.div_euclid(MICROSECONDS_OF_DAY);
            let time = time(microseconds.rem_euclid(MICROSECONDS_OF_DAY));
            Timestamp { date: Date::Ymd(year_month_day(days)), time }
        }
    }
}

/// The same in UTC.
pub fn timestamp_tz(microseconds: i64) -> TimestampTz {
    TimestampTz { timestamp: timestamp(microseconds), offset: Offset::EasternHemisphereSecs(0) }
}

/// An offset from seconds west of UTC, e.g. `+02:00`.
pub fn zone(seconds_west: i32) -> String {
    let east = -i64::from(seconds_west);
    let sign = if east < 0 { '-' } else { '+' };
    let (hours, minutes, seconds) = (east.abs() / 3600, east.abs() / 60 % 60, east.abs() % 60);
    match seconds {
        0 => format!("{sign}{hours:02}:{minutes:02}"),
        _ => format!("{sign}{hours:02}:{minutes:02}:{seconds:02}"),
    }
}

/// Before or after the birth of Christ; there is no year 0 in SQL.
fn era(year: i32) -> (i64, &'static str) {
    if year > 0 { (i64::from(year), "") } else { (1 - i64::from(year), " BC") }
}

/// A day as SQL has it.
pub fn date_text(date: &Date) -> String {
    match date {
        Date::PositiveInfinity => "infinity".into(),
        Date::NegativeInfinity => "-infinity".into(),
        Date::Ymd((year, month, day)) => {
            let (year, era) = era(*year);
            format!("{year:04}-{month:02}-{day:02}{era}")
        }
    }
}

/// A time of the day as SQL has it.
pub fn time_text(time: &Time) -> String {
    format!("{:02}:{:02}:{:02}.{:06}", time.hour, time.min, time.sec, time.micro)
}

/// A moment as SQL has it, with an offset if there is one.
pub fn timestamp_text(timestamp: &Timestamp, offset: Option<&Offset>) -> String {
    let Date::Ymd((year, month, day)) = &timestamp.date else { return date_text(&timestamp.date) };
    let (year, era) = era(*year);
    let zone = match offset {
        None => String::new(),
        Some(Offset::EasternHemisphereSecs(seconds)) => zone(seconds.saturating_neg()),
        Some(Offset::WesternHemisphereSecs(seconds)) => zone(*seconds),
    };
    format!("{year:04}-{month:02}-{day:02} {}{zone}{era}", time_text(&timestamp.time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_from_2000_in_both_directions() {
        for (days, expected) in [
            (0, "2000-01-01"),
            (-1, "1999-12-31"),
            (59, "2000-02-29"),
            (60, "2000-03-01"),
            (9132, "2025-01-01"),
            (-730_119, "0001-01-01"),
            (-730_120, "0001-12-31 BC"),
            (-2_451_545, "4714-11-24 BC"),
            (2_145_031_948, "5874897-12-31"),
        ] {
            assert_eq!(date_text(&date(days)), expected, "{days}");
        }
        assert_eq!(date_text(&date(i32::MAX)), "infinity");
        assert_eq!(date_text(&date(i32::MIN)), "-infinity");
    }

    #[test]
    fn moments_before_2000_have_times_that_run_forward() {
        assert_eq!(timestamp_text(&timestamp(-1), None), "1999-12-31 23:59:59.999999");
        let east = Offset::EasternHemisphereSecs(7230);
        assert_eq!(timestamp_text(&timestamp(0), Some(&east)), "2000-01-01 00:00:00.000000+02:00:30");
        let west = Offset::WesternHemisphereSecs(3600);
        assert_eq!(timestamp_text(&timestamp(0), Some(&west)), "2000-01-01 00:00:00.000000-01:00");
        assert_eq!(timestamp_text(&timestamp(i64::MAX), Some(&west)), "infinity");
    }

    #[test]
    fn offsets_are_east_of_utc_as_people_write_them() {
        assert_eq!((zone(-7200).as_str(), zone(19_800).as_str(), zone(0).as_str()), ("+02:00", "-05:30", "+00:00"));
    }
}
