//! The constants of a layer whose outputs are computed in tiles.

use lacewing::arena::Constants;
use lacewing::format::{Requant, Span};

/// The way from sums to int8 of some outputs: `q = ssat8(zero + ((sum · m + 2^31) >> 32))`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rounding<'a> {
    /// `m` of each output; or of at least one tile, the same for every output.
    pub(crate) multipliers: &'a [i32],
    /// The output's zero point.
    pub(crate) zero: i32,
}

impl Rounding<'_> {
    /// Whether there are multipliers for `outputs` in tiles of `tile`.
    pub(crate) fn fits(&self, outputs: usize, tile: usize) -> bool {
        let len = self.multipliers.len();
        len >= outputs || len >= tile
    }

    /// Multipliers from one tile of `tile` outputs to the next.
    pub(crate) fn step(&self, outputs: usize, tile: usize) -> usize {
        if self.multipliers.len() >= outputs { tile } else { 0 }
    }
}

/// Weights, biases and multipliers in tiles of `N` outputs, at most four, whose weights of a group of four take `W` words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layer<'a, const W: usize, const N: usize> {
    /// For each tile and each group of four, the weights of all its outputs.
    pub(crate) weights: &'a [[u32; W]],
    pub(crate) bias: &'a [i32],
    multipliers: &'a [i32],
    zero: i32,
    /// Outputs in full tiles.
    pub(crate) full: usize,
    last: Last<'a, W, N>,
}

/// A tile that is not full, filled with zeros.
#[derive(Clone, Copy, Debug)]
struct Last<'a, const W: usize, const N: usize> {
    weights: &'a [[u32; W]],
    bias: [i32; N],
    multipliers: [i32; 4],
}

/// What a tile, or all full ones, are computed with.
pub(crate) struct Tiles<'t, const W: usize> {
    pub(crate) weights: &'t [[u32; W]],
    pub(crate) bias: &'t [i32],
    pub(crate) rounding: Rounding<'t>,
}

impl<'a, const W: usize, const N: usize> Layer<'a, W, N> {
    /// The constants of a layer with `groups` groups of four weights for each output.
    pub(crate) fn new(
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
            Last { weights: weights.get(tiles.len().checked_mul(groups)?..)?, bias: [0; N], multipliers: [0; 4] };
        last.bias.iter_mut().zip(left).for_each(|(to, from)| *to = *from);
        match multipliers {
            [one] => last.multipliers = [*one; 4],
            each => last.multipliers.iter_mut().zip(each.as_chunks::<N>().1).for_each(|(to, from)| *to = *from),
        }
        Some(Self { weights, bias, multipliers, zero: requant.zero.into(), full: tiles.as_flattened().len(), last })
    }

    /// All full tiles.
    pub(crate) fn full(&self) -> Tiles<'_, W> {
        let multipliers = if self.multipliers.len() == 1 { &self.last.multipliers } else { self.multipliers };
        Tiles { weights: self.weights, bias: self.bias, rounding: Rounding { multipliers, zero: self.zero } }
    }

    /// The tile that is not full.
    pub(crate) fn last(&self) -> Tiles<'_, W> {
        let Last { weights, bias, multipliers } = &self.last;
        Tiles { weights, bias, rounding: Rounding { multipliers, zero: self.zero } }
    }
}
