//! Consistency of a graph: order, single assignment, shapes.

use super::shape::infer;
use super::{Graph, Node, Op, ValueId};

impl Graph {
    /// Every value is written before it is read and written once, every shape follows from the operation,
    /// weights are constants. Called before and after each pass.
    ///
    /// # Errors
    /// The first inconsistency, in words.
    pub fn check(&self) -> Result<(), String> {
        let mut written = vec![false; self.values.len()];
        for (value, written) in self.values.iter().zip(&mut written) {
            *written = value.constant.is_some();
            if value.constant.as_ref().is_some_and(|c| c.shape() != value.shape) {
                return Err(format!("constant `{}` does not have its shape {:?}", value.name, value.shape));
            }
        }
        let states = self.states.iter().map(|state| &state.input);
        self.inputs.iter().chain(states).try_for_each(|id| self.write(*id, &mut written))?;
        for node in &self.nodes {
            self.check_node(node, &written).map_err(|e| format!("node `{}`: {e}", node.name))?;
            node.outputs.iter().try_for_each(|id| self.write(*id, &mut written))?;
        }
        match self.outputs.iter().find(|id| !written.get(id.0).is_some_and(|w| *w)) {
            Some(id) => Err(format!("output {} is never written", id.0)),
            None => Ok(()),
        }
    }

    fn write(&self, id: ValueId, written: &mut [bool]) -> Result<(), String> {
        match written.get_mut(id.0) {
            Some(w) if !*w => *w = true,
            Some(_) => return Err(format!("value `{}` is written twice", self.values[id.0].name)),
            None => return Err(format!("value {} does not exist", id.0)),
        }
        Ok(())
    }

    fn check_node(&self, node: &Node, written: &[bool]) -> Result<(), String> {
        if let Some(id) = node.inputs.iter().find(|id| !written.get(id.0).is_some_and(|w| *w)) {
            return Err(format!("reads value {} before it is written", id.0));
        }
        let activations = match node.op {
            Op::Conv { .. } | Op::FullyConnected => 1,
            Op::Lstm { .. } => 3,
            Op::Gru { .. } | Op::Rnn { .. } => 2,
            _ => node.inputs.len(),
        };
        if node.inputs.iter().skip(activations).any(|id| self.values[id.0].constant.is_none()) {
            return Err("weights and bias must be constants".into());
        }
        let [output] = node.outputs[..] else {
            return Err(format!("has {} outputs, not one", node.outputs.len()));
        };
        let shapes: Vec<&[usize]> = node.inputs.iter().map(|id| self.shape(*id)).collect();
        let found = self.values.get(output.0).ok_or("writes a value that does not exist")?;
        match infer(&node.op, &shapes, self.layout)? {
            Some(shape) if shape != found.shape => {
                Err(format!("computes shape {shape:?} into `{}` of shape {:?}", found.name, found.shape))
            }
            Some(_) => Ok(()),
            None => check_free(&node.op, shapes[0], &found.shape),
        }
    }
}

/// Output shapes that the inputs do not fix.
fn check_free(op: &Op, x: &[usize], y: &[usize]) -> Result<(), String> {
    let fits = match op {
        Op::Slice { starts, steps } => {
            y.len() == x.len() && (0..x.len()).all(|i| last(starts[i], steps[i], y[i]).is_some_and(|l| l < x[i]))
        }
        Op::ArgMax { axis } => y.iter().product::<usize>() * x[*axis] == x.iter().product::<usize>(),
        _ => y.iter().product::<usize>() == x.iter().product::<usize>(),
    };
    if fits { Ok(()) } else { Err(format!("cannot give shape {y:?} from {x:?}")) }
}

/// Index of the last element of a slice, if it is not negative.
fn last(start: usize, step: isize, length: usize) -> Option<usize> {
    let travelled = step.checked_mul(isize::try_from(length.checked_sub(1)?).ok()?)?;
    start.checked_add_signed(travelled)
}

#[cfg(test)]
mod tests {
    use super::super::{Function, Kind, Layout, Value};
    use super::*;

    fn relu() -> Graph {
        let value = |name: &str| Value::activation(name, &[1, 2], Kind::F32);
        let clip = Op::Unary(Function::Clip { lo: 0.0, hi: f32::INFINITY });
        Graph {
            name: String::new(),
            values: vec![value("x"), value("y")],
            nodes: vec![Node::new("relu", clip, &[ValueId(0)], ValueId(1))],
            inputs: vec![ValueId(0)],
            outputs: vec![ValueId(1)],
            states: vec![],
            layout: Layout::Nchw,
        }
    }

    #[test]
    fn a_sound_graph_passes() {
        assert_eq!(relu().check(), Ok(()));
    }

    #[test]
    fn unwritten_twice_written_and_misshapen_values_are_found() {
        let mut unwritten = relu();
        unwritten.inputs.clear();
        assert!(unwritten.check().is_err());
        let mut twice = relu();
        twice.nodes.push(twice.nodes[0].clone());
        assert!(twice.check().unwrap_err().contains("twice"));
        let mut misshapen = relu();
        misshapen.values[1].shape = vec![2, 2];
        assert!(misshapen.check().unwrap_err().contains("relu"));
    }

    #[test]
    fn a_slice_must_stay_inside() {
        assert!(check_free(&Op::Slice { starts: vec![3], steps: vec![-1] }, &[4], &[4]).is_ok());
        assert!(check_free(&Op::Slice { starts: vec![3], steps: vec![-1] }, &[4], &[5]).is_err());
        assert!(check_free(&Op::Slice { starts: vec![1], steps: vec![2] }, &[4], &[3]).is_err());
    }
}
