//! Where models compute. Only a runner opens a device: the supervisor never does.

use candle_core::Device;

/// The best device this build has: a GPU where the cargo feature and the hardware are there, else the
/// processor. Also gives its name.
pub fn best() -> (Device, &'static str) {
    #[cfg(feature = "cuda")]
    match Device::new_cuda(0) {
        Ok(device) => return (device, "cuda"),
        Err(error) => tracing::warn!(%error, "no CUDA device; the processor is used"),
    }
    #[cfg(feature = "metal")]
    match Device::new_metal(0) {
        Ok(device) => return (device, "metal"),
        Err(error) => tracing::warn!(%error, "no Metal device; the processor is used"),
    }
    (Device::Cpu, "cpu")
}
