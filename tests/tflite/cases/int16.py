"""Operators on integers of 16 bits, with weights of 8."""

import numpy as np

from .net import ACTIVATION, SAME, VALID, Net, Q, add, case, options

IMAGE = (1, 6, 5, 3)


def q(scale):
    return Q(scale, dtype=np.int16)


X = q(1 / 8192)


def weights(net: Net, *shape, axis=0):
    """int8 weights with a scale for each output, and their bias in steps of the sum."""
    scales = net.rng.uniform(0.002, 0.008, shape[axis])
    steps = scales.astype(np.float32) * np.float32(X.scale)
    bias = net.const(np.round(net.rng.uniform(-1, 1, len(scales)) / steps), np.int64)
    net.tensors[bias].quantization = Q([float(step) for step in steps]).table()
    return net.int8_weight(*shape, q=Q(list(scales), axis=axis)), bias


def window(kind, about, shape, y, axis=0, **more):
    def build(net: Net):
        w, b = weights(net, *shape, axis=axis)
        opts = options(kind, padding=SAME, strideW=1, **({"strideH": 1} | more))
        net.output(net.op("CONV_2D" if kind == "Conv2D" else "DEPTHWISE_CONV_2D", [net.input(*IMAGE, q=X), w, b], opts, q=y))

    return about, build


add("int16_conv_relu6", *window("Conv2D", "RELU6 within the limits", (4, 3, 3, 3), q(6 / 32767),
                                fusedActivationFunction=ACTIVATION.RELU6))
add("int16_depthwise", *window("DepthwiseConv2D", "depthwise", (1, 3, 3, 3), q(1 / 8192), axis=3, depthMultiplier=1))
add("int16_depthwise_multiplier", *window("DepthwiseConv2D", "two outputs for each channel", (1, 3, 3, 6), q(1 / 8192),
                                          axis=3, depthMultiplier=2))


@case("rows of 16-bit integers")
def int16_fully_connected(net: Net):
    w, b = weights(net, 4, 40)
    net.output(net.op("FULLY_CONNECTED", [net.input(1, 40, q=X), w, b], options("FullyConnected"), q=q(1 / 2048), rank=2))


def unary(name, kind, y, opts=None, x=X, shape=(1, 3, 4, 2), rest=lambda net: [], rank=4):
    def build(net: Net):
        net.output(net.op(kind, [net.input(*shape, q=x), *rest(net)], opts and opts(), q=y, rank=rank))

    add(name, f"{kind} of int16", build)


UNIT = q(1 / 32768)
POOL = {"padding": SAME, "filterHeight": 2, "filterWidth": 3, "strideH": 1, "strideW": 2}
unary("int16_logistic", "LOGISTIC", UNIT, x=q(1 / 4096))
unary("int16_tanh", "TANH", UNIT, x=q(1 / 4096))
unary("int16_softmax", "SOFTMAX", UNIT, lambda: options("Softmax", beta=1.0), shape=(1, 2, 2, 9))
unary("int16_relu", "RELU", X)
unary("int16_leaky_relu", "LEAKY_RELU", q(1 / 7000), lambda: options("LeakyRelu", alpha=0.1))
unary("int16_quantize", "QUANTIZE", q(1 / 5000), lambda: options("Quantize"))
unary("int16_to_int8", "QUANTIZE", Q(1 / 32, 3), lambda: options("Quantize"))
unary("int16_from_int8", "QUANTIZE", q(1 / 5000), lambda: options("Quantize"), x=Q(1 / 32, -7))
unary("int16_average_pool", "AVERAGE_POOL_2D", X, lambda: options("Pool2D", **POOL))
unary("int16_max_pool", "MAX_POOL_2D", X, lambda: options("Pool2D", **POOL))
unary("int16_mean", "MEAN", q(1 / 16000), lambda: options("Reducer", keepDims=False), rest=lambda net: [net.ints(1, 2)],
      rank=2)
unary("int16_transpose", "TRANSPOSE", X, rest=lambda net: [net.ints(0, 3, 1, 2)])
unary("int16_pad", "PAD", X, rest=lambda net: [net.const([[0, 0], [1, 0], [2, 1], [0, 0]], np.int32)])
unary("int16_resize_bilinear", "RESIZE_BILINEAR", X, lambda: options("ResizeBilinear", halfPixelCenters=True),
      rest=lambda net: [net.ints(6, 8)])
unary("int16_strided_slice", "STRIDED_SLICE", X, lambda: options("StridedSlice", beginMask=0b1001, endMask=0b1001),
      rest=lambda net: [net.ints(0, 1, 0, 0), net.ints(0, 3, 4, 0), net.ints(1, 1, 2, 1)])
unary("int16_gather", "GATHER", X, lambda: options("Gather", axis=2), rest=lambda net: [net.ints(3, 0, 0, 2, 1)])


def pair(name, kind, y, table, b=q(1 / 6000), shape=(1, 3, 4, 2), **more):
    def build(net: Net):
        net.output(net.op(kind, [net.input(1, 3, 4, 2, q=X), net.input(*shape, q=b)], options(table, **more), q=y))

    add(name, f"{kind} of int16", build)


pair("int16_add", "ADD", q(1 / 3000), "Add", potScaleInt16=False)
pair("int16_add_relu", "ADD", q(1 / 3000), "Add", potScaleInt16=False, fusedActivationFunction=ACTIVATION.RELU)
pair("int16_sub", "SUB", q(1 / 3000), "Sub", potScaleInt16=False)
pair("int16_mul", "MUL", q(1 / 1500), "Mul")
pair("int16_mul_excite", "MUL", q(1 / 1500), "Mul", shape=(1, 1, 1, 2))
pair("int16_concatenation", "CONCATENATION", X, "Concatenation", b=X, axis=3)


@case("products of 16-bit matrices")
def int16_batch_mat_mul(net: Net):
    a, b = net.input(1, 2, 3, 8, q=X), net.input(1, 2, 8, 4, q=X)
    net.output(net.op("BATCH_MATMUL", [a, b], options("BatchMatMul"), q=q(1 / 1000)))


@case("a chain of convolutions, a pool, a dense layer and a softmax, in 16 bits")
def int16_classifier(net: Net):
    x, channels, step = net.input(1, 12, 10, 1, q=X), 1, X.scale
    for out, scale in ((6, 1 / 10000), (8, 1 / 9000)):
        scales = net.rng.uniform(0.002, 0.008, out)
        w = net.int8_weight(out, 3, 3, channels, q=Q(list(scales)))
        b = net.const(net.rng.integers(-1 << 20, 1 << 20, out), np.int64)
        net.tensors[b].quantization = Q([float(s * step) for s in scales]).table()
        opts = options("Conv2D", padding=SAME, strideH=2, strideW=2, fusedActivationFunction=ACTIVATION.RELU)
        x, channels, step = net.op("CONV_2D", [x, w, b], opts, q=q(scale)), out, scale
    pool = options("Pool2D", padding=VALID, filterHeight=3, filterWidth=3, strideH=1, strideW=1)
    x = net.op("AVERAGE_POOL_2D", [x], pool, q=q(step))
    x = net.op("RESHAPE", [x, net.ints(-1, 8)], options("Reshape", newShape=[-1, 8]), q=q(step), rank=2)
    w = net.int8_weight(5, 8, q=Q(0.01))
    x = net.op("FULLY_CONNECTED", [x, w], options("FullyConnected"), q=q(1 / 2000), rank=2)
    net.output(net.op("SOFTMAX", [x], options("Softmax", beta=1.0), q=UNIT, rank=2))
