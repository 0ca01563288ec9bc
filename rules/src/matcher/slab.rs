//! Places that are given and taken back.

/// Items that are known by their place.
///
/// They lie in chunks, which are not copied: each time that one vector of them all grew, as much memory would be touched
/// for the first time as it holds, which costs more than to fill it.
#[derive(Clone, Debug)]
pub(crate) struct Slab<T> {
    /// All but the last are full.
    chunks: Vec<Vec<T>>,
    free: Vec<u32>,
}

const CHUNK: usize = 256;

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// Gives a place to an item.
    #[allow(clippy::cast_possible_truncation, reason = "bounded by the number of terms and postings")]
    pub(crate) fn add(&mut self, item: T) -> u32 {
        if let Some(place) = self.free.pop() {
            if let Some(slot) = self.get_mut(place) {
                *slot = item;
            }
            return place;
        }
        let end = self.end() as u32;
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK => chunk.push(item),
            _ => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(item);
                self.chunks.push(chunk);
            }
        }
        end
    }

    /// Takes a place back. The item stays there until the place is given again.
    pub(crate) fn free(&mut self, place: u32) {
        self.free.push(place);
    }

    /// The item in a place.
    #[inline]
    pub(crate) fn get(&self, place: u32) -> Option<&T> {
        self.chunks.get(place as usize / CHUNK)?.get(place as usize % CHUNK)
    }

    /// The same, to change it.
    #[inline]
    pub(crate) fn get_mut(&mut self, place: u32) -> Option<&mut T> {
        self.chunks.get_mut(place as usize / CHUNK)?.get_mut(place as usize % CHUNK)
    }

    /// All places are below this.
    pub(crate) fn end(&self) -> usize {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK + last.len())
    }

    /// The items, and those whose places were taken back.
    pub(crate) fn items(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten()
    }

    /// Whether all places were taken back.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.free.len() == self.end()
    }

    /// Bytes on the heap, apart from what the items hold.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.chunks.len() * CHUNK * size_of::<T>()
            + self.chunks.capacity() * size_of::<Vec<T>>()
            + self.free.capacity() * size_of::<u32>()
    }
}
