//! What a GGUF file says of its tokenizer.

use candle_core::quantized::gguf_file::{Content, Value};
use lamplighter_shared::job::JobError;

use crate::models::unavailable;

/// The entries of the file about its tokenizer.
pub(super) struct Meta<'a>(pub &'a Content);

impl Meta<'_> {
    fn get(&self, key: &str) -> Option<&Value> {
        self.0.metadata.get(&format!("tokenizer.ggml.{key}"))
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.get(key)?.to_string().ok().map(String::as_str)
    }

    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        self.get(key)?.to_bool().ok()
    }

    pub(super) fn id(&self, key: &str) -> Option<u32> {
        number(self.get(key)?).and_then(|id| u32::try_from(id).ok())
    }

    pub(super) fn texts(&self, key: &str) -> Result<Vec<String>, JobError> {
        let broken = || unavailable(format!("the file has no list of texts tokenizer.ggml.{key}"));
        let list = self
            .get(key)
            .and_then(|value| value.to_vec().ok())
            .ok_or_else(broken)?;
        let text = |value: &Value| value.to_string().ok().cloned();
        list.iter()
            .map(text)
            .collect::<Option<Vec<String>>>()
            .ok_or_else(broken)
    }

    pub(super) fn numbers(&self, key: &str) -> Vec<i64> {
        let list = self.get(key).and_then(|value| value.to_vec().ok());
        list.map_or_else(Vec::new, |list| {
            list.iter().map(|v| number(v).unwrap_or(0)).collect()
        })
    }
}

fn number(value: &Value) -> Option<i64> {
    match value {
        Value::U8(n) => Some(i64::from(*n)),
        Value::I8(n) => Some(i64::from(*n)),
        Value::U16(n) => Some(i64::from(*n)),
        Value::I16(n) => Some(i64::from(*n)),
        Value::U32(n) => Some(i64::from(*n)),
        Value::I32(n) => Some(i64::from(*n)),
        Value::U64(n) => i64::try_from(*n).ok(),
        Value::I64(n) => Some(*n),
        _ => None,
    }
}
