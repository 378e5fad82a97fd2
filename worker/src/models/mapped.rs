//! Safetensors files, mapped: the engine reads weights where they are in the file.

use std::{
    collections::BTreeSet,
    fs::File,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::Arc,
};

use lamplighter_engine::weights::{Number, Tensor, Weights};
use memmap2::{Mmap, UncheckedAdvice};
use safetensors::{Dtype, SafeTensors};

/// The mapped files of a model.
pub struct Mapped {
    maps: Vec<Arc<Mmap>>,
    /// Its tensors of numbers that the engine reads; others, such as tables of positions, are left out.
    pub weights: Weights,
}

impl Mapped {
    /// Maps a safetensors file and finds its tensors.
    ///
    /// # Errors
    /// Why it can't be opened, or what is wrong with its header.
    pub fn open(file: &Path) -> Result<Self, String> {
        let mut mapped = Self {
            maps: Vec::new(),
            weights: Weights::default(),
        };
        mapped.add(file, &mut BTreeSet::new())?;
        Ok(mapped)
    }

    /// Maps the files of a model whose tensors are spread over them.
    ///
    /// # Errors
    /// As [`open`](Self::open), with the file's name. Also where two files have a tensor of one name.
    pub fn open_all(files: &[PathBuf]) -> Result<Self, String> {
        let mut mapped = Self {
            maps: Vec::new(),
            weights: Weights::default(),
        };
        let mut names = BTreeSet::new();
        for file in files {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            mapped
                .add(file, &mut names)
                .map_err(|error| format!("{name}: {error}"))?;
        }
        Ok(mapped)
    }

    fn add(&mut self, file: &Path, names: &mut BTreeSet<String>) -> Result<(), String> {
        let open = File::open(file).map_err(|error| error.to_string())?;
        let size = open.metadata().map_err(|error| error.to_string())?.len();
        // SAFETY: a model's files are put in place by renaming and not written after that.
        let map = unsafe { Mmap::map(&open) }.map_err(|error| match error.kind() {
            ErrorKind::OutOfMemory => {
                // A runner ends where an allocation fails, and its supervisor hears why: so one is made.
                std::hint::black_box(Vec::<u8>::with_capacity(
                    usize::try_from(size).unwrap_or_default(),
                ));
                format!("there is no room for its {size} bytes")
            }
            _ => error.to_string(),
        })?;
        let map = Arc::new(map);
        let (header, metadata) = SafeTensors::read_metadata(&map).map_err(|error| error.to_string())?;
        for (name, info) in metadata.tensors() {
            if !names.insert(name.clone()) {
                return Err(format!("{name}: another file has a tensor of this name"));
            }
            let number = match info.dtype {
                Dtype::F32 => Number::F32,
                Dtype::F16 => Number::F16,
                Dtype::BF16 => Number::Bf16,
                _ => continue,
            };
            let begin = size_of::<u64>() + header;
            let range = begin + info.data_offsets.0..begin + info.data_offsets.1;
            let tensor = Tensor::new(map.clone(), range, number, info.shape.clone())
                .map_err(|error| format!("{name}: {error}"))?;
            self.weights.insert(name, tensor);
        }
        self.maps.push(map);
        Ok(())
    }

    /// Gives the memory back that what was read so far takes; what is read again comes from the file again.
    pub fn release(&self) {
        for map in &self.maps {
            // SAFETY: the map is read-only and of a file: a page that is gone has the same bytes when it returns.
            if let Err(error) = unsafe { map.unchecked_advise(UncheckedAdvice::DontNeed) } {
                tracing::warn!(%error, "the pages of packed weights stay in memory");
            }
        }
    }
}
