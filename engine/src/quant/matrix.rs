//! Matrices of Q8_0 weights, packed once for the kernels: [`PANEL`] rows side by side, so that one
//! register holds the next four weights of each of them.

use std::fmt;

use half::f16;

/// Weights (and activations) that share a scale.
pub const BLOCK: usize = 32;
/// Bytes of a block in a file: the scale as `f16`, then the weights.
pub const BLOCK_BYTES: usize = 2 + BLOCK;
/// Rows packed side by side.
pub(super) const PANEL: usize = 16;
/// Bytes of a block of a panel.
pub(super) const PANEL_BLOCK: usize = PANEL * BLOCK;
/// Rows that a product computes at once: two panels.
pub const UNIT: usize = 2 * PANEL;

/// Bytes that start at a cache line.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line([u8; 64]);

/// A packed matrix; as large as its blocks are in a file (rows are filled up to units).
pub struct Matrix {
    rows: usize,
    columns: usize,
    /// Of each panel and block: four weights of each row, then the next four; each 128 more than it is.
    weights: Vec<Line>,
    /// Of each panel and block: the scale of each row, `f16`.
    scales: Vec<u16>,
}

impl fmt::Debug for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Matrix({} x {})", self.rows, self.columns)
    }
}

impl Matrix {
    /// A matrix of zeros, to be filled by [`Matrix::put`].
    ///
    /// # Errors
    /// Where `columns` is no multiple of [`BLOCK`], or sizes are beyond all measure.
    pub fn new(rows: usize, columns: usize) -> Result<Self, String> {
        if columns == 0 || !columns.is_multiple_of(BLOCK) || rows == 0 {
            return Err(format!("a matrix of {rows} x {columns} can't be packed"));
        }
        let filled = rows.next_multiple_of(UNIT);
        let cells = filled
            .checked_mul(columns)
            .filter(|&cells| cells < isize::MAX as usize);
        let cells = cells.ok_or_else(|| format!("a matrix of {rows} x {columns} is too large"))?;
        Ok(Self {
            rows,
            columns,
            weights: vec![Line([0x80; 64]); cells / 64],
            scales: vec![0; cells / BLOCK],
        })
    }

    /// Packs blocks as they are in a file, row by row.
    ///
    /// # Errors
    /// As [`Matrix::new`] and [`Matrix::put`].
    #[cfg(test)]
    pub(super) fn pack(rows: usize, columns: usize, blocks: &[u8]) -> Result<Self, String> {
        let mut matrix = Self::new(rows, columns)?;
        matrix.put(0, blocks)?;
        if blocks.len() != rows * columns / BLOCK * BLOCK_BYTES {
            return Err(format!("{} bytes are not {rows} rows of {columns}", blocks.len()));
        }
        Ok(matrix)
    }

    /// Puts whole rows, blocks as they are in a file, from row `first` on.
    ///
    /// # Errors
    /// Where they are not whole rows, do not fit, or hold a scale that is not finite.
    pub fn put(&mut self, first: usize, blocks: &[u8]) -> Result<(), String> {
        let row_bytes = self.columns / BLOCK * BLOCK_BYTES;
        let fit = self.rows.saturating_sub(first);
        if !blocks.len().is_multiple_of(row_bytes) || blocks.len() / row_bytes > fit {
            return Err(format!("{} bytes are not at most {fit} rows", blocks.len()));
        }
        for (index, row) in blocks.chunks_exact(row_bytes).enumerate() {
            self.put_row(first + index, row)?;
        }
        Ok(())
    }

    fn put_row(&mut self, row: usize, blocks: &[u8]) -> Result<(), String> {
        let (panel, lane) = (row / PANEL, row % PANEL);
        let count = self.columns / BLOCK;
        for (block, bytes) in blocks.chunks_exact(BLOCK_BYTES).enumerate() {
            let scale = u16::from_le_bytes([bytes[0], bytes[1]]);
            if !f16::from_bits(scale).is_finite() {
                return Err(format!("the scale of block {block} of row {row} is not finite"));
            }
            let at = panel * count + block;
            self.scales[at * PANEL + lane] = scale;
            for (group, four) in bytes[2..].chunks_exact(4).enumerate() {
                let line = &mut self.weights[at * (PANEL_BLOCK / 64) + group].0;
                for (to, from) in line[4 * lane..4 * lane + 4].iter_mut().zip(four) {
                    *to = from ^ 0x80;
                }
            }
        }
        Ok(())
    }

    /// Rows, which is the length of what comes out.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns, which is the length of what goes in.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Pairs of panels.
    pub(super) fn units(&self) -> usize {
        self.rows.div_ceil(UNIT)
    }

    /// Blocks of a row.
    pub(super) fn blocks(&self) -> usize {
        self.columns / BLOCK
    }

    /// Weights of a unit: those of its first panel, then of its second.
    pub(super) fn unit_weights(&self, unit: usize) -> *const u8 {
        let lines = self.blocks() * (PANEL_BLOCK / 64);
        self.weights[2 * unit * lines..][..2 * lines].as_ptr().cast()
    }

    /// Scales of a unit, likewise.
    pub(super) fn unit_scales(&self, unit: usize) -> *const u16 {
        let scales = self.blocks() * PANEL;
        self.scales[2 * unit * scales..][..2 * scales].as_ptr()
    }

    /// Writes a row out as numbers.
    ///
    /// # Panics
    /// Where there is no such row, or `out` is not [`Matrix::columns`] long.
    pub fn row(&self, row: usize, out: &mut [f32]) {
        assert!(row < self.rows && out.len() == self.columns);
        let (panel, lane) = (row / PANEL, row % PANEL);
        for (block, out) in out.chunks_exact_mut(BLOCK).enumerate() {
            let at = panel * self.blocks() + block;
            let scale = f16::from_bits(self.scales[at * PANEL + lane]).to_f32();
            for (group, out) in out.chunks_exact_mut(4).enumerate() {
                let line = &self.weights[at * (PANEL_BLOCK / 64) + group].0;
                for (out, byte) in out.iter_mut().zip(&line[4 * lane..]) {
                    *out = f32::from((byte ^ 0x80) as i8) * scale;
                }
            }
        }
    }
}

/// Appends numbers to `out` as Q8_0 blocks, the way they are in a file.
///
/// # Errors
/// Where they are no whole blocks, or one is not finite or too large for the scale's `f16`.
pub fn quantise(numbers: &[f32], out: &mut Vec<u8>) -> Result<(), String> {
    if !numbers.len().is_multiple_of(BLOCK) {
        return Err(format!("{} numbers are not blocks of {BLOCK}", numbers.len()));
    }
    out.reserve(numbers.len() / BLOCK * BLOCK_BYTES);
    for block in numbers.chunks_exact(BLOCK) {
        let largest = block.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        let scale = f16::from_f32(largest / 127.0);
        if !scale.is_finite() || block.iter().any(|x| x.is_nan()) {
            return Err("a number is not finite or beyond the range of Q8_0".to_owned());
        }
        let inverse = if scale.to_f32() > 0.0 {
            scale.to_f32().recip()
        } else {
            0.0
        };
        out.extend_from_slice(&scale.to_le_bytes());
        out.extend(
            block
                .iter()
                .map(|x| (x * inverse).round().clamp(-127.0, 127.0) as i8 as u8),
        );
    }
    Ok(())
}
