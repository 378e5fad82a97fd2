//! Follows a text byte by byte: is it still the beginning of a value that fits the grammar?

use std::sync::Arc;

use super::{
    close::rest,
    grammar::{FREE_DEPTH, Field, Grammar, Id, Node},
    scalars::{Number, Text},
};

/// White space between two tokens, bytes at most: a model in doubt would go on for ever.
const MAX_BLANK: u8 = 20;

/// Where a text stands. Clones are cheap.
#[derive(Debug, Clone)]
pub(in crate::models::llama) struct State {
    pub(super) mode: Mode,
    blank: u8,
    pub(super) open: Option<Arc<Open>>,
}

/// What is open around the place, innermost first.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) frame: Frame,
    below: Option<Arc<Open>>,
    depth: usize,
    /// The fewest bytes from the end of this to the end of the text.
    pub(super) outside: usize,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Frame {
    /// An object with fields; the next may be this one or a later one.
    Fields(Id, usize),
    /// An object with any keys.
    Free(Id),
    /// A list with so many items.
    List(Id, usize),
}

impl Frame {
    /// Where the value at hand is counted, as it will be when it ends.
    pub(super) fn counted(self) -> Self {
        match self {
            Self::List(id, count) => Self::List(id, count + 1),
            other => other,
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Mode {
    /// Before a value.
    Value(Id),
    /// Behind `{`.
    FirstKey,
    /// Behind a comma in an object.
    NextKey,
    /// In the key of a field: which one it may be, and bytes of it so far.
    Key(usize, usize),
    /// Behind a key; then comes such a value.
    Colon(Id),
    /// Behind `[`.
    FirstItem,
    /// Behind a value.
    After,
    /// In a string.
    Text(Text),
    /// In one of the texts of a node: which it may be, and bytes of it so far.
    Literal(Id, usize, usize),
    /// In one of `true`, `false`, `null`, so many bytes of it.
    Word(&'static [u8], usize),
    /// In a number.
    Number(Number),
}

impl State {
    /// Before the first byte.
    pub(in crate::models::llama) fn new(grammar: &Grammar) -> Self {
        Self {
            mode: Mode::Value(grammar.root),
            blank: 0,
            open: None,
        }
    }

    /// Behind one more byte; none if the text could not go on with it.
    pub(in crate::models::llama) fn next(&self, grammar: &Grammar, byte: u8) -> Option<Self> {
        let between = !matches!(
            self.mode,
            Mode::Key(..) | Mode::Text(_) | Mode::Literal(..) | Mode::Word(..)
        );
        if between && matches!(byte, b' ' | b'\n' | b'\t') {
            return self.blank();
        }
        match self.mode {
            Mode::Value(id) => self.value(grammar, id, byte),
            Mode::FirstKey if byte == b'}' => self.closed(grammar),
            Mode::FirstKey | Mode::NextKey => self.key(grammar, byte),
            Mode::Key(field, at) => self.in_key(grammar, (field, at), byte),
            Mode::Colon(id) => (byte == b':').then(|| self.with(Mode::Value(id))),
            Mode::FirstItem if byte == b']' => self.closed(grammar),
            Mode::FirstItem => {
                let item = self.item(grammar)?;
                self.value(grammar, item, byte)
            }
            Mode::After => self.after(grammar, byte),
            Mode::Text(text) => self.text(grammar, text, byte),
            Mode::Literal(id, which, at) => self.literal(grammar, (id, which, at), byte),
            Mode::Word(word, at) => match word.get(at) {
                Some(&expected) if expected == byte => match at + 1 == word.len() {
                    true => self.ended(grammar),
                    false => Some(self.with(Mode::Word(word, at + 1))),
                },
                _ => None,
            },
            Mode::Number(number) => match number.next(byte) {
                Some(number) => Some(self.with(Mode::Number(number))),
                None if number.may_end() => self.ended(grammar)?.next(grammar, byte),
                None => None,
            },
        }
    }

    /// Whether the text is a value that nothing can follow.
    pub(in crate::models::llama) fn is_whole(&self) -> bool {
        self.open.is_none() && matches!(self.mode, Mode::After)
    }

    /// Whether the text is a value as it stands, though it could go on.
    pub(in crate::models::llama) fn may_end(&self, grammar: &Grammar) -> bool {
        let ended = match self.mode {
            Mode::After => true,
            Mode::Number(number) => number.may_end(),
            Mode::Literal(id, which, at) => match &grammar.nodes[id] {
                Node::Literal(texts) => texts.iter().any(|text| text[..] == texts[which][..at]),
                _ => false,
            },
            _ => false,
        };
        self.open.is_none() && ended
    }

    /// Characters that the string at hand may still take, none of which changes how it closes.
    pub(super) fn room(&self) -> Option<usize> {
        match self.mode {
            Mode::Text(text) => text.room(),
            _ => None,
        }
    }

    fn with(&self, mode: Mode) -> Self {
        Self {
            mode,
            blank: 0,
            open: self.open.clone(),
        }
    }

    fn blank(&self) -> Option<Self> {
        let mode = match self.mode {
            Mode::Number(number) if number.may_end() => Mode::After,
            Mode::Number(_) => return None,
            mode => mode,
        };
        // Behind the whole value there is nothing.
        let inside = self.open.is_some() && self.blank < MAX_BLANK;
        inside.then(|| Self {
            mode,
            blank: self.blank + 1,
            open: self.open.clone(),
        })
    }

    pub(super) fn frame(&self) -> Option<Frame> {
        self.open.as_ref().map(|open| open.frame)
    }

    fn depth(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.depth)
    }

    /// Inside one more.
    fn pushed(&self, grammar: &Grammar, frame: Frame, mode: Mode) -> Self {
        let below = self.open.clone();
        let open = Open {
            depth: self.depth() + 1,
            outside: below.as_ref().map_or(0, |open| {
                open.outside.saturating_add(rest(grammar, open.frame.counted()))
            }),
            frame,
            below,
        };
        Self {
            mode,
            blank: 0,
            open: Some(Arc::new(open)),
        }
    }

    /// The innermost thing that is open changes.
    fn changed(&self, grammar: &Grammar, frame: Frame, mode: Mode) -> Self {
        let below = self.open.as_ref().and_then(|open| open.below.clone());
        let outer = Self {
            mode,
            blank: 0,
            open: below,
        };
        outer.pushed(grammar, frame, mode)
    }

    /// A value has ended.
    fn ended(&self, grammar: &Grammar) -> Option<Self> {
        match self.frame() {
            Some(Frame::List(id, count)) => {
                Some(self.changed(grammar, Frame::List(id, count + 1), Mode::After))
            }
            _ => Some(self.with(Mode::After)),
        }
    }

    /// The innermost thing that is open ends, where it may.
    fn closed(&self, grammar: &Grammar) -> Option<Self> {
        let complete = match self.frame()? {
            Frame::Fields(id, next) => match &grammar.nodes[id] {
                Node::Fields { fields, .. } => fields[next..].iter().all(|field| !field.required),
                _ => false,
            },
            Frame::Free(_) => true,
            Frame::List(id, count) => match &grammar.nodes[id] {
                Node::List { min, .. } => count >= *min,
                _ => true,
            },
        };
        let below = self.open.as_ref().and_then(|open| open.below.clone());
        let outer = Self {
            mode: Mode::After,
            blank: 0,
            open: below,
        };
        if complete { outer.ended(grammar) } else { None }
    }

    fn value(&self, grammar: &Grammar, id: Id, byte: u8) -> Option<Self> {
        match &grammar.nodes[id] {
            Node::Any => self.any(grammar, id, byte),
            Node::Fields { .. } => {
                (byte == b'{').then(|| self.pushed(grammar, Frame::Fields(id, 0), Mode::FirstKey))
            }
            Node::Free(value) => {
                (byte == b'{').then(|| self.pushed(grammar, Frame::Free(*value), Mode::FirstKey))
            }
            Node::List { .. } => {
                (byte == b'[').then(|| self.pushed(grammar, Frame::List(id, 0), Mode::FirstItem))
            }
            Node::Text { min, max } => {
                (byte == b'"').then(|| self.with(Mode::Text(Text::new(None, *min, *max))))
            }
            Node::Literal(_) => self.literal(grammar, (id, 0, 0), byte),
            Node::Number { integer, unsigned } => {
                let number = Number::new(*integer, byte).filter(|_| byte != b'-' || !unsigned)?;
                Some(self.with(Mode::Number(number)))
            }
            Node::Choice(ids) => {
                let chosen = ids.iter().find(|&&id| grammar.begins(id, byte))?;
                self.value(grammar, *chosen, byte)
            }
        }
    }

    fn any(&self, grammar: &Grammar, id: Id, byte: u8) -> Option<Self> {
        let deeper = self.depth() < FREE_DEPTH;
        Some(match byte {
            b'{' if deeper => self.pushed(grammar, Frame::Free(id), Mode::FirstKey),
            b'[' if deeper => self.pushed(grammar, Frame::List(id, 0), Mode::FirstItem),
            b'"' => self.with(Mode::Text(Text::new(None, 0, usize::MAX))),
            b't' => self.with(Mode::Word(b"true", 1)),
            b'f' => self.with(Mode::Word(b"false", 1)),
            b'n' => self.with(Mode::Word(b"null", 1)),
            _ => self.with(Mode::Number(Number::new(false, byte)?)),
        })
    }

    /// What the list at hand takes next, where it takes another.
    fn item(&self, grammar: &Grammar) -> Option<Id> {
        match self.frame()? {
            Frame::List(id, count) => match &grammar.nodes[id] {
                Node::List { item, max, .. } => (count < *max).then_some(*item),
                // A list of anything.
                _ => Some(id),
            },
            _ => None,
        }
    }

    fn key(&self, grammar: &Grammar, byte: u8) -> Option<Self> {
        match self.frame()? {
            Frame::Free(value) => {
                (byte == b'"').then(|| self.with(Mode::Text(Text::new(Some(value), 0, usize::MAX))))
            }
            Frame::Fields(_, next) => self.in_key(grammar, (next, 0), byte),
            Frame::List(..) => None,
        }
    }

    /// The fields whose turn it is: those up to the first that may not be left out.
    pub(super) fn turn(grammar: &Grammar, id: Id, next: usize) -> impl Iterator<Item = (usize, &Field)> {
        let fields = match &grammar.nodes[id] {
            Node::Fields { fields, .. } => &fields[next..],
            _ => &[],
        };
        let count = fields
            .iter()
            .position(|f| f.required)
            .map_or(fields.len(), |n| n + 1);
        fields[..count]
            .iter()
            .enumerate()
            .map(move |(n, field)| (next + n, field))
    }

    fn in_key(&self, grammar: &Grammar, (field, at): (usize, usize), byte: u8) -> Option<Self> {
        let Frame::Fields(id, next) = self.frame()? else {
            return None;
        };
        let so_far: Vec<u8> = match &grammar.nodes[id] {
            Node::Fields { fields, .. } => fields.get(field)?.key[..at].to_vec(),
            _ => return None,
        };
        let (which, found) = Self::turn(grammar, id, next)
            .find(|(_, f)| f.key.starts_with(&so_far) && f.key.get(at) == Some(&byte))?;
        // Quotes end it, so no key is the beginning of another.
        Some(match at + 1 == found.key.len() {
            true => self.changed(grammar, Frame::Fields(id, which + 1), Mode::Colon(found.value)),
            false => self.with(Mode::Key(which, at + 1)),
        })
    }

    fn after(&self, grammar: &Grammar, byte: u8) -> Option<Self> {
        match (self.frame()?, byte) {
            (Frame::Fields(..) | Frame::Free(_), b'}') | (Frame::List(..), b']') => self.closed(grammar),
            (Frame::Free(_), b',') => Some(self.with(Mode::NextKey)),
            (Frame::Fields(id, next), b',') => {
                Self::turn(grammar, id, next).next()?;
                Some(self.with(Mode::NextKey))
            }
            (Frame::List(..), b',') => Some(self.with(Mode::Value(self.item(grammar)?))),
            _ => None,
        }
    }

    fn text(&self, grammar: &Grammar, text: Text, byte: u8) -> Option<Self> {
        if !text.ends(byte) {
            return Some(self.with(Mode::Text(text.next(byte)?)));
        }
        match text.key_of {
            Some(value) => Some(self.with(Mode::Colon(value))),
            None => self.ended(grammar),
        }
    }

    fn literal(&self, grammar: &Grammar, (id, which, at): (Id, usize, usize), byte: u8) -> Option<Self> {
        let Node::Literal(texts) = &grammar.nodes[id] else {
            return None;
        };
        let so_far = &texts.get(which)?[..at];
        // They are in order: the first that goes on with this byte, if one does.
        let before = |text: &Vec<u8>| (&text[..text.len().min(at)], text.get(at)) < (so_far, Some(&byte));
        let first = texts.partition_point(before);
        let goes_on = |text: &&Vec<u8>| text.starts_with(so_far) && text.get(at) == Some(&byte);
        match texts.get(first).filter(goes_on) {
            // Of two numbers one may be the beginning of the other, which is the next then.
            Some(text) if text.len() == at + 1 => match texts.get(first + 1) {
                Some(longer) if longer.starts_with(text) => Some(self.with(Mode::Literal(id, first, at + 1))),
                _ => self.ended(grammar),
            },
            Some(_) => Some(self.with(Mode::Literal(id, first, at + 1))),
            None if at > 0 && texts.binary_search_by(|text| text[..].cmp(so_far)).is_ok() => {
                self.ended(grammar)?.next(grammar, byte)
            }
            None => None,
        }
    }
}
