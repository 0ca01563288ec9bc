//! Enums whose variants have names in scenarios.

/// Defines an enum with a name for each variant.
macro_rules! names {
    ($(#[$doc:meta])* $type:ident { $($variant:ident $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $type { $($variant,)* }

        impl $type {
            pub(crate) const NAMES: &'static [(&'static str, $type)] = &[$(($name, $type::$variant)),*];
        }
    };
}

pub(super) use names;
