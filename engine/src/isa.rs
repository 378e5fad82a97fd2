//! Which instructions kernels use: chosen when the program runs, so that one binary serves every
//! processor of its architecture.

use std::{fmt, str::FromStr, sync::OnceLock};

/// The environment variable that chooses instructions in place of [`Isa::detect`]: `avx512`, `avx2`,
/// `neon` or `portable`. It is read once.
pub const VARIABLE: &str = "LAMPLIGHTER_ISA";

/// A set of instructions that kernels are written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Isa {
    /// x86-64 with AVX-512 F, BW, VL and DQ (and FMA): 16 numbers at a time.
    Avx512,
    /// x86-64 with AVX2 and FMA: 8 numbers at a time.
    Avx2,
    /// AArch64: 4 numbers at a time.
    Neon,
    /// What any processor has; the compiler makes of it what it can.
    Portable,
}

impl Isa {
    /// Every set there is, the best first.
    pub const ALL: [Self; 4] = [Self::Avx512, Self::Avx2, Self::Neon, Self::Portable];

    /// Its name, as [`VARIABLE`] takes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Neon => "neon",
            Self::Portable => "portable",
        }
    }

    /// Whether this processor has it.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            Self::Neon => cfg!(target_arch = "aarch64"),
            Self::Avx512 => avx512(),
            Self::Avx2 => avx2(),
        }
    }

    /// The sets this processor has, the best first; the last is [`Isa::Portable`].
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|isa| isa.is_available())
    }

    /// The best set this processor has.
    #[must_use]
    pub fn detect() -> Self {
        Self::available().next().unwrap_or(Self::Portable)
    }

    /// The set to use where nobody asks for one: that of [`VARIABLE`], else the best.
    ///
    /// # Errors
    /// Where the variable names none, or one that this processor lacks: what it says, in words. It was set
    /// to have something certain, so nothing else is taken for it.
    pub fn choose() -> Result<Self, String> {
        static CHOICE: OnceLock<Result<Isa, String>> = OnceLock::new();
        CHOICE
            .get_or_init(|| match std::env::var_os(VARIABLE) {
                None => Ok(Self::detect()),
                Some(name) => Self::named(&name.to_string_lossy()),
            })
            .clone()
    }

    fn named(name: &str) -> Result<Self, String> {
        let isa: Self = name.parse().map_err(|e| format!("{VARIABLE}: {e}"))?;
        if isa.is_available() {
            return Ok(isa);
        }
        Err(format!("{VARIABLE}: this processor has no {isa}"))
    }

    /// [`Isa::choose`], or the best where the variable can't be followed.
    #[must_use]
    pub fn best() -> Self {
        Self::choose().unwrap_or_else(|_| Self::detect())
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Isa {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|isa| isa.as_str() == name);
        known.ok_or_else(|| format!("{name:?} is none of avx512, avx2, neon and portable"))
    }
}

#[cfg(target_arch = "x86_64")]
fn avx512() -> bool {
    use std::arch::is_x86_feature_detected as has;
    avx2() && has!("avx512f") && has!("avx512bw") && has!("avx512vl") && has!("avx512dq")
}

#[cfg(target_arch = "x86_64")]
fn avx2() -> bool {
    use std::arch::is_x86_feature_detected as has;
    has!("avx2") && has!("fma")
}

#[cfg(not(target_arch = "x86_64"))]
fn avx512() -> bool {
    false
}

#[cfg(not(target_arch = "x86_64"))]
fn avx2() -> bool {
    false
}

/// Whether this processor multiplies bf16 numbers (AVX-512 BF16, beside [`Isa::Avx512`]).
#[must_use]
pub fn has_bf16() -> bool {
    #[cfg(target_arch = "x86_64")]
    return avx512() && std::arch::is_x86_feature_detected!("avx512bf16");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Whether this processor multiplies bytes and sums them up (AVX-512 VNNI, beside [`Isa::Avx512`]).
#[must_use]
pub fn has_vnni() -> bool {
    #[cfg(target_arch = "x86_64")]
    return avx512() && std::arch::is_x86_feature_detected!("avx512vnni");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_checked() {
        for isa in Isa::ALL {
            assert_eq!(isa.to_string().parse(), Ok(isa));
            let named = Isa::named(isa.as_str());
            assert_eq!(named.is_ok(), isa.is_available(), "{named:?}");
        }
        let error = Isa::named("sse9").expect_err("there is none");
        assert!(error.starts_with("LAMPLIGHTER_ISA: \"sse9\""), "{error}");
    }

    #[test]
    fn what_is_detected_is_available() {
        assert!(Isa::detect().is_available());
        assert_eq!(Isa::available().last(), Some(Isa::Portable));
        assert!(!(Isa::Avx2.is_available() && Isa::Neon.is_available()));
        assert!(!has_bf16() || Isa::Avx512.is_available());
        assert!(!has_vnni() || Isa::Avx512.is_available());
    }
}
