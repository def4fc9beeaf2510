"""Ops that find elements by indices, repeat, resize, or put them somewhere."""

import numpy as np

from .net import case

# Gather


@case("Gather of channels in any order, an index from the end", opset=13)
def gather_channels(net):
    x = net.conv(net.input(1, 3, 4, 5), 6, 3, 1, 1)
    net.output(net.op("Gather", x, net.ints(4, 0, -1, 3, 0), axis=1))


@case("Gather with a table of indices", opset=11)
def gather_table(net):
    net.output(net.op("Gather", net.input(2, 5, 3), net.const([[0, 4], [2, -5]], np.int64), axis=1))


@case("Gather by the order of a TopK: indices computed at run time", opset=13)
def gather_computed(net):
    x = net.input(1, 6)
    values, order = net.op("TopK", x, net.ints(3), outputs=2, axis=-1)
    rows = net.op("Gather", net.weight(6, 4), order, axis=0)
    net.output(values, net.op("ReduceMean", rows, axes=[1], keepdims=0))


@case("GatherElements along the middle axis", opset=13)
def gather_elements(net):
    indices = net.const(net.rng.integers(-4, 4, (2, 3, 5)), np.int64)
    net.output(net.op("GatherElements", net.input(2, 4, 5), indices, axis=1))


@case("GatherND of rows, and within a batch", opset=13)
def gather_nd(net):
    x = net.input(2, 3, 4)
    rows = net.op("GatherND", x, net.const([[1, 0], [0, -1], [1, 2]], np.int64))
    within = net.op("GatherND", x, net.const([[[2], [0]], [[1], [1]]], np.int64), batch_dims=1)
    net.output(rows, within)


@case("Compress along an axis, and of all elements", opset=11)
def compress(net):
    x = net.input(3, 4)
    holds = net.const([True, False, True, True], bool)
    net.output(net.op("Compress", x, holds, axis=1), net.op("Compress", x, holds))


@case("ReverseSequence with a length for each of the batch", opset=10)
def reverse_sequence(net):
    net.output(net.op("ReverseSequence", net.input(4, 3, 2), net.ints(1, 4, 3), batch_axis=1, time_axis=0))


# Scatter


@case("ScatterElements that replaces", opset=11)
def scatter_elements(net):
    indices = net.const([[1, -1], [0, 2]], np.int64)
    net.output(net.op("ScatterElements", net.input(3, 4), indices, net.input(2, 2, name="u"), axis=1))


@case("ScatterElements that adds several to one, and takes the largest", opset=18)
def scatter_elements_reduced(net):
    x, u, indices = net.input(2, 5), net.input(2, 3, name="u"), net.const([[1, 1, 4], [0, 0, 0]], np.int64)
    added = net.op("ScatterElements", x, indices, u, axis=1, reduction="add")
    largest = net.op("ScatterElements", x, indices, u, axis=1, reduction="max")
    net.output(added, largest)


@case("ScatterND of whole rows", opset=16)
def scatter_nd(net):
    x, u = net.input(4, 3, 2), net.input(2, 3, 2, name="u")
    net.output(net.op("ScatterND", x, net.const([[3], [1]], np.int64), u, reduction="mul"))


@case("OneHot of an ArgMax, depth in front", opset=13)
def one_hot(net):
    best = net.op("ArgMax", net.input(2, 6), axis=1, keepdims=0)
    net.output(net.op("OneHot", best, net.constant(6, np.int64), net.const([0.5, 2.0]), axis=0))


# TopK


@case("TopK of the smallest along the first axis", opset=11)
def top_k_smallest(net):
    values, _ = net.op("TopK", net.input(6, 3), net.ints(2), outputs=2, axis=0, largest=0)
    net.output(values)


# Repeating


@case("Tile of one axis and of two", opset=13)
def tile(net):
    x = net.input(1, 2, 3, 2)
    net.output(net.op("Tile", x, net.ints(1, 3, 1, 1)), net.op("Tile", x, net.ints(1, 1, 2, 3)))


@case("Expand of channels after a global pool", opset=13)
def expand_image(net):
    x = net.op("GlobalAveragePool", net.conv(net.input(1, 2, 4, 3), 3, 2, 1, 1))
    net.output(net.op("Expand", x, net.ints(1, 3, 4, 3)))


@case("Expand to a higher rank", opset=8)
def expand_rank(net):
    net.output(net.op("Expand", net.input(3, 1), net.ints(2, 3, 4)))


@case("Pad by reflection between convolutions", opset=13)
def pad_reflect(net):
    x = net.conv(net.input(1, 2, 4, 5), 3, 2, 1, 1)
    x = net.op("Pad", x, net.ints(0, 0, 1, 2, 0, 0, 3, 1), mode="reflect")
    net.output(net.conv(x, 2, 3, 3, 3))


@case("Pad with the edge, as an attribute", opset=9)
def pad_edge(net):
    net.output(net.op("Pad", net.input(1, 2, 3, 4), mode="edge", pads=[0, 1, 2, 0, 0, 0, 1, 3]))


@case("Pad that wraps", opset=19)
def pad_wrap(net):
    net.output(net.op("Pad", net.input(2, 5), net.ints(0, 3, 1, 2), mode="wrap"))


@case("CenterCropPad that cuts one axis and pads another", opset=18)
def center_crop_pad(net):
    net.output(net.op("CenterCropPad", net.input(1, 2, 5, 4), net.ints(3, 7), axes=[2, 3]))


@case("Trilu, upper and lower", opset=14)
def trilu(net):
    x = net.input(2, 4, 5)
    net.output(net.op("Trilu", x), net.op("Trilu", x, net.constant(-1, np.int64), upper=0))


# Blocks


@case("DepthToSpace in both orders", opset=13)
def depth_to_space(net):
    x = net.conv(net.input(1, 2, 3, 2), 8, 2, 1, 1)
    net.output(net.op("DepthToSpace", x, blocksize=2), net.op("DepthToSpace", x, blocksize=2, mode="CRD"))


@case("SpaceToDepth before a convolution", opset=13)
def space_to_depth(net):
    x = net.op("SpaceToDepth", net.input(1, 2, 4, 6), blocksize=2)
    net.output(net.conv(x, 4, 8, 1, 1))


@case("Concat of eleven inputs", opset=13)
def concat_many(net):
    parts = [net.input(1, 1, 2, 3, low=-1 - i, name="part") for i in range(11)]
    net.output(net.op("Concat", *parts, axis=1))


# Resize


def resize(net, x, scales, **attributes):
    return net.op("Resize", x, "", net.const(scales), **attributes)


@case("Upsample by the attribute", opset=7)
def upsample_attribute(net):
    x = net.conv(net.input(1, 2, 3, 4), 3, 2, 1, 1)
    net.output(net.op("Upsample", x, mode="nearest", scales=[1.0, 1.0, 2.0, 2.0]))


@case("Upsample by an input, linear", opset=9)
def upsample_linear(net):
    x = net.input(1, 2, 3, 4)
    net.output(net.op("Upsample", x, net.const([1.0, 1.0, 2.0, 3.0]), mode="linear"))


@case("Resize of opset 10: nearest, by scales", opset=10)
def resize_opset_10(net):
    net.output(net.op("Resize", net.input(1, 1, 4, 5), net.const([1.0, 1.0, 1.5, 0.6])))


@case("Resize as PyTorch exports it: nearest, between convolutions", opset=13)
def resize_nearest(net):
    x = net.conv(net.input(1, 2, 3, 4), 3, 2, 1, 1)
    x = resize(net, x, [1.0, 1.0, 2.0, 2.0], coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    net.output(net.conv(x, 2, 3, 3, 3, pads=[1, 1, 1, 1]))


@case("Resize to the nearest, rounded in four ways", opset=13)
def resize_roundings(net):
    x = net.input(1, 1, 3, 5)
    modes = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
    net.output(*[resize(net, x, [1.0, 1.0, 1.5, 0.8], nearest_mode=mode) for mode in modes])


@case("Resize, linear, with half pixels, to sizes", opset=13)
def resize_linear_sizes(net):
    x = net.conv(net.input(1, 2, 4, 5), 3, 2, 1, 1)
    attributes = {"mode": "linear", "coordinate_transformation_mode": "pytorch_half_pixel"}
    net.output(net.op("Resize", x, "", "", net.ints(1, 3, 7, 3), **attributes))


@case("Resize, linear, corners aligned", opset=11)
def resize_align_corners(net):
    x, empty = net.input(1, 2, 3, 4), net.const([], np.float32)
    attributes = {"mode": "linear", "coordinate_transformation_mode": "align_corners"}
    net.output(net.op("Resize", x, empty, net.const([1.0, 1.0, 2.0, 2.0]), **attributes))


@case("Resize, cubic, with and without what is outside", opset=13)
def resize_cubic(net):
    x = net.input(1, 1, 4, 5)
    plain = resize(net, x, [1.0, 1.0, 2.0, 1.5], mode="cubic")
    inside = resize(net, x, [1.0, 1.0, 2.0, 1.5], mode="cubic", exclude_outside=1, cubic_coeff_a=-0.5)
    net.output(plain, inside)


@case("Resize to less than half with antialias", opset=18)
def resize_antialias(net):
    x = net.input(1, 1, 9, 8)
    net.output(resize(net, x, [1.0, 1.0, 0.4, 0.5], mode="linear", antialias=1))


@case("Resize of two axes that keeps the aspect ratio", opset=18)
def resize_aspect_ratio(net):
    x = net.input(1, 2, 4, 6)
    attributes = {"axes": [2, 3], "keep_aspect_ratio_policy": "not_larger", "mode": "linear"}
    net.output(net.op("Resize", x, "", "", net.ints(7, 8), **attributes))


@case("Resize of a part of the picture, with a value outside", opset=13)
def resize_crop(net):
    x = net.input(1, 1, 4, 4)
    roi = net.const([0, 0, 0.4, -0.3, 1, 1, 0.9, 1.2])
    attributes = {"mode": "linear", "coordinate_transformation_mode": "tf_crop_and_resize"}
    sizes = net.ints(1, 1, 3, 5)
    net.output(net.op("Resize", x, roi, "", sizes, extrapolation_value=1.5, **attributes))


# Transposed convolutions


def transposed(net, x, *shape, **attributes):
    weights = net.const(net.normal(*shape, scale=(shape[0] * shape[2]) ** -0.5), name="weight")
    group = attributes.get("group", 1)
    return net.op("ConvTranspose", x, weights, net.bias(shape[1] * group), **attributes)


@case("ConvTranspose with stride 2, kernel 3, then Conv", opset=11)
def conv_transpose(net):
    x = transposed(net, net.input(1, 3, 4, 5), 3, 4, 3, 3, strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1])
    net.output(net.conv(net.op("Relu", x), 2, 4, 1, 1))


@case("ConvTranspose of a decoder: kernel 4, stride 2", opset=11)
def conv_transpose_decoder(net):
    net.output(transposed(net, net.input(1, 4, 3, 3), 4, 3, 4, 4, strides=[2, 2], pads=[1, 1, 1, 1]))


@case("ConvTranspose in groups, dilated, with strides of 2 and 3", opset=11)
def conv_transpose_groups(net):
    x = net.input(1, 4, 3, 4)
    net.output(transposed(net, x, 4, 3, 3, 2, group=2, strides=[2, 3], dilations=[2, 1]))


@case("ConvTranspose to a shape that no tap reaches", opset=11)
def conv_transpose_output_shape(net):
    x = net.input(1, 1, 3, 3)
    net.output(transposed(net, x, 1, 2, 3, 3, strides=[3, 2], output_shape=[10, 8]))


@case("ConvTranspose over one axis, padded to the same", opset=11)
def conv_transpose_1d(net):
    net.output(transposed(net, net.input(1, 2, 6), 2, 3, 4, strides=[2], auto_pad="SAME_UPPER"))


# Windows over three axes, and batches


@case("Conv over three axes, strided, dilated and padded", opset=11)
def conv_3d(net):
    x = net.input(1, 2, 6, 5, 4)
    net.output(net.conv(x, 3, 2, 3, 2, 3, strides=[2, 1, 2], dilations=[2, 1, 1], pads=[1, 0, 1, 2, 1, 1]))


@case("Conv over three axes in groups", opset=11)
def conv_3d_groups(net):
    net.output(net.conv(net.input(1, 4, 3, 4, 4), 4, 2, 2, 3, 3, group=2))


@case("MaxPool and AveragePool over three axes", opset=12)
def pool_3d(net):
    x = net.input(1, 2, 5, 4, 6)
    largest = net.op("MaxPool", x, kernel_shape=[2, 3, 2], strides=[2, 1, 2], pads=[0, 1, 0, 1, 1, 0])
    mean = net.op("AveragePool", x, kernel_shape=[3, 2, 3], pads=[1, 0, 1, 1, 1, 1], count_include_pad=1)
    net.output(largest, mean)


@case("a batch of three through Conv, MaxPool and Gemm", opset=13)
def batch_of_three(net):
    x = net.op("MaxPool", net.conv(net.input(3, 2, 6, 6), 4, 2, 3, 3), kernel_shape=[2, 2], strides=[2, 2])
    net.output(net.dense(net.op("Flatten", x), 16, 5))


@case("LpPool of squares and of cubes", opset=18)
def lp_pool(net):
    x = net.input(1, 2, 5, 5)
    net.output(*[net.op("LpPool", x, kernel_shape=[2, 3], strides=[2, 1], p=p) for p in (2, 3)])


@case("GlobalLpPool", opset=13)
def global_lp_pool(net):
    net.output(net.op("GlobalLpPool", net.input(1, 3, 4, 5), p=2))


@case("MaxPool with its indices, and MaxUnpool by them", opset=12)
def max_unpool(net):
    x = net.input(1, 1, 4, 4)
    attributes = {"kernel_shape": [2, 2], "strides": [2, 2]}
    pooled, indices = net.op("MaxPool", x, outputs=2, **attributes)
    net.output(net.op("MaxUnpool", pooled, indices, **attributes))


@case("Col2Im with strides and padding", opset=18)
def col2im(net):
    x = net.input(1, 8, 9)
    net.output(net.op("Col2Im", x, net.ints(5, 5), net.ints(2, 2), strides=[2, 2], pads=[0, 0, 1, 1]))


@case("Dropout with its mask, in inference", opset=13)
def dropout_mask(net):
    y, mask = net.op("Dropout", net.input(2, 3), outputs=2)
    net.output(net.op("Mul", y, net.op("Cast", mask, to=1)))


# Grids


def grid(net, *shape):
    return net.const(net.rng.uniform(-1.3, 1.3, shape), name="grid")


@case("GridSample, linear, with zeros and with reflections outside", opset=16)
def grid_sample(net):
    x, points = net.input(2, 3, 4, 5), grid(net, 2, 3, 6, 2)
    zeros = net.op("GridSample", x, points)
    reflected = net.op("GridSample", x, points, padding_mode="reflection", align_corners=1)
    net.output(zeros, reflected)


@case("GridSample, cubic, and to the nearest", opset=20)
def grid_sample_cubic(net):
    x, points = net.input(1, 2, 5, 4), grid(net, 1, 3, 4, 2)
    net.output(net.op("GridSample", x, points, mode="cubic", align_corners=1))
    net.output(net.op("GridSample", x, points, mode="nearest", align_corners=1))


@case("AffineGrid from a matrix", opset=20)
def affine_grid(net):
    net.output(net.op("AffineGrid", net.input(1, 2, 3), net.ints(1, 1, 4, 3), align_corners=1))
