//! Dates of two-digit years.

use super::confusion::FILLER;

/// A day of the calendar; the order is that of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day {
    /// The whole year, like 1974.
    pub year: u16,
    /// From 1 to 12.
    pub month: u8,
    /// From 1 to 31.
    pub day: u8,
}

impl Day {
    /// The day on which a time falls, given as seconds since the beginning of 1970 (UTC).
    #[must_use]
    pub fn from_unix(seconds: u64) -> Self {
        // Days to a civil date, counted from March so that leap days end a year.
        let days = seconds / 86_400 + 719_468;
        let era = days / 146_097;
        let of_era = days % 146_097;
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 {
            month_from_march + 3
        } else {
            month_from_march - 9
        };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        Self {
            year: u16::try_from(year).unwrap_or(u16::MAX),
            month: u8::try_from(month).unwrap_or(1),
            day: u8::try_from(day).unwrap_or(1),
        }
    }
}

/// A date of a zone: the year always known, month and day perhaps not (zero then).
pub(super) type Partial = Day;

/// What stands in a date field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// A date that exists.
    Date(Partial),
    /// Fillers only: unknown.
    Unknown,
    /// Anything else.
    Wrong,
}

const fn days_in(year: u16, month: u8) -> u8 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Two characters as a number; `None` inside for two fillers.
fn pair(text: &[u8]) -> Option<Option<u8>> {
    match text {
        [FILLER, FILLER] => Some(None),
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => Some(Some((tens - b'0') * 10 + (ones - b'0'))),
        _ => None,
    }
}

/// Reads `YYMMDD` with the year in the century that `century` gives for it.
fn read(text: &[u8], century: impl Fn(u8, u8, u8) -> u16) -> Found {
    let [Some(year), Some(month), Some(day)] = [pair(&text[..2]), pair(&text[2..4]), pair(&text[4..6])]
    else {
        return Found::Wrong;
    };
    let Some(short) = year else {
        return if month.is_none() && day.is_none() {
            Found::Unknown
        } else {
            Found::Wrong
        };
    };
    if month.is_none() && day.is_some() {
        return Found::Wrong;
    }
    let (month_or_0, day_or_0) = (month.unwrap_or(0), day.unwrap_or(0));
    let year = century(short, month_or_0, day_or_0) + u16::from(short);
    let right_month = month.is_none_or(|month| (1..=12).contains(&month));
    let right_day = day.is_none_or(|day| day >= 1 && day <= days_in(year, month_or_0));
    if right_month && right_day {
        Found::Date(Day {
            year,
            month: month_or_0,
            day: day_or_0,
        })
    } else {
        Found::Wrong
    }
}

/// An expiry date: years from 70 on are of the last century (no machine readable document is
/// older, and none is valid for fifty years).
pub(super) fn expiry(text: &[u8]) -> Found {
    read(text, |year, _, _| if year >= 70 { 1900 } else { 2000 })
}

/// A birth date: of this century if that lies neither after today nor after the expiry date,
/// else of the last one. Who is over a hundred is taken for younger: the zone does not say.
pub(super) fn birth(text: &[u8], today: Day, expiry: Found) -> Found {
    let latest = match expiry {
        Found::Date(date) if date.day != 0 => today.min(date),
        _ => today,
    };
    read(text, |year, month, day| {
        let recent = Day {
            year: 2000 + u16::from(year),
            month,
            day,
        };
        if recent <= latest { 2000 } else { 1900 }
    })
}

/// The ISO form: `1974-08-12`, or only as much as is known.
pub(super) fn iso(date: Partial) -> String {
    match (date.month, date.day) {
        (0, _) => format!("{:04}", date.year),
        (month, 0) => format!("{:04}-{month:02}", date.year),
        (month, day) => format!("{:04}-{month:02}-{day:02}", date.year),
    }
}
