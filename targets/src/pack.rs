//! Files that were written for other kernels, packed anew when they are loaded.

use alloc::vec;
use alloc::vec::Vec;

use lacewing::Model;
use lacewing::arena::{Constants, Pod};
use lacewing::format::encode::{Builder, TooLarge, in_lines};
use lacewing::format::{ALIGN, Layout, Op, Span};

use crate::host::Linked;
use crate::native_family;
use crate::wish::{Wish, Wished};

/// The same program as [`native`](crate::native) kernels wish for it: weights in their order, behind the constants that are there, and bytes to
/// work in, behind the arena. `None` if it is so already. Outputs are the same, bit for bit.
///
/// # Errors
/// [`TooLarge`] if the constants exceed what a file can hold.
///
/// ```
/// use lacewing::{Arena, Model, owned::Aligned};
/// # let file = &include_bytes!("../../firmware-examples/qemu-mps2-an386-classify/fashion.lace")[..];
/// let file = Aligned::from(file);
/// let model: Model = Model::read(&file).unwrap();
/// let packed = lacewing_targets::pack(&model).unwrap().map(|packed| Aligned::from(&packed[..]));
/// let model: Model = Model::read(packed.as_ref().unwrap_or(&file)).unwrap();
/// let mut arena = Aligned::zeroed(model.arena_len());
/// model.run(&lacewing_targets::native(), &mut arena).unwrap();
/// ```
pub fn pack(model: &Model<'_, Linked>) -> Result<Option<Vec<u8>>, TooLarge> {
    if model.ops().all(|mut op| wished(&mut op).is_none_or(|wished| wished.is_met())) {
        return Ok(None);
    }
    in_lines(|phase| packed(model, phase)).map(Some)
}

/// The file, if its constants begin `phase` bytes behind a line of the cache.
fn packed(model: &Model<'_, Linked>, phase: usize) -> Result<Vec<u8>, TooLarge> {
    let all = Span { offset: 0, len: model.header().constants_len };
    let builder = Builder::again(&model.header(), model.constants().get(all).unwrap_or_default()).lines(phase);
    let mut packer = Packer { model, builder, scratch: 0 };
    let mut bands = model.bands().peekable();
    for (index, (mut op, record)) in model.records().enumerate() {
        if bands.peek().is_some_and(|(band, _)| band.start == index) {
            packer.builder.end_plain();
        }
        let changed = packer.pack(&mut op);
        match &op {
            Op::ConvI8(op) if changed => packer.builder.change(op)?,
            Op::DepthwiseI8(op) if changed => packer.builder.change(op)?,
            Op::FullyConnectedI8(op) if changed => packer.builder.change(op)?,
            #[cfg(feature = "float")]
            Op::ConvF32(op) if changed => packer.builder.change(op)?,
            #[cfg(feature = "float")]
            Op::DepthwiseF32(op) if changed => packer.builder.change(op)?,
            #[cfg(feature = "float")]
            Op::FullyConnectedF32(op) if changed => packer.builder.change(op)?,
            _ => packer.builder.keep(record)?,
        }
        if let Some((_, turns)) = bands.next_if(|(band, _)| band.end == index.wrapping_add(1)) {
            packer.builder.end_band(turns);
        }
    }
    packer.finish()
}

/// The wish for a record in int8 or f32: what else some kernels have is for firmware, whose files are written for it. The family is asked for here,
/// where the compiler leaves out all others if there is but one.
fn wished(op: &mut Op) -> Option<Wished<'_>> {
    match op {
        Op::ConvI8(_) | Op::DepthwiseI8(_) | Op::FullyConnectedI8(_) => Wished::of(op, native_family()),
        Op::ConvF32(_) | Op::DepthwiseF32(_) | Op::FullyConnectedF32(_) => Wished::of(op, native_family()),
        _ => None,
    }
}

/// A file that is being written.
struct Packer<'m> {
    model: &'m Model<'m, Linked>,
    builder: Builder,
    /// Bytes behind the arena.
    scratch: u32,
}

impl Packer<'_> {
    /// Changes a record that is not as it is wished for; whether it did.
    fn pack(&mut self, op: &mut Op) -> bool {
        let Some(wished) = wished(op).filter(|wished| !wished.is_met()) else { return false };
        let Wished { wish: Wish { layout, scratch, .. }, weights, outputs, kernel, real, .. } = wished;
        if *wished.layout != layout {
            let (constants, layouts, shape) = (self.model.constants(), [*wished.layout, layout], (outputs, kernel));
            let ordered = match real && cfg!(feature = "float") {
                true => reordered::<f32>(constants, *weights, layouts, shape).map(|all| self.builder.constant(&all)),
                false => reordered::<i8>(constants, *weights, layouts, shape).map(|all| self.builder.constant(&all)),
            };
            let Some(ordered) = ordered else { return false };
            (*weights, *wished.layout) = (ordered, layout);
        }
        if let Some(span) = wished.scratch {
            let offset = (self.model.arena_len() as u32).next_multiple_of(ALIGN as u32);
            *span = Span { offset, len: scratch };
            self.scratch = self.scratch.max(scratch);
        }
        true
    }

    fn finish(mut self) -> Result<Vec<u8>, TooLarge> {
        self.model.states().try_for_each(|state| self.builder.state(&state))?;
        let [inputs, outputs]: [Vec<_>; 2] = [self.model.inputs().collect(), self.model.outputs().collect()];
        let arena = (self.model.arena_len() as u32).next_multiple_of(ALIGN as u32).checked_add(self.scratch);
        self.builder.finish(&inputs, &outputs, arena.ok_or(TooLarge)?, self.model.metadata_bytes())
    }
}

/// Weights in another order; `None` for what the other order has no place for.
fn reordered<W: Weight>(
    constants: Constants<'_>,
    weights: Span,
    [from, to]: [Layout; 2],
    (outputs, kernel): (u32, [u32; 2]),
) -> Option<Vec<W>> {
    let weights = constants.get::<W>(weights).ok()?;
    let at = |o: u32, k: u32| weights.get(from.position(o, k, kernel) as usize).copied();
    let mut ordered = vec![W::default(); to.len(outputs, to.taps(kernel)?)? as usize];
    for o in 0..outputs {
        for k in 0..kernel[0].checked_mul(kernel[1])? {
            let carries = from.carries(o) && at(o.checked_sub(1)?, k)? < W::default();
            let place = to.position(o, k, kernel) as usize;
            *ordered.get_mut(place)? = if carries { at(o, k)?.carried()? } else { at(o, k)? };
        }
    }
    Some(ordered)
}

/// A weight of int8 or f32.
trait Weight: Pod + Default + PartialOrd {
    /// The weight of an element to which 1 must be added; `None` if it is none of this type, which bytes that no converter wrote may say.
    fn carried(self) -> Option<Self>;
}

impl Weight for i8 {
    fn carried(self) -> Option<Self> {
        self.checked_add(1)
    }
}

/// No order of theirs has one.
impl Weight for f32 {
    fn carried(self) -> Option<Self> {
        None
    }
}
