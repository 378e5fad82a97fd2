//! The stack machine: one instruction after another, none of them able to do anything but build a value.

use std::collections::HashMap;

use super::{
    node::{Global, Id, Node, StorageRef},
    scalar::{long, text},
};
use crate::weights::{
    WeightsError,
    cursor::Cursor,
    error::{NOT_A_STATE_DICT, TOO_LARGE},
};

/// The most instructions; the largest state dict at hand has 9,000.
const MAX_STEPS: usize = 2_000_000;
/// The most values, of those on the stack, and of those remembered.
const MAX_NODES: usize = 400_000;
/// The most entries of all lists, tuples and dicts, and dimensions of all tensors: a value that is recalled takes two
/// bytes each time and can be a long list that a "call" copies.
const MAX_ENTRIES: usize = 1 << 20;
/// The most open brackets.
const MAX_MARKS: usize = 64;
/// The longest name of a module or a class, in bytes.
const MAX_GLOBAL: usize = 256;

/// What a pickle built.
#[derive(Debug)]
pub(in crate::weights) struct Pickled<'a> {
    pub(in crate::weights) nodes: Vec<Node<'a>>,
    pub(in crate::weights) root: Id,
    pub(in crate::weights) storages: Vec<StorageRef<'a>>,
}

/// Reads one pickle from where `cursor` is, up to and with its last instruction.
pub(in crate::weights) fn run<'a>(cursor: &mut Cursor<'a>) -> Result<Pickled<'a>, WeightsError> {
    let mut machine = Machine::default();
    for _ in 0..MAX_STEPS {
        let at = cursor.at();
        if machine.step(cursor).map_err(|error| located(error, at))? {
            return machine.finish();
        }
    }
    Err(too_much("instructions", MAX_STEPS))
}

fn located(error: WeightsError, at: usize) -> WeightsError {
    match error {
        WeightsError::Refused { problem, advice } => {
            WeightsError::refused(format!("{problem} (byte {at})"), advice)
        }
        other => other,
    }
}

pub(super) fn too_much(of_what: &str, cap: usize) -> WeightsError {
    WeightsError::refused(format!("the pickle has more than {cap} {of_what}"), TOO_LARGE)
}

pub(super) fn senseless(problem: &str) -> WeightsError {
    WeightsError::refused(format!("the pickle {problem}"), NOT_A_STATE_DICT)
}

#[derive(Default)]
pub(super) struct Machine<'a> {
    pub(super) nodes: Vec<Node<'a>>,
    stack: Vec<Id>,
    /// Heights of the stack at which brackets were opened.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
    /// Entries so far.
    entries: usize,
    pub(super) storages: Vec<StorageRef<'a>>,
    /// Places in `storages` by key.
    pub(super) keys: HashMap<&'a str, usize>,
}

impl<'a> Machine<'a> {
    /// Whether it was the last instruction.
    fn step(&mut self, cursor: &mut Cursor<'a>) -> Result<bool, WeightsError> {
        match cursor.u8()? {
            b'.' => return Ok(true),
            0x80 => protocol(cursor.u8()?)?,
            b'(' => self.open()?,
            b'q' => self.remember(u32::from(cursor.u8()?))?,
            b'r' => self.remember(cursor.u32()?)?,
            b'h' => self.recall(u32::from(cursor.u8()?))?,
            b'j' => self.recall(cursor.u32()?)?,
            b'0' => drop(self.pop()?),
            b'R' => self.reduce()?,
            b'b' => self.build()?,
            b'Q' => self.persistent()?,
            b'a' => {
                let item = self.pop()?;
                self.append(&[item])?;
            }
            b'e' => {
                let items = self.close()?;
                self.append(&items)?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set(&[key, value])?;
            }
            b'u' => {
                let items = self.close()?;
                self.set(&items)?;
            }
            other => {
                let node = self.value(other, cursor)?;
                self.push(node)?;
            }
        }
        Ok(false)
    }

    /// The value that an instruction puts on the stack.
    fn value(&mut self, instruction: u8, cursor: &mut Cursor<'a>) -> Result<Node<'a>, WeightsError> {
        Ok(match instruction {
            b'N' => Node::None,
            0x88 => Node::Bool(true),
            0x89 => Node::Bool(false),
            b'J' => Node::Int(i64::from(cursor.i32()?)),
            b'K' => Node::Int(i64::from(cursor.u8()?)),
            b'M' => Node::Int(i64::from(cursor.u16()?)),
            0x8a => long(cursor)?,
            b'G' => {
                cursor.take(8)?;
                Node::Float
            }
            b'X' => {
                let length = cursor.u32()?;
                text(cursor, length as usize)?
            }
            // A string of Python 2.
            b'U' => {
                let length = cursor.u8()?;
                text(cursor, usize::from(length))?
            }
            b'}' => Node::Dict(Vec::new()),
            b']' => Node::List(Vec::new()),
            b')' => Node::Tuple(Vec::new()),
            b't' => {
                let items = self.close()?;
                self.tuple_of(items)?
            }
            0x85..=0x87 => {
                let items = self.last(usize::from(instruction - 0x84))?;
                self.tuple_of(items)?
            }
            b'c' => {
                let module = cursor.line(MAX_GLOBAL)?;
                Node::Global(Global::named(module, cursor.line(MAX_GLOBAL)?)?)
            }
            other => {
                return Err(senseless(&format!(
                    "has the instruction 0x{other:02x}, which no state dict needs"
                )));
            }
        })
    }

    pub(super) fn push(&mut self, node: Node<'a>) -> Result<(), WeightsError> {
        if self.nodes.len() >= MAX_NODES {
            return Err(too_much("values", MAX_NODES));
        }
        let id = self.nodes.len() as Id;
        self.nodes.push(node);
        self.push_id(id)
    }

    pub(super) fn push_id(&mut self, id: Id) -> Result<(), WeightsError> {
        if self.stack.len() >= MAX_NODES {
            return Err(too_much("values at a time", MAX_NODES));
        }
        self.stack.push(id);
        Ok(())
    }

    /// Counts entries that a value is about to have.
    pub(super) fn charge(&mut self, entries: usize) -> Result<(), WeightsError> {
        // A list is no longer than the cap, so this does not overflow.
        self.entries += entries;
        if self.entries > MAX_ENTRIES {
            return Err(too_much("entries", MAX_ENTRIES));
        }
        Ok(())
    }

    fn tuple_of(&mut self, items: Vec<Id>) -> Result<Node<'a>, WeightsError> {
        self.charge(items.len())?;
        Ok(Node::Tuple(items))
    }

    /// The uppermost value; those below an open bracket can't be reached.
    pub(super) fn pop(&mut self) -> Result<Id, WeightsError> {
        if self.stack.len() <= self.marks.last().copied().unwrap_or(0) {
            return Err(senseless("takes a value that is not there"));
        }
        self.stack
            .pop()
            .ok_or_else(|| senseless("takes a value that is not there"))
    }

    /// The last `n` values, the uppermost last.
    fn last(&mut self, n: usize) -> Result<Vec<Id>, WeightsError> {
        let mut items = (0..n).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
        items.reverse();
        Ok(items)
    }

    fn open(&mut self) -> Result<(), WeightsError> {
        if self.marks.len() >= MAX_MARKS {
            return Err(too_much("open brackets", MAX_MARKS));
        }
        self.marks.push(self.stack.len());
        Ok(())
    }

    /// The values since the last open bracket.
    fn close(&mut self) -> Result<Vec<Id>, WeightsError> {
        let mark = self
            .marks
            .pop()
            .ok_or_else(|| senseless("closes a bracket that is not open"))?;
        Ok(self.stack.split_off(mark))
    }

    fn top(&mut self) -> Result<&mut Node<'a>, WeightsError> {
        let id = self.pop()?;
        self.stack.push(id);
        Ok(&mut self.nodes[id as usize])
    }

    fn append(&mut self, items: &[Id]) -> Result<(), WeightsError> {
        self.charge(items.len())?;
        match self.top()? {
            Node::List(list) => list.extend(items),
            _ => return Err(senseless("appends to what is no list")),
        }
        Ok(())
    }

    fn set(&mut self, items: &[Id]) -> Result<(), WeightsError> {
        self.charge(items.len())?;
        let (pairs, rest) = items.as_chunks::<2>();
        match self.top()? {
            Node::Dict(dict) if rest.is_empty() => {
                dict.extend(pairs.iter().map(|[key, value]| (*key, *value)))
            }
            _ => return Err(senseless("sets entries of what is no dict")),
        }
        Ok(())
    }

    fn remember(&mut self, key: u32) -> Result<(), WeightsError> {
        if self.memo.len() >= MAX_NODES {
            return Err(too_much("remembered values", MAX_NODES));
        }
        let id = self.pop()?;
        self.stack.push(id);
        self.memo.insert(key, id);
        Ok(())
    }

    fn recall(&mut self, key: u32) -> Result<(), WeightsError> {
        match self.memo.get(&key) {
            Some(id) => self.push_id(*id),
            None => Err(senseless("recalls what it has not remembered")),
        }
    }

    fn finish(mut self) -> Result<Pickled<'a>, WeightsError> {
        let root = self.pop()?;
        if !self.stack.is_empty() || !self.marks.is_empty() {
            return Err(senseless("ends with values left over"));
        }
        Ok(Pickled {
            nodes: self.nodes,
            root,
            storages: self.storages,
        })
    }
}

fn protocol(version: u8) -> Result<(), WeightsError> {
    match version {
        2 | 3 => Ok(()),
        _ => Err(senseless(&format!("has version {version}, and torch writes 2"))),
    }
}
