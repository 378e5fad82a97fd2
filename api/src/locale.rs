//! Which language somebody is written to in: an answer in the one that the request asks for, a mail in the account's
//! before that. The words stand in `message` and in `mail`.

use poem::{
    FromRequest, Request, RequestBody, Result,
    http::{HeaderMap, HeaderValue, header},
};
use serde::{Deserialize, Serialize};

/// A language that people are written to in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Locale {
    /// English.
    #[default]
    #[serde(rename = "en")]
    English,
    /// Traditional Chinese.
    #[serde(rename = "zh-Hant")]
    TraditionalChinese,
    /// Japanese.
    #[serde(rename = "ja")]
    Japanese,
}

impl Locale {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::English, Self::TraditionalChinese, Self::Japanese];

    /// The account's language where it has one, else the best that `Accept-Language` (RFC 9110, with its
    /// weights) asks for, else English.
    pub fn of(user_locale: Option<&str>, accept_language: Option<&str>) -> Self {
        user_locale
            .and_then(Self::tagged)
            .or_else(|| accept_language.and_then(Self::accepted))
            .unwrap_or(Self::English)
    }

    /// The best that the `Accept-Language` of a request asks for, else English.
    pub(crate) fn asked_for(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(header::ACCEPT_LANGUAGE).iter();
        let lines: Vec<&str> = lines.filter_map(|line| line.to_str().ok()).collect();
        Self::of(None, Some(&lines.join(",")))
    }

    /// Says on an answer that it is in this language.
    pub(crate) fn mark(self, headers: &mut HeaderMap) {
        headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(self.as_str()));
    }

    /// The tag (BCP 47), as in accounts and headers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::TraditionalChinese => "zh-Hant",
            Self::Japanese => "ja",
        }
    }

    /// The language of a tag. There is one Chinese: who reads another one reads this rather than English.
    fn tagged(tag: &str) -> Option<Self> {
        let primary = tag.trim().split(['-', '_']).next().unwrap_or_default();
        match primary.to_ascii_lowercase().as_str() {
            "en" => Some(Self::English),
            "zh" => Some(Self::TraditionalChinese),
            "ja" => Some(Self::Japanese),
            _ => None,
        }
    }

    /// Of equal weights the first; a weight of 0 is a refusal.
    fn accepted(header: &str) -> Option<Self> {
        let mut best: Option<(f32, Self)> = None;
        for range in header.split(',').take(MOST_RANGES) {
            let mut parts = range.split(';').map(str::trim);
            let Some(locale) = parts.next().and_then(Self::tagged) else {
                continue;
            };
            let weight = parts
                .find_map(|part| part.strip_prefix("q="))
                .map_or(1.0, |q| q.parse::<f32>().unwrap_or(0.0));
            if weight > 0.0 && best.is_none_or(|(most, _)| weight > most) {
                best = Some((weight, locale));
            }
        }
        best.map(|(_, locale)| locale)
    }
}

impl<'a> FromRequest<'a> for Locale {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        Ok(Self::asked_for(request.headers()))
    }
}

/// More languages than these nobody reads.
const MOST_RANGES: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_s_language_wins_then_the_best_that_is_asked_for() {
        use Locale::{English, Japanese, TraditionalChinese};
        for (user, header, expected) in [
            (None, None, English),
            (Some("ja"), Some("en"), Japanese),
            (Some("xx"), Some("ja"), Japanese),
            (None, Some("zh-TW,zh;q=0.9,en;q=0.8"), TraditionalChinese),
            (None, Some("zh-HK"), TraditionalChinese),
            (None, Some("zh-Hant-TW"), TraditionalChinese),
            (None, Some("zh"), TraditionalChinese),
            (None, Some("de, ja;q=0.3, en;q=0.7"), English),
            (None, Some("en;q=0.3,JA-jp;q=0.7"), Japanese),
            (None, Some("en;q=0, ja;q=0.1"), Japanese),
            (None, Some("fr-FR, *;q=0.5"), English),
            (None, Some(";;;,,q=,zh;q=x"), English),
            (None, Some(""), English),
        ] {
            assert_eq!(Locale::of(user, header), expected, "{user:?} {header:?}");
        }
    }

    #[test]
    fn several_headers_are_one_list_and_what_is_no_text_asks_for_nothing() {
        let mut headers = HeaderMap::new();
        assert_eq!(Locale::asked_for(&headers), Locale::English);
        for line in [&b"\xff"[..], b"en;q=0.5", b"ja"] {
            let value = HeaderValue::from_bytes(line).expect("a header");
            headers.append(header::ACCEPT_LANGUAGE, value);
        }
        assert_eq!(Locale::asked_for(&headers), Locale::Japanese);
    }
}
