//! argon2id: a password and its PHC string. The memory it works in is lent, and used again by the next one:
//! an allocator that is asked for 19 MiB by one thread after the other keeps as much for each of them.

use argon2::{
    ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, PasswordHash, Version,
    password_hash::phc::{Output, ParamsString, Salt},
};

const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const TAG_LENGTH: usize = 32;
/// What a stored hash may ask for. More was not written by us: it would only take our memory.
const MAX_MEMORY_KIB: u32 = 128 * 1024;
const MAX_PASSES: u32 = 10;
const MAX_LANES: u32 = 4;
/// Compared where there is nothing to compare: the same effort, and a tag that no password is known to have.
const DUMMY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// What one hash works in. Empty at first; it grows to what is needed.
pub(super) type Memory = Vec<Block>;

/// Whether a memory is worth keeping: a rare hash of more effort needs more than the next one.
pub(super) fn is_usual(memory: &Memory) -> bool {
    memory.len() <= MEMORY_KIB as usize
}

/// The PHC string of a password.
pub(super) fn hash(text: &str, salt: [u8; 16], memory: &mut Memory) -> Result<String, String> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(TAG_LENGTH)).map_err(|e| e.to_string())?;
    let salt = Salt::new(&salt).map_err(|e| e.to_string())?;
    let work = Work {
        version: Version::V0x13,
        params: params.clone(),
        salt,
        length: TAG_LENGTH,
    };
    let hash = PasswordHash {
        algorithm: ARGON2ID_IDENT,
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&params).map_err(|e| e.to_string())?,
        salt: Some(salt),
        hash: Some(work.tag(text, memory)?),
    };
    Ok(hash.to_string())
}

/// A stored hash, read.
pub(super) struct Stored {
    work: Work,
    tag: Output,
}

impl Stored {
    /// Reads a PHC string without computing anything.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let hash = PasswordHash::new(text).map_err(|_| "not a PHC string")?;
        let (Some(tag), Some(salt)) = (hash.hash, hash.salt) else {
            return Err("no whole PHC string");
        };
        if hash.algorithm != ARGON2ID_IDENT {
            return Err("not argon2id");
        }
        let version =
            Version::try_from(hash.version.unwrap_or(0x13)).map_err(|_| "not a version of argon2")?;
        let params = Params::try_from(&hash).map_err(|_| "not the parameters of argon2")?;
        if params.m_cost() > MAX_MEMORY_KIB || params.t_cost() > MAX_PASSES || params.p_cost() > MAX_LANES {
            return Err("parameters beyond what is allowed");
        }
        let work = Work {
            version,
            params,
            salt,
            length: tag.len(),
        };
        Ok(Self { work, tag })
    }

    /// One that no password matches, of the usual effort.
    pub(super) fn dummy() -> Self {
        Self::parse(DUMMY).expect("the constant is one: a test compares with it")
    }

    /// Whether it was made with less effort than is usual now.
    pub(super) fn is_stale(&self) -> bool {
        self.work.params.m_cost() < MEMORY_KIB || self.work.params.t_cost() < PASSES
    }

    /// Whether it is this password's. The tags are compared in constant time.
    pub(super) fn matches(&self, text: &str, memory: &mut Memory) -> Result<bool, String> {
        Ok(self.work.tag(text, memory)? == self.tag)
    }
}

/// What is to be computed.
struct Work {
    version: Version,
    params: Params,
    salt: Salt,
    length: usize,
}

impl Work {
    fn tag(&self, text: &str, memory: &mut Memory) -> Result<Output, String> {
        let blocks = self.params.block_count();
        if memory.len() < blocks {
            memory.resize(blocks, Block::new());
        }
        let argon2 = Argon2::new(Algorithm::Argon2id, self.version, self.params.clone());
        let mut tag = [0; Output::MAX_LENGTH];
        let tag = tag.get_mut(..self.length).ok_or("a tag that is too long")?;
        argon2
            .hash_password_into_with_memory(text.as_bytes(), &self.salt, tag, &mut memory[..blocks])
            .map_err(|e| e.to_string())?;
        Output::new(tag).map_err(|e| e.to_string())
    }
}
