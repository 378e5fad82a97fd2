//! A picture of any number of channels, with a border of zeros.

use std::sync::{Mutex, PoisonError};

use crate::pool::Pool;

/// Numbers by row, column and channel (channels of a pixel stand together), with a border of `pad` pixels
/// of zeros on every side, so that a convolution needs no case for edges.
#[derive(Debug, Clone)]
pub struct Plane {
    rows: usize,
    columns: usize,
    channels: usize,
    pad: usize,
    data: Vec<f32>,
}

impl Plane {
    /// A plane of zeros. Memory: `(rows + 2 pad) * (columns + 2 pad) * channels` numbers.
    #[must_use]
    pub fn new(rows: usize, columns: usize, channels: usize, pad: usize) -> Self {
        let data = vec![0.0; (rows + 2 * pad) * (columns + 2 * pad) * channels];
        Self {
            rows,
            columns,
            channels,
            pad,
            data,
        }
    }

    /// Rows without the border.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns without the border.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Numbers a pixel.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Width of the border.
    #[must_use]
    pub fn pad(&self) -> usize {
        self.pad
    }

    /// Everything with the border.
    pub(super) fn data(&self) -> &[f32] {
        &self.data
    }

    /// Numbers of a whole row with its border.
    pub(super) fn stride(&self) -> usize {
        (self.columns + 2 * self.pad) * self.channels
    }

    /// Where a row without its border begins.
    fn start(&self, row: usize) -> usize {
        (row + self.pad) * self.stride() + self.pad * self.channels
    }

    /// A row without its border: `columns * channels` numbers.
    ///
    /// # Panics
    /// Where there is no such row.
    #[must_use]
    pub fn row(&self, row: usize) -> &[f32] {
        assert!(row < self.rows, "the plane has no such row");
        let start = self.start(row);
        &self.data[start..start + self.columns * self.channels]
    }

    /// A row without its border, to be written.
    ///
    /// # Panics
    /// Where there is no such row.
    pub fn row_mut(&mut self, row: usize) -> &mut [f32] {
        assert!(row < self.rows, "the plane has no such row");
        let start = self.start(row);
        &mut self.data[start..start + self.columns * self.channels]
    }

    /// All rows without the border, each to be written by whoever takes it.
    pub fn rows_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        let (pad, channels, stride) = (self.pad, self.channels, self.stride());
        let width = self.columns * channels;
        self.data
            .chunks_exact_mut(stride.max(1))
            .skip(pad)
            .take(self.rows)
            .map(move |row| &mut row[pad * channels..pad * channels + width])
    }

    /// Has `work` write every row (its number, the row without the border), shared out over the lanes of a pool.
    pub fn each_row(&mut self, pool: &Pool, work: impl Fn(usize, &mut [f32]) + Sync) {
        let rows = Mutex::new(self.rows_mut().enumerate());
        pool.run(|_| {
            loop {
                let next = rows.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some((row, out)) = next else { break };
                work(row, out);
            }
        });
    }
}
