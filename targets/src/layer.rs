//! The constants of a layer whose outputs are computed in tiles.

use core::array;

use lacewing::Int;
use lacewing::arena::Constants;
use lacewing::format::{Requant, Span};

/// The way from sums to some outputs, in int8 `q = ssat8(zero + ((sum · m + 2^31) >> 32))`, in int16 that of [`Wide`](crate::wide::Wide).
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

/// Weights, biases and multipliers in tiles of `N` outputs, at most four, whose weights are so many `E` for each tile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layer<'a, E, const N: usize, T: Int = i8> {
    /// For each tile the weights of all its outputs.
    weights: &'a [E],
    /// How many a tile has.
    len: usize,
    pub(crate) bias: &'a [T::Sum],
    multipliers: &'a [i32],
    /// The first of them, which may be that of all outputs.
    same: [i32; 4],
    zero: i32,
    /// Outputs in full tiles.
    pub(crate) full: usize,
}

/// One tile, with zeros where it is not full.
pub(crate) struct Tile<'a, E, T: Int = i8> {
    weights: &'a [E],
    bias: [T::Sum; 4],
    multipliers: [i32; 4],
    zero: i32,
    outputs: usize,
}

impl<E, T: Int> Tile<'_, E, T> {
    /// What it is computed with. The numbers of two outputs stand there twice.
    pub(crate) fn tiles(&self) -> Tiles<'_, E, T> {
        let Self { weights, bias, multipliers, zero, outputs } = self;
        Tiles { weights, bias, rounding: Rounding { multipliers, zero: *zero }, outputs: *outputs }
    }
}

/// What a tile, or all full ones, are computed with.
pub(crate) struct Tiles<'t, E, T: Int = i8> {
    pub(crate) weights: &'t [E],
    pub(crate) bias: &'t [T::Sum],
    pub(crate) rounding: Rounding<'t>,
    /// Outputs of all tiles.
    pub(crate) outputs: usize,
}

impl<'a, const W: usize, const N: usize, T: Int> Layer<'a, [u32; W], N, T> {
    /// The constants of a layer whose tiles have `groups` groups of weights, of `W` words.
    pub(crate) fn new(
        constants: Constants<'a>,
        [weights, bias]: [&Span; 2],
        requant: &Requant<T>,
        groups: usize,
    ) -> Option<Self> {
        Self::of(constants.get::<u32>(*weights).ok()?.as_chunks::<W>().0, (constants, *bias), requant, groups)
    }
}

impl<'a, E, const N: usize, T: Int> Layer<'a, E, N, T> {
    /// The constants of a layer whose tiles have `len` of these weights.
    pub(crate) fn of(
        weights: &'a [E],
        (constants, bias): (Constants<'a>, Span),
        requant: &Requant<T>,
        len: usize,
    ) -> Option<Self> {
        let bias = constants.get::<T::Sum>(bias).ok()?;
        let multipliers = constants.get::<i32>(requant.multipliers).ok()?;
        let (first, full) = (*multipliers.first()?, bias.len() / N * N);
        let same = [first, first, first, first];
        Some(Self { weights, len, bias, multipliers, same, zero: requant.zero.into(), full })
    }

    /// All full tiles.
    pub(crate) fn full(&self) -> Tiles<'_, E, T> {
        let multipliers = if self.multipliers.len() == 1 { &self.same } else { self.multipliers };
        let rounding = Rounding { multipliers, zero: self.zero };
        Tiles { weights: self.weights, bias: self.bias, rounding, outputs: self.full }
    }

    /// The tile from an output on, which is the first of a tile.
    #[inline(never)]
    pub(crate) fn tile(&self, output: usize) -> Option<Tile<'a, E, T>> {
        let weights = self.weights.get((output / N).checked_mul(self.len)?..)?;
        let at = |i: usize| output.wrapping_add(i % N);
        let bias = array::from_fn(|i| self.bias.get(at(i)).copied().unwrap_or_default());
        let each = array::from_fn(|i| self.multipliers.get(at(i)).copied().unwrap_or(0));
        let multipliers = if self.multipliers.len() == 1 { self.same } else { each };
        Some(Tile { weights, bias, multipliers, zero: self.zero, outputs: N })
    }
}

impl<E, T: Int> Layer<'_, E, 2, T> {
    /// All outputs of two pixels, the second one's behind the first one's; or of one, which then is both. `compute` does it for tiles, given
    /// where the outputs go and where among them the second pixel's begin.
    #[inline(always)]
    pub(crate) fn squares(
        &self,
        y: &mut [T],
        compute: impl Fn(Tiles<'_, E, T>, &mut [T], usize) -> Option<()>,
    ) -> Option<()> {
        let outputs = self.bias.len();
        if self.full > 0 {
            let second = y.len().checked_sub(outputs)?;
            compute(self.full(), y, second)?;
        }
        if self.full < outputs {
            let mut four = [T::default(); 4];
            compute(self.tile(self.full)?.tiles(), &mut four, 2)?;
            *y.last_mut()? = four[2];
            *y.get_mut(self.full)? = four[0];
        }
        Some(())
    }
}
