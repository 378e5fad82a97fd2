//! Keys and values of one sequence, half precision, in pages that are taken as it grows.

use std::fmt;

/// Tokens of a page.
pub(super) const PAGE: usize = 64;
/// Tokens whose keys lie side by side.
pub(super) const GROUP: usize = 16;

/// The memory of one sequence, of all layers.
pub struct Cache {
    page: usize,
    pages: Vec<Box<[u16]>>,
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cache({} pages of {})", self.pages.len(), self.page)
    }
}

/// Where a page begins, while a step borrows its cache.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page(pub *mut u16);

// SAFETY: lanes write different tokens or heads of it, and read only what was written before a barrier.
unsafe impl Send for Page {}
// SAFETY: as above.
unsafe impl Sync for Page {}

/// Where things are in a page: for each layer the keys, then the values. Keys: for each head and group of
/// 16 tokens, number by number of the head, the tokens side by side. Values: for each head, token by token.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// Layers.
    pub layers: usize,
    /// Heads of keys and values.
    pub heads: usize,
    /// Width of a head.
    pub head: usize,
}

impl Layout {
    /// Numbers of a page.
    pub(super) fn page(&self) -> usize {
        2 * self.layers * self.heads * self.head * PAGE
    }

    /// Where the keys of a head begin in a page.
    pub(super) fn keys(&self, layer: usize, head: usize) -> usize {
        (2 * layer * self.heads + head) * self.head * PAGE
    }

    /// Where the values of a head begin in a page.
    pub(super) fn values(&self, layer: usize, head: usize) -> usize {
        self.keys(layer, head) + self.heads * self.head * PAGE
    }
}

impl Cache {
    pub(super) fn new(layout: &Layout) -> Self {
        Self {
            page: layout.page(),
            pages: Vec::new(),
        }
    }

    /// Makes room for `tokens` tokens in all.
    pub(super) fn reserve(&mut self, tokens: usize) {
        while self.pages.len() * PAGE < tokens {
            self.pages.push(vec![0; self.page].into_boxed_slice());
        }
    }

    /// Bytes taken so far.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.pages.len() * self.page * size_of::<u16>()
    }

    /// Numbers of a page.
    pub(super) fn page(&self) -> usize {
        self.page
    }

    /// Where each page begins.
    pub(super) fn starts(&mut self) -> impl Iterator<Item = Page> {
        self.pages.iter_mut().map(|page| Page(page.as_mut_ptr()))
    }
}
