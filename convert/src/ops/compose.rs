//! Operators that are made of several operations of the graph.

use ndarray::{ArrayD, IxDyn};

use super::pool::{MEAN, reduced};
use crate::error::ConvertError;
use crate::graph::{Binary, BinaryFunction, Function, Op, PoolKind, ValueId};
use crate::import::{Lowering, OnnxNode};

/// A value, or why there is none.
pub(super) type Made = Result<ValueId, ConvertError>;

/// The operations of one node, numbered in their order.
pub(super) struct Compose<'a, 'n> {
    pub(super) node: &'a OnnxNode<'n>,
    pub(super) to: &'a mut Lowering,
    count: usize,
}

impl<'a, 'n> Compose<'a, 'n> {
    pub(super) fn new(node: &'a OnnxNode<'n>, to: &'a mut Lowering) -> Self {
        Self { node, to, count: 0 }
    }

    fn part(&mut self) -> String {
        self.count += 1;
        format!("part_{}", self.count)
    }

    /// The value of input `i`.
    pub(super) fn input(&mut self, i: usize) -> Made {
        self.to.value(self.node, i)
    }

    /// The value of input `i`, if the node has it.
    pub(super) fn optional(&mut self, i: usize) -> Result<Option<ValueId>, ConvertError> {
        self.node.input(i).is_some().then(|| self.input(i)).transpose()
    }

    pub(super) fn shape(&self, x: ValueId) -> Vec<usize> {
        self.to.shape(x)
    }

    /// A constant of one number.
    pub(super) fn number(&mut self, x: f32) -> Made {
        self.constant(ArrayD::from_elem(IxDyn(&[]), x))
    }

    pub(super) fn constant(&mut self, elements: ArrayD<f32>) -> Made {
        let part = self.part();
        self.to.add_constant(self.node, &part, elements)
    }

    /// A constant of one number, which may be infinite.
    pub(super) fn any_number(&mut self, x: f32) -> ValueId {
        let part = self.part();
        self.to.any_constant(self.node, &part, ArrayD::from_elem(IxDyn(&[]), x))
    }

    pub(super) fn op(&mut self, op: Op, inputs: &[ValueId]) -> Made {
        let part = self.part();
        self.to.emit(self.node, &part, op, inputs)
    }

    pub(super) fn shaped(&mut self, op: Op, inputs: &[ValueId], shape: Vec<usize>) -> Made {
        let part = self.part();
        self.to.emit_shaped(self.node, &part, op, inputs, shape)
    }

    pub(super) fn unary(&mut self, function: Function, x: ValueId) -> Made {
        self.op(Op::Unary(function), &[x])
    }

    pub(super) fn function(&mut self, function: BinaryFunction, a: ValueId, b: ValueId) -> Made {
        self.op(Op::Binary(Binary::Function(function)), &[a, b])
    }

    pub(super) fn add(&mut self, a: ValueId, b: ValueId) -> Made {
        self.op(Op::Binary(Binary::Add), &[a, b])
    }

    pub(super) fn sub(&mut self, a: ValueId, b: ValueId) -> Made {
        self.op(Op::Binary(Binary::Sub), &[a, b])
    }

    pub(super) fn mul(&mut self, a: ValueId, b: ValueId) -> Made {
        self.op(Op::Binary(Binary::Mul), &[a, b])
    }

    pub(super) fn div(&mut self, a: ValueId, b: ValueId) -> Made {
        self.function(BinaryFunction::Div, a, b)
    }

    /// `x · factor`.
    pub(super) fn scaled(&mut self, x: ValueId, factor: f32) -> Made {
        if factor == 1.0 {
            return Ok(x);
        }
        let factor = self.number(factor)?;
        self.mul(x, factor)
    }

    /// `x + addend`.
    pub(super) fn moved(&mut self, x: ValueId, addend: f32) -> Made {
        let addend = self.number(addend)?;
        self.add(x, addend)
    }

    pub(super) fn reshape(&mut self, x: ValueId, shape: Vec<usize>) -> Made {
        if self.shape(x) == shape {
            return Ok(x);
        }
        if self.shape(x).iter().product::<usize>() != shape.iter().product::<usize>() {
            return Err(self
                .node
                .error(format!("cannot give shape {shape:?} to elements of shape {:?}", self.shape(x))));
        }
        self.shaped(Op::Reshape, &[x], shape)
    }

    pub(super) fn transpose(&mut self, x: ValueId, perm: Vec<usize>) -> Made {
        if perm.is_sorted() { Ok(x) } else { self.op(Op::Transpose { perm }, &[x]) }
    }

    /// The `length` elements from `start` on along an axis.
    pub(super) fn slice(&mut self, x: ValueId, axis: usize, start: usize, length: usize) -> Made {
        let mut shape = self.shape(x);
        if start == 0 && shape[axis] == length {
            return Ok(x);
        }
        let (mut starts, steps) = (vec![0; shape.len()], vec![1; shape.len()]);
        (starts[axis], shape[axis]) = (start, length);
        self.shaped(Op::Slice { starts, steps }, &[x], shape)
    }

    /// The elements in the other order along an axis.
    pub(super) fn reversed(&mut self, x: ValueId, axis: usize) -> Made {
        let shape = self.shape(x);
        let (mut starts, mut steps) = (vec![0; shape.len()], vec![1; shape.len()]);
        (starts[axis], steps[axis]) = (shape[axis] - 1, -1);
        self.shaped(Op::Slice { starts, steps }, &[x], shape)
    }

    pub(super) fn concat(&mut self, parts: &[ValueId], axis: usize) -> Made {
        match parts {
            [part] => Ok(*part),
            parts => self.op(Op::Concat { axis }, parts),
        }
    }

    /// `x` reduced along `axes`, which stay as ones.
    pub(super) fn reduce(&mut self, kind: PoolKind, x: ValueId, axes: &[usize]) -> Made {
        if axes.is_empty() {
            return Ok(x);
        }
        let part = self.part();
        reduced(self.node, self.to, &part, kind, (x, axes))
    }

    pub(super) fn mean(&mut self, x: ValueId, axes: &[usize]) -> Made {
        self.reduce(MEAN, x, axes)
    }

    /// `a · b`, of `b` transposed if so wanted.
    pub(super) fn matmul(&mut self, a: ValueId, b: ValueId, transposed: bool) -> Made {
        self.op(Op::MatMul { transposed }, &[a, b])
    }
}
