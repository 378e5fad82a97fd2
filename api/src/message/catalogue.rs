//! The translations: of each English sentence one a language. The files stand in `api/locales`.

use std::{collections::BTreeMap, sync::LazyLock};

use crate::locale::Locale;

/// English to another language.
pub(super) type Catalogue = BTreeMap<String, String>;

static TRADITIONAL_CHINESE: LazyLock<Catalogue> =
    LazyLock::new(|| read(include_str!("../../locales/zh-Hant.json")));
static JAPANESE: LazyLock<Catalogue> = LazyLock::new(|| read(include_str!("../../locales/ja.json")));

/// The sentence in a language; none in English, and where it is none of ours.
pub(super) fn translation(locale: Locale, text: &str) -> Option<&'static str> {
    of(locale)?.get(text).map(String::as_str)
}

/// The translations into a language; English needs none.
pub(super) fn of(locale: Locale) -> Option<&'static Catalogue> {
    match locale {
        Locale::English => None,
        Locale::TraditionalChinese => Some(&TRADITIONAL_CHINESE),
        Locale::Japanese => Some(&JAPANESE),
    }
}

fn read(text: &str) -> Catalogue {
    serde_json::from_str(text).expect("the catalogues are part of the program: a test compares them with it")
}
