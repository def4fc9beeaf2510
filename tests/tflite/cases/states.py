"""Models that carry something from run to run; the inputs of all runs stand one behind the other."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from .net import ACTIVATION, VALID, Net, Q, add, case, options

X = Q(1 / 32, -3)


def ring(name, about, q):
    """The last three frames, as streaming models keep them."""

    def build(net: Net):
        x = net.input(1, 1, 1, 4, q=q)
        handle = net.tensor([], np.int32, "handle")
        net.tensors[handle].type = schema.TensorType.RESOURCE
        net.operator("CALL_ONCE", [], [], options("CallOnce", initSubgraphIndex=1))
        net.operator("VAR_HANDLE", [], [handle], options("VarHandle", container="", sharedName="ring"))
        kept = net.op("READ_VARIABLE", [handle], options("ReadVariable"), q=q)
        net.tensors[kept].shape = [1, 3, 1, 4]
        frames = net.op("CONCATENATION", [kept, x], options("Concatenation", axis=1), q=q)
        newer = net.op("STRIDED_SLICE", [frames, net.ints(0, -3, 0, 0), net.ints(0, 0, 0, 0), net.ints(1, 1, 1, 1)],
                       options("StridedSlice", beginMask=0b1101, endMask=0b1111), q=q)
        net.operator("ASSIGN_VARIABLE", [handle, newer], [], options("AssignVariable"))
        if q:
            w, b = net.int8_weight(2, 4, 1, 4, q=Q(0.01)), net.int32_bias(2)
        else:
            w, b = net.weight(2, 4, 1, 4), net.const(np.zeros(2))
        opts = options("Conv2D", padding=VALID, strideH=1, strideW=1, fusedActivationFunction=ACTIVATION.RELU)
        net.output(net.op("CONV_2D", [frames, w, b], opts, q=q and Q(0.05, -128)))
        net.initial = beginning(net, q)

    add(name, about, build, runs=5)


def beginning(net, q, number=0):
    """The subgraph that fills the ring."""
    zeros = np.full((1, 3, 1, 4), q.zero if q else number, q.dtype if q else np.float32)
    before, codes = net.tensors, len(net.operators)
    net.tensors = []
    handle = net.tensor([], np.int32, "handle")
    net.tensors[handle].type = schema.TensorType.RESOURCE
    value = net.tensor(zeros.shape, zeros.dtype, "zeros", q, zeros)
    net.operator("VAR_HANDLE", [], [handle], options("VarHandle", container="", sharedName="ring"))
    net.operator("ASSIGN_VARIABLE", [handle, value], [], options("AssignVariable"))
    graph = schema.SubGraphT()
    graph.tensors, graph.operators, graph.inputs, graph.outputs = net.tensors, net.operators[codes:], [], []
    net.tensors, net.operators = before, net.operators[:codes]
    return graph


ring("variables", "a ring of frames in a variable", None)
ring("int8_variables", "a ring of int8 frames in a variable", X)


@case("SVDF of rank 2", runs=6)
def svdf(net: Net):
    x, features, time = net.input(1, 5), net.weight(6, 5), net.weight(6, 4)
    bias, kept = net.const(net.rng.uniform(-1, 1, 3)), net.variable(1, 24)
    opts = options("SVDF", rank=2, fusedActivationFunction=ACTIVATION.RELU)
    net.output(net.op("SVDF", [x, features, time, bias, kept], opts, rank=2))


@case("SVDF of rank 1 without bias", runs=5)
def svdf_rank_1(net: Net):
    x, features, time, kept = net.input(1, 5), net.weight(4, 5), net.weight(4, 3), net.variable(1, 12)
    net.output(net.op("SVDF", [x, features, time, None, kept], options("SVDF", rank=1), rank=2))


def lstm(name, about, clip, time_major, steps=4, runs=3, peephole=False):
    def build(net: Net):
        size, units = 3, 4
        x = net.input(steps, 1, size) if time_major else net.input(1, steps, size)
        kernels = [net.weight(units, size, scale=2.0) for _ in range(4)]
        recurrent = [net.weight(units, units, scale=2.0) for _ in range(4)]
        holes = [net.weight(units, fan_in=4) for _ in range(3)] if peephole else [None] * 3
        biases = [net.const(net.rng.uniform(-1, 1, units)) for _ in range(4)]
        state = [net.variable(1, units), net.variable(1, units)]
        inputs = [x, *kernels, *recurrent, *holes, *biases, None, None, *state, None, None, None, None]
        opts = options("UnidirectionalSequenceLSTM", fusedActivationFunction=ACTIVATION.TANH, cellClip=clip,
                       timeMajor=time_major)
        net.output(net.op("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, opts, rank=3))

    add(name, about, build, runs=runs)


lstm("lstm", "an LSTM over the second axis", 0.0, False)
lstm("lstm_time_major", "an LSTM over the first axis", 0.0, True)
lstm("lstm_peephole", "an LSTM whose gates see the cells", 0.0, False, peephole=True)
lstm("lstm_clip", "an LSTM whose cells are bounded, as Keras exports it", 0.5, False)



def int8_lstm(cells, clip=0.0, hybrid=False, hidden=Q(1 / 128, 3)):
    """int8 weights, a scale for each gate; unless hybrid, an int8 sequence, int8 outputs and int16 cells of this scale."""

    def build(net: Net):
        steps, size, units = 8, 5, 6
        y = None if hybrid else Q(1 / 128, 3)
        x = net.input(1, steps, size, q=None if hybrid else X)
        scales = [0.009, 0.012, 0.015, 0.011]
        kernels = [net.int8_weight(units, size, q=Q(s)) for s in scales]
        recurrent = [net.int8_weight(units, units, q=Q(s * 0.7)) for s in scales]
        reals = [net.rng.uniform(-1, 1, units) for _ in scales]
        if hybrid:
            biases = [net.const(real) for real in reals]
        else:
            biases = [net.const(np.round(real / (s * X.scale)), q=Q(s * X.scale, dtype=np.int32))
                      for real, s in zip(reals, scales, strict=True)]
        state = [net.variable(1, units, q=y), net.variable(1, units, q=None if hybrid else Q(cells, dtype=np.int16))]
        inputs = [x, *kernels, *recurrent, *[None] * 3, *biases, None, None, *state, None, None, None, None]
        opts = options("UnidirectionalSequenceLSTM", fusedActivationFunction=ACTIVATION.TANH, cellClip=clip,
                       asymmetricQuantizeInputs=hybrid)
        net.output(net.op("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, opts, q=y, rank=3))
        if not hybrid:
            # Of the gates, which only normalization uses, and of the outputs.
            gates = [net.tensor([], np.int16, "gate", Q(1 / 4096, dtype=np.int16)) for _ in scales]
            net.operators[-1].intermediates = [*gates, net.tensor([], np.int8, "hidden", hidden)]

    return build


add("int8_lstm", "an LSTM in int8 with cells in int16", int8_lstm(1 / 2048), runs=3)
add("int8_lstm_clip", "an LSTM in int8 whose cells are bounded", int8_lstm(1 / 2048, clip=1.0), runs=3)
add("lstm_hybrid", "an LSTM in float with int8 weights", int8_lstm(None, hybrid=True), runs=3)
