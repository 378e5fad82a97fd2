//! Which tokens of a vocabulary may come next.

use super::{Grammar, State};

/// The bytes of every token that stands for text, in an order that makes one walk enough.
pub(in crate::models::llama) struct Vocabulary {
    /// Tokens by their bytes.
    sorted: Vec<Entry>,
    /// Whether a token, by id, is a whole number of characters that may stand in a string as they are.
    plain: Vec<bool>,
    /// Tokens of one byte, by that byte.
    single: [bool; 256],
    /// Characters of the longest plain token.
    longest: usize,
}

struct Entry {
    id: u32,
    bytes: Box<[u8]>,
    /// Bytes that it begins with as the one before it does.
    shared: usize,
}

impl Vocabulary {
    /// `bytes[id]` is what a token stands for; empty for those that stand for nothing.
    pub(in crate::models::llama) fn new(bytes: &[Vec<u8>]) -> Self {
        let mut order: Vec<u32> = (0..bytes.len() as u32).filter(|&id| !bytes[id as usize].is_empty()).collect();
        order.sort_by(|&a, &b| bytes[a as usize].cmp(&bytes[b as usize]));
        let mut sorted: Vec<Entry> = Vec::with_capacity(order.len());
        for id in order {
            let text: Box<[u8]> = bytes[id as usize].clone().into();
            let shared = sorted.last().map_or(0, |before: &Entry| {
                before.bytes.iter().zip(&text).take_while(|(a, b)| a == b).count()
            });
            sorted.push(Entry {
                id,
                bytes: text,
                shared,
            });
        }
        let mut single = [false; 256];
        for entry in sorted.iter().filter(|entry| entry.bytes.len() == 1) {
            single[usize::from(entry.bytes[0])] = true;
        }
        let chars = |bytes: &Vec<u8>| match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains(|c| matches!(c, '"' | '\\' | ..' ')) => text.chars().count(),
            _ => 0,
        };
        Self {
            plain: bytes.iter().map(|bytes| chars(bytes) > 0).collect(),
            longest: bytes.iter().map(chars).max().unwrap_or(0),
            sorted,
            single,
        }
    }

    /// A byte that closing an output may need, and that no token stands for alone.
    pub(in crate::models::llama) fn lacks(&self, grammar: &Grammar) -> Option<u8> {
        grammar.bytes().into_iter().find(|&byte| !self.single[usize::from(byte)])
    }

    /// For every token, by id, the fewest further tokens after it; none where it may not come at all.
    pub(in crate::models::llama) fn mask(&self, grammar: &Grammar, state: &State, mask: &mut Vec<Option<usize>>) {
        mask.clear();
        mask.resize(self.plain.len(), None);
        // In a string most tokens change nothing.
        let plain = state.room().filter(|room| *room >= self.longest).map(|_| state.close(grammar));
        // `states[n]`: behind the first n bytes of the entry before, as far as it was followed.
        let mut states = vec![state.clone()];
        // So many first bytes of it can't be.
        let mut dead = usize::MAX;
        for entry in &self.sorted {
            if entry.shared >= dead {
                continue;
            }
            dead = usize::MAX;
            states.truncate(entry.shared + 1);
            if plain.is_some() && self.plain[entry.id as usize] {
                mask[entry.id as usize] = plain;
                continue;
            }
            let followed = states.len() - 1;
            for (count, &byte) in (followed + 1..).zip(&entry.bytes[followed..]) {
                match states[count - 1].next(grammar, byte) {
                    Some(next) => states.push(next),
                    None => {
                        dead = count;
                        break;
                    }
                }
            }
            if dead == usize::MAX {
                mask[entry.id as usize] = Some(states[entry.bytes.len()].close(grammar));
            }
        }
    }
}
