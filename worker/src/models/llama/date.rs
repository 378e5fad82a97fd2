//! Dates for templates that ask for today's: the part of `strftime` that such templates use, in UTC.

use minijinja::{Error, ErrorKind};

const MONTHS: [&str; 12] = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
];

const DAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];

/// The moment `now`, seconds since 1970, in this format.
///
/// # Errors
/// Where the format asks for something else.
pub(super) fn format(now: i64, format: &str) -> Result<String, Error> {
    let (days, second) = (now.div_euclid(86_400), now.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    let month_name = MONTHS[month as usize - 1];
    let day_name = DAYS[days.rem_euclid(7) as usize];
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut kind = chars.next();
        let bare = kind == Some('-');
        if bare {
            kind = chars.next();
        }
        let two = |n: i64| if bare { n.to_string() } else { format!("{n:02}") };
        let part = match kind {
            Some('Y') => year.to_string(),
            Some('y') => two(year.rem_euclid(100)),
            Some('m') => two(month),
            Some('d') => two(day),
            Some('e') => format!("{day:2}"),
            Some('H') => two(hour),
            Some('I') => two((hour + 11) % 12 + 1),
            Some('M') => two(minute),
            Some('S') => two(second % 60),
            Some('p') => if hour < 12 { "AM" } else { "PM" }.to_owned(),
            Some('B') => month_name.to_owned(),
            Some('b' | 'h') => month_name[..3].to_owned(),
            Some('A') => day_name.to_owned(),
            Some('a') => day_name[..3].to_owned(),
            Some('F') => format!("{year}-{month:02}-{day:02}"),
            Some('T') => format!("{hour:02}:{minute:02}:{:02}", second % 60),
            Some('Z') => "UTC".to_owned(),
            Some('%') => "%".to_owned(),
            other => {
                let detail = format!("strftime_now: %{} is not supported", other.unwrap_or(' '));
                return Err(Error::new(ErrorKind::InvalidOperation, detail));
            }
        };
        out.push_str(&part);
    }
    Ok(out)
}

/// Year, month and day of a day counted from 1970.
fn civil(days: i64) -> (i64, i64, i64) {
    // Years that begin in March have their leap day at the end; 400 of them have 146,097 days.
    let from_march = days + 719_468;
    let (era, day) = (from_march.div_euclid(146_097), from_march.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (year + era * 400 + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        // By GNU date.
        let cases = [
            (0, "Thursday 1970-01-01 00:00:00"),
            (951_782_400, "Tuesday 2000-02-29 00:00:00"),
            (1_709_251_199, "Thursday 2024-02-29 23:59:59"),
            (1_764_547_200, "Monday 2025-12-01 00:00:00"),
            (4_107_542_400, "Monday 2100-03-01 00:00:00"),
            (-1, "Wednesday 1969-12-31 23:59:59"),
        ];
        for (now, expected) in cases {
            assert_eq!(format(now, "%A %Y-%m-%d %H:%M:%S").expect("supported"), expected);
        }
        let words = format(1_764_547_200 + 13 * 3600, "%-d %b %Y, %d %B %y, %a %I%p 100%%").expect("supported");
        assert_eq!(words, "1 Dec 2025, 01 December 25, Mon 01PM 100%");
        assert!(format(0, "%Q").is_err() && format(0, "%").is_err());
    }
}
