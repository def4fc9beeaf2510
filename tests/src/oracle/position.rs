//! Positions in tensors, taps of windows, order of weights.

use lacewing::format::{Layout, Tensor, Window};

/// The dimensions of a tensor.
pub(super) fn dims(tensor: &Tensor) -> [usize; 4] {
    tensor.shape.map(|dim| dim as usize)
}

/// All positions of a tensor, the last index fastest.
pub(super) fn positions([n, h, w, c]: [usize; 4]) -> Vec<[usize; 4]> {
    let mut positions = Vec::new();
    for n in 0..n {
        for y in 0..h {
            for x in 0..w {
                for c in 0..c {
                    positions.push([n, y, x, c]);
                }
            }
        }
    }
    positions
}

/// Where position `at` is in a tensor.
pub(super) fn index(dims: [usize; 4], at: [usize; 4]) -> usize {
    dims.iter().zip(at).fold(0, |index, (dim, at)| {
        assert!(at < *dim, "position {at} of {dim}");
        index * dim + at
    })
}

/// The taps of a window at output `(oy, ox)`, in order: the input position, `None` outside the image.
pub(super) fn taps(window: &Window, input: &Tensor, [oy, ox]: [usize; 2]) -> Vec<Option<[usize; 2]>> {
    let [_, h, w, _] = dims(input);
    let along = |axis: usize, out: usize, tap: u32, len: usize| {
        let at = out as i64 * i64::from(window.stride[axis]) - i64::from(window.pad[axis])
            + i64::from(tap) * i64::from(window.dilation[axis]);
        usize::try_from(at).ok().filter(|at| *at < len)
    };
    let mut taps = Vec::new();
    for ky in 0..window.kernel[0] {
        for kx in 0..window.kernel[1] {
            let (y, x) = (along(0, oy, ky, h), along(1, ox, kx, w));
            taps.push(y.and_then(|y| Some([y, x?])));
        }
    }
    taps
}

/// Weights as `[o][k]`, read in the order in which a layout stores them.
pub(super) fn unpack(stored: &[i8], layout: Layout, outputs: usize, depth: usize) -> Vec<Vec<i32>> {
    if layout == Layout::PAIRS {
        return unpack_pairs(stored, outputs, depth);
    }
    let weights = unpack_tiles(stored, layout, outputs, depth);
    weights.into_iter().map(|row| row.into_iter().map(i32::from).collect()).collect()
}

/// The weights `[o][k]` of any other layout.
pub(super) fn unpack_tiles<W: Copy + Default>(
    stored: &[W],
    layout: Layout,
    outputs: usize,
    depth: usize,
) -> Vec<Vec<W>> {
    let (tile, group) = (usize::from(layout.outputs), usize::from(layout.depth));
    let mut stored = stored.iter();
    let mut weights = vec![vec![W::default(); depth]; outputs];
    for block in 0..outputs.div_ceil(tile) {
        for first in (0..depth).step_by(group) {
            for o in block * tile..(block + 1) * tile {
                for k in first..first + group {
                    let weight = *stored.next().expect("the layout's length");
                    if let Some(place) = weights.get_mut(o).and_then(|row| row.get_mut(k)) {
                        *place = weight;
                    }
                }
            }
        }
    }
    // Of int4 weights the last byte may hold one too many.
    assert!(stored.len() <= 1, "weights are left");
    weights
}

/// Weights `[o][ky·kw + kx]` of a depthwise convolution, whose layout takes groups out of each column of taps, column after column.
pub(super) fn columns<W: Copy>(layout: Layout, window: &Window, unpack: impl Fn(usize) -> Vec<Vec<W>>) -> Vec<Vec<W>> {
    let ([kh, kw], group) = (window.kernel.map(|taps| taps as usize), usize::from(layout.depth));
    let in_order = |stored: Vec<W>| {
        let mut rows: Vec<Vec<W>> = vec![Vec::new(); kh.next_multiple_of(group)];
        for (at, column) in stored.chunks(group).enumerate() {
            for (row, weight) in column.iter().enumerate() {
                rows[at / kw * group + row].push(*weight);
            }
        }
        rows.truncate(kh);
        rows.concat()
    };
    unpack(kh.next_multiple_of(group) * kw).into_iter().map(in_order).collect()
}

/// The same of `Layout::PAIRS`: for two outputs each, weights 0, 2, 1 and 3 of four as `w[o] + 256·w[o + 1]`.
fn unpack_pairs(stored: &[i8], outputs: usize, depth: usize) -> Vec<Vec<i32>> {
    let mut weights = vec![vec![0; depth.next_multiple_of(4)]; outputs.next_multiple_of(2)];
    for (at, [low, high]) in stored.as_chunks().0.iter().enumerate() {
        let (block, in_block) = (at / depth.next_multiple_of(4), at % depth.next_multiple_of(4));
        let k = in_block / 4 * 4 + [0, 2, 1, 3][in_block % 4];
        weights[2 * block][k] = i32::from(*low);
        weights[2 * block + 1][k] = i32::from(*high) + i32::from(*low < 0);
    }
    weights.truncate(outputs);
    weights.iter_mut().for_each(|row| row.truncate(depth));
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_are_read_in_order() {
        let stored = [0, 1, 10, 11, 2, 99, 12, 99, 20, 21, 99, 99, 22, 99, 99, 99];
        let weights = unpack(&stored, Layout { outputs: 2, depth: 2 }, 3, 3);
        assert_eq!(weights, [[0, 1, 2], [10, 11, 12], [20, 21, 22]]);
    }
}
