//! The smallest rectangle around points, at any angle.

/// A point: x to the right, y downwards.
pub type Point = [f64; 2];

/// The corners of a smallest rectangle that holds all points, clockwise (as seen with y downwards); of no
/// points none. Points on one line give a rectangle without width.
#[must_use]
pub fn smallest(points: &[Point]) -> Option<[Point; 4]> {
    let hull = hull(points);
    let first = *hull.first()?;
    if hull.len() == 1 {
        return Some([first; 4]);
    }
    let mut best: Option<(f64, [Point; 4])> = None;
    for (index, &start) in hull.iter().enumerate() {
        let end = hull[(index + 1) % hull.len()];
        let length = (end[0] - start[0]).hypot(end[1] - start[1]);
        let along = [(end[0] - start[0]) / length, (end[1] - start[1]) / length];
        let (area, corners) = around(&hull, along);
        if best.as_ref().is_none_or(|(least, _)| area < *least) {
            best = Some((area, corners));
        }
    }
    best.map(|(_, corners)| corners)
}

/// The rectangle around points whose sides have the direction `along` or stand upright on it.
fn around(points: &[Point], along: Point) -> (f64, [Point; 4]) {
    let across = [-along[1], along[0]];
    let spread = |axis: Point| {
        points
            .iter()
            .map(|point| point[0] * axis[0] + point[1] * axis[1])
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
                (low.min(value), high.max(value))
            })
    };
    let (left, right) = spread(along);
    let (top, bottom) = spread(across);
    let corner = |a: f64, b: f64| [a * along[0] + b * across[0], a * along[1] + b * across[1]];
    let corners = [
        corner(left, top),
        corner(right, top),
        corner(right, bottom),
        corner(left, bottom),
    ];
    ((right - left) * (bottom - top), corners)
}

/// The convex hull, without points on its edges.
fn hull(points: &[Point]) -> Vec<Point> {
    let mut sorted = points.to_vec();
    sorted.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    sorted.dedup();
    if sorted.len() < 3 {
        return sorted;
    }
    let mut out = chain(sorted.iter().copied());
    out.pop();
    let mut back = chain(sorted.iter().rev().copied());
    back.pop();
    out.extend(back);
    out
}

/// One half of the hull.
fn chain(points: impl Iterator<Item = Point>) -> Vec<Point> {
    let mut out: Vec<Point> = Vec::new();
    for point in points {
        while let [.., a, b] = out[..] {
            let turn = (b[0] - a[0]) * (point[1] - a[1]) - (b[1] - a[1]) * (point[0] - a[0]);
            if turn > 0.0 {
                break;
            }
            out.pop();
        }
        out.push(point);
    }
    out
}
