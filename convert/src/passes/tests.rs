//! Graphs to pass through, and whole models.

use ndarray::{ArrayD, IxDyn};

use super::*;
use crate::graph::{Kind, Node, Op, Original, Value, ValueId, naive, shape};
use crate::import::tests::{REQUIRED, difference, first_sample, golden, models};
use crate::import::{ImportOptions, Source, onnx};
use crate::oracle::Oracle;

/// A graph built by hand.
pub(super) struct Build {
    graph: Graph,
    seed: u32,
}

impl Build {
    pub(super) fn new() -> Build {
        Build { graph: Graph::default(), seed: 1 }
    }

    pub(super) fn input(&mut self, shape: &[usize]) -> ValueId {
        let name = format!("input_{}", self.graph.inputs.len());
        let id = self.graph.add(Value::activation(&name, shape, Kind::F32));
        self.graph.inputs.push(id);
        id
    }

    pub(super) fn random(&mut self, shape: &[usize]) -> ValueId {
        self.seed += 1;
        let elements = random(shape, self.seed);
        self.graph.add(Value::constant("constant", elements))
    }

    pub(super) fn number(&mut self, number: f32) -> ValueId {
        self.graph.add(Value::constant("number", ArrayD::from_elem(IxDyn(&[]), number)))
    }

    pub(super) fn op(&mut self, op: Op, inputs: &[ValueId]) -> ValueId {
        let shapes: Vec<&[usize]> = inputs.iter().map(|id| self.graph.shape(*id)).collect();
        let shape = shape::infer(&op, &shapes, self.graph.layout).unwrap().unwrap();
        self.shaped(op, inputs, &shape)
    }

    pub(super) fn shaped(&mut self, op: Op, inputs: &[ValueId], shape: &[usize]) -> ValueId {
        let name = format!("node_{}", self.graph.nodes.len());
        let original = Some(Original::same(&name, shape));
        let id = self.graph.add(Value { original, ..Value::activation(&name, shape, Kind::F32) });
        self.graph.nodes.push(Node::new(&name, op, inputs, id));
        id
    }

    pub(super) fn output(mut self, id: ValueId) -> Graph {
        self.graph.outputs.push(id);
        assert_eq!(self.graph.check(), Ok(()));
        self.graph
    }
}

/// Reals in -1..1.
fn random(shape: &[usize], seed: u32) -> ArrayD<f32> {
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
    let turned: Vec<ArrayD<f32>> = inputs.iter().zip(&after.inputs).map(|(x, id)| at_door(x, after.value(*id))).collect();
    let new = naive::run(after, &turned);
    for (a, b) in before.outputs.iter().zip(&after.outputs) {
        assert_eq!(old[a].shape(), new[b].shape());
        assert!(difference(&new[b], &old[a]) < 1e-4, "{:?}\n{:?}", old[a], new[b]);
    }
    for (id, value) in &new {
        let Some(original) = &after.value(*id).original else { continue };
        let source = old.iter().find(|(id, _)| before.value(**id).name == original.tensor);
        if let Some((_, source)) = source {
            assert!(difference(value, &seen(original, source)) < 1e-4, "{}", original.tensor);
        }
    }
}

fn at_door(x: &ArrayD<f32>, door: &Value) -> ArrayD<f32> {
    door.original.as_ref().map_or(x.clone(), |original| seen(original, x))
}

/// The elements of an ONNX tensor in the order of the value that equals it.
fn seen(original: &Original, tensor: &ArrayD<f32>) -> ArrayD<f32> {
    let elements = tensor.iter().copied().collect();
    let factored = ArrayD::from_shape_vec(IxDyn(&original.shape), elements).unwrap();
    factored.permuted_axes(IxDyn(&original.perm)).as_standard_layout().into_owned()
}

fn check_model(name: &str, folder: &std::path::Path) -> Graph {
    let bytes = std::fs::read(folder.join(format!("{name}.onnx"))).unwrap();
    let options = try_options();
    let graph = onnx(&bytes, &options).unwrap_or_else(|e| panic!("{name}: {e}"));
    let simple = simplify(graph, &SimplifyOptions::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
    let oracle = Oracle::new(&bytes, &options).unwrap();
    let source = Source::decode(&bytes).unwrap();
    let (inputs, outputs) = golden(&folder.join(format!("{name}.golden.npz")), &source);
    let inputs: Vec<_> = inputs.iter().zip(oracle.input_shapes()).map(|(x, s)| first_sample(x, &s)).collect();
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
    println!("{name}: {} nodes, {compared} of {} tensors compared", simple.nodes.len(), values.len());
    if std::env::var_os("LACEWING_SHOW").is_some() {
        for node in &simple.nodes {
            println!("    {:?} {:?} {:?}", node.op, simple.shape(node.outputs[0]), node.clamp);
        }
    }
    simple
}

fn transposes(graph: &Graph) -> usize {
    graph.nodes.iter().filter(|n| matches!(n.op, Op::Transpose { .. })).count()
}

#[test]
fn required_models_keep_their_outputs_and_lose_their_transpositions() {
    let Some(folder) = models() else { return };
    for name in REQUIRED {
        assert_eq!(transposes(&check_model(name, &folder)), 0, "{name}");
    }
}

#[test]
fn larger_models_keep_their_outputs() {
    let Some(folder) = models() else { return };
    assert_eq!(transposes(&check_model("mobilenetv2_flowers/model", &folder)), 1);
    assert_eq!(transposes(&check_model("ultraface_rfb320/model", &folder)), 1);
}

#[test]
fn zz_try() {
    let Some(folder) = models() else { return };
    let Ok(names) = std::env::var("LACEWING_TRY") else { return };
    for name in names.split(',') {
        println!("== {name}: {:?}", std::panic::catch_unwind(|| transposes(&check_model(name, &folder))).map_err(|_|()));
    }
}

fn try_options() -> ImportOptions {
    let text = std::env::var("LACEWING_DIMS").unwrap_or_default();
    let dims = text.split(',').filter_map(|d| d.split_once('=')).map(|(n, v)| (n.to_string(), v.parse().unwrap())).collect();
    ImportOptions { dims }
}
