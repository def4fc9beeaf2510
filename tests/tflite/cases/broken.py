"""Files that must be refused; the test says with which words."""

import numpy as np

from .net import SAME, Net, Q, options
from .states import beginning, int8_lstm

BROKEN = {}


def broken(build):
    BROKEN[build.__name__] = build
    return build


def conv(net, **changes):
    x, w, b = net.input(1, 6, 5, 2), net.weight(3, 3, 3, 2), net.const(np.zeros(3))
    opts = options("Conv2D", **{"padding": SAME, "strideH": 1, "strideW": 1, **changes})
    y = net.op("CONV_2D", [x, w, b], opts)
    net.tensors[y].shape = [1, 6, 5, 3]
    net.output(y)
    return w


@broken
def custom(net: Net):
    net.output(net.op("Second", [net.op("First", [net.input(1, 4)])]))


@broken
def no_stride(net: Net):
    conv(net, strideH=0)


@broken
def short_weights(net: Net):
    net.buffers[net.tensors[conv(net)].buffer].data = [0] * 8


@broken
def open_size(net: Net):
    x = net.input(1, 1)
    net.tensors[x].shapeSignature = [-1, -1]
    net.output(net.op("RELU", [x], rank=2))


@broken
def later(net: Net):
    first, second = net.tensor([1, 4], np.float32, "first"), net.tensor([1, 4], np.float32, "second")
    net.operator("RELU", [second], [first])
    net.operator("RELU", [first], [second])
    net.output(second)


@broken
def two_writers(net: Net):
    x, y = net.input(1, 4), net.tensor([1, 4], np.float32, "y")
    net.operator("RELU", [x], [y])
    net.operator("ABS", [x], [y])
    net.output(y)


@broken
def scales(net: Net):
    w = net.int8_weight(3, 4, q=Q([0.1, 0.2]))
    net.output(net.op("FULLY_CONNECTED", [net.input(1, 4), w], options("FullyConnected"), rank=2))


@broken
def state_of_ones(net: Net):
    net.initial = beginning(net, None, 1)
    net.operator("CALL_ONCE", [], [], options("CallOnce", initSubgraphIndex=1))
    net.output(net.op("RELU", [net.input(1, 4)], rank=2))


@broken
def lstm_two_scales(net: Net):
    int8_lstm(1 / 2048, hidden=Q(1 / 64, 3))(net)
