//! Puts files together whose headers lie, or tell the truth.

/// A safetensors file of this header and so many bytes of data.
pub fn safetensors(header: &str, data: usize) -> Vec<u8> {
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header.as_bytes());
    file.resize(file.len() + data, 0);
    file
}

/// Puts a GGUF file together.
#[derive(Clone)]
pub struct Gguf(pub Vec<u8>);

impl Gguf {
    pub fn new(tensors: u64, entries: u64) -> Self {
        let mut file = b"GGUF\x03\x00\x00\x00".to_vec();
        file.extend_from_slice(&tensors.to_le_bytes());
        file.extend_from_slice(&entries.to_le_bytes());
        Self(file)
    }

    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub fn text(self, text: &str) -> Self {
        self.bytes(&(text.len() as u64).to_le_bytes())
            .bytes(text.as_bytes())
    }

    /// The beginning of an entry: its key and type.
    pub fn key(self, key: &str, kind: u32) -> Self {
        self.text(key).bytes(&kind.to_le_bytes())
    }

    pub fn list(self, kind: u32, length: u64) -> Self {
        self.bytes(&kind.to_le_bytes()).bytes(&length.to_le_bytes())
    }

    pub fn tensor(self, name: &str, dimensions: &[u64], kind: u32, place: u64) -> Self {
        let file = self.text(name).bytes(&(dimensions.len() as u32).to_le_bytes());
        let file = dimensions
            .iter()
            .fold(file, |file, n| file.bytes(&n.to_le_bytes()));
        file.bytes(&kind.to_le_bytes()).bytes(&place.to_le_bytes())
    }

    /// Padding and data.
    pub fn data(mut self, size: usize) -> Self {
        let end = self.0.len().next_multiple_of(32) + size;
        self.0.resize(end, 0);
        self
    }
}
