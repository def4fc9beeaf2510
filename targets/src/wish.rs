//! What kernels want of a file: the converter asks, and writes records so. Every file runs with every kernels; one written for
//! others runs with the portable bodies.

use lacewing::Int;
use lacewing::format::{DType, Layout, Op, Requant, Span, Tensor, Window};
use lacewing::ops::conv::Conv;
use lacewing::ops::{ConvW4, DepthwiseW4, FullyConnectedW4};

use crate::armv81m::Helium;
use crate::scalar::Scalars;
use crate::squares::{FULLY_CONNECTED_W4, conv_i16_wish, conv_w4_wish, fully_connected_i16_wish};
use crate::wide::SHIFTS;

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
    /// What a convolution wants that copies what its outputs read, `tile` at a time, unless each reads one pixel: room for `enough` bytes, and
    /// for a tile. Elements are those of the input's type.
    pub(crate) fn of_copies(layout: Layout, input: &Tensor, window: &Window, [tile, enough]: [u32; 2]) -> Option<Self> {
        let ([kh, kw], [.., channels]) = (window.kernel, input.shape);
        let depth = kh.checked_mul(kw)?.checked_mul(channels)?.checked_mul(input.dtype()?.size())?;
        let in_place = window.kernel == [1, 1] && window.pad == [0, 0];
        let room = |pixels: u32| depth.checked_mul(if in_place { 0 } else { pixels })?.checked_next_multiple_of(4);
        Some(Self { layout, scratch: room((enough / depth.max(1)).max(tile) / tile * tile)?, least: room(tile)? })
    }
}

/// A record with weights for which kernels have a wish, and what may change in it.
#[derive(Debug)]
pub struct Wished<'a> {
    /// The wish.
    pub wish: Wish,
    /// Order of the weights.
    pub layout: &'a mut Layout,
    /// The weights: of int8, two of int4 in a byte, or of f32.
    pub weights: &'a mut Span,
    /// Whether they are of f32.
    pub real: bool,
    /// Bytes to work in; `None` where no kernels want any.
    pub scratch: Option<&'a mut Span>,
    /// Outputs.
    pub outputs: u32,
    /// Rows and columns of the weights of each, for [`Layout::tap`]: the kernel of a depthwise convolution, or one column.
    pub kernel: [u32; 2],
}

impl<'a> Wished<'a> {
    /// The record, if it has symmetric weights and a rounding that kernels know, and they have a wish for it.
    pub fn of(op: &'a mut Op, kernels: Family) -> Option<Self> {
        macro_rules! wished {
            ($op:expr, $wish:expr, $kernel:expr) => {
                wished!(
                    $op,
                    $wish.filter(|_| rounds(&$op.requant)),
                    $kernel,
                    real: false,
                    scratch: Some(&mut $op.scratch)
                )
            };
            ($op:expr, $wish:expr, $kernel:expr, real: $real:expr, scratch: $scratch:expr) => {
                Some(Self {
                    wish: $wish?,
                    outputs: $op.output.shape[3],
                    kernel: $kernel,
                    layout: &mut $op.layout,
                    weights: &mut $op.weights,
                    real: $real,
                    scratch: $scratch,
                })
            };
        }
        match op {
            Op::ConvI8(op) if is_plain(op) => {
                wished!(op, kernels.conv_i8(&op.input, &op.output, &op.window), column(op)?)
            }
            Op::ConvI16(op) if is_plain(op) => wished!(op, kernels.conv_i16(&op.input, &op.window), column(op)?),
            Op::ConvW4(ConvW4(op)) if is_plain(op) => wished!(op, kernels.conv_w4(&op.input, &op.window), column(op)?),
            Op::DepthwiseI8(op) => {
                let wish = kernels.depthwise_i8(&op.input, &op.output, &op.window);
                wished!(op, wish, op.window.kernel)
            }
            Op::DepthwiseI16(op) => {
                let wish = kernels.depthwise_i16(&op.input, &op.output, &op.window);
                wished!(op, wish, op.window.kernel)
            }
            Op::DepthwiseW4(DepthwiseW4(op)) => {
                let wish = kernels.depthwise_w4(&op.input, &op.output, &op.window);
                wished!(op, wish, op.window.kernel)
            }
            Op::FullyConnectedI8(op) if op.zeros.len == 0 => {
                let [depth, outputs] = [op.input.shape[3], op.output.shape[3]];
                wished!(op, kernels.fully_connected_i8(depth, outputs), [depth, 1])
            }
            Op::FullyConnectedI16(op) if op.zeros.len == 0 => {
                let depth = op.input.shape[3];
                wished!(op, kernels.fully_connected_i16(depth), [depth, 1])
            }
            Op::FullyConnectedW4(FullyConnectedW4(op)) if op.zeros.len == 0 => {
                let depth = op.input.shape[3];
                wished!(op, kernels.fully_connected_w4(depth), [depth, 1])
            }
            Op::ConvF32(op) if op.groups == 1 => {
                let depth = taps(&op.window)?.checked_mul(op.input.shape[3])?;
                let wish = kernels.conv_f32(&op.input, &op.window);
                wished!(op, wish, [depth, 1], real: true, scratch: Some(&mut op.scratch))
            }
            Op::DepthwiseF32(op) => {
                let wish = kernels.depthwise_f32(&op.input, &op.output, &op.window);
                wished!(op, wish, op.window.kernel, real: true, scratch: Some(&mut op.scratch))
            }
            Op::FullyConnectedF32(op) => {
                wished!(op, kernels.fully_connected_f32(), [op.input.shape[3], 1], real: true, scratch: None)
            }
            _ => None,
        }
    }

    /// Whether the order of weights and the least scratch are as wished for.
    #[must_use]
    pub fn is_met(&self) -> bool {
        self.wish.layout == *self.layout && self.wish.least <= self.scratch.as_ref().map_or(0, |scratch| scratch.len)
    }
}

/// The weights of an output of a convolution, in one column.
fn column<T>(op: &Conv<T>) -> Option<[u32; 2]> {
    Some([taps(&op.window)?.checked_mul(op.input.shape[3])?, 1])
}

fn taps(window: &Window) -> Option<u32> {
    window.kernel[0].checked_mul(window.kernel[1])
}

fn is_plain<T>(op: &Conv<T>) -> bool {
    op.groups == 1 && op.zeros.len == 0
}

/// Whether kernels round as a record has it: in int8 without a shift, in int16 as only the upper word of a product asks for.
#[must_use]
pub fn rounds<T: Int>(requant: &Requant<T>) -> bool {
    match T::DTYPE {
        Some(DType::I16) => SHIFTS.contains(&requant.shift) && requant.zero == T::default(),
        _ => requant.shift == 0,
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
    /// [`crate::Lanes`].
    Lanes,
    /// [`crate::RiscvV`].
    RiscvV,
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
            Self::Lanes => "Lanes",
            Self::RiscvV => "RiscvV",
        }
    }

    /// What a convolution in one group, in int8, wants.
    #[must_use]
    pub fn conv_i8(self, input: &Tensor, output: &Tensor, window: &Window) -> Option<Wish> {
        match self {
            Self::Portable => None,
            Self::Armv7em => crate::armv7em::conv(input, window),
            Self::Armv81m => crate::armv81m::conv(input, window),
            Self::Scalar => crate::scalar::conv(input, window),
            Self::Lanes => crate::lanes::conv(input, output, window),
            Self::RiscvV => crate::riscv_v::conv(input, output, window),
        }
    }

    /// The same with int4 weights.
    #[must_use]
    pub fn conv_w4(self, input: &Tensor, window: &Window) -> Option<Wish> {
        match self {
            Self::Portable | Self::Lanes | Self::RiscvV => None,
            Self::Armv7em => crate::armv7em::conv_w4(input, window),
            Self::Armv81m => conv_w4_wish::<Helium>(input, window),
            Self::Scalar => conv_w4_wish::<Scalars>(input, window),
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
            Self::Lanes => crate::lanes::depthwise(input, output, window),
            Self::RiscvV => crate::riscv_v::depthwise(input, output, window),
        }
    }

    /// The same with int4 weights.
    #[must_use]
    pub fn depthwise_w4(self, input: &Tensor, output: &Tensor, window: &Window) -> Option<Wish> {
        match self {
            Self::Portable | Self::Lanes | Self::RiscvV => None,
            Self::Armv7em => crate::armv7em::depthwise(input, output, window),
            Self::Armv81m => crate::armv81m::depthwise_w4(input, output, window),
            Self::Scalar => crate::scalar::depthwise_w4(input, output, window),
        }
    }

    /// What a convolution in one group, in int16, wants.
    #[must_use]
    pub fn conv_i16(self, input: &Tensor, window: &Window) -> Option<Wish> {
        match self {
            Self::Portable | Self::Lanes | Self::RiscvV => None,
            Self::Armv7em => crate::armv7em::conv_i16(input, window),
            Self::Armv81m => conv_i16_wish::<Helium>(input, window),
            Self::Scalar => conv_i16_wish::<Scalars>(input, window),
        }
    }

    /// What a depthwise convolution in int16 wants.
    #[must_use]
    pub fn depthwise_i16(self, input: &Tensor, output: &Tensor, window: &Window) -> Option<Wish> {
        match self {
            Self::Portable | Self::Lanes | Self::RiscvV => None,
            // Processors with Helium have the instructions of the others too.
            Self::Armv7em | Self::Armv81m => crate::armv7em::depthwise_i16(input, output, window),
            Self::Scalar => crate::scalar::depthwise(input, output, window),
        }
    }

    /// What a fully connected layer in int16 of `depth` inputs wants.
    #[must_use]
    pub fn fully_connected_i16(self, depth: u32) -> Option<Wish> {
        match self {
            Self::Portable | Self::Lanes | Self::RiscvV => None,
            Self::Armv7em => crate::armv7em::fully_connected_i16(depth),
            Self::Armv81m => Some(fully_connected_i16_wish::<Helium>()),
            Self::Scalar => Some(fully_connected_i16_wish::<Scalars>()),
        }
    }

    /// What a fully connected layer in int8 of `depth` inputs with int4 weights wants.
    #[must_use]
    pub fn fully_connected_w4(self, depth: u32) -> Option<Wish> {
        match self {
            Self::Portable | Self::Lanes | Self::RiscvV => None,
            Self::Armv7em => crate::armv7em::fully_connected_w4(depth),
            Self::Armv81m | Self::Scalar => Some(FULLY_CONNECTED_W4),
        }
    }

    /// What a convolution in one group, in f32, wants.
    #[must_use]
    pub fn conv_f32(self, input: &Tensor, window: &Window) -> Option<Wish> {
        crate::lanes::conv_f32(input, window).filter(|_| self == Self::Lanes)
    }

    /// What a depthwise convolution in f32 wants.
    #[must_use]
    pub fn depthwise_f32(self, input: &Tensor, output: &Tensor, window: &Window) -> Option<Wish> {
        crate::lanes::depthwise_f32(input, output, window).filter(|_| self == Self::Lanes)
    }

    /// What a fully connected layer in f32 wants.
    #[must_use]
    pub fn fully_connected_f32(self) -> Option<Wish> {
        (self == Self::Lanes).then(crate::lanes::fully_connected_f32)
    }

    /// What a fully connected layer in int8 of `depth` inputs and so many outputs wants.
    #[must_use]
    pub fn fully_connected_i8(self, depth: u32, outputs: u32) -> Option<Wish> {
        match self {
            Self::Portable | Self::Scalar => None,
            Self::Armv7em => crate::armv7em::fully_connected_i8(depth),
            Self::Armv81m => crate::armv81m::fully_connected_i8(),
            Self::Lanes => crate::lanes::fully_connected_i8(depth),
            Self::RiscvV => crate::riscv_v::fully_connected_i8(outputs),
        }
    }
}
