//! The source of a generator's decisions: bytes. A fuzzer provides them. Tests generate them from a
//! seed, and shrink a failure by removing bytes and making them smaller.

/// A sequence of decisions. Once the bytes are used up, each decision is the first alternative.
#[derive(Clone, Debug)]
pub struct Choices<'a> {
    bytes: &'a [u8],
}

impl<'a> Choices<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        *first
    }

    /// Returns a number below `end`, which is at most 256.
    pub fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end
    }

    /// Returns true once in `times` calls. Returns false once the bytes are used up.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == times - 1
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    pub fn number(&mut self) -> u64 {
        (0..8).fold(0, |number, _| number << 8 | u64::from(self.byte()))
    }

    /// Returns true if all bytes are used up.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// Tests a property on this many generated cases. A failing case is shrunk before it is reported.
///
/// The environment variable `POWERSTREAM_CASES` multiplies the number of cases.
///
/// # Panics
///
/// Panics if the property fails, with its message for the smallest failing case.
pub fn for_all(
    seed: u64,
    cases: usize,
    length: usize,
    mut property: impl FnMut(Choices<'_>) -> Result<(), String>,
) {
    let mut state = seed;
    let mut random = || {
        // Marsaglia's xorshift64.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let times =
        std::env::var("POWERSTREAM_CASES").map_or(1, |times| times.parse().expect("a number of times"));
    for case in 0..cases * times {
        let mut bytes: Vec<u8> = (0..length).map(|_| (random() >> 32) as u8).collect();
        let Err(mut failure) = property(Choices::new(&bytes)) else { continue };
        let mut smaller = |candidate: &[u8]| property(Choices::new(candidate)).err();
        let mut step = bytes.len();
        while step > 0 {
            let mut at = 0;
            while at < bytes.len() {
                let end = (at + step).min(bytes.len());
                let without = [&bytes[..at], &bytes[end..]].concat();
                let zeroed = [&bytes[..at], &vec![0; end - at], &bytes[end..]].concat();
                if let Some(found) = smaller(&without) {
                    (bytes, failure) = (without, found);
                    continue;
                }
                let found = if zeroed == bytes { None } else { smaller(&zeroed) };
                if let Some(found) = found {
                    (bytes, failure) = (zeroed, found);
                }
                at = end;
            }
            step /= 2;
        }
        panic!("case {case}: {failure}\nfrom {bytes:?}");
    }
}
