//! The constants of a layer whose outputs are computed in tiles.

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
    pub(crate) weights: &'a [E],
    pub(crate) bias: &'a [T::Sum],
    multipliers: &'a [i32],
    zero: i32,
    /// Outputs in full tiles.
    pub(crate) full: usize,
    last: Last<'a, E, N, T::Sum>,
}

/// A tile that is not full, filled with zeros.
#[derive(Clone, Copy, Debug)]
struct Last<'a, E, const N: usize, S> {
    weights: &'a [E],
    bias: [S; N],
    multipliers: [i32; 4],
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
        [weights, bias]: [Span; 2],
        requant: &Requant<T>,
        groups: usize,
    ) -> Option<Self> {
        Self::of(constants.get::<u32>(weights).ok()?.as_chunks::<W>().0, (constants, bias), requant, groups)
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
        let (tiles, left) = bias.as_chunks::<N>();
        let mut last = Last {
            weights: weights.get(tiles.len().checked_mul(len)?..)?,
            bias: [T::Sum::default(); N],
            multipliers: [0; 4],
        };
        last.bias.iter_mut().zip(left).for_each(|(to, from)| *to = *from);
        match multipliers {
            [one] => last.multipliers = [*one; 4],
            each => last.multipliers.iter_mut().zip(each.as_chunks::<N>().1).for_each(|(to, from)| *to = *from),
        }
        Some(Self { weights, bias, multipliers, zero: requant.zero.into(), full: tiles.as_flattened().len(), last })
    }

    /// All full tiles.
    pub(crate) fn full(&self) -> Tiles<'_, E, T> {
        let multipliers = if self.multipliers.len() == 1 { &self.last.multipliers } else { self.multipliers };
        let rounding = Rounding { multipliers, zero: self.zero };
        Tiles { weights: self.weights, bias: self.bias, rounding, outputs: self.full }
    }

    /// The tile that is not full.
    pub(crate) fn last(&self) -> Tiles<'_, E, T> {
        let Last { weights, bias, multipliers } = &self.last;
        let rounding = Rounding { multipliers, zero: self.zero };
        Tiles { weights, bias, rounding, outputs: N }
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
            compute(self.last(), &mut four, 2)?;
            *y.last_mut()? = four[2];
            *y.get_mut(self.full)? = four[0];
        }
        Some(())
    }
}
