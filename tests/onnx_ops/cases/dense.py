"""Gemm and MatMul with constant weights, and what stands before them."""

import numpy as np

from .net import add, case


def gemm(shape, c=None, **attributes):
    """Gemm of an input [1,9] with constant weights of `shape`, and C of shape `c`."""

    def build(net):
        inputs = [net.weight(*shape, fan_in=9)]
        if c is not None:
            inputs.append(net.bias(*c))
        net.output(net.op("Gemm", net.input(1, 9), *inputs, **attributes))

    return build


add("gemm_trans_b_0", "Gemm, weights [in,out]", gemm((9, 5), (5,)), 9)
add("gemm_trans_b_1", "Gemm, weights [out,in]", gemm((5, 9), (5,), transA=0, transB=1), 13, True)
add(
    "gemm_alpha_beta",
    "Gemm, alpha and beta",
    gemm((5, 9), (5,), alpha=0.5, beta=-2.0, transB=1),
    17,
)
add("gemm_beta_0", "Gemm, beta 0: C counts for nothing", gemm((5, 9), (5,), beta=0.0, transB=1), 17)
add("gemm_c_scalar", "Gemm, C a scalar", gemm((9, 5), ()), 11)
add("gemm_c_one", "Gemm, C of one element", gemm((9, 5), (1,)), 11)
add("gemm_c_row", "Gemm, C a row [1,out]", gemm((9, 5), (1, 5)), 7)
add("gemm_no_c", "Gemm without C", gemm((5, 9), transB=1), 11)


@case("Gemm, Relu")
def gemm_relu(net):
    net.output(net.op("Relu", net.dense(net.input(1, 7), 7, 6)))


@case("Gemm, BatchNormalization on [N,C], Relu", opset=9)
def gemm_bn_relu(net):
    y = net.batch_norm(net.dense(net.input(1, 7), 7, 6), 6)
    net.output(net.op("Relu", y))


@case("MatMul with constant weights", opset=9)
def matmul(net):
    net.output(net.op("MatMul", net.input(1, 8), net.weight(8, 5, fan_in=8)))


@case("MatMul, Add of a bias", symbolic=True)
def matmul_add(net):
    y = net.op("MatMul", net.input(1, 8), net.weight(8, 5, fan_in=8))
    net.output(net.op("Add", net.bias(5), y))


@case("MatMul on [N,T,C]: the same weights at every step, Add, Tanh", opset=13)
def matmul_rank_3(net):
    y = net.op("MatMul", net.input(1, 4, 6), net.weight(6, 5, fan_in=6))
    net.output(net.op("Tanh", net.op("Add", y, net.bias(5))))


@case("weights through a Transpose, as PyTorch writes Linear on three dimensions", opset=11)
def matmul_transposed_weights(net):
    weight = net.op("Transpose", net.weight(5, 8), perm=[1, 0])
    y = net.op("MatMul", net.input(1, 8), weight)
    net.output(net.op("Add", y, net.bias(5)))


@case("three layers with Relu, then Softmax", opset=12, symbolic=True)
def mlp(net):
    x = net.op("Relu", net.dense(net.input(1, 12), 12, 10))
    x = net.op("Relu", net.dense(x, 10, 8))
    net.output(net.op("Softmax", net.dense(x, 8, 4), axis=1))


# What turns an image into a row: the order of its elements must be ONNX's


def conv_then(net):
    return net.conv(net.input(1, 2, 5, 4), 3, 2, 2, 2)  # [1,3,4,3]


@case("Conv, Flatten, Gemm", symbolic=True)
def flatten_gemm(net):
    net.output(net.dense(net.op("Flatten", conv_then(net)), 36, 4))


@case("the input flattened, Gemm", opset=9)
def flatten_input_gemm(net):
    net.output(net.dense(net.op("Flatten", net.input(1, 3, 3, 2), axis=1), 18, 4))


@case("Conv, Reshape with 0 and -1, Gemm")
def reshape_gemm(net):
    net.output(net.dense(net.op("Reshape", conv_then(net), net.ints(0, -1)), 36, 4))


@case("Conv, Reshape to a written-out shape, MatMul", opset=7)
def reshape_matmul(net):
    flat = net.op("Reshape", conv_then(net), net.ints(1, 36))
    net.output(net.op("MatMul", flat, net.weight(36, 4, fan_in=36)))


@case("x.view(x.size(0), -1): Shape, Gather, Unsqueeze, Concat, Reshape", opset=11, symbolic=True)
def reshape_from_shape_gemm(net):
    x = conv_then(net)
    batch = net.op("Gather", net.op("Shape", x), net.constant(0, np.int64), axis=0)
    batch = net.op("Unsqueeze", batch, axes=[0])
    shape = net.op("Concat", batch, net.constant([-1], np.int64), axis=0)
    net.output(net.dense(net.op("Reshape", x, shape), 36, 4))


@case("Conv, Transpose to NHWC, Reshape, Gemm: a TensorFlow model's order")
def transpose_reshape_gemm(net):
    x = net.op("Transpose", conv_then(net), perm=[0, 2, 3, 1])
    net.output(net.dense(net.op("Reshape", x, net.ints(1, -1)), 36, 4))


@case("NHWC input through a Transpose, Conv, Relu, Transpose back", opset=13)
def nhwc_model(net):
    x = net.op("Transpose", net.input(1, 5, 4, 3), perm=[0, 3, 1, 2])
    x = net.op("Relu", net.conv(x, 4, 3, 3, 3, pads=[1, 1, 1, 1]))
    net.output(net.op("Transpose", x, perm=[0, 2, 3, 1]))


@case("global pool, Squeeze with an attribute, Gemm", opset=11)
def squeeze_attribute_gemm(net):
    x = net.op("GlobalAveragePool", net.input(1, 6, 4, 3))
    net.output(net.dense(net.op("Squeeze", x, axes=[2, 3]), 6, 4))


@case("global pool, Squeeze with an input, negative axes, Gemm", opset=13)
def squeeze_input_gemm(net):
    x = net.op("GlobalAveragePool", net.input(1, 6, 4, 3))
    net.output(net.dense(net.op("Squeeze", x, net.ints(-1, -2)), 6, 4))


@case("Unsqueeze with an attribute, 1x1 Conv", opset=9)
def unsqueeze_attribute_conv(net):
    x = net.op("Unsqueeze", net.input(1, 6), axes=[2, 3])
    net.output(net.conv(x, 4, 6, 1, 1))


@case("a row of samples made an image by Unsqueeze with an input, Conv", opset=13)
def unsqueeze_input_conv(net):
    x = net.op("Unsqueeze", net.input(1, 6, 5), net.ints(1))
    net.output(net.conv(x, 4, 1, 3, 3))


@case("Gemm, Reshape to an image, Conv")
def gemm_reshape_conv(net):
    x = net.op("Reshape", net.dense(net.input(1, 6), 6, 24), net.ints(-1, 4, 3, 2))
    net.output(net.conv(x, 3, 4, 2, 2))


@case("1x1 Conv as the classifier, then Flatten", opset=11)
def conv_classifier_flatten(net):
    x = net.op("GlobalAveragePool", net.input(1, 6, 4, 3))
    net.output(net.op("Flatten", net.conv(x, 5, 6, 1, 1)))
