"""Two operands, and functions of one."""

import math

import numpy as np

from .net import add, case

# Two operands


def two_inputs(op):
    """Both operands are activations [1,3,4,5]; a divisor stays clear of zero."""

    def build(net):
        a = net.input(1, 3, 4, 5, name="a")
        b = net.input(1, 3, 4, 5, low=0.5 if op == "Div" else -1.0, high=3.0, name="b")
        net.output(net.op(op, a, b))

    return build


def excite(op):
    """The second operand is an activation [1,C,1,1]."""

    def build(net):
        a = net.input(1, 5, 4, 3, name="a")
        b = net.input(1, 5, 1, 1, low=0.5, high=2.0, name="b")
        net.output(net.op(op, a, b))

    return build


def with_const(op, *shape, first=False):
    """One operand is a constant of `shape`, positive where it divides."""

    def build(net):
        x = net.input(1, 3, 4, 5, low=0.5 if first and op == "Div" else -2.0)
        const = net.const(np.round(net.rng.uniform(0.5, 2.0, shape) * 64) / 64)
        net.output(net.op(op, *((const, x) if first else (x, const))))

    return build


for op in ("Add", "Sub", "Mul", "Div"):
    stem = op.lower()
    add(f"{stem}_equal_shapes", f"{op} of two inputs", two_inputs(op), 7, symbolic=op == "Add")
    add(f"{stem}_channel", f"{op} with a constant [C,1,1]", with_const(op, 3, 1, 1), 13)
    add(f"{stem}_scalar", f"{op} with a scalar", with_const(op), 14)
    add(f"{stem}_tensor", f"{op} with a constant [1,C,H,W]", with_const(op, 1, 3, 4, 5), 8)
    add(f"{stem}_excite", f"{op} of activations [N,C,H,W] and [N,C,1,1]", excite(op), 17)

add("sub_from_scalar", "a scalar minus x", with_const("Sub", first=True), 17)
add("div_scalar_by", "a scalar divided by x", with_const("Div", first=True), 17)
add(
    "sub_from_channel",
    "a constant [1,C,1,1] minus x",
    with_const("Sub", 1, 3, 1, 1, first=True),
    17,
)
add("mul_last_axis", "Mul with a constant [W]", with_const("Mul", 5), 17)
add("add_rows", "Add of a constant [H,1]", with_const("Add", 4, 1), 17)
add("mul_plane", "Mul with a constant [1,1,H,W]", with_const("Mul", 1, 1, 4, 5), 17)


@case("Mul of activations [N,C,H,W] and [N,1,H,W]: spatial attention")
def mul_spatial(net):
    a, b = net.input(1, 3, 4, 5, name="a"), net.input(1, 1, 4, 5, name="b")
    net.output(net.op("Mul", a, b))


@case("Add of activations [N,C,1,1] and [N,1,1,W]: both are broadcast", opset=13)
def add_both_broadcast(net):
    a, b = net.input(1, 3, 1, 1, name="a"), net.input(1, 1, 1, 5, name="b")
    net.output(net.op("Add", a, b))


@case("Add of two inputs whose ranges differ a hundredfold")
def add_uneven_ranges(net):
    a = net.input(1, 3, 4, 4, name="a")
    b = net.input(1, 3, 4, 4, low=-200, high=200, name="b")
    net.output(net.op("Add", a, b))


@case("Add of two inputs, Relu", symbolic=True)
def add_relu(net):
    a, b = net.input(1, 3, 4, 4, name="a"), net.input(1, 3, 4, 4, name="b")
    net.output(net.op("Relu", net.op("Add", a, b)))


@case("Add and Mul of a tensor with itself", opset=13)
def add_and_mul_itself(net):
    x = net.input(1, 3, 4, 4)
    net.output(net.op("Mul", *[net.op("Add", x, x)] * 2))


@case("image normalization in front of a Conv: Sub of a mean, Div by a deviation", opset=11)
def normalize_conv(net):
    x = net.input(1, 3, 5, 5, low=0, high=1)
    x = net.op("Sub", x, net.const(np.reshape([0.485, 0.456, 0.406], (1, 3, 1, 1))))
    x = net.op("Div", x, net.const(np.reshape([0.229, 0.224, 0.225], (1, 3, 1, 1))))
    net.output(net.conv(x, 4, 3, 3, 3, pads=[1, 1, 1, 1]))


# One operand

SHAPE = (1, 3, 4, 5)

# name: op, attributes, opset, range of the input
UNARY = {
    "relu": ("Relu", {}, 14, (-2, 2)),
    "leaky_relu": ("LeakyRelu", {}, 6, (-2, 2)),
    "leaky_relu_alpha": ("LeakyRelu", {"alpha": 0.25}, 16, (-2, 2)),
    "elu": ("Elu", {}, 7, (-3, 2)),
    "elu_alpha": ("Elu", {"alpha": 0.5}, 17, (-3, 2)),
    "selu": ("Selu", {}, 17, (-3, 2)),
    "sigmoid": ("Sigmoid", {}, 13, (-6, 6)),
    "hard_sigmoid": ("HardSigmoid", {}, 17, (-4, 4)),
    "hard_sigmoid_sixth": ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}, 17, (-4, 4)),
    "hard_swish": ("HardSwish", {}, 14, (-4, 4)),
    "tanh": ("Tanh", {}, 7, (-3, 3)),
    "gelu_op": ("Gelu", {}, 20, (-3, 3)),
    "gelu_op_tanh": ("Gelu", {"approximate": "tanh"}, 20, (-3, 3)),
    "exp": ("Exp", {}, 13, (-3, 2)),
    "log": ("Log", {}, 13, (0.1, 4)),
    "sqrt": ("Sqrt", {}, 13, (0, 4)),
    "reciprocal": ("Reciprocal", {}, 13, (0.5, 4)),
    "abs": ("Abs", {}, 13, (-2, 2)),
    "neg": ("Neg", {}, 13, (-1, 2)),
    "erf": ("Erf", {}, 9, (-2, 2)),
    "softplus": ("Softplus", {}, 17, (-4, 4)),
    "softsign": ("Softsign", {}, 17, (-4, 4)),
    "mish": ("Mish", {}, 18, (-4, 4)),
    "floor": ("Floor", {}, 13, (-3, 3)),
    "ceil": ("Ceil", {}, 13, (-3, 3)),
    "round": ("Round", {}, 11, (-3, 3)),
    "sin": ("Sin", {}, 7, (-3, 3)),
    "cos": ("Cos", {}, 7, (-3, 3)),
    "clip_attributes": ("Clip", {"min": -1.0, "max": 1.5}, 7, (-2, 2)),
    "identity": ("Identity", {}, 16, (-2, 2)),
    "dropout": ("Dropout", {"ratio": 0.5}, 7, (-2, 2)),
}


def unary(op, attributes, low, high):
    def build(net):
        net.output(net.op(op, net.input(*SHAPE, low=low, high=high), **attributes))

    return build


for name, (op, attributes, opset, (low, high)) in UNARY.items():
    symbolic = name in ("relu", "sigmoid", "identity")
    add(
        name,
        f"{op} {attributes or ''}".strip(),
        unary(op, attributes, low, high),
        max(7, opset),
        symbolic,
    )


@case("Clip with bounds as initializers", opset=11)
def clip_inputs(net):
    net.output(net.op("Clip", net.input(*SHAPE), net.const(-1.0), net.const(1.5)))


@case("Clip from below only", opset=13)
def clip_min_only(net):
    net.output(net.op("Clip", net.input(*SHAPE), net.const(-0.5)))


@case("Clip from above only: its second input is left empty", opset=13)
def clip_max_only(net):
    net.output(net.op("Clip", net.input(*SHAPE), "", net.const(0.5)))


@case("Pow with exponent 2", opset=12)
def pow_2(net):
    net.output(net.op("Pow", net.input(*SHAPE), net.const(2.0)))


@case("Pow with exponent 0.5", opset=15)
def pow_half(net):
    net.output(net.op("Pow", net.input(*SHAPE, low=0.25, high=4), net.const(0.5)))


@case("exact GELU as PyTorch writes it: Div, Erf, Add, Mul, Mul", opset=13)
def gelu_erf(net):
    x = net.input(*SHAPE, low=-3, high=3)
    gate = net.op(
        "Add", net.op("Erf", net.op("Div", x, net.constant(math.sqrt(2)))), net.constant(1.0)
    )
    net.output(net.op("Mul", net.op("Mul", x, gate), net.constant(0.5)))


@case("GELU by tanh, written out", opset=13)
def gelu_tanh(net):
    x = net.input(*SHAPE, low=-3, high=3)
    cube = net.op("Mul", net.op("Pow", x, net.constant(3.0)), net.constant(0.044715))
    inner = net.op("Mul", net.op("Add", x, cube), net.constant(math.sqrt(2 / math.pi)))
    gate = net.op("Add", net.op("Tanh", inner), net.constant(1.0))
    net.output(net.op("Mul", net.op("Mul", x, net.constant(0.5)), gate))


@case("Mish written out as Softplus, Tanh, Mul", opset=11)
def mish_written_out(net):
    x = net.input(*SHAPE, low=-4, high=4)
    net.output(net.op("Mul", x, net.op("Tanh", net.op("Softplus", x))))


@case("a chain of functions that one table can hold", opset=13)
def unary_chain(net):
    x = net.op("Abs", net.input(*SHAPE))
    net.output(net.op("Neg", net.op("Sqrt", net.op("Add", x, net.constant(1.0)))))


@case("Sigmoid on a row [1,C]", opset=13, symbolic=True)
def sigmoid_row(net):
    net.output(net.op("Sigmoid", net.input(1, 7, low=-5, high=5)))


@case("Dropout of nothing in training mode, as PyTorch exports functional dropouts", opset=13)
def dropout_of_nothing(net):
    net.output(net.op("Relu", net.op("Dropout", net.input(*SHAPE), net.const(0.0), net.const(True, bool))))


@case("Dropout with its ratio as an input, and its mask left unread", opset=13)
def dropout_input(net):
    y, _mask = net.op("Dropout", net.input(*SHAPE), net.const(0.5), outputs=2)
    net.output(net.op("Relu", y))


@case("BatchNormalization alone, on an image", opset=9)
def batch_norm(net):
    net.output(net.batch_norm(net.input(*SHAPE), 3))


@case("BatchNormalization with an epsilon of its own", opset=15, symbolic=True)
def batch_norm_epsilon(net):
    net.output(net.batch_norm(net.input(*SHAPE), 3, epsilon=0.1, momentum=0.5))
