"""Scans that step a cell of an LSTM, and some that only look like it."""

from onnx import TensorProto, helper

from .net import add

T, B, I, H = 5, 2, 4, 3


def node(kind, inputs, output, **attributes):
    outputs = output if isinstance(output, list) else [output]
    return helper.make_node(kind, inputs, outputs, **attributes)


def info(name, *shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def cell(gates, candidate="Tanh"):
    """`c' = σ(f)·c + σ(i)·tanh(g)` and `h' = tanh(c')·σ(o)`, of the names of i, f, g, o."""
    i, f, g, o = gates
    return [
        node("Sigmoid", [f], "kept"),
        node("Mul", ["c", "kept"], "old"),
        node(candidate, [g], "candidate"),
        node("Sigmoid", [i], "let_in"),
        node("Mul", ["let_in", "candidate"], "new"),
        node("Add", ["old", "new"], "next_c"),
        node("Tanh", ["next_c"], "shown"),
        node("Sigmoid", [o], "let_out"),
        node("Mul", ["shown", "let_out"], "next_h"),
    ]


def joined(net, order=("x_t", "h")):
    """As TensorFlow's BasicLSTMCell: one product of both, gates i, g, f, o, and 1 added to the forget gate."""
    w, b, one = net.weight(I + H, 4 * H, fan_in=I + H), net.bias(4 * H), net.const(1.0)
    return [
        node("Concat", list(order), "both", axis=1),
        node("Gemm", ["both", w, b], "all"),
        node("Split", ["all"], ["i", "g", "f_less", "o"], axis=1),
        node("Add", ["f_less", one], "f"),
    ]


def apart(net, sizes=()):
    """As PyTorch's LSTMCell: two products, each with a bias, gates i, f, g, o."""
    wx, wh, bx, bh = net.weight(4 * H, I), net.weight(4 * H, H), net.bias(4 * H), net.bias(4 * H)
    return [
        node("Gemm", ["x_t", wx, bx], "of_x", transB=1),
        node("Gemm", ["h", wh, bh], "of_h", transB=1),
        node("Add", ["of_x", "of_h"], "all"),
        node("Split", ["all", *sizes], ["i", "f", "g", "o"], axis=-1),
    ]


def scan(nodes, row="next_h", counter=False, own=False, **attributes):
    def build(net):
        x = net.input(T, B, I, low=-1.0, high=1.0)
        inputs = [info("c", B, H), info("h", B, H), info("x_t", B, I)]
        outputs = [info("next_c", B, H), info("next_h", B, H)]
        starts = [net.const(net.normal(B, H)), net.const(net.normal(B, H))]
        outer = len(net.initializers)
        body = nodes(net)
        constants = net.initializers[outer:] if own else []
        net.initializers = net.initializers[: len(net.initializers) - len(constants)]
        if counter:
            inputs.insert(1, info("time"))
            outputs.insert(1, info("next_time"))
            body.append(node("Add", ["time", net.const(1.0)], "next_time"))
            starts.insert(1, net.const(0.0))
        if row:
            body.append(node("Identity", [row], "row"))
            outputs.append(info("row", B, H))
        body = helper.make_graph(body, "body", inputs, outputs, constants)
        made = net.op("Scan", *starts, x, outputs=len(outputs), body=body, num_scan_inputs=1, **attributes)
        net.output(*[net.op("Identity", name) for name in made])

    return build


def together(gates, **options):
    return lambda net: gates(net, **options) + cell("ifgo")


add(
    "scan_lstm_tensorflow",
    "a scan of TensorFlow's cell, with a counter of steps",
    scan(together(joined), row=None, counter=True),
    13,
)
add(
    "scan_lstm_state_first",
    "the same with the state before the input, and rows",
    scan(together(joined, order=("h", "x_t"))),
    11,
)
add("scan_lstm_pytorch", "a scan of PyTorch's cell, with rows", scan(together(apart)), 17)
add(
    "scan_lstm_reversed",
    "a scan of PyTorch's cell from the end",
    scan(together(apart), scan_input_directions=[1]),
    17,
)
add(
    "scan_softsign_cell",
    "a scan of a cell that is no LSTM's: its candidate is a softsign",
    scan(lambda net: apart(net) + cell("ifgo", candidate="Softsign")),
    17,
)

add(
    "scan_lstm_gates_crossed",
    "a scan of an LSTM's cell with its gates in another order",
    scan(lambda net: apart(net) + cell("ofgi")),
    17,
)
add("scan_lstm_late", "a scan of an LSTM's cell whose rows are the states before", scan(together(apart), row="h"), 17)
add(
    "scan_lstm_own_constants",
    "a scan of PyTorch's cell whose body holds the weights, and the sizes of the gates",
    scan(lambda net: apart(net, [net.ints(H, H, H, H)]) + cell("ifgo"), own=True),
    17,
)
