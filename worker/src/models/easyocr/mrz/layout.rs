//! Where the fields of each kind of zone stand, and which of them a check digit covers.

/// The kinds of machine readable zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Identity card of three lines of 30 characters (part 5).
    Td1,
    /// Card or booklet of two lines of 36 characters (part 6).
    Td2,
    /// Passport of two lines of 44 characters (part 4).
    Td3,
    /// Visa of two lines of 44 characters (part 7, format A).
    MrvA,
    /// Visa of two lines of 36 characters (part 7, format B).
    MrvB,
}

/// What may stand in a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Letters and fillers: document code, states, names.
    Letters,
    /// Letters and fillers, ending in padding.
    Names,
    /// Digits, or fillers for what is unknown.
    Date,
    /// One digit.
    Digit,
    /// One digit, or a filler if what it covers is empty.
    DigitOrFiller,
    /// `M`, `F`, `X` or a filler.
    Sex,
    /// Letters, digits and fillers.
    Mixed,
}

/// A field: a stretch of one line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    /// Its name in the result; fields without a name are only checked.
    pub name: &'static str,
    pub line: usize,
    pub start: usize,
    pub end: usize,
    pub class: Class,
}

/// A check digit and the stretches it covers, in order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Check {
    pub name: &'static str,
    pub covers: &'static [(usize, usize, usize)],
    pub line: usize,
    pub at: usize,
}

const fn field(name: &'static str, line: usize, start: usize, end: usize, class: Class) -> Field {
    Field {
        name,
        line,
        start,
        end,
        class,
    }
}

const fn check(
    name: &'static str,
    covers: &'static [(usize, usize, usize)],
    line: usize,
    at: usize,
) -> Check {
    Check {
        name,
        covers,
        line,
        at,
    }
}

use Class::{Date, Digit, DigitOrFiller, Letters, Mixed, Names, Sex};

const TD1: &[Field] = &[
    field("document_code", 0, 0, 2, Letters),
    field("issuing_state", 0, 2, 5, Letters),
    field("document_number", 0, 5, 14, Mixed),
    field("", 0, 14, 15, DigitOrFiller),
    field("optional_data", 0, 15, 30, Mixed),
    field("birth_date", 1, 0, 6, Date),
    field("", 1, 6, 7, Digit),
    field("sex", 1, 7, 8, Sex),
    field("expiry_date", 1, 8, 14, Date),
    field("", 1, 14, 15, Digit),
    field("nationality", 1, 15, 18, Letters),
    field("optional_data_2", 1, 18, 29, Mixed),
    field("", 1, 29, 30, Digit),
    field("names", 2, 0, 30, Names),
];

/// The second line is the same for all kinds of two lines up to column 28.
const fn two_lines(names_end: usize) -> [Field; 11] {
    [
        field("document_code", 0, 0, 2, Letters),
        field("issuing_state", 0, 2, 5, Letters),
        field("names", 0, 5, names_end, Names),
        field("document_number", 1, 0, 9, Mixed),
        field("", 1, 9, 10, Digit),
        field("nationality", 1, 10, 13, Letters),
        field("birth_date", 1, 13, 19, Date),
        field("", 1, 19, 20, Digit),
        field("sex", 1, 20, 21, Sex),
        field("expiry_date", 1, 21, 27, Date),
        field("", 1, 27, 28, Digit),
    ]
}

const SHORT: [Field; 11] = two_lines(36);
const LONG: [Field; 11] = two_lines(44);
const TD2_END: &[Field] = &[
    field("", 1, 9, 10, DigitOrFiller),
    field("optional_data", 1, 28, 35, Mixed),
    field("", 1, 35, 36, Digit),
];
const TD3_END: &[Field] = &[
    field("optional_data", 1, 28, 42, Mixed),
    field("", 1, 42, 43, DigitOrFiller),
    field("", 1, 43, 44, Digit),
];
const MRV_A_END: &[Field] = &[field("optional_data", 1, 28, 44, Mixed)];
const MRV_B_END: &[Field] = &[field("optional_data", 1, 28, 36, Mixed)];

const TD1_CHECKS: &[Check] = &[
    check("document_number", &[(0, 5, 14)], 0, 14),
    check("birth_date", &[(1, 0, 6)], 1, 6),
    check("expiry_date", &[(1, 8, 14)], 1, 14),
    check(
        "composite",
        &[(0, 5, 30), (1, 0, 7), (1, 8, 15), (1, 18, 29)],
        1,
        29,
    ),
];
const VISA_CHECKS: &[Check] = &[
    check("document_number", &[(1, 0, 9)], 1, 9),
    check("birth_date", &[(1, 13, 19)], 1, 19),
    check("expiry_date", &[(1, 21, 27)], 1, 27),
];
const TD2_CHECKS: &[Check] = &[
    VISA_CHECKS[0],
    VISA_CHECKS[1],
    VISA_CHECKS[2],
    check("composite", &[(1, 0, 10), (1, 13, 20), (1, 21, 35)], 1, 35),
];
const TD3_CHECKS: &[Check] = &[
    VISA_CHECKS[0],
    VISA_CHECKS[1],
    VISA_CHECKS[2],
    check("optional_data", &[(1, 28, 42)], 1, 42),
    check("composite", &[(1, 0, 10), (1, 13, 20), (1, 21, 43)], 1, 43),
];

impl Kind {
    /// All kinds, those with the most check digits first.
    pub const ALL: [Self; 5] = [Self::Td3, Self::Td1, Self::Td2, Self::MrvA, Self::MrvB];

    /// The name in the result: `TD1`, `TD2`, `TD3`, `MRV-A`, `MRV-B`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Td1 => "TD1",
            Self::Td2 => "TD2",
            Self::Td3 => "TD3",
            Self::MrvA => "MRV-A",
            Self::MrvB => "MRV-B",
        }
    }

    /// How many lines the zone has.
    #[must_use]
    pub const fn lines(self) -> usize {
        match self {
            Self::Td1 => 3,
            _ => 2,
        }
    }

    /// How many characters a line has.
    #[must_use]
    pub const fn width(self) -> usize {
        match self {
            Self::Td1 => 30,
            Self::Td2 | Self::MrvB => 36,
            Self::Td3 | Self::MrvA => 44,
        }
    }

    /// Whether it is a visa: these, and only these, have a code that begins with `V`.
    pub(super) const fn is_visa(self) -> bool {
        matches!(self, Self::MrvA | Self::MrvB)
    }

    /// The fields; a later entry for the same place overrules an earlier one.
    pub(super) fn fields(self) -> impl Iterator<Item = Field> + Clone {
        let (base, end): (&'static [Field], &'static [Field]) = match self {
            Self::Td1 => (TD1, &[]),
            Self::Td2 => (&SHORT, TD2_END),
            Self::Td3 => (&LONG, TD3_END),
            Self::MrvA => (&LONG, MRV_A_END),
            Self::MrvB => (&SHORT, MRV_B_END),
        };
        let overruled = move |field: &&Field| {
            !end.iter()
                .any(|other| other.line == field.line && other.start == field.start)
        };
        base.iter().filter(overruled).chain(end.iter()).copied()
    }

    /// The check digits, the composite one (if the kind has one) last.
    pub(super) const fn checks(self) -> &'static [Check] {
        match self {
            Self::Td1 => TD1_CHECKS,
            Self::Td2 => TD2_CHECKS,
            Self::Td3 => TD3_CHECKS,
            Self::MrvA | Self::MrvB => VISA_CHECKS,
        }
    }

    /// Whether a document number of more than nine characters may go on in the optional data.
    pub(super) const fn has_long_numbers(self) -> bool {
        matches!(self, Self::Td1 | Self::Td2)
    }
}
