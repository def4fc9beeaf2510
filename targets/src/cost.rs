//! What the instructions of a record depend on, before it runs.
//!
//! A record takes about `Σ coefficient[i] · terms(op)[i]` instructions, with the coefficients of its [`Kind`] on a target. Those are the
//! converter's, fitted on an emulator's counts; both sides take the terms from here.

use core::fmt;

use lacewing::Opcode;
use lacewing::format::{Op, Place, Tensor, Window};
use lacewing::ops::{ConvW4, DepthwiseW4};

use crate::wish::{Family, Wished};

/// Number of [`terms`].
pub const TERMS: usize = 7;

/// Records whose instructions have the same coefficients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    opcode: Opcode,
    pointwise: bool,
    own: bool,
}

impl Kind {
    /// The kind of a record: its operation, whether it is a convolution of one tap, which needs no patches, and whether it is written as
    /// the target's own loops want it.
    #[must_use]
    pub fn of(op: &Op, kernels: Family) -> Self {
        let own = Wished::of(&mut op.clone(), kernels).is_some_and(|wished| wished.is_met());
        let pointwise = window(op).is_some_and(|window| window.kernel == [1, 1]);
        Self { opcode: op.opcode(), pointwise, own }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.opcode.name())?;
        f.write_str(if self.pointwise { "-1x1" } else { "" })?;
        f.write_str(if self.own { "-own" } else { "" })
    }
}

/// The window of a convolution or a pool.
fn window(op: &Op) -> Option<&Window> {
    match op {
        Op::ConvI8(op) | Op::ConvW4(ConvW4(op)) => Some(&op.window),
        Op::ConvI16(op) => Some(&op.window),
        Op::ConvF32(op) => Some(&op.window),
        Op::DepthwiseI8(op) | Op::DepthwiseW4(DepthwiseW4(op)) => Some(&op.window),
        Op::DepthwiseI16(op) => Some(&op.window),
        Op::DepthwiseF32(op) => Some(&op.window),
        Op::AveragePoolI8(op) => Some(&op.window),
        Op::AveragePoolI16(op) => Some(&op.window),
        Op::AveragePoolF32(op) => Some(&op.window),
        Op::MaxPoolI8(op) => Some(&op.window),
        Op::MaxPoolI16(op) => Some(&op.window),
        Op::MaxPoolF32(op) => Some(&op.window),
        _ => None,
    }
}

/// What the instructions of a record are a sum of, each times a coefficient of its kind: inner steps (multiply-accumulates, taps or
/// elements); elements read, by products for each output pixel; elements written; rows of the window for each element written, and for each
/// pixel; rows written; 1.
#[must_use]
pub fn terms(op: &Op) -> [f64; TERMS] {
    let [n, height, width, channels] = op.output().shape.map(f64::from);
    let (rows, taps) = (n * height, window(op).map_or(1.0, |window| f64::from(window.kernel[0])));
    let pixels = rows * width;
    [op.work() as f64, read(op, channels), pixels * channels, pixels * channels * taps, pixels * taps, rows, 1.0]
}

fn read(op: &Op, channels: f64) -> f64 {
    match op.macs() {
        0 => op.inputs().iter().filter(|input| input.place() != Place::Constant).map(len).sum(),
        macs => macs as f64 / channels,
    }
}

fn len(tensor: &Tensor) -> f64 {
    tensor.len().map_or(0.0, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lacewing::format::{DType, Layout, Requant, Span};
    use lacewing::ops::{ConvI8, TableI8};

    fn tensor(shape: [u32; 4]) -> Tensor {
        Tensor::new(Place::Arena, DType::I8, 0, shape)
    }

    fn conv(kernel: [u32; 2]) -> Op {
        let window = Window { kernel, stride: [1, 1], dilation: [1, 1], pad: [0, 0] };
        let requant = Requant { multipliers: Span::EMPTY, shift: 0, zero: 0, lo: -128, hi: 127 };
        let (input, output) = (tensor([1, 6, 6, 4]), tensor([1, 4, 5, 8]));
        let spans = Span::EMPTY;
        Op::from(ConvI8 {
            input,
            output,
            window,
            groups: 1,
            weights: spans,
            layout: Layout::PLAIN,
            zeros: spans,
            bias: spans,
            input_zero: 0,
            requant,
            scratch: spans,
        })
    }

    #[test]
    fn terms_are_counted() {
        assert_eq!(terms(&conv([3, 2])), [160.0 * 24.0, 20.0 * 24.0, 160.0, 3.0 * 160.0, 3.0 * 20.0, 4.0, 1.0]);
        let input = tensor([1, 1, 2, 8]);
        let table = Op::from(TableI8 { input, output: input, table: Span::EMPTY });
        assert_eq!(terms(&table), [16.0, 16.0, 16.0, 16.0, 2.0, 1.0, 1.0]);
    }

    #[test]
    fn kinds_are_told_apart_by_taps_and_by_wishes() {
        extern crate std;
        use std::string::ToString;
        let name = |op: &Op, kernels| Kind::of(op, kernels).to_string();
        assert_eq!([[1, 1], [1, 2]].map(|kernel| name(&conv(kernel), Family::Portable)), ["ConvI8-1x1", "ConvI8"]);
        let Op::ConvI8(mut op) = conv([3, 3]) else { return };
        let wish = Family::Armv7em.conv_i8(&op.input, &op.output, &op.window);
        (op.layout, op.scratch.len) = wish.map_or((Layout::PLAIN, 0), |wish| (wish.layout, wish.scratch));
        assert_eq!(name(&op.clone().into(), Family::Armv7em), "ConvI8-own");
        assert_eq!(name(&op.into(), Family::Portable), "ConvI8");
    }
}
