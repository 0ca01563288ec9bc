//! Places that are given and taken back.

/// Items that are known by their place.
#[derive(Clone, Debug)]
pub(crate) struct Slab<T> {
    items: Vec<T>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { items: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// Gives a place to an item.
    #[allow(clippy::cast_possible_truncation, reason = "bounded by the number of terms and postings")]
    pub(crate) fn add(&mut self, item: T) -> u32 {
        match self.free.pop() {
            Some(place) => {
                if let Some(slot) = self.items.get_mut(place as usize) {
                    *slot = item;
                }
                place
            }
            None => {
                self.items.push(item);
                self.items.len() as u32 - 1
            }
        }
    }

    /// Takes a place back. The item stays there until the place is given again.
    pub(crate) fn free(&mut self, place: u32) {
        self.free.push(place);
    }

    /// The item in a place.
    #[inline]
    pub(crate) fn get(&self, place: u32) -> Option<&T> {
        self.items.get(place as usize)
    }

    /// The same, to change it.
    #[inline]
    pub(crate) fn get_mut(&mut self, place: u32) -> Option<&mut T> {
        self.items.get_mut(place as usize)
    }

    /// All places are below this.
    pub(crate) fn end(&self) -> usize {
        self.items.len()
    }

    /// The items, and those whose places were taken back.
    pub(crate) fn items(&self) -> &[T] {
        &self.items
    }

    /// Whether all places were taken back.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.free.len() == self.items.len()
    }

    /// Bytes on the heap, apart from what the items hold.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.items.capacity() * size_of::<T>() + self.free.capacity() * size_of::<u32>()
    }
}
