//! From the oracle's words to the matcher's: the only place that knows both.

use powerstream_rules::matcher::{self, MatchOptions, Phrases, Segment};

use super::{Options, Truth};

/// The same options.
pub fn match_options(options: Options) -> MatchOptions {
    let mut same = MatchOptions::default();
    same.phrases = if options.phrase_tokens { Phrases::Tokens } else { Phrases::Literal };
    same.segment = if options.segment_substring { Segment::Substring } else { Segment::Tokens };
    same.short_links = options.short_links;
    same
}

/// The same value.
pub fn truth(truth: matcher::Truth) -> Truth {
    match truth {
        matcher::Truth::True => Some(true),
        matcher::Truth::False => Some(false),
        matcher::Truth::Unknown => None,
    }
}
