//! Tiles of two pixels by two outputs in int16, with int8 weights, and in int8, with int4 weights.
//!
//! A loop gives the four sums of a tile; they are rounded here, the second pixel's first, since both may go to the same place. The weights of both outputs stand together: in int16 two bytes for two bytes of an
//! activation, so that one index is for all, in int4 both in one byte, which is loaded once.

use super::insn;
use super::round::high;
use crate::layer::Rounding;
use crate::squares::{Loops, Nibbles, WideSquare};
use crate::wide::MOST;
use crate::windows::Copy;

/// The loops of scalar processors.
pub(crate) struct Scalars;

impl Loops for Scalars {
    const GROUP: u8 = 1;
    const ENOUGH: u32 = 512;

    fn copy(from: &[i8], to: &mut [i8], copy: &Copy) -> Option<()> {
        insn::copy(from, to, copy)
    }

    #[inline(never)]
    fn wide(square: &mut WideSquare<'_>) -> Option<()> {
        let WideSquare { x, rounding, outputs, .. } = *square;
        let mut weights = square.weights;
        for o in (0..outputs).step_by(2) {
            let (now, after) = weights.split_at_checked(x[0].len().wrapping_mul(2))?;
            let [m, n] = *multipliers(&rounding, outputs, o)?;
            let [a, b, c, d] = wide_sums(x, now, square.bias.get(o..)?.first_chunk()?)?;
            let outputs = [square.wide.apply(c, m), square.wide.apply(d, n)];
            *square.y.get_mut(square.second.wrapping_add(o)..)?.first_chunk_mut()? = outputs;
            *square.y.get_mut(o..)?.first_chunk_mut()? = [square.wide.apply(a, m), square.wide.apply(b, n)];
            weights = after;
        }
        Some(())
    }

    #[inline(never)]
    fn nibbles(nibbles: &mut Nibbles<'_>) -> Option<()> {
        let Nibbles { x, rounding, outputs, .. } = *nibbles;
        let mut weights = nibbles.weights;
        for o in (0..outputs).step_by(2) {
            let (now, after) = weights.split_at_checked(x[0].len())?;
            let [m, n] = *multipliers(&rounding, outputs, o)?;
            let [p, q] = *nibbles.bias.get(o..)?.first_chunk()?;
            let [a, b, c, d] = insn::sums_w4(x, now)?;
            let round =
                |sum: i32, bias, m| rounding.zero.wrapping_add(high(sum.wrapping_add(bias), m)).clamp(-128, 127) as i8;
            *nibbles.y.get_mut(nibbles.second.wrapping_add(o)..)?.first_chunk_mut()? = [round(c, p, m), round(d, q, n)];
            *nibbles.y.get_mut(o..)?.first_chunk_mut()? = [round(a, p, m), round(b, q, n)];
            weights = after;
        }
        Some(())
    }
}

/// The multipliers of output `o` and the next one.
fn multipliers<'a>(rounding: &Rounding<'a>, outputs: usize, o: usize) -> Option<&'a [i32; 2]> {
    let at = if rounding.step(outputs, 2) > 0 { o } else { 0 };
    rounding.multipliers.get(at..)?.first_chunk()
}

/// The sums of a tile: a loop's, as far as they surely fit into 32 bits, are added to 64 bits, which begin as the biases.
#[inline(always)]
fn wide_sums([x, other]: [&[i16]; 2], weights: &[i8], [first, second]: &[i64; 2]) -> Option<[i64; 4]> {
    let [mut a, mut b, mut c, mut d] = [*first, *second, *first, *second];
    for ((x, other), weights) in x.chunks(MOST).zip(other.chunks(MOST)).zip(weights.chunks(2 * MOST)) {
        let sums = insn::sums_i16([x, other], weights)?;
        (a, b) = (a.wrapping_add(sums[0].into()), b.wrapping_add(sums[1].into()));
        (c, d) = (c.wrapping_add(sums[2].into()), d.wrapping_add(sums[3].into()));
    }
    Some([a, b, c, d])
}
