//! What kernels want of a file: the converter asks, and writes records so. Every file runs with every kernels; one written for
//! others runs with the portable bodies.

use lacewing::format::{Layout, Tensor, Window};

/// Order of the weights of a record, and bytes to work in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Order of the weights.
    pub layout: Layout,
    /// Bytes of the arena while the record runs, at a multiple of 4.
    pub scratch: u32,
    /// As many where memory is short: the kernels still run the record, slower.
    pub least: u32,
}

impl Wish {
    /// What a convolution wants that copies what its outputs read, unless each reads one pixel: room for `enough` bytes, and for two outputs.
    pub(crate) fn of_copies(layout: Layout, input: &Tensor, window: &Window, enough: u32) -> Option<Self> {
        let ([kh, kw], [.., channels]) = (window.kernel, input.shape);
        let depth = kh.checked_mul(kw)?.checked_mul(channels)?;
        let in_place = window.kernel == [1, 1] && window.pad == [0, 0];
        let room = |pixels: u32| depth.checked_mul(if in_place { 0 } else { pixels })?.checked_next_multiple_of(4);
        Some(Self { layout, scratch: room((enough / depth.max(1)).max(2) / 2 * 2)?, least: room(2)? })
    }
}

/// Kernels that a target has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Family {
    /// [`lacewing::Portable`].
    #[default]
    Portable,
    /// [`crate::CortexM4`].
    Armv7em,
    /// [`crate::CortexM55`].
    Armv81m,
    /// [`crate::Scalar`].
    Scalar,
    /// [`crate::X86`].
    X86,
}

impl Family {
    /// The name of their type in this crate.
    #[must_use]
    pub const fn type_name(self) -> &'static str {
        match self {
            Self::Portable => "Portable",
            Self::Armv7em => "CortexM4",
            Self::Armv81m => "CortexM55",
            Self::Scalar => "Scalar",
            Self::X86 => "X86",
        }
    }

    /// What a convolution in one group, in int8, wants.
    #[must_use]
    pub fn conv_i8(self, input: &Tensor, output: &Tensor, window: &Window) -> Option<Wish> {
        match self {
            Self::Portable => None,
            Self::Armv7em => crate::armv7em::conv::<2>(input, window),
            Self::Armv81m => crate::armv81m::conv(input, window),
            Self::Scalar => crate::scalar::conv(input, window),
            Self::X86 => crate::x86::conv(input, output, window),
        }
    }

    /// The same with int4 weights.
    #[must_use]
    pub fn conv_w4(self, input: &Tensor, window: &Window) -> Option<Wish> {
        match self {
            Self::Portable | Self::Armv81m | Self::Scalar | Self::X86 => None,
            Self::Armv7em => crate::armv7em::conv::<1>(input, window),
        }
    }

    /// What a depthwise convolution in int8 wants, one output for each channel.
    #[must_use]
    pub fn depthwise_i8(self, input: &Tensor, output: &Tensor, window: &Window) -> Option<Wish> {
        match self {
            Self::Portable => None,
            Self::Armv7em => crate::armv7em::depthwise(input, output, window),
            Self::Armv81m => crate::armv81m::depthwise(input, output, window),
            Self::Scalar => crate::scalar::depthwise(input, output, window),
            Self::X86 => crate::x86::depthwise(input, output, window),
        }
    }

    /// The same with int4 weights.
    #[must_use]
    pub fn depthwise_w4(self, input: &Tensor, output: &Tensor, window: &Window) -> Option<Wish> {
        match self {
            Self::Portable | Self::Armv81m | Self::Scalar | Self::X86 => None,
            Self::Armv7em => crate::armv7em::depthwise(input, output, window),
        }
    }

    /// What a fully connected layer in int8 of `depth` inputs and so many outputs wants.
    #[must_use]
    pub fn fully_connected_i8(self, depth: u32, outputs: u32) -> Option<Wish> {
        match self {
            Self::Portable | Self::Scalar => None,
            Self::Armv7em => crate::armv7em::fully_connected_i8(depth),
            Self::Armv81m => crate::armv81m::fully_connected_i8(),
            Self::X86 => crate::x86::fully_connected_i8(depth, outputs),
        }
    }
}
