//! Places that are given and taken back.

/// Items that are known by their place.
///
/// They lie in chunks, which are not copied: each time that one vector of them all grew, as much memory would be touched
/// for the first time as it holds, which costs more than to fill it.
#[derive(Clone, Debug)]
pub(crate) struct Slab<T> {
    /// Filled up with items that nobody put there.
    chunks: Vec<Box<[T; CHUNK]>>,
    /// The places from here on were never given.
    end: usize,
    free: Vec<u32>,
}

const CHUNK: usize = 256;

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), end: 0, free: Vec::new() }
    }
}

impl<T: Clone + Default> Slab<T> {
    /// Gives a place to an item.
    #[allow(clippy::cast_possible_truncation, reason = "bounded by the number of terms and postings")]
    pub(crate) fn add(&mut self, item: T) -> u32 {
        let place = self.free.pop().unwrap_or_else(|| {
            if self.end % CHUNK == 0 {
                self.grow();
            }
            self.end += 1;
            (self.end - 1) as u32
        });
        if let Some(slot) = self.get_mut(place) {
            *slot = item;
        }
        place
    }

    #[cold]
    fn grow(&mut self) {
        // Made on the heap, since it is large for a stack. It always has this length.
        let chunk = vec![T::default(); CHUNK].into_boxed_slice();
        self.chunks.extend(<Box<[T; CHUNK]>>::try_from(chunk));
    }
}

impl<T> Slab<T> {
    /// Takes a place back. The item stays there until the place is given again.
    pub(crate) fn free(&mut self, place: u32) {
        self.free.push(place);
    }

    /// The item in a place.
    #[inline]
    pub(crate) fn get(&self, place: u32) -> Option<&T> {
        self.chunks.get(place as usize / CHUNK).map(|chunk| &chunk[place as usize % CHUNK])
    }

    /// The same, to change it.
    #[inline]
    pub(crate) fn get_mut(&mut self, place: u32) -> Option<&mut T> {
        self.chunks.get_mut(place as usize / CHUNK).map(|chunk| &mut chunk[place as usize % CHUNK])
    }

    /// All places are below this.
    pub(crate) const fn end(&self) -> usize {
        self.end
    }

    /// The items, and those whose places were taken back.
    pub(crate) fn items(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flat_map(|chunk| chunk.iter()).take(self.end)
    }

    /// Whether all places were taken back.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.free.len() == self.end
    }

    /// Bytes on the heap, apart from what the items hold.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.chunks.len() * CHUNK * size_of::<T>()
            + self.chunks.capacity() * size_of::<Box<[T; CHUNK]>>()
            + self.free.capacity() * size_of::<u32>()
    }
}
