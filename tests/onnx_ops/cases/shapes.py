"""Ops that move elements, Softmax and ArgMax."""

import numpy as np

from .net import case

LAST = 2**63 - 1  # what exporters write for "to the end"

# Pad


@case("Pad as an attribute", opset=7)
def pad_attribute(net):
    x = net.input(1, 2, 3, 4)
    net.output(net.op("Pad", x, mode="constant", pads=[0, 0, 1, 2, 0, 0, 0, 1], value=0.0))


@case("Pad as an attribute, with a value", opset=10)
def pad_attribute_value(net):
    net.output(net.op("Pad", net.input(1, 2, 3, 4), pads=[0, 0, 1, 1, 0, 0, 1, 1], value=-1.5))


@case("Pad as an input", opset=11, symbolic=True)
def pad_input(net):
    net.output(net.op("Pad", net.input(1, 2, 3, 4), net.ints(0, 0, 1, 2, 0, 0, 0, 1)))


@case("Pad as an input, with a value", opset=13)
def pad_input_value(net):
    pads = net.ints(0, 0, 1, 1, 0, 0, 1, 1)
    net.output(net.op("Pad", net.input(1, 2, 3, 4), pads, net.const(0.5), mode="constant"))


@case("Pad of channels: a residual whose width grows", opset=13)
def pad_channels(net):
    net.output(net.op("Pad", net.input(1, 2, 3, 4), net.ints(0, 1, 0, 0, 0, 2, 0, 0)))


@case("Pad with axes as an input", opset=18)
def pad_axes(net):
    net.output(net.op("Pad", net.input(1, 2, 3, 4), net.ints(1, 2, 0, 1), "", net.ints(2, 3)))


# Concat


@case("Concat of channels", opset=7, symbolic=True)
def concat_channels(net):
    a, b = net.input(1, 2, 3, 4, name="a"), net.input(1, 5, 3, 4, low=-6, high=1, name="b")
    net.output(net.op("Concat", a, b, axis=1))


@case("Concat of rows", opset=11)
def concat_height(net):
    a, b = net.input(1, 3, 2, 4, name="a"), net.input(1, 3, 3, 4, name="b")
    net.output(net.op("Concat", a, b, axis=2))


@case("Concat of columns, axis -1", opset=13)
def concat_width(net):
    a, b = net.input(1, 3, 2, 4, name="a"), net.input(1, 3, 2, 1, name="b")
    net.output(net.op("Concat", a, b, axis=-1))


@case("Concat of three inputs", opset=13)
def concat_three(net):
    parts = [net.input(1, c, 3, 3, high=c, name=f"part_{c}") for c in (1, 2, 3)]
    net.output(net.op("Concat", *parts, axis=1))


@case("Concat that reads one tensor twice", opset=13)
def concat_shared(net):
    x = net.input(1, 3, 3, 3)
    net.output(net.op("Concat", x, net.op("Relu", x), x, axis=1))


@case("Concat with a part without elements", opset=13)
def concat_empty(net):
    x = net.input(1, 2, 3, 4)
    net.output(net.op("Concat", x, net.const(np.zeros((1, 0, 3, 4))), net.op("Relu", x), axis=1))


@case("Concat with a constant: a coordinate channel")
def concat_constant(net):
    ramp = net.const(np.tile(np.linspace(-1, 1, 4), (1, 1, 3, 1)))
    net.output(net.op("Concat", net.input(1, 2, 3, 4), ramp, axis=1))


@case("Concat of two rows [1,C], then Gemm", symbolic=True)
def concat_rows_gemm(net):
    a, b = net.input(1, 4, name="a"), net.input(1, 3, low=-8, high=8, name="b")
    net.output(net.dense(net.op("Concat", a, b, axis=1), 7, 5))


# Reshape and Transpose


@case("an input through a Reshape to an output", symbolic=True)
def reshape_only(net):
    net.output(net.op("Reshape", net.input(1, 2, 3, 4), net.ints(0, 4, -1)))


@case("Reshape of an image to another image: elements keep ONNX's order", opset=13)
def reshape_image(net):
    x = net.conv(net.input(1, 2, 4, 3), 4, 2, 1, 1)
    x = net.op("Reshape", x, net.ints(1, 6, 2, 4))
    net.output(net.conv(x, 3, 6, 1, 1))


@case("Flatten before axis 2 and before axis 0", opset=13)
def flatten_axes(net):
    x = net.input(1, 2, 3, 4)
    net.output(net.op("Flatten", x, axis=2), net.op("Flatten", x, axis=0))


@case("Squeeze of every dimension that is one", opset=13)
def squeeze_all(net):
    net.output(net.op("Squeeze", net.input(1, 5, 1, 3)))


@case("Unsqueeze at both ends", opset=13)
def unsqueeze_ends(net):
    net.output(net.op("Unsqueeze", net.input(3, 4), net.ints(0, -1)))


@case("Transpose with its default order, of a matrix", opset=13)
def transpose_default(net):
    net.output(net.op("Transpose", net.input(3, 5)))


@case("Transpose of three dimensions", opset=7)
def transpose_3d(net):
    net.output(net.op("Transpose", net.input(1, 3, 5), perm=[0, 2, 1]))


@case("Transpose of height and width", opset=13)
def transpose_4d(net):
    net.output(net.op("Transpose", net.input(1, 2, 3, 4), perm=[0, 1, 3, 2]))


@case("Conv, Transpose of channels and height, Conv", opset=13)
def transpose_between_convs(net):
    x = net.conv(net.input(1, 2, 3, 4), 5, 2, 1, 1)
    x = net.op("Transpose", x, perm=[0, 2, 1, 3])
    net.output(net.conv(x, 4, 3, 3, 3, pads=[1, 1, 1, 1]))


# Slice and Split


@case("Slice as attributes", opset=9)
def slice_attributes(net):
    x = net.input(1, 4, 5, 6)
    net.output(net.op("Slice", x, axes=[1, 3], starts=[1, 0], ends=[3, -1]))


@case("Slice as inputs", opset=10, symbolic=True)
def slice_inputs(net):
    x = net.input(1, 4, 5, 6)
    net.output(net.op("Slice", x, net.ints(1, 1), net.ints(4, LAST), net.ints(2, 3)))


@case("Slice with steps 2 and 3", opset=13)
def slice_steps(net):
    x = net.input(1, 4, 5, 7)
    starts, ends, axes, steps = net.ints(0, 1), net.ints(LAST, 7), net.ints(2, 3), net.ints(2, 3)
    net.output(net.op("Slice", x, starts, ends, axes, steps))


@case("Slice with negative starts, ends and axes", opset=13)
def slice_negative(net):
    x = net.input(1, 4, 5, 6)
    net.output(net.op("Slice", x, net.ints(-3, -4), net.ints(-1, LAST), net.ints(-3, -1)))


@case("Slice backwards: a picture mirrored", opset=13)
def slice_backwards(net):
    x = net.input(1, 2, 3, 5)
    net.output(net.op("Slice", x, net.ints(-1), net.ints(-LAST), net.ints(3), net.ints(-1)))


@case("Slice without axes", opset=11)
def slice_without_axes(net):
    net.output(net.op("Slice", net.input(1, 3, 4), net.ints(0, 1, 1), net.ints(1, 3, 4)))


@case("a space-to-depth stem: four Slices with step 2, Concat, Conv", opset=12)
def slice_focus(net):
    x = net.input(1, 2, 4, 6)
    parts = []
    for row, column in ((0, 0), (1, 0), (0, 1), (1, 1)):
        part = net.op("Slice", x, net.ints(row), net.ints(LAST), net.ints(2), net.ints(2))
        parts.append(
            net.op("Slice", part, net.ints(column), net.ints(LAST), net.ints(3), net.ints(2))
        )
    net.output(net.conv(net.op("Concat", *parts, axis=1), 4, 8, 1, 1))


@case("Split of channels in two halves", opset=13)
def split_halves(net):
    net.output(*net.op("Split", net.input(1, 4, 3, 3), outputs=2, axis=1))


@case("Split of channels by sizes, as an attribute", opset=11)
def split_attribute(net):
    net.output(*net.op("Split", net.input(1, 6, 3, 3), outputs=3, axis=1, split=[1, 3, 2]))


@case("Split of rows by sizes, as an input, its parts added again", opset=13)
def split_input(net):
    a, b, c = net.op("Split", net.input(1, 2, 5, 3), net.ints(2, 2, 1), outputs=3, axis=2)
    net.output(net.op("Add", net.op("Sub", a, b), c))


@case("Split by num_outputs, of which one stays unread", opset=18)
def split_num_outputs(net):
    a, _b, c = net.op("Split", net.input(1, 6, 2, 3), outputs=3, axis=-3, num_outputs=3)
    net.output(net.op("Mul", a, c))


# Softmax and ArgMax


@case("Softmax of a row, axis -1", opset=13, symbolic=True)
def softmax_row(net):
    net.output(net.op("Softmax", net.input(1, 10, low=-5, high=5), axis=-1))


@case("Softmax of a row, axis left to its default", opset=9)
def softmax_row_default(net):
    net.output(net.op("Softmax", net.input(1, 12, low=-8, high=8)))


@case("Softmax over channels of an image", opset=13)
def softmax_channels(net):
    net.output(net.op("Softmax", net.input(1, 5, 3, 4, low=-4, high=4), axis=1))


@case("Softmax before opset 13: everything from axis 1 on is one row", opset=11)
def softmax_coerced(net):
    net.output(net.op("Softmax", net.input(1, 3, 2, 2, low=-4, high=4), axis=1))


@case("Softmax along the last of three dimensions", opset=13)
def softmax_last_of_three(net):
    net.output(net.op("Softmax", net.input(1, 4, 6, low=-4, high=4)))


@case("Softmax of large values, where exp alone would overflow", opset=13)
def softmax_large(net):
    net.output(net.op("Softmax", net.input(1, 6, low=-400, high=400), axis=1))


@case("ArgMax of a row, dimension kept", opset=11)
def arg_max_keep(net):
    net.output(net.op("ArgMax", net.input(1, 10), axis=1, keepdims=1))


@case("ArgMax of a row, axis -1, dimension dropped", opset=13, symbolic=True)
def arg_max_drop(net):
    net.output(net.op("ArgMax", net.input(1, 10), axis=-1, keepdims=0))


@case("ArgMax over channels of an image: a segmentation", opset=13)
def arg_max_channels(net):
    net.output(net.op("ArgMax", net.input(1, 5, 3, 4), axis=1, keepdims=0))


@case("ArgMax over channels of an image, dimension kept", opset=12)
def arg_max_channels_keep(net):
    net.output(net.op("ArgMax", net.input(1, 5, 3, 4), axis=1))
