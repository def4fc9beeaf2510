//! The constants of a layer whose outputs are computed in tiles.

use lacewing::arena::Constants;
use lacewing::format::{Requant, Span};

use super::tile::Rounding;

/// Weights, biases and multipliers in tiles of `N` outputs, whose weights of a group of four take `W` words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layer<'a, const W: usize, const N: usize> {
    /// For each tile and each group of four, the weights of all its outputs.
    pub(super) weights: &'a [[u32; W]],
    pub(super) bias: &'a [i32],
    multipliers: &'a [i32],
    zero: i32,
    /// Outputs in full tiles.
    pub(super) full: usize,
    last: Last<'a, W, N>,
}

/// A tile that is not full, filled with zeros.
#[derive(Clone, Copy, Debug)]
struct Last<'a, const W: usize, const N: usize> {
    weights: &'a [[u32; W]],
    bias: [i32; N],
    multipliers: [i32; N],
}

/// What a tile, or all full ones, are computed with.
pub(super) struct Tiles<'t, const W: usize> {
    pub(super) weights: &'t [[u32; W]],
    pub(super) bias: &'t [i32],
    pub(super) rounding: Rounding<'t>,
}

impl<'a, const W: usize, const N: usize> Layer<'a, W, N> {
    /// The constants of a layer with `groups` groups of four weights for each output.
    pub(super) fn new(
        constants: Constants<'a>,
        [weights, bias]: [Span; 2],
        requant: &Requant,
        groups: usize,
    ) -> Option<Self> {
        let weights = constants.get::<u32>(weights).ok()?.as_chunks::<W>().0;
        let bias = constants.get::<i32>(bias).ok()?;
        let multipliers = constants.get::<i32>(requant.multipliers).ok()?;
        let (tiles, left) = bias.as_chunks::<N>();
        let mut last =
            Last { weights: weights.get(tiles.len().checked_mul(groups)?..)?, bias: [0; N], multipliers: [0; N] };
        last.bias.iter_mut().zip(left).for_each(|(to, from)| *to = *from);
        match multipliers {
            [one] => last.multipliers = [*one; N],
            each => last.multipliers.iter_mut().zip(each.as_chunks::<N>().1).for_each(|(to, from)| *to = *from),
        }
        Some(Self { weights, bias, multipliers, zero: requant.zero.into(), full: tiles.as_flattened().len(), last })
    }

    /// All full tiles.
    pub(super) fn full(&self) -> Tiles<'_, W> {
        let multipliers = if self.multipliers.len() == 1 { &self.last.multipliers } else { self.multipliers };
        Tiles { weights: self.weights, bias: self.bias, rounding: Rounding { multipliers, zero: self.zero } }
    }

    /// The tile that is not full.
    pub(super) fn last(&self) -> Tiles<'_, W> {
        let Last { weights, bias, multipliers } = &self.last;
        Tiles { weights, bias, rounding: Rounding { multipliers, zero: self.zero } }
    }
}
