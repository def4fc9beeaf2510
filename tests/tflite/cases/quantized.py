"""Operators on integers that stand for reals."""

import numpy as np

from .net import ACTIVATION, SAME, VALID, Net, Q, add, case, options

X = Q(1 / 32, -3)
IMAGE = (1, 6, 5, 3)


def conv(name, about, weights, y, x=X, axis=None, depthwise=False, activation=0, padding=SAME, stride=1, bias=True,
         image=IMAGE):
    def build(net: Net):
        out = weights[3] if depthwise else weights[0]
        scales = list(net.rng.uniform(0.002, 0.008, out)) if axis is not None else 0.004
        given = net.input(*image, q=x)
        w = net.int8_weight(*weights, q=Q(scales, axis=axis or 0))
        kind = np.int64 if x.dtype == np.int16 else np.int32
        steps = np.broadcast_to(np.asarray(scales, np.float32) * np.float32(x.scale), out)
        reals = net.rng.uniform(-1, 1, out)
        b = [net.const(np.round(reals / steps), kind)] if bias else []
        more = {"depthMultiplier": out // image[3]} if depthwise else {}
        opts = options("DepthwiseConv2D" if depthwise else "Conv2D", padding=padding, strideH=stride, strideW=stride,
                       fusedActivationFunction=activation, **more)
        name = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
        for index in b:
            net.tensors[index].quantization = Q(list(map(float, steps)) if axis is not None else float(steps[0])).table()
        net.output(net.op(name, [given, w, *b], opts, q=y))

    add(name, about, build)


Y = Q(0.05, 4)
conv("int8_conv", "a scale for each channel", (4, 3, 3, 3), Y, axis=0)
conv("int8_conv_one_scale", "one scale", (4, 3, 3, 3), Y)
conv("int8_conv_relu", "RELU by saturation", (4, 3, 3, 3), Q(0.03, -128), axis=0, activation=ACTIVATION.RELU)
conv("int8_conv_relu6", "RELU6", (4, 3, 3, 3), Q(0.05, -128), axis=0, activation=ACTIVATION.RELU6, stride=2)
conv("int8_depthwise", "depthwise", (1, 3, 3, 3), Y, axis=3, depthwise=True)
conv("int8_depthwise_multiplier", "two outputs for each channel", (1, 3, 3, 6), Y, axis=3, depthwise=True, stride=2)
conv("int16_conv", "16-bit images, 64-bit bias", (4, 3, 3, 3), Q(1 / 8192, dtype=np.int16), Q(1 / 4096, dtype=np.int16),
     axis=0)


@case("uint8, as files of the first years have it")
def uint8_conv(net: Net):
    x = net.input(*IMAGE, q=Q(1 / 32, 120, np.uint8))
    w = net.const(net.rng.integers(0, 255, (4, 3, 3, 3)), q=Q(0.004, 131, np.uint8))
    b = net.const(net.rng.integers(-4000, 4000, 4), np.int32)
    net.tensors[b].quantization = Q(0.004 / 32).table()
    net.output(net.op("CONV_2D", [x, w, b], options("Conv2D", padding=SAME, strideH=1, strideW=1),
                      q=Q(0.06, 128, np.uint8)))


@case("4-bit weights")
def int4_conv(net: Net):
    x = net.input(1, 4, 4, 2, q=X)
    values = net.rng.integers(-7, 7, 3 * 3 * 3 * 2, endpoint=True)
    pairs = (values[0::2] & 15) | (values[1::2] & 15) << 4
    w = net.const(pairs.astype(np.uint8).view(np.int8), q=Q([0.05, 0.06, 0.04]))
    net.tensors[w].type, net.tensors[w].shape = 17, [3, 3, 3, 2]
    b = net.const(net.rng.integers(-200, 200, 3), np.int32)
    net.tensors[b].quantization = Q([0.05 / 32, 0.06 / 32, 0.04 / 32]).table()
    net.output(net.op("CONV_2D", [x, w, b], options("Conv2D", padding=SAME, strideH=1, strideW=1), q=Q(0.05, 0)))


@case("a chain of convolutions, a pool, a dense layer and a softmax")
def int8_classifier(net: Net):
    x = net.input(1, 12, 10, 1, q=X)
    channels = 1
    for out, scale in ((6, 0.03), (8, 0.02)):
        scales = list(net.rng.uniform(0.002, 0.008, out))
        w = net.int8_weight(out, 3, 3, channels, q=Q(scales))
        opts = options("Conv2D", padding=SAME, strideH=2, strideW=2, fusedActivationFunction=ACTIVATION.RELU)
        x = net.op("CONV_2D", [x, w, net.int32_bias(out)], opts, q=Q(scale, -128))
        channels = out
    pool = options("Pool2D", padding=VALID, filterHeight=3, filterWidth=3, strideH=1, strideW=1)
    x = net.op("AVERAGE_POOL_2D", [x], pool, q=Q(0.02, -128))
    x = net.op("RESHAPE", [x, net.ints(-1, 8)], options("Reshape", newShape=[-1, 8]), q=Q(0.02, -128), rank=2)
    w = net.int8_weight(5, 8, q=Q(0.01))
    x = net.op("FULLY_CONNECTED", [x, w, net.int32_bias(5)], options("FullyConnected"), q=Q(0.1, 10), rank=2)
    net.output(net.op("SOFTMAX", [x], options("Softmax", beta=1.0), q=Q(1 / 256, -128), rank=2))


def dense(name, about, shape, q, bias=True, per_channel=False, keep=False):
    def build(net: Net):
        inputs = shape[-1] if keep else int(np.prod(shape[1:]))
        scales = list(net.rng.uniform(0.004, 0.012, 4)) if per_channel else 0.008
        w = net.int8_weight(4, inputs, q=Q(scales))
        b = [net.int32_bias(4)] if bias else []
        opts = options("FullyConnected", keepNumDims=keep)
        net.output(net.op("FULLY_CONNECTED", [net.input(*shape, q=X), w, *b], opts, q=q, rank=len(shape) if keep else 2))

    add(name, about, build)


dense("int8_fully_connected", "rows of integers", (1, 8), Q(0.05, 3))
dense("int8_fully_connected_per_channel", "a scale for each output", (1, 8), Q(0.05, 3), per_channel=True)
dense("int8_fully_connected_keeps_dims", "the last axis alone", (1, 3, 8), Q(0.05, 3), keep=True)


def unary(name, kind, y, opts=None, x=X, shape=(1, 3, 4, 2), rest=lambda net: [], rank=4):
    def build(net: Net):
        net.output(net.op(kind, [net.input(*shape, q=x), *rest(net)], opts and opts(), q=y, rank=rank))

    add(name, f"{kind} of int8", build)


unary("int8_logistic", "LOGISTIC", Q(1 / 256, -128))
unary("int8_tanh", "TANH", Q(1 / 128, 0))
unary("int8_softmax", "SOFTMAX", Q(1 / 256, -128), lambda: options("Softmax", beta=1.0))
unary("int8_relu", "RELU", X)
unary("int8_leaky_relu", "LEAKY_RELU", Q(1 / 30, 0), lambda: options("LeakyRelu", alpha=0.1))
unary("int8_hard_swish", "HARD_SWISH", Q(1 / 40, -100))
unary("int8_quantize", "QUANTIZE", Q(1 / 20, 5), lambda: options("Quantize"))
unary("int8_to_uint8", "QUANTIZE", Q(1 / 32, 125, np.uint8), lambda: options("Quantize"))
unary("int8_average_pool", "AVERAGE_POOL_2D", X, lambda: options(
    "Pool2D", padding=SAME, filterHeight=2, filterWidth=3, strideH=1, strideW=2))
unary("int8_max_pool", "MAX_POOL_2D", X, lambda: options(
    "Pool2D", padding=SAME, filterHeight=2, filterWidth=3, strideH=1, strideW=2))
unary("int8_mean", "MEAN", Q(1 / 40, 1), lambda: options("Reducer", keepDims=False), rest=lambda net: [net.ints(1, 2)],
      rank=2)
unary("int8_reshape", "RESHAPE", X, rest=lambda net: [net.ints(1, 24)], rank=2)
unary("int8_transpose", "TRANSPOSE", X, rest=lambda net: [net.ints(0, 3, 1, 2)])
unary("int8_pad", "PAD", X, rest=lambda net: [net.const([[0, 0], [1, 0], [2, 1], [0, 0]], np.int32)])
unary("int8_resize_nearest", "RESIZE_NEAREST_NEIGHBOR", X, lambda: options("ResizeNearestNeighbor"),
      rest=lambda net: [net.ints(6, 8)])
unary("int8_resize_bilinear", "RESIZE_BILINEAR", X, lambda: options("ResizeBilinear", halfPixelCenters=True),
      rest=lambda net: [net.ints(6, 8)])
unary("int8_strided_slice", "STRIDED_SLICE", X, lambda: options("StridedSlice", beginMask=0b1001, endMask=0b1001),
      rest=lambda net: [net.ints(0, 1, 0, 0), net.ints(0, 3, 4, 0), net.ints(1, 1, 2, 1)])


def pair(name, kind, y, table, b=Q(1 / 20, 7), shape=(1, 3, 4, 2), activation=0):
    def build(net: Net):
        opts = options(table, **({"fusedActivationFunction": activation} if activation else {}))
        net.output(net.op(kind, [net.input(1, 3, 4, 2, q=X), net.input(*shape, q=b)], opts, q=y))

    add(name, f"{kind} of int8", build)


pair("int8_add", "ADD", Q(1 / 12, 2), "Add")
pair("int8_add_relu", "ADD", Q(1 / 25, -128), "Add", activation=ACTIVATION.RELU)
pair("int8_sub", "SUB", Q(1 / 12, 2), "Sub")
pair("int8_mul", "MUL", Q(1 / 6, -5), "Mul")
pair("int8_mul_excite", "MUL", Q(1 / 6, -5), "Mul", shape=(1, 1, 1, 2))
pair("int8_maximum", "MAXIMUM", X, "MaximumMinimum", b=X)
pair("int8_concatenation", "CONCATENATION", X, "Concatenation", b=X)


@case("floats in, int8 inside, floats out")
def int8_inside(net: Net):
    x = net.op("QUANTIZE", [net.input(1, 6)], options("Quantize"), q=X, rank=2)
    w = net.int8_weight(4, 6, q=Q(0.01))
    x = net.op("FULLY_CONNECTED", [x, w, net.int32_bias(4)], options("FullyConnected"), q=Q(0.05, 3), rank=2)
    net.output(net.op("DEQUANTIZE", [x], options("Dequantize"), rank=2))


@case("a tensor that is an output and goes on, twice")
def int8_shared(net: Net):
    x = net.input(1, 4, 4, 2, q=X)
    w = net.int8_weight(2, 1, 1, 2, q=Q(0.01))
    y = net.op("CONV_2D", [x, w, net.int32_bias(2)], options("Conv2D", padding=SAME, strideH=1, strideW=1), q=Q(0.04, 1))
    z = net.op("ADD", [y, x], options("Add"), q=Q(0.08, 0))
    net.output(y, z)


@case("ARG_MAX of int8")
def int8_arg_max(net: Net):
    net.output(net.op("ARG_MAX", [net.input(1, 9, q=X), net.const(1, np.int32)], options("ArgMax", outputType=2),
                      dtype=np.int32, rank=1))
