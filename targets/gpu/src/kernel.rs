//! The kernels: their text, and what tells one pipeline from another.

/// What a pipeline is made of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Kernel {
    pub(crate) family: Family,
    /// Name of the function.
    pub(crate) entry: &'static str,
    /// Values of its `override`s.
    pub(crate) overrides: Vec<(&'static str, u32)>,
}

impl Kernel {
    /// The function `words` of a family.
    pub(crate) fn words(family: Family, overrides: &[(&'static str, u32)]) -> Self {
        Self { family, entry: "words", overrides: overrides.to_vec() }
    }
}

macro_rules! families {
    ($($name:ident $($file:literal)+,)*) => {
        /// A file of kernels.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum Family {
            $($name,)*
        }

        impl Family {
            /// The text of its files, behind what all have in common.
            pub(crate) const fn source(self) -> &'static str {
                match self {
                    $(Self::$name => concat!(
                        include_str!("wgsl/common.wgsl"),
                        $(include_str!(concat!("wgsl/", $file, ".wgsl")),)+
                    ),)*
                }
            }
        }
    };
}
families! {
    ArgMax "argmax",
    Binary "broadcast" "binary",
    BinaryF32 "broadcast" "binary_f32",
    Conv "window" "conv",
    ConvF32 "window" "conv_f32",
    Copy "copy",
    Depthwise "window" "quads" "depthwise",
    MatMul "matmul",
    MatMulF32 "matmul_f32",
    Pool "window" "quads" "pool",
    PoolF32 "window" "pool_f32",
    Quantize "quantize",
    Resample "resample",
    Softmax "softmax",
    SoftmaxF32 "softmax_f32",
    Table "table",
    UnaryF32 "unary_f32",
}

/// Invocations in a workgroup, as the kernels say; WebGPU allows 256.
pub(crate) const GROUP: u32 = 64;

/// Workgroups in each dimension of a grid, WebGPU's limit.
pub(crate) const MOST_GROUPS: u32 = 65_535;
