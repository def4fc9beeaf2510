//! Layers fitted anew to what the original computes.

use lacewing_numeric::{add, cross, dot, products, responses};
use ndarray::{ArrayD, Axis};

use super::{RIDGE, is_layer, windows};
use crate::Sample;
use crate::channels::{Removal, count, shared};
use crate::error::ConvertError;
use crate::front::Front;
use crate::graph::{Graph, Node, NodeId, Value};
use crate::quantize::{Quantization, nodes};
use crate::reach::{Reach, Rows};

/// The graph without what goes, and each layer from the first on that reads less fitted to what it computed; but those that have their
/// weights together stay, which nothing went from.
pub(super) fn fit(
    whole: &Graph,
    removal: &Removal,
    samples: &[Sample],
    step: &mut impl FnMut(),
) -> Result<Graph, ConvertError> {
    let none = Quantization::none();
    let mut pruned = removal.apply(whole.clone(), none.clone()).0;
    let (shared, mut reads_less) = (shared(whole), false);
    let (mut ahead, mut behind) = (Front::new(whole, samples), Front::new(&pruned, samples));
    for (id, original) in nodes(whole).filter(|(_, node)| is_layer(&node.op)) {
        reads_less |= removal.kept.contains_key(&original.inputs[0]);
        if reads_less && !shared.contains(&id) {
            ahead.advance(whole, &none, id.0)?;
            behind.advance(&pruned, &none, id.0)?;
            let x = original.inputs[0];
            let kept = removal.kept.get(&original.outputs[0]).cloned();
            let kept = kept.unwrap_or_else(|| (0..count(whole, original.outputs[0])).collect());
            let target = Matrix::of(whole, original);
            let fitted = Matrix::of(&pruned, &pruned.nodes[id.0]).fitted(&target, &kept, (&behind.of(x), &ahead.of(x)));
            fitted.store(&mut pruned, id);
        }
        step();
    }
    Ok(pruned)
}

/// A layer's weights.
struct Matrix {
    /// `[out][..]`.
    rows: Vec<Vec<f64>>,
    bias: Vec<f64>,
    reach: Reach,
    groups: usize,
}

impl Matrix {
    fn of(graph: &Graph, node: &Node) -> Self {
        let numbers = |row: ndarray::ArrayViewD<'_, f32>| row.iter().map(|w| f64::from(*w)).collect();
        let rows: Vec<Vec<f64>> =
            graph.constant(node.inputs[1]).into_iter().flat_map(|w| w.axis_iter(Axis(0))).map(numbers).collect();
        let mut bias: Vec<f64> =
            node.inputs.get(2).and_then(|id| graph.constant(*id)).map_or_else(Vec::new, |b| numbers(b.view()));
        bias.resize(rows.len(), 0.0);
        let (reach, groups) = Reach::of(graph, node);
        Self { rows, bias, reach, groups }
    }

    /// Fitted to outputs `kept` of `target`, which meets `t` where this meets `x`.
    fn fitted(mut self, target: &Self, kept: &[usize], (x, t): (&[&ArrayD<f32>], &[&ArrayD<f32>])) -> Self {
        let [each, of] = [&self, target].map(|matrix| matrix.rows.len() / matrix.groups.max(1));
        for group in 0..self.groups {
            let outputs = group * each..(group + 1) * each;
            let Some(first) = kept.get(outputs.start) else { break };
            let x = self.reach.rows(x, group, windows);
            let count = x.centered.len() / x.mean.len().max(1);
            let t = target.reach.rows(t, first / of.max(1), |_| count);
            let wanted = &kept[outputs.clone()];
            let bias = wanted.iter().map(|o| target.bias[*o] + dot(&target.rows[*o], &t.mean));
            let weights: Vec<f64> = wanted.iter().flat_map(|o| &target.rows[*o]).copied().collect();
            let responses = responses(&t.centered, &weights, t.mean.len());
            if least_squares(&mut self.rows[outputs.clone()], &x, &responses) {
                let rows = &self.rows[outputs.clone()];
                let bias = bias.zip(rows).map(|(bias, row)| bias - dot(row, &x.mean));
                self.bias[outputs].iter_mut().zip(bias).for_each(|(to, bias)| *to = bias);
            }
        }
        self
    }

    /// As the weights of a node.
    fn store(self, graph: &mut Graph, id: NodeId) {
        let Node { name, inputs, .. } = graph.nodes[id.0].clone();
        let single = |numbers: Vec<f64>| numbers.into_iter().map(|w| w as f32).collect::<Vec<f32>>();
        let outputs = self.rows.len();
        let weights = ArrayD::from_shape_vec(graph.shape(inputs[1]), single(self.rows.concat()));
        let bias = ArrayD::from_shape_vec(vec![outputs], single(self.bias));
        if let (Ok(weights), Ok(bias)) = (weights, bias) {
            let weights = graph.add(Value::constant(&format!("{name}.weights"), weights));
            let bias = graph.add(Value::constant(&format!("{name}.bias"), bias));
            graph.nodes[id.0].inputs = vec![inputs[0], weights, bias];
        }
    }
}

/// `W' = (E[y·xᵀ] + λ·W)·(E[x·xᵀ] + λ)⁻¹`; whether there is one.
fn least_squares(rows: &mut [Vec<f64>], x: &Rows, y: &[f64]) -> bool {
    let depth = x.mean.len();
    let squares = products(&x.centered, &x.centered, depth);
    let lambda = RIDGE * squares.mean_diagonal() + f64::MIN_POSITIVE.sqrt();
    let Some(root) = squares.damped(lambda).cholesky() else { return false };
    let mut wanted = cross((y, rows.len()), (&x.centered, depth));
    for (row, wanted) in rows.iter_mut().zip(wanted.chunks_mut(depth.max(1))) {
        add(wanted, lambda, row);
        root.solve(wanted);
        row.copy_from_slice(wanted);
    }
    true
}
