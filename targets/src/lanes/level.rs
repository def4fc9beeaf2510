//! The instruction sets, and which of them this processor has.

/// An instruction set that [`Lanes`](super::Lanes) has loops for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Level {
    /// None: plain Rust, on any processor.
    #[default]
    Plain,
    /// x86-64 with SSE4.1.
    Sse41,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// x86-64 with AVX2, FMA and AVX-VNNI.
    AvxVnni,
    /// x86-64 with AVX-512 F, BW, VL and VNNI.
    Avx512,
    /// AArch64, and Armv7-A with NEON.
    Neon,
    /// AArch64 with dot products.
    Dot,
    /// AArch64 with dot products and products of matrices of int8.
    Matrix,
    /// WebAssembly with fixed-width SIMD, which a module has for all engines or for none.
    Simd128,
}

impl Level {
    /// All levels, of each processor family the slowest first.
    pub const ALL: [Self; 9] = [
        Self::Plain,
        Self::Sse41,
        Self::Avx2,
        Self::AvxVnni,
        Self::Avx512,
        Self::Neon,
        Self::Dot,
        Self::Matrix,
        Self::Simd128,
    ];
}

/// A level that this processor has; the proof that its loops may be called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Present(Level);

impl Default for Present {
    fn default() -> Self {
        Self(Level::Plain)
    }
}

impl Present {
    /// The level, if this processor has it.
    pub(super) fn new(level: Level) -> Option<Self> {
        has(level).then_some(Self(level))
    }

    /// The level.
    pub(super) fn level(self) -> Level {
        self.0
    }

    /// The level whose loops take runs of so many bytes: products of matrices are for eights, and a processor that has them has dot products.
    pub(super) fn taking(self, len: usize) -> Self {
        match self.0 {
            Level::Matrix if !len.is_multiple_of(8) => Self(Level::Dot),
            _ => self,
        }
    }
}

/// Whether this processor has a level. Without the feature `std` only that is known which the program is compiled for.
fn has(level: Level) -> bool {
    /// Whether it has all of these features.
    #[cfg(any(lanes = "x86", lanes = "aarch64"))]
    macro_rules! all {
        ($detected:ident: $($feature:tt),*) => {{
            #[cfg(feature = "std")]
            { true $(&& std::arch::$detected!($feature))* }
            #[cfg(not(feature = "std"))]
            cfg!(all($(target_feature = $feature),*))
        }};
    }
    match level {
        Level::Plain => true,
        #[cfg(lanes = "x86")]
        Level::Sse41 => all!(is_x86_feature_detected: "sse4.1"),
        #[cfg(lanes = "x86")]
        Level::Avx2 => all!(is_x86_feature_detected: "avx2", "fma"),
        #[cfg(lanes = "x86")]
        Level::AvxVnni => all!(is_x86_feature_detected: "avx2", "fma", "avxvnni"),
        #[cfg(lanes = "x86")]
        Level::Avx512 => all!(is_x86_feature_detected: "avx512f", "avx512bw", "avx512vl", "avx512vnni"),
        #[cfg(lanes = "aarch64")]
        Level::Neon => true,
        #[cfg(lanes = "armv7")]
        Level::Neon => crate::armv7::has_neon(),
        #[cfg(lanes = "aarch64")]
        Level::Dot => all!(is_aarch64_feature_detected: "dotprod"),
        #[cfg(lanes = "aarch64")]
        Level::Matrix => all!(is_aarch64_feature_detected: "dotprod", "i8mm"),
        Level::Simd128 => cfg!(lanes = "wasm"),
        _ => false,
    }
}
