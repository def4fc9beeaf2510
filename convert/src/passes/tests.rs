//! Graphs to pass through, and whole models.

use ndarray::{ArrayD, IxDyn};

use super::*;
use crate::graph::{Kind, Layout, Node, Op, Original, Value, ValueId, naive, shape};
use crate::import::tests::{Case, EXPORTS, REQUIRED, data, difference, first_sample, models};

/// A graph built by hand.
pub(crate) struct Build {
    graph: Graph,
    seed: u32,
}

impl Build {
    pub(crate) fn new() -> Build {
        Build { graph: Graph::default(), seed: 1 }
    }

    /// Channels last from the start.
    pub(crate) fn nhwc() -> Build {
        Build { graph: Graph { layout: Layout::Nhwc, ..Graph::default() }, seed: 1 }
    }

    pub(crate) fn constant(&mut self, elements: ArrayD<f32>) -> ValueId {
        self.graph.add(Value::constant("constant", elements))
    }

    /// What was built so far, to change.
    pub(crate) fn graph_mut(&mut self) -> &mut Graph {
        &mut self.graph
    }

    pub(crate) fn input(&mut self, shape: &[usize]) -> ValueId {
        let name = format!("input_{}", self.graph.inputs.len());
        let original = Some(Original::same(&name, shape));
        let id = self.graph.add(Value { original, ..Value::activation(&name, shape, Kind::F32) });
        self.graph.inputs.push(id);
        id
    }

    pub(crate) fn random(&mut self, shape: &[usize]) -> ValueId {
        self.seed += 1;
        let elements = random(shape, self.seed);
        self.constant(elements)
    }

    pub(crate) fn number(&mut self, number: f32) -> ValueId {
        self.graph.add(Value::constant("number", ArrayD::from_elem(IxDyn(&[]), number)))
    }

    pub(crate) fn op(&mut self, op: Op, inputs: &[ValueId]) -> ValueId {
        let shapes: Vec<&[usize]> = inputs.iter().map(|id| self.graph.shape(*id)).collect();
        let shape = shape::infer(&op, &shapes, self.graph.layout).unwrap().unwrap();
        self.shaped(op, inputs, &shape)
    }

    pub(crate) fn shaped(&mut self, op: Op, inputs: &[ValueId], shape: &[usize]) -> ValueId {
        let name = format!("node_{}", self.graph.nodes.len());
        let original = Some(Original::same(&name, shape));
        let id = self.graph.add(Value { original, ..Value::activation(&name, shape, Kind::F32) });
        self.graph.nodes.push(Node::new(&name, op, inputs, id));
        id
    }

    pub(crate) fn output(mut self, id: ValueId) -> Graph {
        self.graph.outputs.push(id);
        assert_eq!(self.graph.check(), Ok(()));
        self.graph
    }
}

/// Reals in -1..1.
pub(crate) fn random(shape: &[usize], seed: u32) -> ArrayD<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761);
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1u32 << 23) as f32 - 1.0
    })
}

/// Both graphs compute the same outputs, and so does every value that says it equals an original one.
pub(super) fn equivalent(before: &Graph, after: &Graph) {
    assert_eq!(after.check(), Ok(()));
    let inputs: Vec<ArrayD<f32>> =
        before.inputs.iter().enumerate().map(|(i, id)| random(before.shape(*id), 100 + i as u32)).collect();
    let old = naive::run(before, &inputs);
    // A door whose layout was changed takes its elements in that layout.
    let doors = before.inputs.iter().zip(&after.inputs).map(|(old, new)| (before.value(*old), after.value(*new)));
    let turned: Vec<ArrayD<f32>> = inputs.iter().zip(doors).map(|(x, (old, new))| at_door(x, old, new)).collect();
    let new = naive::run(after, &turned);
    for (a, b) in before.outputs.iter().zip(&after.outputs) {
        assert_eq!(old[a].shape(), new[b].shape());
        assert!(difference(&new[b], &old[a]) < 1e-4, "{:?}\n{:?}", old[a], new[b]);
    }
    for (id, value) in &new {
        let Some(original) = &after.value(*id).original else { continue };
        let of_tensor = |v: &Value| v.original.as_ref().filter(|o| o.tensor == original.tensor).cloned();
        for (source, own) in old.iter().filter_map(|(id, x)| Some((x, of_tensor(before.value(*id))?))) {
            match own.perm.is_sorted() {
                true => assert!(difference(value, &seen(original, source)) < 1e-4, "{}", own.tensor),
                false if own == *original => assert!(difference(value, source) < 1e-4, "{}", own.tensor),
                false => {}
            }
        }
    }
}

fn at_door(x: &ArrayD<f32>, old: &Value, new: &Value) -> ArrayD<f32> {
    match &new.original {
        Some(original) if new.original != old.original => seen(original, x),
        _ => x.clone(),
    }
}

/// The elements of an ONNX tensor in the order of the value that equals it.
fn seen(original: &Original, tensor: &ArrayD<f32>) -> ArrayD<f32> {
    let elements = tensor.iter().copied().collect();
    let factored = ArrayD::from_shape_vec(IxDyn(&original.shape), elements).unwrap();
    factored.permuted_axes(IxDyn(&original.perm)).as_standard_layout().into_owned()
}

/// The simplified graph of a case, equal to onnxruntime at the outputs and to tract wherever it names a tensor.
fn check_case(case: Case) -> Graph {
    let Case { name, graph, oracle, inputs, outputs } = case;
    let simple = simplify(graph, &SimplifyOptions::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
    let (values, all) = (naive::run(&simple, &inputs), oracle.run_all(&inputs).unwrap());
    for (id, golden) in simple.outputs.iter().zip(&outputs) {
        let golden = first_sample(golden, values[id].shape());
        assert!(difference(&values[id], &golden) < 2e-4, "{name}: {}", difference(&values[id], &golden));
    }
    let mut compared = 0;
    for (id, value) in &values {
        let Some(original) = &simple.value(*id).original else { continue };
        if let Some(their) = all.get(&original.tensor) {
            assert!(difference(value, &seen(original, their)) < 2e-4, "{name}: {}", original.tensor);
            compared += 1;
        }
    }
    assert!(2 * compared > values.len(), "{name}: only {compared} of {} tensors have an original", values.len());
    simple
}

fn transposes(graph: &Graph) -> usize {
    graph.nodes.iter().filter(|n| matches!(n.op, Op::Transpose { .. })).count()
}

#[test]
fn required_models_keep_their_outputs_and_lose_their_transpositions() {
    let Some(folder) = models() else { return };
    for name in REQUIRED {
        assert_eq!(transposes(&check_case(Case::load(&folder, name))), 0, "{name}");
    }
}

#[test]
fn larger_models_keep_their_outputs() {
    let Some(folder) = models() else { return };
    assert_eq!(transposes(&check_case(Case::load(&folder, "mobilenetv2_flowers/model"))), 1);
    assert_eq!(transposes(&check_case(Case::load(&folder, "ultraface_rfb320/model"))), 1);
}

/// Nodes and transpositions that are left of each exporter's idioms.
#[test]
fn exporters_idioms_become_short_programs() {
    let sizes = EXPORTS.map(|name| {
        let graph = check_case(Case::load(&data(), name));
        (name, graph.nodes.len(), transposes(&graph))
    });
    let expected = [
        ("torch_mobilenet", 9, 1),
        ("torch_squeeze_excite", 23, 1),
        ("torch_lenet", 10, 0),
        ("torch_conv1d", 9, 1),
        ("torch_inception", 23, 3),
        ("torch_tokens", 10, 0),
        ("tf_channels_last", 5, 0),
        ("normalized_input", 9, 1),
        ("two_inputs", 9, 0),
    ];
    assert_eq!(sizes, expected);
}

#[test]
fn the_passes_can_be_stopped() {
    let graph = || Case::load(&data(), "torch_lenet").graph;
    let options = SimplifyOptions { stop_after: Some("patterns".into()), ..SimplifyOptions::default() };
    assert_eq!(simplify(graph(), &options).unwrap().layout, Layout::Nchw);
    assert_eq!(simplify(graph(), &SimplifyOptions::default()).unwrap().layout, Layout::Nhwc);
}
