//! The values that a pickle builds.

use safetensors::Dtype;

use crate::weights::{
    WeightsError,
    error::{NOT_A_STATE_DICT, OTHER_FORMAT},
};

/// A value's number.
pub(in crate::weights) type Id = u32;

/// A value. Values name each other by number: a list that contains itself is as good as any other.
#[derive(Debug)]
pub(in crate::weights) enum Node<'a> {
    None,
    Bool(bool),
    Int(i64),
    /// A number with a fraction; no state dict depends on its value.
    Float,
    Str(&'a str),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Global),
    /// A place in the list of storages.
    Storage(usize),
    Tensor(TensorRef),
}

/// The names that a state dict may mention. There are no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::weights) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildTensorV2,
    RebuildParameter,
    Storage(Dtype),
}

/// The numbers that a tensor is a view of.
#[derive(Debug, Clone, Copy)]
pub(in crate::weights) struct StorageRef<'a> {
    pub(in crate::weights) key: &'a str,
    pub(in crate::weights) dtype: Dtype,
    /// Elements.
    pub(in crate::weights) count: usize,
}

/// A view of a storage; not checked against it yet.
#[derive(Debug, Clone)]
pub(in crate::weights) struct TensorRef {
    pub(in crate::weights) storage: usize,
    pub(in crate::weights) offset: usize,
    pub(in crate::weights) shape: Vec<usize>,
    pub(in crate::weights) strides: Vec<usize>,
}

impl Global {
    pub(super) fn named(module: &[u8], name: &[u8]) -> Result<Self, WeightsError> {
        let dtype = match (module, name) {
            (b"collections", b"OrderedDict") => return Ok(Self::OrderedDict),
            (b"torch._utils", b"_rebuild_tensor") => return Ok(Self::RebuildTensor),
            (b"torch._utils", b"_rebuild_tensor_v2") => return Ok(Self::RebuildTensorV2),
            (b"torch._utils", b"_rebuild_parameter") => return Ok(Self::RebuildParameter),
            (b"torch", b"DoubleStorage") => Dtype::F64,
            (b"torch", b"FloatStorage") => Dtype::F32,
            (b"torch", b"HalfStorage") => Dtype::F16,
            (b"torch", b"BFloat16Storage") => Dtype::BF16,
            (b"torch", b"LongStorage") => Dtype::I64,
            (b"torch", b"IntStorage") => Dtype::I32,
            (b"torch", b"ShortStorage") => Dtype::I16,
            (b"torch", b"CharStorage") => Dtype::I8,
            (b"torch", b"ByteStorage") => Dtype::U8,
            (b"torch", b"BoolStorage") => Dtype::BOOL,
            _ => return Err(unknown(module, name)),
        };
        Ok(Self::Storage(dtype))
    }
}

fn unknown(module: &[u8], name: &[u8]) -> WeightsError {
    let told = |bytes: &[u8]| {
        let text: String = String::from_utf8_lossy(bytes).chars().take(60).collect();
        text.escape_debug().to_string()
    };
    let advice = if module == b"torch" || module.starts_with(b"torch.storage") {
        OTHER_FORMAT
    } else {
        NOT_A_STATE_DICT
    };
    WeightsError::refused(
        format!(
            "the pickle asks for `{} {}`, which no state dict needs",
            told(module),
            told(name)
        ),
        advice,
    )
}
