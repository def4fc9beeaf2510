//! What recurrent layers share: gates over an input and a state, and where states stand.

use crate::arena::{Constants, Pod};
use crate::error::{Fault, Flaw};
use crate::format::{DType, Span, Tensor};
use crate::kernels::Kernels;

/// Types of the sequence and of the states in f32.
pub(super) const F32: [DType; 2] = [DType::F32; 2];
/// The same in int8 with states in int16.
pub(super) const I8: [DType; 2] = [DType::I8, DType::I16];

/// Sizes of a sequence: steps, batch, numbers in, numbers of state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) steps: usize,
    pub(super) batch: usize,
    pub(super) inputs: usize,
    pub(super) units: usize,
}

impl Sizes {
    /// The sizes of `x [1][t][b][i]`, states `[1][1][b][h]` and an output `[1][t + more][b][h]`, which have the states' type.
    pub(super) fn of(
        x: &Tensor,
        states: &[Tensor],
        output: &Tensor,
        more: u32,
        [of_x, of_states]: [DType; 2],
    ) -> Result<Sizes, Flaw> {
        let mut held = states.iter().chain([output]);
        if x.dtype() != Some(of_x) || held.any(|tensor| tensor.dtype() != Some(of_states)) {
            return Err(Flaw::Type);
        }
        let [one, steps, batch, inputs] = x.shape;
        let [.., units] = output.shape;
        let rows = steps.checked_add(more).ok_or(Flaw::Shape)?;
        let fits = one == 1 && output.shape == [1, rows, batch, units];
        if !fits || states.iter().any(|state| state.shape != [1, 1, batch, units]) {
            return Err(Flaw::Shape);
        }
        let [steps, batch, inputs, units] = [steps, batch, inputs, units].map(|size| size as usize);
        Ok(Sizes { steps, batch, inputs, units })
    }

    /// Multiply-accumulates of `gates` gates.
    pub(super) fn macs(x: &Tensor, output: &Tensor, gates: u64) -> u64 {
        let ([_, steps, batch, inputs], [.., units]) = (x.shape.map(u64::from), output.shape.map(u64::from));
        let each = gates.saturating_mul(units).saturating_mul(inputs.saturating_add(units));
        each.saturating_mul(steps).saturating_mul(batch)
    }
}

/// Where the weights of gates are: `[g][h][i]` for the input, `[g][h][h]` for the state, biases `[b][h]`.
pub(super) fn check_weights(
    constants: Constants<'_>,
    [input, state, bias]: [Span; 3],
    sizes: Sizes,
    [gates, biases]: [usize; 2],
) -> Result<(), Flaw> {
    exactly::<f32>(constants, input, [gates, sizes.units, sizes.inputs])?;
    exactly::<f32>(constants, state, [gates, sizes.units, sizes.units])?;
    exactly::<f32>(constants, bias, [biases, sizes.units, 1])
}

/// Checks that a span has as many numbers as these dimensions ask for.
pub(super) fn exactly<T: Pod>(constants: Constants<'_>, span: Span, [a, b, c]: [usize; 3]) -> Result<(), Flaw> {
    let len = a.checked_mul(b).and_then(|len| len.checked_mul(c)).and_then(|len| u32::try_from(len).ok());
    Ok(constants.exactly::<T>(span, len.ok_or(Flaw::Shape)?).map(|_| ())?)
}

/// The weights of all gates.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gates<'a> {
    input: &'a [f32],
    state: &'a [f32],
    bias: &'a [f32],
    sizes: Sizes,
    clip: f32,
}

impl<'a> Gates<'a> {
    pub(super) fn new(
        constants: Constants<'a>,
        [input, state, bias]: [Span; 3],
        sizes: Sizes,
        clip: f32,
    ) -> Result<Self, Fault> {
        let [input, state, bias] = [constants.get(input)?, constants.get(state)?, constants.get(bias)?];
        Ok(Self { input, state, bias, sizes, clip })
    }

    /// `Σ_k w[gate][unit][k] · x[k]`.
    pub(super) fn of_input<K: Kernels>(&self, kernels: &K, gate: usize, unit: usize, x: &[f32]) -> Result<f32, Fault> {
        Ok(kernels
            .dot_f32(line(self.input, gate.wrapping_mul(self.sizes.units).wrapping_add(unit), self.sizes.inputs)?, x))
    }

    /// `Σ_k r[gate][unit][k] · h[k]`.
    pub(super) fn of_state<K: Kernels>(&self, kernels: &K, gate: usize, unit: usize, h: &[f32]) -> Result<f32, Fault> {
        Ok(kernels
            .dot_f32(line(self.state, gate.wrapping_mul(self.sizes.units).wrapping_add(unit), self.sizes.units)?, h))
    }

    /// `b[number][unit]`.
    pub(super) fn bias(&self, number: usize, unit: usize) -> Result<f32, Fault> {
        self.bias.get(number.wrapping_mul(self.sizes.units).wrapping_add(unit)).copied().ok_or(Fault)
    }

    /// The sum of all three for a gate.
    pub(super) fn sum<K: Kernels>(
        &self,
        kernels: &K,
        gate: usize,
        unit: usize,
        [x, h]: [&[f32]; 2],
    ) -> Result<f32, Fault> {
        Ok(self.of_input(kernels, gate, unit, x)? + self.of_state(kernels, gate, unit, h)? + self.bias(gate, unit)?)
    }

    /// A sum within the limits that the layer clips to.
    pub(super) fn clipped(&self, sum: f32) -> f32 {
        super::clamp(sum, -self.clip, self.clip)
    }
}

/// One step of one sequence of the batch.
pub(super) struct Step<'a, X, H> {
    /// `x[t][b]`.
    pub(super) x: &'a [X],
    /// The state before it.
    pub(super) before: &'a [H],
    /// The state after it, to be written.
    pub(super) after: &'a mut [H],
    /// The output behind its steps, at this sequence of the batch; empty if there is nothing.
    pub(super) behind: &'a mut [H],
    /// Whether it is the first.
    pub(super) first: bool,
    /// Number of the sequence in the batch.
    pub(super) sequence: usize,
}

/// Calls `step` for each step of each sequence.
pub(super) fn each_step<X, H>(
    sizes: Sizes,
    x: &[X],
    h0: &[H],
    output: &mut [H],
    mut step: impl FnMut(Step<'_, X, H>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let Sizes { steps, batch, inputs, units } = sizes;
    let row = batch.wrapping_mul(units);
    for (t, b) in (0..steps).flat_map(|t| (0..batch).map(move |b| (t, b))) {
        let number = t.wrapping_mul(batch).wrapping_add(b);
        let (done, rest) = output.split_at_mut_checked(number.wrapping_mul(units)).ok_or(Fault)?;
        let (after, rest) = rest.split_at_mut_checked(units).ok_or(Fault)?;
        let to_end = steps.wrapping_sub(t).wrapping_mul(row).wrapping_sub(units);
        let behind = rest.get_mut(to_end..).unwrap_or_default();
        let behind = behind.get_mut(..units).unwrap_or_default();
        let before = match t {
            0 => line(h0, b, units)?,
            _ => line(done, number.wrapping_sub(batch), units)?,
        };
        step(Step { x: line(x, number, inputs)?, before, after, behind, first: t == 0, sequence: b })?;
    }
    Ok(())
}

/// Line `number` of lines of `len` numbers.
pub(super) fn line<T>(numbers: &[T], number: usize, len: usize) -> Result<&[T], Fault> {
    let start = number.wrapping_mul(len);
    numbers.get(start..start.wrapping_add(len)).ok_or(Fault)
}
