//! What a measurement is asked to do.

/// How thoroughly to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Every engine once, to check its assertions.
    Check,
    /// A few repetitions: four minutes for all measurements.
    Quick,
    /// Enough repetitions for figures to publish: twenty minutes for all measurements.
    Full,
}

/// The options of a bench or the report.
#[derive(Clone, Debug)]
pub struct Options {
    /// How thoroughly to measure.
    pub level: Level,
    /// Names, or beginnings of names, of what to measure; if empty, everything.
    pub filters: Vec<String>,
    /// Returns the number of allocations of the calling thread so far.
    pub allocations: fn() -> u64,
}

impl Options {
    /// Reads the arguments of the program: `--quick`, `--test` and filters.
    ///
    /// # Panics
    /// If another option is given.
    #[must_use]
    pub fn parse(allocations: fn() -> u64) -> Self {
        let mut options = Self { level: Level::Full, filters: Vec::new(), allocations };
        for argument in std::env::args().skip(1) {
            match argument.as_str() {
                // cargo adds this argument.
                "--bench" => {}
                "--test" => options.level = Level::Check,
                "--quick" => options.level = Level::Quick,
                unknown if unknown.starts_with('-') => panic!("{unknown} is unknown"),
                _ => options.filters.push(argument),
            }
        }
        options
    }

    /// Returns true if `name` is to be measured.
    #[must_use]
    pub fn wants(&self, name: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| name.starts_with(&**filter))
    }

    /// Returns the value for the level.
    #[must_use]
    pub fn pick<T>(&self, check: T, quick: T, full: T) -> T {
        match self.level {
            Level::Check => check,
            Level::Quick => quick,
            Level::Full => full,
        }
    }
}
