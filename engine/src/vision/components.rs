//! Connected parts of a map of yes and no.

/// A connected part (over edges, not corners).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Its cells, as indexes into the map, in no certain order.
    pub cells: Vec<usize>,
    /// First column.
    pub left: usize,
    /// First row.
    pub top: usize,
    /// Last column.
    pub right: usize,
    /// Last row.
    pub bottom: usize,
}

/// The connected parts of the cells that are set, in the order of their first cells; `map` has `columns`
/// cells a row. Memory: eight bytes a cell that is set.
#[must_use]
pub fn connected(columns: usize, mut map: Vec<bool>) -> Vec<Component> {
    let rows = map.len() / columns.max(1);
    let open = &mut map;
    let mut found = Vec::new();
    for first in 0..rows * columns {
        if open[first] {
            found.push(spread(open, rows, columns, first));
        }
    }
    found
}

/// Takes all cells that hang together with `first`.
fn spread(open: &mut [bool], rows: usize, columns: usize, first: usize) -> Component {
    let mut part = Component {
        cells: vec![first],
        left: first % columns,
        top: first / columns,
        right: first % columns,
        bottom: first / columns,
    };
    open[first] = false;
    let mut next = 0;
    while let Some(&cell) = part.cells.get(next) {
        next += 1;
        let (row, column) = (cell / columns, cell % columns);
        part.left = part.left.min(column);
        part.right = part.right.max(column);
        part.bottom = part.bottom.max(row);
        let beside = [
            (row > 0).then(|| cell - columns),
            (row + 1 < rows).then(|| cell + columns),
            (column > 0).then(|| cell - 1),
            (column + 1 < columns).then(|| cell + 1),
        ];
        for other in beside.into_iter().flatten() {
            if open[other] {
                open[other] = false;
                part.cells.push(other);
            }
        }
    }
    part
}
