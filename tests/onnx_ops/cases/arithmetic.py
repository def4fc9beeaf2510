"""Functions of one and two operands beyond the basic ones, products, reductions, normalizations, recurrent layers."""

import numpy as np
from onnx import TensorProto

from .net import add, case

# Functions


def unary(op, low=-2.0, high=2.0, **attributes):
    return lambda net: net.output(net.op(op, net.input(1, 3, 4, 5, low=low, high=high), **attributes))


for op, low, high in (
    ("Tan", -1.0, 1.0),
    ("Asin", -0.9, 0.9),
    ("Acos", -0.9, 0.9),
    ("Atan", -4.0, 4.0),
    ("Sinh", -2.0, 2.0),
    ("Cosh", -2.0, 2.0),
    ("Asinh", -4.0, 4.0),
    ("Acosh", 1.1, 5.0),
    ("Atanh", -0.9, 0.9),
    ("Sign", -2.0, 2.0),
):
    add(op.lower(), f"{op}", unary(op, low, high), 13)
add("celu", "Celu with alpha 0.7", unary("Celu", alpha=0.7), 12)
add("shrink", "Shrink with a bias", unary("Shrink", lambd=0.6, bias=0.3), 9)
add("thresholded_relu", "ThresholdedRelu with alpha 0.7", unary("ThresholdedRelu", alpha=0.7), 10)


def real(net, truth):
    return net.op("Cast", truth, to=TensorProto.FLOAT)


def compared(op):
    def build(net):
        a, b = net.input(1, 3, 4, 5, name="a"), net.input(1, 3, 1, 5, name="b")
        net.output(real(net, net.op(op, a, b)))

    return build


for op in ("Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"):
    add(op.lower(), f"{op} with broadcasting", compared(op), 17)


def logical(op):
    def build(net):
        x = net.input(1, 3, 4, 5)
        a = net.op("Greater", x, net.const(-0.5))
        b = net.op("Less", x, net.const(0.5))
        net.output(real(net, net.op("Not", net.op(op, a, b))))

    return build


for op in ("And", "Or", "Xor"):
    add(f"not_{op.lower()}", f"Not of {op} of two comparisons", logical(op), 17)


def two(op, low=-2.0, **attributes):
    def build(net):
        a = net.input(1, 3, 4, 5, low=low, name="a")
        b = net.input(3, 1, 5, low=0.5, name="b")
        net.output(net.op(op, a, b, **attributes))

    return build


add("fmod", "Mod as C does it, with broadcasting", two("Mod", fmod=1), 13)
add("pow_tensor", "Pow with a computed exponent", two("Pow", low=0.25), 15)
add("max_broadcast", "Max with broadcasting", two("Max"), 13)
add("min_broadcast", "Min with broadcasting", two("Min"), 13)
add("prelu_computed", "PRelu whose slope is an input", two("PRelu"), 16)


@case("Pow with the exponent 1.7")
def pow_scalar(net):
    net.output(net.op("Pow", net.input(1, 3, 4, 5, low=0.25), net.const(1.7)))


@case("Clip whose limits are inputs")
def clip_computed(net):
    x, lo = net.input(1, 3, 4, 5), net.input(1, low=-1.0, high=-0.5, name="lo")
    net.output(net.op("Clip", x, net.op("Squeeze", lo, net.ints(0))))


@case("Where between two inputs, by a comparison")
def where(net):
    a, b = net.input(1, 3, 4, 5, name="a"), net.input(3, 1, 5, name="b")
    net.output(net.op("Where", net.op("Less", a, b), a, b))


@case("integers cast, divided, and cast back")
def integer_division(net):
    x = net.op("Cast", net.input(1, 3, 4, 5, low=-20.0, high=20.0), to=TensorProto.INT32)
    y = net.op("Div", x, net.const(3, np.int32))
    y = net.op("Add", y, net.op("Mod", x, net.const(4, np.int32)))
    net.output(real(net, y))


# Products


def product(a, b, op="MatMul", **attributes):
    return lambda net: net.output(net.op(op, net.input(*a, name="a"), net.input(*b, name="b"), **attributes))


add("matmul_computed", "MatMul of two inputs", product((1, 3, 4, 5), (1, 3, 5, 6)), 13)
add("matmul_computed_batch", "MatMul with a batch of one operand", product((2, 4, 5), (5, 3)), 13)
add("matmul_computed_vector", "MatMul with a vector", product((1, 3, 4, 5), (5,)), 13)
add("gemm_computed", "Gemm of two inputs, transposed", product((4, 3), (5, 4), "Gemm", transA=1, transB=1, alpha=0.5), 13)


def einsum(equation, *shapes):
    def build(net):
        inputs = [net.input(*shape, name=name) for shape, name in zip(shapes, "abc", strict=False)]
        net.output(net.op("Einsum", *inputs, equation=equation))

    return build


add("einsum_batch_matmul", "Einsum of a product with batches", einsum("bij,bjk->bik", (2, 3, 4), (2, 4, 5)))
add("einsum_attention", "Einsum of queries and keys", einsum("bqhd,bkhd->bhqk", (1, 4, 2, 3), (1, 5, 2, 3)))
add("einsum_ellipsis", "Einsum with an ellipsis", einsum("...ij->...ji", (2, 3, 4, 5)))
add("einsum_sum", "Einsum that sums an axis", einsum("ij,jk->k", (3, 4), (4, 5)))

# Reductions


def reduced(op, low=-2.0, **attributes):
    return lambda net: net.output(net.op(op, net.input(1, 3, 4, 5, low=low), **attributes))


for op, low in (
    ("ReduceMin", -2.0),
    ("ReduceProd", 0.5),
    ("ReduceL1", -2.0),
    ("ReduceL2", -2.0),
    ("ReduceLogSum", 0.5),
    ("ReduceLogSumExp", -2.0),
    ("ReduceSumSquare", -2.0),
):
    stem = op[6:].lower()
    add(f"reduce_{stem}", f"{op} of two axes", reduced(op, low, axes=[1, 3], keepdims=1), 13)
    add(f"reduce_{stem}_drop", f"{op} of the last axis, dropped", reduced(op, low, axes=[-1], keepdims=0), 13)


@case("CumSum, exclusive and from the end", 14)
def cumulative_sum(net):
    x = net.input(1, 3, 4, 5)
    net.output(net.op("CumSum", x, net.const(2, np.int64), exclusive=1, reverse=1))


@case("Hardmax along the channels", 13)
def hardmax(net):
    net.output(net.op("Hardmax", net.input(1, 5, 3), axis=1))


# Normalizations


def parameters(net, *shape):
    return net.const(net.rng.uniform(0.5, 1.5, shape)), net.const(net.rng.uniform(-0.5, 0.5, shape))


@case("LayerNormalization of the last axis")
def layer_norm(net):
    net.output(net.op("LayerNormalization", net.input(1, 4, 6), *parameters(net, 6)))


@case("LayerNormalization of two axes")
def layer_norm_axis(net):
    net.output(net.op("LayerNormalization", net.input(1, 3, 4, 6), *parameters(net, 4, 6), axis=2))


@case("RMSNormalization of the last axis", 23)
def rms_norm(net):
    net.output(net.op("RMSNormalization", net.input(1, 4, 6), parameters(net, 6)[0]))


@case("LayerNormalization with computed factors")
def layer_norm_computed(net):
    net.output(net.op("LayerNormalization", net.input(1, 4, 6), net.op("Abs", net.input(6))))


@case("Layer normalization written out, as PyTorch did before version 17")
def layer_norm_written_out(net):
    x = net.input(1, 4, 6)
    distance = net.op("Sub", x, net.op("ReduceMean", x, axes=[-1]))
    variance = net.op("ReduceMean", net.op("Pow", distance, net.constant(2.0)), axes=[-1])
    y = net.op("Div", distance, net.op("Sqrt", net.op("Add", variance, net.constant(1e-5))))
    gamma, beta = parameters(net, 6)
    net.output(net.op("Add", net.op("Mul", y, gamma), beta))


@case("InstanceNormalization of an image")
def instance_norm(net):
    net.output(net.op("InstanceNormalization", net.input(1, 3, 4, 5), *parameters(net, 3)))


# Recurrent layers


def recurrent(op, gates, directions=1, states=1, all_outputs=True, peepholes=False, lengths=None, zeros=False, **attributes):
    """Five steps of four numbers into three units, with biases and states before the first step."""

    def build(net):
        units, inputs = 3, 4
        x = net.input(5, 2, inputs)
        w = net.const(net.normal(directions, gates * units, inputs))
        r = net.const(net.normal(directions, gates * units, units))
        b = net.const(net.normal(directions, 2 * gates * units))
        shape = (directions, 2, units)
        given = [net.input(*shape, low=-1.0, high=1.0, name="before") for _ in range(0 if zeros else states)]
        before = [net.op("Expand", net.const(np.zeros((1, 1, 1))), net.ints(*shape))] * states if zeros else given
        lens = net.const(lengths, np.int32) if lengths else ""
        more = [net.const(net.normal(directions, 3 * units))] if peepholes else []
        count = states + 1 if all_outputs else 1
        results = net.op(op, x, w, r, b, lens, *before, *more, outputs=count, hidden_size=units, **attributes)
        net.output(*results) if count > 1 else net.output(results)

    return build


add("lstm", "LSTM with states, all outputs", recurrent("LSTM", 4, states=2), 14)
add("lstm_reverse", "LSTM from the end", recurrent("LSTM", 4, states=2, direction="reverse"), 14)
add("lstm_bidirectional", "LSTM in both directions", recurrent("LSTM", 4, 2, states=2, direction="bidirectional"), 14)
add("lstm_peepholes", "LSTM with peepholes", recurrent("LSTM", 4, states=2, peepholes=True), 14)
add("lstm_lengths", "LSTM over sequences of two lengths", recurrent("LSTM", 4, states=2, lengths=[5, 3]), 14)
add("lstm_clip", "LSTM that clips", recurrent("LSTM", 4, states=2, clip=0.6), 14)
zero_state = recurrent("LSTM", 4, 2, states=2, zeros=True, direction="bidirectional")
add("lstm_zero_state", "LSTM in both directions from a constant state, as PyTorch exports it", zero_state, 14)
add("gru", "GRU with a state", recurrent("GRU", 3), 14)
add("gru_reset_last", "GRU with linear_before_reset", recurrent("GRU", 3, linear_before_reset=1), 14)
add("gru_bidirectional", "GRU in both directions", recurrent("GRU", 3, 2, direction="bidirectional"), 14)
add("rnn", "RNN with a state", recurrent("RNN", 1), 14)


@case("ConvInteger of what DynamicQuantizeLinear gives", opset=13)
def conv_integer_dynamic(net):
    x, scale, zero = net.op("DynamicQuantizeLinear", net.input(1, 3, 5, 5, low=-1, high=3), outputs=3)
    weights = net.const(net.rng.integers(-127, 128, (4, 3, 3, 3)), np.int8, "weights")
    sums = net.op("ConvInteger", x, weights, zero, net.const(0, np.int8, "zero"), pads=[1, 1, 1, 1])
    net.output(net.op("Mul", real(net, sums), net.op("Mul", scale, net.const(0.01))))
