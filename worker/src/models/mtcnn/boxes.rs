//! Boxes that may be faces: refining, squaring, and keeping the best of those that overlap.

/// A box that may be a face, in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Left, top, right, bottom.
    pub sides: [f32; 4],
    /// From 0 to 1.
    pub score: f32,
    /// How far each side is off, in widths and heights of the box.
    pub offsets: [f32; 4],
    /// Eyes, nose, corners of the mouth: x and y; zeros before the last stage.
    pub points: [[f32; 2]; 5],
}

/// What the overlap of two boxes is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlap {
    /// The area that the two cover together; a side is as long as its ends are apart.
    Union,
    /// The area of the smaller one; a side has a pixel more.
    Smaller,
}

impl Candidate {
    /// Moves the sides by the offsets. `more` is what a side is longer than its ends are apart.
    pub fn moved(mut self, more: f32) -> Self {
        let [left, top, right, bottom] = self.sides;
        let (width, height) = (right - left + more, bottom - top + more);
        let by = [width, height, width, height];
        for (side, (offset, length)) in self.sides.iter_mut().zip(self.offsets.iter().zip(by)) {
            *side += offset * length;
        }
        self
    }

    /// Makes it a square around the same middle, as long as the longer side.
    pub fn squared(mut self) -> Self {
        let [left, top, right, bottom] = self.sides;
        let (width, height) = (right - left, bottom - top);
        let side = width.max(height);
        let (left, top) = (left + width * 0.5 - side * 0.5, top + height * 0.5 - side * 0.5);
        self.sides = [left, top, left + side, top + side];
        self
    }

    /// The part of a picture that it covers: first column and row, columns and rows. None where it lies
    /// outside.
    pub fn window(&self, width: usize, height: usize) -> Option<[usize; 4]> {
        let [left, top, right, bottom] = self.sides.map(|side| side.trunc() as i64);
        let (left, top) = (left.max(1) - 1, top.max(1) - 1);
        let (right, bottom) = (right.min(width as i64), bottom.min(height as i64));
        (right > left && bottom > top)
            .then(|| [left, top, right - left, bottom - top].map(|side| side as usize))
    }

    fn overlap(&self, other: &Self, kind: Overlap) -> f32 {
        let more = if kind == Overlap::Smaller { 1.0 } else { 0.0 };
        let area = |c: &Self| (c.sides[2] - c.sides[0] + more) * (c.sides[3] - c.sides[1] + more);
        let length = |from: usize, to: usize| {
            let (first, last) = (
                self.sides[from].max(other.sides[from]),
                self.sides[to].min(other.sides[to]),
            );
            (last - first + more).max(0.0)
        };
        let both = length(0, 2) * length(1, 3);
        match kind {
            Overlap::Union => both / (area(self) + area(other) - both),
            Overlap::Smaller => both / area(self).min(area(other)),
        }
    }
}

/// The best of those that overlap by more than `most`, the surest first; at most `count`, and of twice as many
/// that are looked at, so that the work is bounded.
pub fn best(mut candidates: Vec<Candidate>, most: f32, kind: Overlap, count: usize) -> Vec<Candidate> {
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
    candidates.truncate(count * 2);
    let mut kept: Vec<Candidate> = Vec::new();
    for candidate in candidates {
        if kept.len() == count {
            break;
        }
        // What is not a number overlaps with nothing, as in the original.
        if !kept.iter().any(|better| better.overlap(&candidate, kind) > most) {
            kept.push(candidate);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(sides: [f32; 4], score: f32) -> Candidate {
        Candidate {
            sides,
            score,
            offsets: [0.1, -0.1, 0.0, 0.5],
            points: [[0.0; 2]; 5],
        }
    }

    #[test]
    fn the_surer_of_two_that_overlap_stays() {
        let all = vec![
            candidate([0.0, 0.0, 10.0, 10.0], 0.7),
            candidate([1.0, 0.0, 11.0, 10.0], 0.9),
            candidate([50.0, 50.0, 60.0, 60.0], 0.8),
        ];
        let scores = |kept: Vec<Candidate>| kept.iter().map(|c| c.score).collect::<Vec<_>>();
        assert_eq!(scores(best(all.clone(), 0.5, Overlap::Union, 9)), [0.9, 0.8]);
        // They share 90 of 110.
        assert_eq!(
            scores(best(all.clone(), 0.82, Overlap::Union, 9)),
            [0.9, 0.8, 0.7]
        );
        assert_eq!(scores(best(all.clone(), 0.5, Overlap::Union, 1)), [0.9]);
        assert_eq!(scores(best(all, 0.0, Overlap::Union, 2)), [0.9, 0.8]);
        let inside = vec![
            candidate([0.0, 0.0, 99.0, 99.0], 0.9),
            candidate([5.0, 5.0, 9.0, 9.0], 0.8),
        ];
        assert_eq!(scores(best(inside.clone(), 0.7, Overlap::Union, 9)).len(), 2);
        assert_eq!(scores(best(inside, 0.7, Overlap::Smaller, 9)).len(), 1);
    }

    #[test]
    fn boxes_are_moved_squared_and_cut() {
        let moved = candidate([10.0, 10.0, 20.0, 30.0], 0.9).moved(0.0);
        assert_eq!(moved.sides, [11.0, 8.0, 20.0, 40.0]);
        assert_eq!(
            candidate([10.0, 10.0, 20.0, 30.0], 0.9).squared().sides,
            [5.0, 10.0, 25.0, 30.0]
        );
        let window = |sides| candidate(sides, 0.5).window(100, 50);
        assert_eq!(window([-5.0, 3.7, 20.2, 70.0]), Some([0, 2, 20, 48]));
        assert_eq!(window([101.0, 3.0, 120.0, 20.0]), None);
        assert_eq!(window([5.0, -30.0, 9.0, -3.0]), None);
        assert_eq!(window([f32::NAN; 4]), None);
    }
}
