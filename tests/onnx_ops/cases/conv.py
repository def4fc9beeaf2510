"""Convolutions, alone and with what exporters put behind them."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from .net import add, case

ONES = [1, 1, 1, 1]

# name: what it is about, input shape, weight shape, attributes, opset
PLAIN = {
    "conv_1x1": ("pointwise", (1, 5, 4, 4), (7, 5, 1, 1), {}, 7),
    "conv_1x1_stride_2": (
        "pointwise, stride 2",
        (1, 5, 5, 6),
        (4, 5, 1, 1),
        {"strides": [2, 2]},
        11,
    ),
    "conv_3x3": ("same size", (1, 3, 7, 6), (8, 3, 3, 3), {"pads": ONES}, 17),
    "conv_5x3": ("5 high, 3 wide", (1, 2, 8, 7), (5, 2, 5, 3), {"pads": [2, 1, 2, 1]}, 13),
    "conv_2x2_even_kernel": (
        "even kernel, no pads",
        (1, 3, 6, 6),
        (4, 3, 2, 2),
        {"strides": [2, 2]},
        21,
    ),
    "conv_whole_input": ("kernel as large as the input", (1, 4, 4, 3), (6, 4, 4, 3), {}, 11),
    "conv_groups": ("two groups", (1, 6, 5, 5), (4, 3, 3, 3), {"group": 2, "pads": ONES}, 11),
    "conv_depthwise": ("depthwise", (1, 6, 6, 5), (6, 1, 3, 3), {"group": 6, "pads": ONES}, 9),
    "conv_depthwise_stride_2": (
        "depthwise, stride 2",
        (1, 5, 7, 7),
        (5, 1, 3, 3),
        {"group": 5, "pads": ONES, "strides": [2, 2]},
        17,
    ),
    "conv_depthwise_5x5": (
        "depthwise 5x5",
        (1, 3, 6, 6),
        (3, 1, 5, 5),
        {"group": 3, "pads": [2, 2, 2, 2]},
        17,
    ),
    "conv_depthwise_multiplier_2": (
        "depthwise, two outputs for each input channel",
        (1, 4, 5, 5),
        (8, 1, 3, 3),
        {"group": 4, "pads": ONES},
        13,
    ),
    "conv_dilation": (
        "dilation 2",
        (1, 3, 7, 7),
        (4, 3, 3, 3),
        {"dilations": [2, 2], "pads": [2, 2, 2, 2]},
        17,
    ),
    "conv_dilation_uneven": (
        "dilation 1 down, 3 across",
        (1, 2, 6, 9),
        (3, 2, 3, 3),
        {"dilations": [1, 3], "pads": [1, 3, 1, 3]},
        12,
    ),
    "conv_depthwise_dilation": (
        "depthwise, dilation 2",
        (1, 4, 7, 6),
        (4, 1, 3, 3),
        {"group": 4, "dilations": [2, 2], "pads": [2, 2, 2, 2]},
        17,
    ),
    "conv_stride_2x1": (
        "stride 2 down, 1 across",
        (1, 3, 7, 5),
        (4, 3, 3, 3),
        {"strides": [2, 1], "pads": ONES},
        17,
    ),
    "conv_stride_3_leaves_rest": (
        "stride 3 that does not reach the last rows",
        (1, 2, 9, 10),
        (3, 2, 3, 3),
        {"strides": [3, 3]},
        17,
    ),
    "conv_asymmetric_pads": (
        "another pad on each side",
        (1, 3, 6, 6),
        (4, 3, 3, 3),
        {"pads": [0, 1, 2, 0]},
        17,
    ),
    "conv_asymmetric_pads_stride_2": (
        "pads below and right only, as TensorFlow pads",
        (1, 3, 8, 8),
        (4, 3, 3, 3),
        {"pads": [0, 0, 1, 1], "strides": [2, 2]},
        13,
    ),
    "conv_wide_pads": (
        "pads of two for a kernel of three",
        (1, 2, 4, 4),
        (3, 2, 3, 3),
        {"pads": [2, 2, 2, 2]},
        17,
    ),
    "conv_same_upper": (
        "auto_pad SAME_UPPER, stride 2",
        (1, 3, 6, 7),
        (4, 3, 3, 3),
        {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
        8,
    ),
    "conv_same_lower": (
        "auto_pad SAME_LOWER, stride 2",
        (1, 3, 6, 7),
        (4, 3, 3, 3),
        {"auto_pad": "SAME_LOWER", "strides": [2, 2]},
        17,
    ),
    "conv_same_upper_even_kernel": (
        "auto_pad SAME_UPPER, 2x4 kernel",
        (1, 2, 5, 5),
        (3, 2, 2, 4),
        {"auto_pad": "SAME_UPPER"},
        17,
    ),
    "conv_valid": ("auto_pad VALID", (1, 3, 6, 5), (4, 3, 3, 3), {"auto_pad": "VALID"}, 10),
}


def plain(input_shape, weight_shape, attributes):
    def build(net):
        net.output(net.conv(net.input(*input_shape), *weight_shape, **attributes))

    return build


for name, (about, input_shape, weight_shape, attributes, opset) in PLAIN.items():
    build = plain(input_shape, weight_shape, attributes)
    add(name, f"Conv: {about}", build, opset, symbolic=name in ("conv_3x3", "conv_depthwise"))


@case("Conv without bias and without kernel_shape", opset=8)
def conv_no_bias(net):
    x = net.input(1, 3, 5, 5)
    net.output(net.op("Conv", x, net.weight(4, 3, 3, 3), pads=ONES))


@case("Conv with a large bias and one output channel whose weights are all zero")
def conv_dead_channel(net):
    x = net.input(1, 3, 5, 5)
    weight = net.normal(4, 3, 3, 3, scale=0.2)
    weight[2] = 0
    bias = net.const([0.5, -3.0, 2.0, 8.0], name="bias")
    y = net.op("Conv", x, net.const(weight, name="weight"), bias, pads=ONES)
    net.output(net.op("Relu", y))


@case("Conv whose output channels differ a thousandfold in size")
def conv_uneven_channels(net):
    x = net.input(1, 3, 5, 5)
    weight = net.normal(6, 3, 3, 3) * np.logspace(0, -3, 6).reshape(6, 1, 1, 1)
    net.output(net.op("Conv", x, net.const(weight, name="weight"), pads=ONES))


# Activations behind a convolution


def behind(kind, *bounds, **attributes):
    def build(net):
        y = net.conv(net.input(1, 3, 5, 5), 4, 3, 3, 3, pads=ONES)
        net.output(net.op(kind, y, *(net.constant(b) for b in bounds), **attributes))

    return build


add("conv_relu", "Conv, Relu", behind("Relu"), 7, symbolic=True)
add("conv_clip_0_6", "Conv, Clip with its bounds as inputs", behind("Clip", 0.0, 6.0), 13)
add("conv_clip_attributes", "Conv, Clip with attributes", behind("Clip", min=0.0, max=6.0), 10)
add("conv_clip_symmetric", "Conv, Clip to -1..1 (hardtanh)", behind("Clip", -1.0, 1.0), 17)
add("conv_leaky_relu", "Conv, LeakyRelu", behind("LeakyRelu", alpha=0.1), 16)
add("conv_hard_swish", "Conv, HardSwish", behind("HardSwish"), 14)
add("conv_sigmoid", "Conv, Sigmoid", behind("Sigmoid"), 13)


@case("Conv, HardSwish written out as Add, Clip, Mul, Div", opset=11)
def conv_hard_swish_written_out(net):
    y = net.conv(net.input(1, 3, 5, 5, low=-4, high=4), 4, 3, 3, 3, pads=ONES)
    gate = net.op("Clip", net.op("Add", y, net.constant(3.0)), net.constant(0.0), net.constant(6.0))
    net.output(net.op("Div", net.op("Mul", y, gate), net.constant(6.0)))


@case("Conv, SiLU as Sigmoid and Mul")
def conv_silu(net):
    y = net.conv(net.input(1, 3, 5, 5), 4, 3, 3, 3, pads=ONES)
    net.output(net.op("Mul", y, net.op("Sigmoid", y)))


# Batch norm, bias and scale behind a convolution


@case("Conv without bias, BatchNormalization", opset=9)
def conv_bn(net):
    y = net.conv(net.input(1, 3, 5, 5), 4, 3, 3, 3, bias=False, pads=ONES)
    net.output(net.batch_norm(y, 4))


@case("Conv with bias, BatchNormalization, Relu", opset=15, symbolic=True)
def conv_bias_bn_relu(net):
    y = net.conv(net.input(1, 3, 5, 5), 4, 3, 3, 3, pads=ONES)
    net.output(net.op("Relu", net.batch_norm(y, 4, epsilon=1e-3)))


@case("depthwise Conv, BatchNormalization, Clip", opset=7)
def conv_depthwise_bn_clip(net):
    y = net.conv(net.input(1, 4, 6, 6), 4, 1, 3, 3, bias=False, group=4, pads=ONES)
    net.output(net.op("Clip", net.batch_norm(y, 4), min=0.0, max=6.0))


@case("Conv, Add of a constant [1,C,1,1] as its bias")
def conv_bias_add(net):
    y = net.conv(net.input(1, 3, 5, 5), 4, 3, 3, 3, bias=False, pads=ONES)
    net.output(net.op("Add", y, net.bias(1, 4, 1, 1)))


@case("Add of a constant [C,1,1] as its first input behind a Conv, Relu", opset=12)
def conv_bias_add_first(net):
    y = net.conv(net.input(1, 3, 5, 5), 4, 3, 3, 3, bias=False, pads=ONES)
    net.output(net.op("Relu", net.op("Add", net.bias(4, 1, 1), y)))


@case("Conv, Mul and Add by channel: a batch norm written out")
def conv_mul_add(net):
    y = net.conv(net.input(1, 3, 5, 5), 4, 3, 3, 3, pads=ONES)
    y = net.op("Mul", y, net.const(net.rng.uniform(-1.5, 1.5, (4, 1, 1)), name="scale"))
    net.output(net.op("Add", y, net.bias(4, 1, 1)))


@case("BatchNormalization before a padded Conv, where it cannot be folded forward")
def bn_conv_padded(net):
    x = net.batch_norm(net.input(1, 3, 5, 5), 3)
    net.output(net.conv(x, 4, 3, 3, 3, pads=ONES))


@case("a Conv read both by its BatchNormalization and by a Relu, so it may not be changed")
def conv_bn_shared(net):
    y = net.conv(net.input(1, 3, 5, 5), 4, 3, 3, 3, pads=ONES)
    net.output(net.op("Add", net.batch_norm(y, 4), net.op("Relu", y)))


@case("a Conv that is both an output and read by a Relu")
def conv_relu_shared(net):
    y = net.conv(net.input(1, 3, 5, 5), 4, 3, 3, 3, pads=ONES)
    net.output(y, net.op("Relu", y))


@case("Pad with zeros before a Conv without pads", opset=13)
def pad_conv(net):
    x = net.op("Pad", net.input(1, 3, 6, 6), net.ints(0, 0, 0, 0, 0, 0, 1, 1))
    net.output(net.conv(x, 4, 3, 3, 3, strides=[2, 2]))


@case("Pad with a value that is not zero before a Conv, which must stay a Pad", opset=13)
def pad_value_conv(net):
    x = net.op("Pad", net.input(1, 3, 5, 5), net.ints(0, 0, 1, 1, 0, 0, 1, 1), net.constant(0.75))
    net.output(net.conv(x, 4, 3, 3, 3))


# How weights may be stored


@case("weights in Constant nodes", opset=11)
def weights_in_constant_nodes(net):
    x = net.input(1, 3, 5, 5)
    weight = net.constant(net.normal(4, 3, 3, 3, scale=0.2))
    net.output(net.op("Conv", x, weight, net.constant(net.normal(4)), pads=ONES))


@case("weights as float_data, listed among the graph's inputs as IR version 3 wants", opset=8)
def weights_among_inputs(net):
    x = net.input(1, 3, 5, 5)
    y = net.conv(x, 4, 3, 3, 3, pads=ONES)
    net.output(net.op("Relu", y))
    net.ir_version = 3
    for tensor in net.initializers:
        values = numpy_helper.to_array(tensor).ravel()
        net.inputs.append(
            helper.make_tensor_value_info(tensor.name, TensorProto.FLOAT, tensor.dims)
        )
        tensor.ClearField("raw_data")
        tensor.float_data.extend(values)


@case("one weight tensor read by two Convs, one of them through an Identity")
def weights_shared(net):
    x = net.input(1, 4, 5, 5)
    weight = net.weight(4, 4, 3, 3)
    y = net.op("Relu", net.op("Conv", x, weight, pads=ONES))
    net.output(net.op("Conv", y, net.op("Identity", weight), net.bias(4), pads=ONES))
