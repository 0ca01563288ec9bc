//! The language codes that X lists, as X writes them: the union of the lists of Powerstream,
//! PowerTrack and Filtered Stream (each product's page "Operators").

const LISTED: [&str; 72] = [
    "am", "ar", "bg", "bn", "bo", "bs", "ca", "ckb", "cs", "cy", "da", "de", "dv", "el", "en", "es", "et",
    "eu", "fa", "fi", "fr", "gu", "hi", "hi-Latn", "hr", "ht", "hu", "hy", "in", "is", "it", "iw", "ja",
    "ka", "km", "kn", "ko", "lo", "lt", "lv", "ml", "mr", "my", "ne", "nl", "no", "or", "pa", "pl", "ps",
    "pt", "ro", "ru", "sd", "si", "sk", "sl", "sr", "sv", "ta", "te", "th", "tl", "tr", "ug", "uk", "ur",
    "vi", "zh", "zh-CN", "zh-TW", "und",
];

/// Returns the code as X writes it, for a code in any case; `None` if X does not list it.
pub(crate) fn listed(code: &str) -> Option<&'static str> {
    LISTED.into_iter().find(|listed| listed.eq_ignore_ascii_case(code))
}

/// Returns the older code that X uses for a language whose ISO code has changed.
pub(crate) fn older(code: &str) -> Option<&'static str> {
    [("he", "iw"), ("id", "in")]
        .into_iter()
        .find(|(new, _)| new.eq_ignore_ascii_case(code))
        .map(|(_, old)| old)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_in_any_case() {
        assert_eq!(listed("ZH-tw"), Some("zh-TW"));
        assert_eq!(listed("he"), None);
    }
}
