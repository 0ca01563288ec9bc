//! The products that share the rule language, and their differences.

use core::fmt;
use core::str::FromStr;

/// A product of X that accepts rules. All share one grammar; operators and limits differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Profile {
    /// `/2/powerstream` (Powerstream: Introduction). Accepts operators that only PowerTrack's pages
    /// list, with a warning: X calls Powerstream similar to PowerTrack, and its own table is short.
    #[default]
    Powerstream,
    /// The enterprise PowerTrack 2.0 stream.
    Powertrack,
    /// Filtered Stream v2 on an enterprise plan.
    FilteredStream,
    /// Filtered Stream v2, pay per use. Its rules are at most 1,024 characters long.
    FilteredStreamPpu,
    /// Filtered Stream v2 on an enterprise plan with the embedding operators.
    FilteredStreamEmbedding,
}

impl Profile {
    /// All profiles, the default first.
    pub const ALL: [Self; 5] = [
        Self::Powerstream,
        Self::Powertrack,
        Self::FilteredStream,
        Self::FilteredStreamPpu,
        Self::FilteredStreamEmbedding,
    ];

    /// Returns the profile's name, as the command line accepts it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Powerstream => "powerstream",
            Self::Powertrack => "powertrack",
            Self::FilteredStream => "filtered_stream",
            Self::FilteredStreamPpu => "filtered_stream_ppu",
            Self::FilteredStreamEmbedding => "filtered_stream_embedding",
        }
    }

    /// Returns the product's name, as X writes it in a sentence.
    #[must_use]
    pub const fn product(self) -> &'static str {
        match self {
            Self::Powerstream => "Powerstream",
            Self::Powertrack => "PowerTrack",
            Self::FilteredStream | Self::FilteredStreamPpu | Self::FilteredStreamEmbedding => {
                "the filtered stream"
            }
        }
    }

    /// Returns the maximum length of a rule, in UTF-16 code units.
    #[must_use]
    pub const fn rule_length_max(self) -> usize {
        match self {
            Self::FilteredStreamPpu => 1_024,
            _ => 2_048,
        }
    }

    /// Returns the maximum number of rules of one stream; `None` if only the customer's contract
    /// sets it.
    #[must_use]
    pub const fn rules_max(self) -> Option<usize> {
        match self {
            Self::Powerstream | Self::FilteredStreamPpu => Some(1_000),
            Self::Powertrack => None,
            Self::FilteredStream | Self::FilteredStreamEmbedding => Some(25_000),
        }
    }

    /// Returns true for the filtered streams of the v2 API, where a rule needs a standalone
    /// operator.
    #[must_use]
    pub const fn is_filtered_stream(self) -> bool {
        matches!(self, Self::FilteredStream | Self::FilteredStreamPpu | Self::FilteredStreamEmbedding)
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The error of parsing an unknown profile name. Its text lists the valid names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownProfile;

impl fmt::Display for UnknownProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown profile; the profiles are")?;
        for (index, profile) in Profile::ALL.into_iter().enumerate() {
            write!(f, "{} {profile}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl core::error::Error for UnknownProfile {}

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|profile| profile.name() == name).ok_or(UnknownProfile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_have_the_names_and_limits_of_their_products() {
        for (profile, name, product, rules_max) in [
            (Profile::Powerstream, "powerstream", "Powerstream", Some(1_000)),
            (Profile::Powertrack, "powertrack", "PowerTrack", None),
            (Profile::FilteredStream, "filtered_stream", "the filtered stream", Some(25_000)),
            (Profile::FilteredStreamPpu, "filtered_stream_ppu", "the filtered stream", Some(1_000)),
            (
                Profile::FilteredStreamEmbedding,
                "filtered_stream_embedding",
                "the filtered stream",
                Some(25_000),
            ),
        ] {
            assert_eq!((profile.name(), profile.product()), (name, product));
            assert_eq!(profile.rules_max(), rules_max, "{name}");
            assert_eq!(name.parse(), Ok(profile));
        }
        assert_eq!("Powertrack".parse::<Profile>(), Err(UnknownProfile));
    }
}
