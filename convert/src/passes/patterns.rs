//! Activations that exporters spell out as products: SiLU, hard-swish, GELU, Mish, squares.
//!
//! A product of several nodes is taken apart into its factors and one number, so that the order in which
//! an exporter multiplies does not matter. What is left over is dead.

use super::SimplifyOptions;
use super::edit::{Edit, each};
use crate::graph::{Binary, Function, Graph, Op, ValueId};

pub(super) fn run(graph: Graph, _: &SimplifyOptions) -> Graph {
    each(graph, |edit, node| {
        if edit.node(node).op != Op::Binary(Binary::Mul) {
            return;
        }
        let output = edit.output(node);
        if let Some((function, x)) = recognize(edit, output)
            && edit.graph().shape(x) == edit.graph().shape(output)
        {
            edit.replace(node, Op::Unary(function), &[x]);
        }
    })
}

/// A product: its factors that are no numbers, and the number.
struct Product {
    factors: Vec<ValueId>,
    number: f32,
}

/// Most factors that a pattern has.
const MOST: usize = 3;

/// Most factors among which a gate is looked for.
const SEARCHED: usize = 8;

/// `whole` is a factor even where it is a product.
fn product(edit: &Edit, id: ValueId, whole: Option<ValueId>) -> Option<Product> {
    let mut product = Product { factors: vec![], number: 1.0 };
    let mut open = vec![id];
    while let Some(id) = open.pop() {
        if let Some(number) = edit.number(id) {
            product.number *= number;
        } else if let Some(factors) = edit.binary(id, Binary::Mul).filter(|_| Some(id) != whole) {
            open.extend(factors);
        } else {
            product.factors.push(id);
        }
        let unknown = open.iter().filter(|id| edit.number(**id).is_none());
        if product.factors.len() + unknown.count() > MOST {
            return None;
        }
    }
    Some(product)
}

fn near(a: f32, b: f32) -> bool {
    (a - b).abs() <= 1e-4 * b.abs()
}

fn recognize(edit: &Edit, id: ValueId) -> Option<(Function, ValueId)> {
    let of = |whole| of_factors(edit, product(edit, id, whole)?);
    of(None).or_else(|| gated_products(edit, id).into_iter().find_map(|x| of(Some(x))))
}

/// Operands of gates among the factors that are products themselves, as behind squeeze and excite.
fn gated_products(edit: &Edit, id: ValueId) -> Vec<ValueId> {
    let (mut open, mut found) = (vec![id], Vec::new());
    for _ in 0..SEARCHED {
        let Some(id) = open.pop() else { break };
        open.extend(edit.binary(id, Binary::Mul).into_iter().flatten());
        let operand = shifted_relu6(edit, id).or_else(|| edit.unary(id).map(|(_, x)| x));
        found.extend(operand.filter(|x| edit.binary(*x, Binary::Mul).is_some()));
    }
    found
}

fn of_factors(edit: &Edit, Product { factors, number }: Product) -> Option<(Function, ValueId)> {
    match factors[..] {
        [f] if near(number, 1.0 / 6.0) => {
            Some((Function::HardSigmoid { alpha: 1.0 / 6.0, beta: 0.5 }, shifted_relu6(edit, f)?))
        }
        [a, b] => [(a, b), (b, a)].iter().find_map(|&(x, gate)| Some((gated(edit, x, gate, number)?, x))),
        _ => None,
    }
}

/// `Some(f)` if `number * x * gate` is `f(x)`.
fn gated(edit: &Edit, x: ValueId, gate: ValueId, number: f32) -> Option<Function> {
    let one = near(number, 1.0);
    if one && x == gate {
        return Some(Function::Square);
    }
    if near(number, 1.0 / 6.0) && shifted_relu6(edit, gate) == Some(x) {
        return Some(Function::HardSwish);
    }
    if near(number, 0.5)
        && let Some(inner) = plus(edit, gate, 1.0)
    {
        return gelu(edit, x, inner);
    }
    match edit.unary(gate)? {
        (Function::Sigmoid, y) if one && y == x => Some(Function::Silu),
        (Function::HardSigmoid { alpha, beta }, y) if one && y == x && near(alpha, 1.0 / 6.0) && near(beta, 0.5) => {
            Some(Function::HardSwish)
        }
        (Function::Tanh, y) if one && edit.unary(y) == Some((Function::Softplus, x)) => Some(Function::Mish),
        _ => None,
    }
}

/// `y` if the value is `y + number`.
fn plus(edit: &Edit, id: ValueId, number: f32) -> Option<ValueId> {
    let [a, b] = edit.binary(id, Binary::Add)?;
    let is = |id| edit.number(id).is_some_and(|n| near(n, number));
    if is(b) { Some(a) } else { is(a).then_some(b) }
}

/// `x` if the value is `min(max(x + 3, 0), 6)`.
fn shifted_relu6(edit: &Edit, id: ValueId) -> Option<ValueId> {
    match edit.unary(id)? {
        (Function::Clip { lo, hi }, y) if lo == 0.0 && near(hi, 6.0) => plus(edit, y, 3.0),
        _ => None,
    }
}

/// `inner` is `erf(x / sqrt 2)` or `tanh(sqrt(2/pi) * (x + 0.044715 x^3))`.
fn gelu(edit: &Edit, x: ValueId, inner: ValueId) -> Option<Function> {
    let (function, argument) = edit.unary(inner)?;
    let Product { factors, number } = product(edit, argument, Some(x))?;
    match (function, &factors[..]) {
        (Function::Erf, [y]) if *y == x && near(number, std::f32::consts::FRAC_1_SQRT_2) => Some(Function::Gelu),
        (Function::Tanh, [sum]) if near(number, std::f32::consts::FRAC_2_PI.sqrt()) => {
            let [a, b] = edit.binary(*sum, Binary::Add)?;
            let other = if a == x { b } else { a };
            ((a == x || b == x) && cubic(edit, x, other)).then_some(Function::GeluTanh)
        }
        _ => None,
    }
}

/// Whether a value is `0.044715 x^3`.
fn cubic(edit: &Edit, x: ValueId, id: ValueId) -> bool {
    let Some(Product { factors, number }) = product(edit, id, Some(x)) else { return false };
    let power = |id: &ValueId| match edit.unary(*id) {
        _ if *id == x => 1,
        Some((Function::Square, y)) if y == x => 2,
        _ => 4,
    };
    near(number, 0.044_715) && factors.iter().map(power).sum::<usize>() == 3
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Build, equivalent};
    use super::*;

    /// Builds `f` on an input and returns the only function that is left.
    fn recognized(f: impl Fn(&mut Build, ValueId) -> ValueId) -> Option<Function> {
        let mut b = Build::new();
        let x = b.input(&[1, 3, 4]);
        let y = f(&mut b, x);
        let graph = b.output(y);
        let options = SimplifyOptions::default();
        let after = super::super::dead::run(run(graph.clone(), &options), &options);
        equivalent(&graph, &after);
        match &after.nodes[..] {
            [node] => match node.op {
                Op::Unary(function) => Some(function),
                _ => None,
            },
            _ => None,
        }
    }

    fn unary(b: &mut Build, f: Function, x: ValueId) -> ValueId {
        b.op(Op::Unary(f), &[x])
    }

    fn times(b: &mut Build, x: ValueId, y: ValueId) -> ValueId {
        b.op(Op::Binary(Binary::Mul), &[x, y])
    }

    fn scaled(b: &mut Build, x: ValueId, number: f32) -> ValueId {
        let number = b.number(number);
        times(b, x, number)
    }

    fn moved(b: &mut Build, x: ValueId, number: f32) -> ValueId {
        let number = b.number(number);
        b.op(Op::Binary(Binary::Add), &[x, number])
    }

    #[test]
    fn gates_are_recognized_in_either_order() {
        let silu = |b: &mut Build, x| {
            let gate = unary(b, Function::Sigmoid, x);
            times(b, gate, x)
        };
        assert_eq!(recognized(silu), Some(Function::Silu));
        let mish = |b: &mut Build, x| {
            let soft = unary(b, Function::Softplus, x);
            let gate = unary(b, Function::Tanh, soft);
            times(b, x, gate)
        };
        assert_eq!(recognized(mish), Some(Function::Mish));
        assert_eq!(recognized(|b, x| times(b, x, x)), Some(Function::Square));
    }

    #[test]
    fn hard_swish_is_recognized_however_it_is_multiplied() {
        let relu6 = |b: &mut Build, x| {
            let moved = moved(b, x, 3.0);
            unary(b, Function::Clip { lo: 0.0, hi: 6.0 }, moved)
        };
        let gate_first = |b: &mut Build, x| {
            let gate = relu6(b, x);
            let gate = scaled(b, gate, 1.0 / 6.0);
            times(b, x, gate)
        };
        let gate_last = |b: &mut Build, x| {
            let gate = relu6(b, x);
            let y = times(b, x, gate);
            scaled(b, y, 1.0 / 6.0)
        };
        assert_eq!(recognized(gate_first), Some(Function::HardSwish));
        assert_eq!(recognized(gate_last), Some(Function::HardSwish));
    }

    #[test]
    fn the_operand_of_a_gate_may_be_a_product() {
        let mut b = Build::new();
        let (x, excite) = (b.input(&[1, 3, 4]), b.input(&[1, 3, 4]));
        let x = times(&mut b, x, excite);
        let gate = moved(&mut b, x, 3.0);
        let gate = unary(&mut b, Function::Clip { lo: 0.0, hi: 6.0 }, gate);
        let y = times(&mut b, x, gate);
        let y = scaled(&mut b, y, 1.0 / 6.0);
        let gate = unary(&mut b, Function::Sigmoid, y);
        let y = times(&mut b, gate, y);
        let graph = b.output(y);
        let options = SimplifyOptions::default();
        let after = super::super::dead::run(run(graph.clone(), &options), &options);
        equivalent(&graph, &after);
        let functions: Vec<_> = after.nodes.iter().filter(|n| matches!(n.op, Op::Unary(_))).map(|n| &n.op).collect();
        assert_eq!(functions, [&Op::Unary(Function::HardSwish), &Op::Unary(Function::Silu)]);
        assert_eq!(after.nodes.len(), 3);
    }

    #[test]
    fn both_forms_of_gelu_are_recognized() {
        let exact = |b: &mut Build, x| {
            let inner = scaled(b, x, std::f32::consts::FRAC_1_SQRT_2);
            let erf = unary(b, Function::Erf, inner);
            let gate = moved(b, erf, 1.0);
            let y = times(b, x, gate);
            scaled(b, y, 0.5)
        };
        assert_eq!(recognized(exact), Some(Function::Gelu));
        let approximate = |b: &mut Build, x| {
            let square = times(b, x, x);
            let cube = times(b, square, x);
            let cube = scaled(b, cube, 0.044_715);
            let sum = b.op(Op::Binary(Binary::Add), &[x, cube]);
            let inner = scaled(b, sum, std::f32::consts::FRAC_2_PI.sqrt());
            let tanh = unary(b, Function::Tanh, inner);
            let gate = moved(b, tanh, 1.0);
            let half = scaled(b, x, 0.5);
            times(b, half, gate)
        };
        assert_eq!(recognized(approximate), Some(Function::GeluTanh));
        let flax = |b: &mut Build, x| {
            let cube = scaled(b, x, 0.044_715);
            let cube = times(b, x, cube);
            let cube = times(b, x, cube);
            let sum = b.op(Op::Binary(Binary::Add), &[x, cube]);
            let inner = scaled(b, sum, std::f32::consts::FRAC_2_PI.sqrt());
            let tanh = unary(b, Function::Tanh, inner);
            let gate = moved(b, tanh, 1.0);
            let gate = scaled(b, gate, 0.5);
            times(b, x, gate)
        };
        assert_eq!(recognized(flax), Some(Function::GeluTanh));
    }

    #[test]
    fn other_products_are_left_alone() {
        let other = |b: &mut Build, x| {
            let gate = unary(b, Function::Sigmoid, x);
            let y = unary(b, Function::Exp, x);
            times(b, y, gate)
        };
        assert_eq!(recognized(other), None);
        assert_eq!(recognized(|b, x| scaled(b, x, 2.0)), None);
    }
}
