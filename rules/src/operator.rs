//! The operators, as data.
//!
//! One table (`operator/table.rs`) defines every operator: its names, its products and the form of
//! its argument. It also defines whether the operator may stand alone or be negated, which Posts it
//! reads, and its description. The parser, the checks, the formatter, the explanation and the
//! documentation all read this table. No other module defines properties of operators.

mod info;
pub(crate) mod suggestion;
mod table;

pub use self::info::{Availability, Info, Kind, Negation, Sources};
pub use self::table::Operator;
use crate::profile::Profile;

impl Operator {
    /// Returns the operator that is written `name:`, in any case; `None` for flags. Searches the
    /// table linearly.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::find(name, |info| {
            // Kinds before `Flag` have no name in a rule.
            info.kind > Kind::Flag
        })
    }

    /// Returns the flag that is written this way, in any case: `has:links`, `is:reply`.
    #[must_use]
    pub fn flag(written: &str) -> Option<Self> {
        Self::find(written, |info| info.kind == Kind::Flag)
    }

    fn find(name: &str, wanted: impl Fn(&Info) -> bool) -> Option<Self> {
        let named = |known: &&str| known.eq_ignore_ascii_case(name);
        Self::ALL.iter().copied().find(|operator| {
            let info = operator.info();
            wanted(info) && (named(&info.name) || info.aliases.iter().any(named))
        })
    }

    /// Returns whether a product has the operator.
    #[must_use]
    pub fn availability(self, profile: Profile) -> Availability {
        let info = self.info();
        let availability = match profile {
            Profile::Powerstream => info.powerstream,
            Profile::Powertrack => info.powertrack,
            Profile::FilteredStream | Profile::FilteredStreamPpu | Profile::FilteredStreamEmbedding => {
                info.filtered_stream
            }
        };
        match availability {
            Availability::EmbeddingTier if profile == Profile::FilteredStreamEmbedding => {
                Availability::Listed
            }
            Availability::EmbeddingTier => Availability::Absent,
            other => other,
        }
    }

    /// Returns the name that the product's own page uses.
    #[must_use]
    pub fn primary_name(self, profile: Profile) -> &'static str {
        let info = self.info();
        info.filtered_stream_name.filter(|_| profile.is_filtered_stream()).unwrap_or(info.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_lower_case() {
        let mut names: Vec<&str> = Vec::new();
        for operator in Operator::ALL {
            let info = operator.info();
            names.extend([info.name].iter().chain(info.aliases).copied());
            assert_eq!(info.kind == Kind::Flag, info.name.contains(':'), "{}", info.name);
            assert_eq!(info.clause.contains("{}"), info.kind != Kind::Flag, "{}", info.name);
            assert!(info.filtered_stream_name.is_none_or(|name| info.aliases.contains(&name)));
            assert!(info.summary.ends_with('.') && !info.clause.ends_with('.'), "{}", info.name);
        }
        assert!(names.iter().all(|name| name.to_ascii_lowercase() == *name));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn every_name_and_alias_is_found_in_any_case() {
        for operator in Operator::ALL {
            let info = operator.info();
            for name in [info.name].iter().chain(info.aliases) {
                let found = |name: &str| match info.kind {
                    Kind::Flag => Operator::flag(name),
                    _ => Operator::by_name(name),
                };
                if info.kind < Kind::Flag {
                    assert_eq!(found(name), None, "{name} is not a name in rules");
                } else {
                    assert_eq!(found(name), Some(*operator));
                    assert_eq!(found(&name.to_uppercase()), Some(*operator));
                }
            }
        }
        assert_eq!(Operator::by_name("has:links"), None);
        assert_eq!(Operator::flag("from"), None);
    }
}
