//! How many bytes the shortest end of a text takes. Exact, not a bound: some next byte always makes it one less.

use super::{
    grammar::{Field, Grammar, Id, Node},
    machine::{Frame, Mode, State},
};

/// The fewest bytes from behind a value in `frame` to the end of it.
pub(super) fn rest(grammar: &Grammar, frame: Frame) -> usize {
    match frame {
        Frame::Free(_) => 1,
        Frame::Fields(id, next) => match &grammar.nodes[id] {
            Node::Fields { rest, .. } => rest[next],
            _ => 1,
        },
        Frame::List(id, count) => match &grammar.nodes[id] {
            Node::List { item, min, .. } => grammar.least[*item]
                .saturating_add(1)
                .saturating_mul(min.saturating_sub(count))
                .saturating_add(1),
            _ => 1,
        },
    }
}

impl State {
    /// The fewest bytes to the end of the text.
    pub(in crate::models::llama) fn close(&self, grammar: &Grammar) -> usize {
        let outside = self.open.as_ref().map_or(0, |open| open.outside);
        outside.saturating_add(self.close_inner(grammar))
    }

    /// To the end of the innermost thing that is open.
    fn close_inner(&self, grammar: &Grammar) -> usize {
        let least = |id: Id| grammar.least[id];
        match self.mode {
            Mode::Value(id) => least(id).saturating_add(self.rest_after(grammar)),
            Mode::FirstKey | Mode::FirstItem => match self.frame() {
                // The bracket is there already.
                Some(Frame::Fields(id, _)) => least(id) - 1,
                Some(Frame::List(id, _)) if matches!(grammar.nodes[id], Node::List { .. }) => least(id) - 1,
                _ => 1,
            },
            Mode::NextKey => match self.frame() {
                // Quotes, a colon, the value, a brace.
                Some(Frame::Free(value)) => least(value).saturating_add(4),
                Some(Frame::Fields(id, next)) => self.fields(grammar, (id, next), |_| Some(0)),
                _ => 0,
            },
            Mode::Key(field, at) => match self.frame() {
                Some(Frame::Fields(id, next)) => {
                    let key = State::turn(grammar, id, next).find(|(n, _)| *n == field);
                    let so_far = key.map_or(&[][..], |(_, f)| &f.key[..at]);
                    self.fields(grammar, (id, next), |f| f.key.starts_with(so_far).then_some(at))
                }
                _ => 0,
            },
            Mode::Colon(id) => least(id)
                .saturating_add(1)
                .saturating_add(self.rest_after(grammar)),
            Mode::After => self.frame().map_or(0, |frame| rest(grammar, frame)),
            Mode::Text(text) => {
                let value = text.key_of.map_or(0, |id| least(id).saturating_add(1));
                text.close()
                    .saturating_add(value)
                    .saturating_add(self.rest_after(grammar))
            }
            Mode::Literal(id, which, at) => match &grammar.nodes[id] {
                Node::Literal(texts) => {
                    let so_far = &texts[which][..at];
                    let lengths = texts.iter().filter(|text| text.starts_with(so_far)).map(Vec::len);
                    (lengths.min().unwrap_or(at) - at).saturating_add(self.rest_after(grammar))
                }
                _ => 0,
            },
            Mode::Word(word, at) => (word.len() - at).saturating_add(self.rest_after(grammar)),
            Mode::Number(number) => usize::from(!number.may_end()).saturating_add(self.rest_after(grammar)),
        }
    }

    /// What comes after the value at hand.
    fn rest_after(&self, grammar: &Grammar) -> usize {
        self.frame().map_or(0, |frame| rest(grammar, frame.counted()))
    }

    /// To the end of an object, over the shortest of the fields whose turn it is and that `written` tells how
    /// many bytes of the key of are there.
    fn fields(
        &self,
        grammar: &Grammar,
        (id, next): (Id, usize),
        written: impl Fn(&Field) -> Option<usize>,
    ) -> usize {
        let through = |(n, field): (usize, &Field)| {
            let key = field.key.len() - written(field)?;
            let value = grammar.least[field.value].saturating_add(1);
            Some(
                value
                    .saturating_add(key)
                    .saturating_add(rest(grammar, Frame::Fields(id, n + 1))),
            )
        };
        State::turn(grammar, id, next)
            .filter_map(through)
            .min()
            .unwrap_or(0)
    }
}
