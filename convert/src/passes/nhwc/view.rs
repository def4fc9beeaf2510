//! How values of the old graph lie in the new one.

use std::collections::HashMap;

use super::super::reshapes::moves_nothing;
use crate::graph::{Function, Graph, Kind, Layout, Node, Op, Original, Value, ValueId};
use crate::transposed::transposed;

/// Where an old value's elements are: those of the new value `id`, in row-major order, are the old value's under
/// the shape `factors` with axis `i` taken from axis `perm[i]`.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) id: ValueId,
    pub(super) factors: Vec<usize>,
    pub(super) perm: Vec<usize>,
}

/// The walk from the old graph to the new one.
pub(super) struct Walk<'a> {
    pub(super) from: &'a Graph,
    pub(super) to: Graph,
    views: Vec<Option<View>>,
    /// Values already brought to another order.
    ordered: HashMap<(ValueId, Vec<usize>), ValueId>,
}

/// The axes of a shape in their order.
pub(super) fn in_order(rank: usize) -> Vec<usize> {
    (0..rank).collect()
}

/// A shape with its axes permuted.
pub(super) fn permuted(shape: &[usize], perm: &[usize]) -> Vec<usize> {
    perm.iter().map(|p| shape[*p]).collect()
}

impl<'a> Walk<'a> {
    pub(super) fn new(from: &'a Graph) -> Walk<'a> {
        let to = Graph { name: from.name.clone(), layout: Layout::Nhwc, ..Graph::default() };
        Walk { from, to, views: vec![None; from.values.len()], ordered: HashMap::new() }
    }

    pub(super) fn finish(self) -> Graph {
        self.to
    }

    /// An input of the graph, with its axes in the order `perm` if that is not empty.
    pub(super) fn input(&mut self, old: ValueId, perm: &[usize]) {
        let shape = self.from.shape(old);
        let perm = if perm.is_empty() { in_order(shape.len()) } else { perm.to_vec() };
        let value = Value::activation(&self.from.value(old).name, &permuted(shape, &perm), self.from.value(old).kind);
        let id = self.to.add(value);
        self.to.inputs.push(id);
        self.bind(old, View { id, factors: shape.to_vec(), perm });
    }

    /// Brings an old value to an order in which all its readers take it.
    pub(super) fn settle(&mut self, old: ValueId, perm: &[usize]) {
        let id = self.ordered(old, perm);
        let factors = self.from.shape(old).to_vec();
        self.alias(old, View { id, factors, perm: perm.to_vec() });
    }

    /// An output of the graph: in ONNX's order, a value of its own, with its name.
    pub(super) fn output(&mut self, old: ValueId) {
        let mut id = self.ordered(old, &in_order(self.from.shape(old).len()));
        let name = self.from.value(old).name.clone();
        if self.to.inputs.contains(&id) || self.to.outputs.contains(&id) {
            let source = self.to.value(id).clone();
            let copy = self.to.add(Value { name: name.clone(), constant: None, ..source });
            self.to.nodes.push(Node::new(&name, Op::Unary(Function::Identity), &[id], copy));
            id = copy;
        }
        self.to.values[id.0].name = name;
        self.to.outputs.push(id);
    }

    /// Says where an old value now is; its name and its ONNX tensor go with it.
    pub(super) fn bind(&mut self, old: ValueId, view: View) {
        let (name, original) = (self.from.value(old).name.clone(), self.original(old, &view));
        let value = &mut self.to.values[view.id.0];
        value.name = name;
        value.original = original;
        self.views[old.0] = Some(view);
    }

    /// Says that an old value is another one seen with other axes.
    pub(super) fn alias(&mut self, old: ValueId, view: View) {
        self.views[old.0] = Some(view);
    }

    fn original(&self, old: ValueId, view: &View) -> Option<Original> {
        let original = self.from.value(old).original.as_ref().filter(|o| o.perm.is_sorted())?;
        Some(Original { tensor: original.tensor.clone(), shape: view.factors.clone(), perm: view.perm.clone() })
    }

    /// Where an old value is. Constants come over when they are first read.
    pub(super) fn view(&mut self, old: ValueId) -> View {
        if let Some(view) = &self.views[old.0] {
            return view.clone();
        }
        let id = self.to.add(self.from.value(old).clone());
        let shape = self.from.shape(old);
        let view = View { id, factors: shape.to_vec(), perm: in_order(shape.len()) };
        self.views[old.0] = Some(view.clone());
        view
    }

    /// The view of an old value in terms of its own axes; a flattened one is brought to order first.
    pub(super) fn axes(&mut self, old: ValueId) -> View {
        let view = self.view(old);
        if view.factors == self.from.shape(old) {
            return view;
        }
        let perm = in_order(self.from.shape(old).len());
        View { id: self.ordered(old, &perm), factors: self.from.shape(old).to_vec(), perm }
    }

    /// An old value with its axes in the order `perm`.
    pub(super) fn ordered(&mut self, old: ValueId, perm: &[usize]) -> ValueId {
        let key = (old, perm.to_vec());
        if let Some(id) = self.ordered.get(&key) {
            return *id;
        }
        let id = match self.from.constant(old) {
            Some(constant) => {
                let old = self.from.value(old);
                let grid = old.grid.clone().filter(|grid| grid.scales.len() == 1 || perm.first() == Some(&0));
                self.to.add(Value {
                    grid,
                    kind: old.kind,
                    ..Value::constant(&old.name, transposed(constant.view(), perm))
                })
            }
            None => {
                let id = self.reorder(old, perm);
                let view = View { id, factors: self.from.shape(old).to_vec(), perm: perm.to_vec() };
                if self.to.value(id).original.is_none() {
                    self.to.values[id.0].original = self.original(old, &view);
                }
                id
            }
        };
        self.ordered.insert(key, id);
        id
    }

    fn reorder(&mut self, old: ValueId, perm: &[usize]) -> ValueId {
        let view = self.view(old);
        let shape = self.from.shape(old).to_vec();
        if view.factors != shape {
            let unflattened = self.move_axes(old, &view, &in_order(view.factors.len()));
            let id = self.reshaped(old, unflattened, &shape);
            return if perm.is_sorted() { id } else { self.transposed(old, id, &shape, perm) };
        }
        self.move_axes(old, &view, perm)
    }

    /// The elements of a view with the axes of its factors in the order `perm`.
    fn move_axes(&mut self, old: ValueId, view: &View, perm: &[usize]) -> ValueId {
        let lying = permuted(&view.factors, &view.perm);
        let id = self.reshaped(old, view.id, &lying);
        let at = |axis: &usize| view.perm.iter().position(|p| p == axis).unwrap_or(*axis);
        let relative: Vec<usize> = perm.iter().map(at).collect();
        if relative.is_sorted() { id } else { self.transposed(old, id, &lying, &relative) }
    }

    fn transposed(&mut self, old: ValueId, id: ValueId, shape: &[usize], perm: &[usize]) -> ValueId {
        let target = permuted(shape, perm);
        let op = if moves_nothing(perm, shape) { Op::Reshape } else { Op::Transpose { perm: perm.to_vec() } };
        self.derived(old, op, id, &target)
    }

    fn reshaped(&mut self, old: ValueId, id: ValueId, shape: &[usize]) -> ValueId {
        if self.to.shape(id) == shape { id } else { self.derived(old, Op::Reshape, id, shape) }
    }

    /// A node that moves the elements of an old value.
    fn derived(&mut self, old: ValueId, op: Op, id: ValueId, shape: &[usize]) -> ValueId {
        let name = format!("{}.{}", self.from.value(old).name, if op == Op::Reshape { "reshape" } else { "transpose" });
        self.emit(&name, op, &[id], shape, self.from.value(old).kind)
    }

    /// Adds a node.
    pub(super) fn emit(&mut self, name: &str, op: Op, inputs: &[ValueId], shape: &[usize], kind: Kind) -> ValueId {
        let output = self.to.add(Value::activation(name, shape, kind));
        self.to.nodes.push(Node::new(name, op, inputs, output));
        output
    }

    /// Adds the new form of an old node, with its fused activation.
    pub(super) fn emit_for(&mut self, node: &Node, op: Op, inputs: &[ValueId], view: (&[usize], &[usize])) {
        let (factors, perm) = view;
        self.emit_flat(node, op, inputs, view, &permuted(factors, perm));
    }

    /// The same, with a result of another shape than the view's.
    pub(super) fn emit_flat(
        &mut self,
        node: &Node,
        op: Op,
        inputs: &[ValueId],
        (factors, perm): (&[usize], &[usize]),
        shape: &[usize],
    ) {
        let old = node.outputs[0];
        let id = self.emit(&node.name, op, inputs, shape, self.from.value(old).kind);
        if let Some(last) = self.to.nodes.last_mut() {
            (last.clamp, last.float) = (node.clamp, node.float);
        }
        self.bind(old, View { id, factors: factors.to_vec(), perm: perm.to_vec() });
    }
}
