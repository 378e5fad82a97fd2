//! What a value may look like: the nodes that a schema was compiled to, and the fewest bytes each can take.

/// Index of a node in its grammar.
pub(super) type Id = usize;

/// Values nest so deep at most where a schema does not say how.
pub(super) const FREE_DEPTH: usize = 32;

/// One kind of value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// Any value.
    Any,
    /// An object with these fields, in this order.
    Fields {
        /// The fields.
        fields: Vec<Field>,
        /// `rest[n]`: the fewest bytes from after the value before field `n` to the end of the object.
        rest: Vec<usize>,
    },
    /// An object with any keys, and values of one kind.
    Free(Id),
    /// A list.
    List {
        /// What is in it.
        item: Id,
        /// At least so many.
        min: usize,
        /// At most so many.
        max: usize,
    },
    /// A string of so many characters.
    Text {
        /// At least.
        min: usize,
        /// At most.
        max: usize,
    },
    /// One of these values, as they are written.
    Literal(Vec<Vec<u8>>),
    /// A number.
    Number {
        /// Without fraction and exponent.
        integer: bool,
        /// Without a minus.
        unsigned: bool,
    },
    /// One of these nodes; the first byte tells which.
    Choice(Vec<Id>),
}

/// A field of an object.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    /// The key as it is written, quotes included.
    pub key: Vec<u8>,
    /// Its value.
    pub value: Id,
    /// Whether it may not be left out.
    pub required: bool,
}

/// What an output must look like.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::models::llama) struct Grammar {
    pub(super) nodes: Vec<Node>,
    /// The fewest bytes of each node's value.
    pub(super) least: Vec<usize>,
    pub(super) root: Id,
}

impl Grammar {
    /// Any object.
    pub(in crate::models::llama) fn any_object() -> Self {
        let nodes = vec![Node::Any, Node::Free(0)];
        Self {
            least: vec![1, 2],
            nodes,
            root: 1,
        }
    }

    /// The fewest tokens that a whole output takes, at one byte a token.
    pub(in crate::models::llama) fn least(&self) -> usize {
        self.least[self.root]
    }

    /// Every byte that closing an output may need.
    pub(in crate::models::llama) fn bytes(&self) -> Vec<u8> {
        // Structure, digits, letters of names, and how a character that has begun can end.
        let mut bytes = b"\"{}[],:0".to_vec();
        bytes.extend([0x80, 0x90, 0xa0]);
        for node in &self.nodes {
            match node {
                Node::Literal(texts) => bytes.extend(texts.iter().flatten()),
                Node::Fields { fields, .. } => bytes.extend(fields.iter().flat_map(|field| &field.key)),
                _ => {}
            }
        }
        bytes.sort_unstable();
        bytes.dedup();
        bytes
    }

    /// Whether a value of `id` may begin with `byte`.
    pub(super) fn begins(&self, id: Id, byte: u8) -> bool {
        match &self.nodes[id] {
            Node::Any => matches!(byte, b'{' | b'[' | b'"' | b't' | b'f' | b'n' | b'-' | b'0'..=b'9'),
            Node::Fields { .. } | Node::Free(_) => byte == b'{',
            Node::List { .. } => byte == b'[',
            Node::Text { .. } => byte == b'"',
            Node::Literal(texts) => texts.iter().any(|text| text.first() == Some(&byte)),
            Node::Number { unsigned, .. } => byte.is_ascii_digit() || byte == b'-' && !unsigned,
            Node::Choice(ids) => ids.iter().any(|&id| self.begins(id, byte)),
        }
    }
}

/// The fewest bytes of a value of `node`, given those of the nodes before it; too many to count is `usize::MAX`.
pub(super) fn least(node: &Node, least: &[usize]) -> usize {
    match node {
        Node::Any | Node::Number { .. } => 1,
        Node::Free(_) => 2,
        // `{`, then as if a value came before the first field, without that comma.
        Node::Fields { fields, rest } => {
            let comma = usize::from(fields.iter().any(|field| field.required));
            rest[0].saturating_add(1) - comma
        }
        Node::List { item, min, .. } => match min {
            0 => 2,
            n => least[*item].saturating_add(1).saturating_mul(*n).saturating_add(1),
        },
        Node::Text { min, .. } => min.saturating_add(2),
        Node::Literal(texts) => texts.iter().map(Vec::len).min().unwrap_or(0),
        Node::Choice(ids) => ids.iter().map(|&id| least[id]).min().unwrap_or(0),
    }
}

/// What [`Node::Fields`] keeps as `rest`.
pub(super) fn rests(fields: &[Field], least: &[usize]) -> Vec<usize> {
    // The closing brace.
    let mut rest = vec![1_usize];
    for field in fields.iter().rev() {
        let after = rest[rest.len() - 1];
        let here = match field.required {
            // A comma and a colon.
            true => after.saturating_add(field.key.len() + 2).saturating_add(least[field.value]),
            false => after,
        };
        rest.push(here);
    }
    rest.reverse();
    rest
}
