//! Reshapes of values whose axes are not in ONNX's order.

use super::view::{View, Walk, in_order, permuted};
use crate::graph::{Node, Op};

/// A reshape keeps the elements in ONNX's order. Where each group of axes that it joins or splits lies together,
/// the new axes lie as the old ones did; where all are joined into one, the order is remembered for the reader;
/// elsewhere the axes of each group are brought together first.
pub(super) fn step(walk: &mut Walk<'_>, node: &Node) {
    let (old, result) = (node.inputs[0], node.outputs[0]);
    let (from, to) = (walk.from.shape(old).to_vec(), walk.from.shape(result).to_vec());
    let view = walk.view(old);
    if view.factors == from {
        if let Some(perm) = carried(&from, &to, &view.perm) {
            return walk.emit_for(node, Op::Reshape, &[view.id], (&to, &perm));
        }
    } else if view.factors == to {
        let perm = view.perm.clone();
        return walk.emit_for(node, Op::Reshape, &[view.id], (&to, &perm));
    }
    if to.iter().filter(|d| **d != 1).count() <= 1 {
        let View { id, factors, perm } = view;
        return walk.emit_flat(node, Op::Reshape, &[id], (&factors, &perm), &to);
    }
    let together = if view.factors == from { gathered(&from, &to, &view.perm) } else { in_order(from.len()) };
    let id = walk.ordered(old, &together);
    let perm = carried(&from, &to, &together).unwrap_or(in_order(to.len()));
    walk.emit_for(node, Op::Reshape, &[id], (&to, &perm));
}

/// An order of the axes of `from` in which each group lies together, the groups in the order of `perm`.
fn gathered(from: &[usize], to: &[usize], perm: &[usize]) -> Vec<usize> {
    let groups = groups(from, to);
    let mut order: Vec<usize> = Vec::with_capacity(from.len());
    for axis in perm.iter().filter(|axis| from[**axis] != 1) {
        if !order.contains(axis) {
            order.extend(groups.iter().find(|(old, _)| old.contains(axis)).map_or(&[][..], |(old, _)| old));
        }
    }
    with_single_axes(order, from)
}

/// The order of the axes of `to` when elements of shape `from`, whose axes lie in the order `perm`, are not moved;
/// `None` if they have to be.
fn carried(from: &[usize], to: &[usize], perm: &[usize]) -> Option<Vec<usize>> {
    let lying: Vec<usize> = perm.iter().copied().filter(|axis| from[*axis] != 1).collect();
    let groups = groups(from, to);
    let mut order = Vec::with_capacity(to.len());
    let mut rest = &lying[..];
    while let Some(first) = rest.first() {
        let (old, new) = groups.iter().find(|(old, _)| old.first() == Some(first))?;
        rest = rest.strip_prefix(&old[..])?;
        order.extend(new);
    }
    Some(with_single_axes(order, to))
}

/// The least groups of axes with equal products, axes of size 1 left out.
fn groups(from: &[usize], to: &[usize]) -> Vec<(Vec<usize>, Vec<usize>)> {
    let axes = |shape: &[usize]| (0..shape.len()).filter(|a| shape[*a] != 1).collect::<Vec<_>>().into_iter().peekable();
    let (mut old, mut new) = (axes(from), axes(to));
    let mut groups = Vec::new();
    while let (Some(a), Some(b)) = (old.next(), new.next()) {
        let (mut left, mut right) = (vec![a], vec![b]);
        let (mut sizes, mut sizes_to) = (from[a], to[b]);
        while sizes != sizes_to {
            let next = if sizes < sizes_to { old.next() } else { new.next() };
            match next {
                Some(axis) if sizes < sizes_to => {
                    sizes *= from[axis];
                    left.push(axis);
                }
                Some(axis) => {
                    sizes_to *= to[axis];
                    right.push(axis);
                }
                None => break,
            }
        }
        groups.push((left, right));
    }
    groups
}

/// Axes of size 1 may lie anywhere: behind the axis before them.
fn with_single_axes(mut order: Vec<usize>, shape: &[usize]) -> Vec<usize> {
    for axis in (0..shape.len()).filter(|a| shape[*a] == 1) {
        let before = order.iter().position(|a| Some(*a) == axis.checked_sub(1));
        order.insert(before.map_or(0, |p| p + 1), axis);
    }
    order
}

/// Whether a view's elements lie in ONNX's order after all.
pub(super) fn lies_in_order(view: &View) -> bool {
    let shape = permuted(&view.factors, &view.perm);
    let moved: Vec<usize> = view.perm.iter().zip(&shape).filter(|(_, d)| **d != 1).map(|(p, _)| *p).collect();
    moved.is_sorted()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_channels_lie_where_the_channels_lay() {
        assert_eq!(carried(&[1, 6, 4, 5], &[1, 2, 3, 4, 5], &[0, 2, 3, 1]), Some(vec![0, 3, 4, 1, 2]));
    }

    #[test]
    fn joined_rows_and_columns_stay_in_front_of_the_channels() {
        assert_eq!(carried(&[1, 6, 4, 5], &[1, 6, 20], &[0, 2, 3, 1]), Some(vec![0, 2, 1]));
    }

    #[test]
    fn joined_channels_and_rows_have_to_move() {
        assert_eq!(carried(&[1, 6, 4, 5], &[1, 24, 5], &[0, 2, 3, 1]), None);
        assert_eq!(carried(&[1, 6, 4, 5], &[1, 120], &[0, 2, 3, 1]), None);
    }

    #[test]
    fn single_axes_come_and_go() {
        assert_eq!(carried(&[1, 6, 1, 1], &[1, 6], &[0, 2, 3, 1]), Some(vec![0, 1]));
        assert_eq!(carried(&[1, 6, 1, 5], &[1, 6, 5], &[0, 2, 3, 1]), Some(vec![0, 2, 1]));
        assert_eq!(carried(&[1, 1], &[1], &[0, 1]), Some(vec![0]));
    }
}
