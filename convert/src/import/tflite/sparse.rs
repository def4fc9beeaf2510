//! Constants whose zeros are left out, written out.
//!
//! The file has a tree: each level is one axis of the tensor, or one axis inside of its blocks, in the order of the traversal. A dense level
//! has every index below each node of the level before, a sparse one those that it lists. The leaves are the elements, in their order.

use super::schema::{DimensionMetadata, Sparsity};

/// Elements for each that the file holds: a small file must not unfold to a large one.
const MOST: usize = 64;

/// Dense levels, as the schema numbers them.
const DENSE: i8 = 0;

/// The elements of `width` bytes in the places that the tree gives them, all others 0.
pub(super) fn written_out(
    sparsity: &Sparsity<'_>,
    shape: &[usize],
    width: usize,
    bytes: &[u8],
) -> Result<Vec<u8>, String> {
    let len = shape.iter().try_fold(width, |n, d| n.checked_mul(*d));
    if len.is_none_or(|len| len > bytes.len().saturating_mul(MOST).saturating_add(1 << 16)) {
        return Err(format!("has the shape {shape:?} and {} bytes", bytes.len()));
    }
    let tree = Tree::read(sparsity, shape).ok_or("is sparse in a way that does not fit its shape")?;
    let places = tree.places().ok_or("is sparse, and its indices lie outside of it")?;
    if places.len().checked_mul(width) != Some(bytes.len()) {
        return Err(format!("is sparse with {} elements in {} bytes", places.len(), bytes.len()));
    }
    let mut dense = vec![0; tree.len * width];
    for (place, element) in places.into_iter().zip(bytes.chunks_exact(width)) {
        dense[place * width..][..width].copy_from_slice(element);
    }
    Ok(dense)
}

/// One level: how far an index moves in the dense tensor, and which indices there are.
struct Level {
    stride: usize,
    size: usize,
    /// For each node of the level before where its indices begin, and one end more; and the indices. `None` for all of them.
    listed: Option<[Vec<usize>; 2]>,
}

struct Tree {
    levels: Vec<Level>,
    /// Elements of the dense tensor.
    len: usize,
}

impl Tree {
    fn read(sparsity: &Sparsity<'_>, shape: &[usize]) -> Option<Tree> {
        let numbers = |n: i32| usize::try_from(n).ok();
        let order: Vec<usize> = sparsity.traversal_order()?.iter().map(numbers).collect::<Option<_>>()?;
        let blocked: Vec<usize> = sparsity.block_map().into_iter().flatten().map(numbers).collect::<Option<_>>()?;
        let metadata: Vec<_> = sparsity.dim_metadata()?.iter().collect();
        let mut sorted = order.clone();
        sorted.sort_unstable();
        let rank = shape.len() + blocked.len();
        if !sorted.into_iter().eq(0..rank) || metadata.len() != rank || blocked.iter().any(|axis| *axis >= shape.len())
        {
            return None;
        }
        let inside = |axis: usize| blocked.iter().position(|blocked| *blocked == axis);
        let level_of = |dimension: usize| order.iter().position(|of| *of == dimension);
        let block = |axis: usize| match inside(axis) {
            Some(number) => numbers(metadata[level_of(shape.len() + number)?].dense_size()).filter(|n| *n > 0),
            None => Some(1),
        };
        let levels = order.iter().zip(&metadata).map(|(&dimension, metadata)| {
            let axis = if dimension < shape.len() { dimension } else { blocked[dimension - shape.len()] };
            let (stride, block) = (shape[axis + 1..].iter().product::<usize>(), block(axis)?);
            let whole = shape[axis].is_multiple_of(block);
            let (stride, size) = match dimension < shape.len() {
                true => (stride.checked_mul(block)?, shape[axis] / block),
                false => (stride, block),
            };
            whole.then_some(())?;
            Level::read(metadata, stride, size)
        });
        let len = shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d))?;
        Some(Tree { levels: levels.collect::<Option<_>>()?, len })
    }

    /// Where each leaf lies in the dense tensor.
    fn places(&self) -> Option<Vec<usize>> {
        let mut places = vec![0];
        for level in &self.levels {
            let mut next = Vec::new();
            for (node, place) in places.into_iter().enumerate() {
                level.below(node, place, &mut next)?;
                if next.len() > self.len {
                    return None;
                }
            }
            places = next;
        }
        Some(places)
    }
}

impl Level {
    fn read(metadata: &DimensionMetadata<'_>, stride: usize, size: usize) -> Option<Level> {
        if metadata.format() == DENSE {
            return (usize::try_from(metadata.dense_size()) == Ok(size)).then_some(Level {
                stride,
                size,
                listed: None,
            });
        }
        let listed = Some([metadata.array_segments()?, metadata.array_indices()?]);
        Some(Level { stride, size, listed })
    }

    /// Adds the places below a node.
    fn below(&self, node: usize, place: usize, to: &mut Vec<usize>) -> Option<()> {
        let Some([ends, indices]) = &self.listed else {
            to.extend((0..self.size).map(|index| place + index * self.stride));
            return Some(());
        };
        let indices = indices.get(*ends.get(node)?..*ends.get(node + 1)?)?;
        to.extend(indices.iter().map(|index| place + index * self.stride));
        indices.iter().all(|index| *index < self.size).then_some(())
    }
}
