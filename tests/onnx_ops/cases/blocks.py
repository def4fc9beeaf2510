"""Building blocks of users' networks, and whole small ones."""

import numpy as np
from onnx import AttributeProto, helper

from .net import case

ONES = [1, 1, 1, 1]


def conv_bn_relu(net, x, *shape, **attributes):
    attributes.setdefault("pads", [shape[2] // 2] * 4)
    y = net.conv(x, *shape, bias=False, **attributes)
    return net.op("Relu", net.batch_norm(y, shape[0]))


def conv_bn(net, x, *shape, **attributes):
    attributes.setdefault("pads", [shape[2] // 2] * 4)
    return net.batch_norm(net.conv(x, *shape, bias=False, **attributes), shape[0])


@case("two inputs of different shapes, joined behind their own layers", symbolic=True)
def two_inputs(net):
    image = net.op("Relu", net.conv(net.input(1, 2, 4, 4, name="image"), 4, 2, 3, 3))
    image = net.op("Flatten", net.op("GlobalAveragePool", image))
    row = net.op("Relu", net.dense(net.input(1, 5, name="row"), 5, 3))
    net.output(net.dense(net.op("Concat", image, row, axis=1), 7, 4))


@case("two outputs, one of them also read further on", symbolic=True)
def two_outputs(net):
    features = net.op("Relu", net.conv(net.input(1, 2, 4, 4), 4, 2, 3, 3))
    pooled = net.op("Flatten", net.op("GlobalAveragePool", features))
    net.output(features, net.dense(pooled, 4, 3))


@case("a node nobody reads", opset=13)
def dead_node(net):
    x = net.input(1, 2, 4, 4)
    net.conv(x, 3, 2, 3, 3)
    net.output(net.op("Relu", x))


@case("MobileNetV2's block: expand, depthwise, project, Add")
def inverted_residual(net):
    x = net.input(1, 4, 5, 5)
    y = net.conv(x, 8, 4, 1, 1, bias=False)
    y = net.op("Clip", net.batch_norm(y, 8), net.constant(0.0), net.constant(6.0))
    y = net.conv(y, 8, 1, 3, 3, bias=False, group=8, pads=ONES)
    y = net.op("Clip", net.batch_norm(y, 8), net.constant(0.0), net.constant(6.0))
    net.output(net.op("Add", x, net.batch_norm(net.conv(y, 4, 8, 1, 1, bias=False), 4)))


@case("squeeze and excite: pool, two 1x1 Convs, HardSigmoid, Mul")
def squeeze_excite(net):
    x = net.op("Relu", net.conv(net.input(1, 3, 4, 4), 6, 3, 1, 1))
    gate = net.op("GlobalAveragePool", x)
    gate = net.op("Relu", net.conv(gate, 3, 6, 1, 1))
    gate = net.op("HardSigmoid", net.conv(gate, 6, 3, 1, 1), alpha=1 / 6, beta=0.5)
    net.output(net.op("Mul", gate, x))


@case("squeeze and excite through rows: ReduceMean, Gemm, Sigmoid, Reshape, Mul", opset=13)
def squeeze_excite_rows(net):
    x = net.op("Relu", net.conv(net.input(1, 3, 4, 4), 6, 3, 1, 1))
    gate = net.op("ReduceMean", x, axes=[2, 3], keepdims=0)
    gate = net.op("Relu", net.dense(gate, 6, 3))
    gate = net.op("Reshape", net.op("Sigmoid", net.dense(gate, 3, 6)), net.ints(-1, 6, 1, 1))
    net.output(net.op("Mul", x, gate))


@case("ResNet's block: two 3x3 Convs and Add", opset=11)
def resnet_block(net):
    x = net.op("Relu", net.input(1, 4, 5, 5))
    y = conv_bn(net, conv_bn_relu(net, x, 4, 4, 3, 3), 4, 4, 3, 3)
    net.output(net.op("Relu", net.op("Add", y, x)))


@case("ResNet's block with stride 2 and a 1x1 Conv beside it")
def resnet_block_stride_2(net):
    x = net.input(1, 3, 6, 6)
    y = conv_bn_relu(net, x, 5, 3, 3, 3, strides=[2, 2])
    y = conv_bn(net, y, 5, 5, 3, 3)
    beside = conv_bn(net, x, 5, 3, 1, 1, strides=[2, 2], pads=[0] * 4)
    net.output(net.op("Relu", net.op("Add", y, beside)))


@case("ResNet's block as it was: BatchNormalization and Relu before each Conv", opset=9)
def resnet_block_preactivated(net):
    x = net.input(1, 4, 5, 5)
    y = net.op("Relu", net.batch_norm(x, 4))
    y = net.conv(y, 4, 4, 3, 3, pads=ONES)
    y = net.op("Relu", net.batch_norm(y, 4))
    net.output(net.op("Add", net.conv(y, 4, 4, 3, 3, pads=ONES), x))


@case("ShuffleNet's channel shuffle: Reshape, Transpose, Reshape")
def channel_shuffle(net):
    x = net.conv(net.input(1, 4, 3, 4), 6, 2, 1, 1, group=2)
    x = net.op("Reshape", x, net.ints(1, 2, 3, 3, 4))
    x = net.op("Transpose", x, perm=[0, 2, 1, 3, 4])
    x = net.op("Reshape", x, net.ints(1, 6, 3, 4))
    net.output(net.conv(x, 4, 3, 1, 1, group=2))


@case("ShuffleNetV2's unit: Split, one branch, Concat", opset=13)
def split_concat_block(net):
    left, right = net.op("Split", net.input(1, 6, 4, 4), net.ints(3, 3), outputs=2, axis=1)
    right = conv_bn_relu(net, right, 3, 3, 1, 1)
    right = conv_bn(net, right, 3, 1, 3, 3, group=3)
    net.output(net.op("Concat", left, conv_bn_relu(net, right, 3, 3, 1, 1), axis=1))


@case("DenseNet's block: every layer reads all before it")
def dense_block(net):
    x = net.input(1, 3, 4, 4)
    for channels in (3, 5):
        y = net.conv(net.op("Relu", x), 2, channels, 3, 3, pads=ONES)
        x = net.op("Concat", x, y, axis=1)
    net.output(x)


@case("Inception's block: four branches of one input")
def inception_block(net):
    x = net.input(1, 4, 5, 5)
    pooled = net.op("MaxPool", x, kernel_shape=[3, 3], pads=ONES, strides=[1, 1])
    mean = net.op("AveragePool", x, kernel_shape=[3, 3], pads=ONES, strides=[1, 1])
    branches = [
        net.conv(x, 2, 4, 1, 1),
        net.conv(net.op("Relu", net.conv(x, 2, 4, 1, 1)), 3, 2, 3, 3, pads=ONES),
        net.conv(pooled, 2, 4, 1, 1),
        net.conv(mean, 2, 4, 1, 1),
    ]
    net.output(net.op("Relu", net.op("Concat", *branches, axis=1)))


@case("one tensor read by three branches of different depths, added", opset=13)
def branches_of_different_depth(net):
    x = net.op("Relu", net.conv(net.input(1, 2, 4, 4), 4, 2, 3, 3, pads=ONES))
    a = net.op("Sigmoid", x)
    b = net.op("Tanh", net.conv(net.op("Relu", net.conv(x, 4, 4, 1, 1)), 4, 4, 1, 1))
    net.output(net.op("Add", net.op("Add", a, b), x))


@case("LeNet: Conv, Relu, MaxPool, Conv, Relu, MaxPool, Flatten, Gemm", opset=9, symbolic=True)
def lenet(net):
    x = net.input(1, 1, 10, 10)
    x = net.op("Relu", net.conv(x, 3, 1, 3, 3))
    x = net.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = net.op("Relu", net.conv(x, 5, 3, 3, 3, pads=ONES))
    x = net.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    net.output(net.op("Softmax", net.dense(net.op("Flatten", x), 20, 4), axis=1))


@case("a keyword spotter: Conv 10x4, depthwise-separable block, pool, Gemm, Softmax", symbolic=True)
def keyword_spotter(net):
    x = net.input(1, 1, 13, 10)
    x = conv_bn_relu(net, x, 6, 1, 10, 4, strides=[2, 2], pads=[4, 1, 5, 2])
    x = conv_bn_relu(net, x, 6, 1, 3, 3, group=6)
    x = conv_bn_relu(net, x, 6, 6, 1, 1)
    x = net.op("AveragePool", x, kernel_shape=[7, 5])
    net.output(net.op("Softmax", net.dense(net.op("Flatten", x), 6, 5), axis=-1))


@case("an autoencoder of rows: Gemm and Relu, down and up", opset=11)
def autoencoder(net):
    x = net.input(1, 12)
    for inputs, outputs in ((12, 6), (6, 3), (3, 6)):
        x = net.op("Relu", net.batch_norm(net.dense(x, inputs, outputs), outputs))
    net.output(net.dense(x, 6, 12))


@case("scikit-learn's perceptron: Scaler, MatMul, Relu, Softmax, the label of the largest", opset=15)
def scaled_perceptron(net):
    numbers = {"offset": [0.5, -0.25, 1.0, 0.0], "scale": [2.0, 0.5, 1.0, 0.25]}
    x = net.op("Scaler", net.input(1, 4), domain="ai.onnx.ml", **numbers)
    x = net.op("Relu", net.op("Add", net.op("MatMul", x, net.weight(4, 6)), net.bias(1, 6)))
    x = net.op("Softmax", net.op("MatMul", x, net.weight(6, 3)))
    labels, best = net.const([4, 7, 9], np.float32), net.op("ArgMax", x, axis=1)
    label = net.op("ArrayFeatureExtractor", labels, best, domain="ai.onnx.ml")
    net.output(x)
    net.output(net.op("Reshape", label, net.ints(1)))


# Functions


def inner(op, inputs, outputs, references=(), **attributes):
    """A node of a function, with attributes that are the function's."""
    node = helper.make_node(op, inputs, outputs, **attributes)
    for name, of in references:
        node.attribute.append(AttributeProto(name=name, ref_attr_name=of, type=AttributeProto.FLOAT))
    return node


@case("functions of the model's own: nested, with attributes given and left out, an output that is not read")
def functions(net):
    slope = helper.make_attribute("slope", 0.3)
    leaky = [inner("LeakyRelu", ["a"], ["b"], [("alpha", "slope")])]
    net.function("Leaky", ["a"], ["b"], leaky, defaults=[slope])
    body = [
        inner("Leaky", ["p"], ["t"], [("slope", "strength")], domain="local"),
        inner("Leaky", ["t"], ["u"], domain="local"),
        inner("Clip", ["u", "low"], ["v"]),
        inner("Neg", ["v"], ["w"]),
    ]
    net.function("Twice", ["p", "low"], ["v", "w"], body, ["strength"])
    x = net.input(2, 3, 4)
    first, second = net.op("Twice", x, net.const(-9.0), outputs=2, domain="local", strength=0.1)
    third, _unread = net.op("Twice", first, net.const(0.2), outputs=2, domain="local", strength=0.7)
    net.output(net.op("Add", second, third))
