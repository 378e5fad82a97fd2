//! How strong a new password is, and what it costs to say so. The estimate may take as long as a hash: it belongs
//! where hashes are computed.

use zxcvbn::feedback::Warning;

use crate::{
    error::{ApiError, Fault},
    message::{Message, message},
};

/// The longest password, characters. No more than 1,024 bytes, then.
pub(crate) const MAX_LENGTH: usize = 256;
/// Characters a password has at least beside what others know of its owner.
const FEWEST_OWN: usize = 5;
/// Characters that are looked at for what is the owner's own.
const LOOKED_AT: usize = 64;
/// Characters whose strength is estimated, which takes time by their cube. The rest only adds to it.
const ESTIMATED: usize = 32;
/// The same where there are many ways to read digits and signs as letters: each of them is tried.
const ESTIMATED_OF_MANY: usize = 12;
/// More ways than this are many. A password that somebody thinks of has a few.
const MANY: usize = 32;

/// The letters that the estimate reads for digits and signs.
const READ_AS: [(char, &str); 12] = [
    ('a', "4@"),
    ('b', "8"),
    ('c', "({[<"),
    ('e', "3"),
    ('g', "69"),
    ('i', "1!|"),
    ('l', "1|7"),
    ('o', "0"),
    ('s', "$5"),
    ('t', "+7"),
    ('x', "%"),
    ('z', "2"),
];

/// Whether a new password has a bearable length. Costs nothing.
///
/// # Errors
/// 422 where it is too short or too long.
pub(super) fn check_length(min_length: usize, text: &str, pointer: &str) -> Result<(), ApiError> {
    // Bytes first: counting characters reads them all.
    if text.len() > 4 * MAX_LENGTH || text.chars().count() > MAX_LENGTH {
        let detail = message!("must have at most {limit} characters", limit = MAX_LENGTH);
        return Err(refused(pointer, "too_long", detail));
    }
    if text.chars().count() < min_length {
        let detail = message!("must have at least {limit} characters", limit = min_length);
        return Err(refused(pointer, "too_short", detail));
    }
    Ok(())
}

/// Judges a new password, which stands at `pointer` in the body; `about` is what others know of its owner: the
/// address, the name.
///
/// # Errors
/// 422 where it is easily guessed.
pub(super) fn judge<S: AsRef<str>>(text: &str, pointer: &str, about: &[S]) -> Result<(), ApiError> {
    let refuse = |detail| Err(refused(pointer, "easily_guessed", detail));
    let mut words: Vec<&str> = about
        .iter()
        .map(AsRef::as_ref)
        .flat_map(|text| text.split(|c: char| !c.is_alphanumeric()).chain([text]))
        .filter(|word| word.chars().count() > 2)
        .chain(["lamplighter"])
        .collect();
    let estimate = zxcvbn::zxcvbn(estimated(text), &words);
    words.sort_unstable_by_key(|word| std::cmp::Reverse(word.len()));
    let own = words
        .iter()
        .fold(first(text, LOOKED_AT).to_lowercase(), |rest, word| {
            rest.replace(&word.to_lowercase(), "")
        });
    if own.chars().count() < FEWEST_OWN {
        return refuse(message!("says little but your address or name"));
    }
    if estimate.score() >= zxcvbn::Score::Three {
        return Ok(());
    }
    let feedback = estimate.feedback();
    let warning = feedback.and_then(|feedback| feedback.warning());
    refuse(match warning.map(told) {
        Some(warning) => message!(
            "is easily guessed: {warning}. Several uncommon words together are hard to guess",
            warning = warning
        ),
        None => message!("is easily guessed. Several uncommon words together are hard to guess"),
    })
}

/// What zxcvbn warns of, in its own words.
fn told(warning: Warning) -> Message {
    match warning {
        Warning::StraightRowsOfKeysAreEasyToGuess => message!("Straight rows of keys are easy to guess"),
        Warning::ShortKeyboardPatternsAreEasyToGuess => message!("Short keyboard patterns are easy to guess"),
        Warning::RepeatsLikeAaaAreEasyToGuess => message!("Repeats like \"aaa\" are easy to guess"),
        Warning::RepeatsLikeAbcAbcAreOnlySlightlyHarderToGuess => {
            message!("Repeats like \"abcabcabc\" are only slightly harder to guess than \"abc\"")
        }
        Warning::ThisIsATop10Password => message!("This is a top-10 common password"),
        Warning::ThisIsATop100Password => message!("This is a top-100 common password"),
        Warning::ThisIsACommonPassword => message!("This is a very common password"),
        Warning::ThisIsSimilarToACommonlyUsedPassword => {
            message!("This is similar to a commonly used password")
        }
        Warning::SequencesLikeAbcAreEasyToGuess => message!("Sequences like abc or 6543 are easy to guess"),
        Warning::RecentYearsAreEasyToGuess => message!("Recent years are easy to guess"),
        Warning::AWordByItselfIsEasyToGuess => message!("A word by itself is easy to guess"),
        Warning::DatesAreOftenEasyToGuess => message!("Dates are often easy to guess"),
        Warning::NamesAndSurnamesByThemselvesAreEasyToGuess => {
            message!("Names and surnames by themselves are easy to guess")
        }
        Warning::CommonNamesAndSurnamesAreEasyToGuess => {
            message!("Common names and surnames are easy to guess")
        }
    }
}

fn refused(pointer: &str, code: &'static str, detail: Message) -> ApiError {
    ApiError::invalid(vec![Fault::at(pointer, code, detail)])
}

/// So many characters from the start.
fn first(text: &str, count: usize) -> &str {
    text.char_indices()
        .nth(count)
        .map_or(text, |(end, _)| &text[..end])
}

/// The part whose strength is estimated.
fn estimated(text: &str) -> &str {
    let start = first(text, ESTIMATED);
    match readings(start) > MANY {
        true => first(start, ESTIMATED_OF_MANY),
        false => start,
    }
}

/// How many ways there are to read a text with letters for digits and signs, about.
fn readings(text: &str) -> usize {
    let of_each = |(_, signs): &(char, &str)| signs.chars().filter(|sign| text.contains(*sign)).count();
    let ways: usize = READ_AS.iter().map(of_each).filter(|count| *count > 0).product();
    // Those that stand for two letters are read either way.
    let twofold = ['1', '|', '7']
        .iter()
        .filter(|sign| text.contains(**sign))
        .count();
    ways << twofold
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    const MIN_LENGTH: usize = 8;

    fn verdict(text: &str) -> Result<(), String> {
        let about = ["ada.lovelace@example.org", "Ada Lovelace"];
        check_length(MIN_LENGTH, text, "/password")
            .and_then(|()| judge(text, "/password", &about))
            .map_err(|error| error.errors[0].code.clone())
    }

    #[test]
    fn guessable_passwords_are_refused_and_long_ones_cost_nothing() {
        for good in [
            "correct horse battery staple",
            "  spaces are kept as they are ",
            "Vq7!xLp2#tRz",
            "7|1!4@(9[5$+",
            "狐狸在山谷中安静地阅读一本旧书",
        ] {
            assert_eq!(verdict(good), Ok(()), "{good}");
        }
        for weak in [
            "password1234",
            "qwertyuiopasdf",
            "aaaaaaaaaaaaaaaaaaaaaaaa",
            "lamplighter2026",
            "lovelace.example",
            "ada.lovelace@example.org",
            "123456789012345",
            "iloveyouiloveyou",
            "p4$$w0rd1!p4$$w0rd1!",
            "1234567890!@#$%^&*()",
        ] {
            assert_eq!(verdict(weak), Err("easily_guessed".to_owned()), "{weak}");
        }
        assert_eq!(verdict("Vq7!xLp"), Err("too_short".to_owned()));
        assert_eq!(verdict(&"é1X-".repeat(65)), Err("too_long".to_owned()));
        let huge = "x".repeat(1_000_000);
        let start = Instant::now();
        assert_eq!(verdict(&huge), Err("too_long".to_owned()));
        let refused = start.elapsed();
        println!("1 MB refused in {refused:?}");
        assert!(refused < Duration::from_millis(10));
    }

    /// The shortest of a few times: what else the machine does is none of it.
    fn cost(text: &str) -> Duration {
        let times = (0..5).map(|_| {
            let start = Instant::now();
            assert_eq!(verdict(text), Ok(()), "{text}");
            start.elapsed()
        });
        times.min().expect("some")
    }

    #[test]
    fn no_password_costs_much_more_to_judge_than_another() {
        let usual: String = "nine copper lanterns over quiet water ".repeat(7);
        let usual = cost(first(&usual, MAX_LENGTH));
        let signs = "4@8({[<369!1|7|0$5+7%2";
        let mixed: String = (0..256u32)
            .map(|i| char::from(b'!' + ((i * i * 31 + i * 17) % 90) as u8))
            .collect();
        let worst = "1|7!({[<4@$569+2".repeat(4);
        for text in [
            first(&signs.repeat(3), 64),
            first(&signs.repeat(12), 256),
            &worst,
            &mixed,
        ] {
            let took = cost(text);
            let ratio = took.as_secs_f64() / usual.as_secs_f64();
            println!(
                "S4 judging {} characters of digits and signs: {took:?}, {ratio:.0} times one of words",
                text.chars().count()
            );
            // Half a second and 125 times, where all of it is read in every way.
            assert!(ratio < 50.0, "{took:?} instead of {usual:?}");
        }
    }
}
