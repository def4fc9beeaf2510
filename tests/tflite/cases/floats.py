"""Operators on floats, and on integers that are plain numbers."""

import numpy as np

from .net import ACTIVATION, SAME, VALID, Net, add, case, options, sparsity


def unary(name, about, kind, opts=None, low=-2.0, high=2.0):
    def build(net: Net):
        net.output(net.op(kind, [net.input(1, 3, 4, 2, low=low, high=high)], opts and opts()))

    add(name, about, build)


for kind in ("ABS", "NEG", "SIN", "COS", "EXP", "FLOOR", "CEIL", "ROUND", "TANH", "LOGISTIC", "RELU", "RELU6",
             "RELU_N1_TO_1", "RELU_0_TO_1", "ELU", "HARD_SWISH", "SQUARE", "SIGN"):
    unary(kind.lower(), f"{kind} of each number", kind, low=-7.0, high=7.0)
for kind in ("LOG", "SQRT", "RSQRT"):
    unary(kind.lower(), f"{kind} of positive numbers", kind, low=0.125, high=9.0)
unary("leaky_relu", "LEAKY_RELU with its slope", "LEAKY_RELU", lambda: options("LeakyRelu", alpha=0.2))
unary("gelu", "GELU with the error function", "GELU", lambda: options("Gelu", approximate=False))
unary("gelu_approximate", "GELU with the hyperbolic tangent", "GELU", lambda: options("Gelu", approximate=True))
unary("softmax", "SOFTMAX over the last axis", "SOFTMAX", lambda: options("Softmax", beta=1.0))
unary("softmax_beta", "SOFTMAX of scaled numbers", "SOFTMAX", lambda: options("Softmax", beta=0.5))
unary("log_softmax", "LOG_SOFTMAX over the last axis", "LOG_SOFTMAX", lambda: options("LogSoftmax"))
unary("l2_normalization", "L2_NORMALIZATION over channels", "L2_NORMALIZATION", lambda: options("L2Norm"))
unary("local_response_normalization", "LRN over channels", "LOCAL_RESPONSE_NORMALIZATION",
      lambda: options("LocalResponseNormalization", radius=1, bias=1.0, alpha=0.5, beta=0.75))


def binary(name, kind, a, b, opts=None, constant=False, low=-2.0, high=2.0, dtype=np.float32, result=None):
    def build(net: Net):
        x = net.input(*a, low=low, high=high, dtype=dtype)
        if constant:
            y = net.const(net.rng.uniform(*((2, 5) if dtype == np.int32 else (0.5, 2.0)), b), dtype)
        else:
            y = net.input(*b, low=low, high=high, dtype=dtype)
        out = net.op(kind, [x, y], opts and opts(), dtype=result or dtype, rank=max(len(a), len(b)))
        net.output(out)

    add(name, f"{kind} of {list(a)} and {list(b)}", build)


IMAGE, CHANNEL = (1, 3, 4, 2), (2,)
binary("add", "ADD", IMAGE, IMAGE, lambda: options("Add"))
binary("add_relu", "ADD", IMAGE, IMAGE, lambda: options("Add", fusedActivationFunction=ACTIVATION.RELU))
binary("add_channel", "ADD", IMAGE, CHANNEL, lambda: options("Add"), constant=True)
binary("sub_relu6", "SUB", IMAGE, IMAGE, lambda: options("Sub", fusedActivationFunction=ACTIVATION.RELU6))
binary("mul_channel", "MUL", IMAGE, CHANNEL, lambda: options("Mul"), constant=True)
binary("mul_excite", "MUL", IMAGE, (1, 1, 1, 2), lambda: options("Mul"))
binary("mul_tanh", "MUL", IMAGE, IMAGE, lambda: options("Mul", fusedActivationFunction=ACTIVATION.RELU_N1_TO_1))
binary("div", "DIV", IMAGE, CHANNEL, lambda: options("Div"), constant=True)
binary("maximum", "MAXIMUM", IMAGE, IMAGE, lambda: options("MaximumMinimum"))
binary("minimum", "MINIMUM", IMAGE, CHANNEL, lambda: options("MaximumMinimum"), constant=True)
binary("pow", "POW", IMAGE, CHANNEL, lambda: options("Pow"), constant=True, low=0.25)
binary("squared_difference", "SQUARED_DIFFERENCE", IMAGE, IMAGE)
binary("floor_div", "FLOOR_DIV", IMAGE, CHANNEL, constant=True)
binary("floor_mod", "FLOOR_MOD", IMAGE, CHANNEL, constant=True)
binary("floor_div_integers", "FLOOR_DIV", (2, 5), (5,), constant=True, low=-9, high=9, dtype=np.int32)
binary("floor_mod_integers", "FLOOR_MOD", (2, 5), (5,), constant=True, low=-9, high=9, dtype=np.int32)
binary("add_integers", "ADD", (2, 5), (2, 5), lambda: options("Add"), low=-9, high=9, dtype=np.int32)
for kind in ("EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL"):
    binary(kind.lower(), kind, (2, 9), (2, 9), low=-1, high=1, dtype=np.int32, result=np.bool_)
for kind in ("LOGICAL_AND", "LOGICAL_OR"):
    binary(kind.lower(), kind, (2, 9), (2, 9), dtype=np.bool_)


@case("LOGICAL_NOT")
def logical_not(net: Net):
    net.output(net.op("LOGICAL_NOT", [net.input(2, 5, dtype=np.bool_)], dtype=np.bool_, rank=2))


@case("ADD_N of three")
def add_n(net: Net):
    net.output(net.op("ADD_N", [net.input(1, 4), net.input(1, 4), net.input(1, 4)], rank=2))


@case("PRELU with a slope for each channel")
def prelu(net: Net):
    net.output(net.op("PRELU", [net.input(1, 3, 4, 2), net.const([[[0.25, -0.5]]])]))


@case("SELECT of rows by a vector of truths")
def select_rows(net: Net):
    chosen = net.input(3, dtype=np.bool_)
    net.output(net.op("SELECT", [chosen, net.input(3, 4), net.input(3, 4)], rank=2))


@case("SELECT_V2 broadcasts")
def select_v2(net: Net):
    chosen = net.input(2, 1, dtype=np.bool_)
    net.output(net.op("SELECT_V2", [chosen, net.input(2, 4), net.const(np.float32(0.5))], rank=2))


def conv(name, about, image, weights, stride=(1, 1), padding=SAME, dilation=(1, 1), activation=0, bias=True,
         depthwise=False):
    def build(net: Net):
        x = net.input(*image)
        out = weights[3] if depthwise else weights[0]
        w = net.weight(*weights, fan_in=weights[1] * weights[2] * (1 if depthwise else weights[3]))
        b = net.const(net.rng.uniform(-1, 1, out)) if bias else None
        more = {"depthMultiplier": weights[3] // image[3]} if depthwise else {}
        kind = "DepthwiseConv2D" if depthwise else "Conv2D"
        opts = options(kind, padding=padding, strideH=stride[0], strideW=stride[1], dilationHFactor=dilation[0],
                       dilationWFactor=dilation[1], fusedActivationFunction=activation, **more)
        net.output(net.op("DEPTHWISE_CONV_2D" if depthwise else "CONV_2D", [x, w] + ([b] if bias else []), opts))

    add(name, about, build)


conv("conv_3x3", "a plain convolution", (1, 6, 5, 2), (3, 3, 3, 2))
conv("conv_relu", "a fused RELU", (1, 6, 5, 2), (3, 3, 3, 2), activation=ACTIVATION.RELU)
conv("conv_relu6_stride_2", "SAME pads the end more", (1, 6, 6, 2), (3, 3, 3, 2), (2, 2), activation=ACTIVATION.RELU6)
conv("conv_tanh", "a fused RELU_N1_TO_1", (1, 6, 5, 2), (3, 3, 3, 2), activation=ACTIVATION.RELU_N1_TO_1)
conv("conv_even_kernel", "an even kernel, SAME", (1, 5, 7, 2), (3, 4, 2, 2), (1, 2))
conv("conv_dilation", "dilated, SAME", (1, 9, 8, 2), (3, 3, 3, 2), dilation=(2, 3))
conv("conv_valid_stride", "VALID leaves a rest", (1, 8, 9, 2), (3, 3, 2, 2), (3, 2), VALID)
conv("conv_groups", "two groups", (1, 5, 5, 4), (6, 3, 3, 2))
conv("conv_1x1", "pointwise", (1, 4, 4, 5), (3, 1, 1, 5))
conv("depthwise", "depthwise", (1, 6, 5, 3), (1, 3, 3, 3), depthwise=True)
conv("depthwise_multiplier", "two outputs for each channel", (1, 6, 5, 2), (1, 3, 3, 4), depthwise=True)
conv("depthwise_stride_2", "stride 2, RELU6", (1, 6, 7, 2), (1, 3, 3, 2), (2, 2), activation=ACTIVATION.RELU6,
     depthwise=True)
conv("depthwise_dilation", "dilated", (1, 8, 8, 2), (1, 3, 3, 2), (1, 1), VALID, (2, 2), depthwise=True)
conv("depthwise_one_channel", "one channel in, eight out", (1, 9, 7, 1), (1, 5, 4, 8), (2, 2), depthwise=True)


@case("two convolutions, between which no transposition is left")
def conv_chain(net: Net):
    x = net.input(1, 8, 8, 2)
    for channels in (4, 3):
        w = net.weight(channels, 3, 3, net.tensors[x].shape[3] if channels == 4 else 4)
        x = net.op("CONV_2D", [x, w, net.const(net.rng.uniform(-1, 1, channels))],
                   options("Conv2D", padding=SAME, strideH=2, strideW=2,
                           fusedActivationFunction=ACTIVATION.RELU))
    net.output(x)


def transpose_conv(name, about, image, weights, out, stride, padding, bias=False):
    def build(net: Net):
        shape, w = net.ints(*out), net.weight(*weights, fan_in=weights[3])
        inputs = [shape, w, net.input(*image)] + ([net.const(net.rng.uniform(-1, 1, weights[0]))] if bias else [])
        net.output(net.op("TRANSPOSE_CONV", inputs,
                          options("TransposeConv", padding=padding, strideH=stride, strideW=stride)))

    add(name, about, build)


transpose_conv("transpose_conv", "SAME, stride 2", (1, 4, 3, 2), (3, 3, 3, 2), (1, 8, 6, 3), 2, SAME)
transpose_conv("transpose_conv_odd", "SAME to an odd size", (1, 4, 3, 2), (3, 3, 3, 2), (1, 7, 5, 3), 2, SAME, True)
transpose_conv("transpose_conv_valid", "VALID", (1, 4, 3, 2), (3, 2, 2, 2), (1, 8, 6, 3), 2, VALID)
transpose_conv("transpose_conv_gap", "a stride beyond the kernel", (1, 3, 3, 2), (2, 1, 1, 2), (1, 6, 6, 2), 2, SAME)


def pool(name, about, kind, image, size, stride, padding, activation=0):
    def build(net: Net):
        opts = options("Pool2D", padding=padding, filterHeight=size[0], filterWidth=size[1], strideH=stride[0],
                       strideW=stride[1], fusedActivationFunction=activation)
        net.output(net.op(kind, [net.input(*image)], opts))

    add(name, about, build)


pool("average_pool", "a mean", "AVERAGE_POOL_2D", (1, 6, 6, 2), (2, 2), (2, 2), VALID)
pool("average_pool_same", "pads are not counted", "AVERAGE_POOL_2D", (1, 5, 7, 2), (3, 3), (2, 2), SAME)
pool("average_pool_whole", "the whole image", "AVERAGE_POOL_2D", (1, 5, 4, 3), (5, 4), (1, 1), VALID)
pool("max_pool", "the largest", "MAX_POOL_2D", (1, 6, 6, 2), (2, 2), (2, 2), VALID)
pool("max_pool_same", "pads are never the largest", "MAX_POOL_2D", (1, 5, 7, 2), (3, 2), (2, 2), SAME, ACTIVATION.RELU)
pool("l2_pool", "the root of the mean of squares", "L2_POOL_2D", (1, 4, 4, 2), (2, 2), (2, 2), VALID)


def dense(name, about, shape, outputs, keep=False, bias=True, activation=0):
    def build(net: Net):
        inputs = shape[-1] if keep else int(np.prod(shape[1:]))
        x, w = net.input(*shape), net.weight(outputs, inputs)
        b = [net.const(net.rng.uniform(-1, 1, outputs))] if bias else []
        opts = options("FullyConnected", keepNumDims=keep, fusedActivationFunction=activation)
        net.output(net.op("FULLY_CONNECTED", [x, w, *b], opts, rank=len(shape) if keep else 2))

    add(name, about, build)


dense("fully_connected", "rows of numbers", (2, 6), 4)
dense("fully_connected_no_bias", "without bias", (1, 6), 4, bias=False, activation=ACTIVATION.RELU)
dense("fully_connected_flattens", "an image is flattened in the order of its bytes", (1, 2, 3, 2), 4)
dense("fully_connected_keeps_dims", "the last axis alone", (1, 3, 4), 5, keep=True)


def densify(name, about, block, index):
    """Weights of 4 rows and 8 columns, of which some blocks of columns are stored, with their indices in this type."""

    def build(net: Net):
        blocks = [[0], [], [1], [0, 1]] if block > 1 else [[0, 5], [7], [], [1, 2, 6]]
        ends = [0, *np.cumsum([len(row) for row in blocks])]
        w = net.const(net.rng.standard_normal(ends[-1] * block))
        net.tensors[w].shape, net.tensors[w].sparsity = [4, 8], sparsity(ends, sum(blocks, []), block, index)
        w = net.op("DENSIFY", [w], options("Densify"), rank=2)
        net.tensors[w].shape = [4, 8]
        net.output(net.op("FULLY_CONNECTED", [net.input(1, 8), w], options("FullyConnected"), rank=2))

    add(name, about, build)


densify("densify", "weights whose zeros are left out", 1, "Uint8")
densify("densify_blocks", "weights of which blocks are left out", 4, "Int32")


@case("weights as halves, behind DEQUANTIZE")
def fully_connected_halves(net: Net):
    w = net.const(net.rng.standard_normal((4, 6)), np.float16)
    w = net.op("DEQUANTIZE", [w], options("Dequantize"), rank=2)
    net.tensors[w].shape = [4, 6]
    net.output(net.op("FULLY_CONNECTED", [net.input(1, 6), w], options("FullyConnected"), rank=2))


def matmul(name, a, b, adj_x, adj_y):
    def build(net: Net):
        opts = options("BatchMatMul", adjX=adj_x, adjY=adj_y)
        net.output(net.op("BATCH_MATMUL", [net.input(*a), net.input(*b)], opts, rank=len(a)))

    add(name, f"BATCH_MATMUL of {list(a)} and {list(b)}", build)


matmul("batch_mat_mul", (1, 3, 4), (1, 4, 2), False, False)
matmul("batch_mat_mul_adjoint", (1, 2, 3, 4), (1, 2, 2, 4), False, True)
matmul("batch_mat_mul_both", (1, 4, 3), (1, 2, 4), True, True)


def moves(name, about, kind, shape, rest=lambda net: [], opts=None, rank=4, count=1, first=None, dtype=np.float32):
    """`first` stands before the input."""

    def build(net: Net):
        before = first(net) if first else []
        inputs = [*before, net.input(*shape, dtype=dtype, low=-9, high=9), *rest(net)]
        made = net.op(kind, inputs, opts and opts(), rank=rank, count=count, dtype=dtype)
        net.output(*([made] if count == 1 else made))

    add(name, about, build)


moves("reshape", "RESHAPE with an open size", "RESHAPE", (1, 3, 4, 2), lambda net: [net.ints(1, -1)],
      lambda: options("Reshape", newShape=[1, -1]), rank=2)
moves("reshape_options", "RESHAPE by its options alone", "RESHAPE", (1, 3, 4, 2),
      opts=lambda: options("Reshape", newShape=[1, 12, 2]), rank=3)
moves("squeeze", "SQUEEZE of an axis", "SQUEEZE", (1, 3, 1, 2), opts=lambda: options("Squeeze", squeezeDims=[2]), rank=3)
moves("expand_dims", "EXPAND_DIMS from the end", "EXPAND_DIMS", (1, 3, 2), lambda net: [net.const(-1, np.int32)])
moves("transpose", "TRANSPOSE", "TRANSPOSE", (1, 3, 4, 2), lambda net: [net.ints(0, 2, 3, 1)])
moves("unpack", "UNPACK", "UNPACK", (1, 3, 4), opts=lambda: options("Unpack", num=3, axis=1), rank=2, count=3)
moves("split", "SPLIT", "SPLIT", (1, 3, 4, 6), opts=lambda: options("Split", numSplits=3), count=3,
      first=lambda net: [net.const(3, np.int32)])
moves("split_v", "SPLIT_V with a rest", "SPLIT_V", (1, 3, 4, 6),
      lambda net: [net.ints(1, -1, 2), net.const(3, np.int32)], lambda: options("SplitV", numSplits=3), count=3)
moves("tile", "TILE", "TILE", (1, 3, 2), lambda net: [net.ints(1, 2, 3)], rank=3)
moves("broadcast_to", "BROADCAST_TO", "BROADCAST_TO", (1, 3, 1, 2), lambda net: [net.ints(1, 3, 4, 2)])
moves("reverse", "REVERSE_V2", "REVERSE_V2", (1, 3, 4), lambda net: [net.ints(2)], rank=3)
moves("gather", "GATHER of channels", "GATHER", (1, 3, 4, 5), lambda net: [net.ints(4, 0, 2)],
      lambda: options("Gather", axis=3))
moves("gather_batch", "GATHER with batch axes", "GATHER", (2, 4, 3), lambda net: [net.const([[3, 0], [1, 2]], np.int32)],
      lambda: options("Gather", axis=1, batchDims=1), rank=3)
moves("gather_nd", "GATHER_ND", "GATHER_ND", (3, 4, 2), lambda net: [net.const([[0, 1], [2, 3]], np.int32)], rank=2)
moves("concatenation", "CONCATENATION of channels", "CONCATENATION", (1, 3, 4, 2), lambda net: [net.input(1, 3, 4, 3)],
      lambda: options("Concatenation", axis=-1))
moves("pack", "PACK", "PACK", (1, 3, 4), lambda net: [net.input(1, 3, 4)],
      lambda: options("Pack", valuesCount=2, axis=3))
moves("pad", "PAD", "PAD", (1, 3, 4, 2), lambda net: [net.const([[0, 0], [1, 2], [0, 1], [0, 3]], np.int32)])
moves("pad_v2", "PADV2 with a number", "PADV2", (1, 3, 4, 2),
      lambda net: [net.const([[0, 0], [1, 2], [0, 1], [0, 0]], np.int32), net.const(np.float32(-1.5))])
moves("mirror_pad_reflect", "MIRROR_PAD without the border", "MIRROR_PAD", (1, 3, 4, 2),
      lambda net: [net.const([[0, 0], [1, 2], [3, 1], [0, 0]], np.int32)], lambda: options("MirrorPad", mode=0))
moves("mirror_pad_symmetric", "MIRROR_PAD with the border", "MIRROR_PAD", (1, 3, 4, 2),
      lambda net: [net.const([[0, 0], [1, 2], [3, 0], [0, 0]], np.int32)], lambda: options("MirrorPad", mode=1))
moves("depth_to_space", "DEPTH_TO_SPACE", "DEPTH_TO_SPACE", (1, 2, 3, 8),
      opts=lambda: options("DepthToSpace", blockSize=2))
moves("space_to_depth", "SPACE_TO_DEPTH", "SPACE_TO_DEPTH", (1, 4, 6, 2),
      opts=lambda: options("SpaceToDepth", blockSize=2))
moves("space_to_batch", "SPACE_TO_BATCH_ND", "SPACE_TO_BATCH_ND", (1, 3, 4, 2),
      lambda net: [net.ints(2, 2), net.const([[0, 1], [1, 1]], np.int32)])
moves("batch_to_space", "BATCH_TO_SPACE_ND", "BATCH_TO_SPACE_ND", (4, 2, 3, 2),
      lambda net: [net.ints(2, 2), net.const([[0, 1], [1, 1]], np.int32)])
moves("cumsum", "CUMSUM", "CUMSUM", (1, 3, 4), lambda net: [net.const(1, np.int32)], lambda: options("Cumsum"), rank=3)
moves("cumsum_exclusive", "CUMSUM from the end, without itself", "CUMSUM", (1, 3, 4),
      lambda net: [net.const(-1, np.int32)], lambda: options("Cumsum", exclusive=True, reverse=True), rank=3)
moves("reverse_sequence", "REVERSE_SEQUENCE", "REVERSE_SEQUENCE", (2, 4, 3), lambda net: [net.ints(2, 4)],
      lambda: options("ReverseSequence", seqDim=1, batchDim=0), rank=3)
moves("reshape_integers", "RESHAPE of plain integers", "RESHAPE", (2, 6), lambda net: [net.ints(3, 4)], rank=2,
      dtype=np.int32)


@case("SLICE with an open size")
def slice_open(net: Net):
    y = net.op("SLICE", [net.input(1, 5, 6, 2), net.ints(0, 1, 2, 0), net.ints(1, 3, -1, 2)])
    net.tensors[y].shape = [1, 3, 4, 2]
    net.output(y)


def strided(name, about, shape, begin, end, step, rank, **masks):
    moves(name, about, "STRIDED_SLICE", shape, lambda net: [net.ints(*begin), net.ints(*end), net.ints(*step)],
          lambda: options("StridedSlice", **masks), rank=rank)


strided("strided_slice", "starts, ends and steps", (1, 6, 5, 2), (0, 1, 0, 0), (1, 6, 5, 1), (1, 2, 3, 1), 4)
strided("strided_slice_masks", "open starts and ends", (1, 6, 5, 2), (0, 1, 3, 0), (1, 4, 2, 2), (1, 1, 1, 1), 4,
        beginMask=0b1101, endMask=0b1011)
strided("strided_slice_backwards", "a negative step", (1, 6, 5), (0, -1, 0), (1, -5, 0), (1, -2, 1), 3,
        beginMask=0b100, endMask=0b100)
strided("strided_slice_shrink", "an axis falls away", (1, 6, 5), (0, -1, 0), (1, 0, 5), (1, 1, 1), 2,
        shrinkAxisMask=0b010)
strided("strided_slice_ellipsis", "some axes are left as they are", (1, 6, 5, 4), (0, 1), (0, 3), (1, 1), 4,
        ellipsisMask=0b01)
strided("strided_slice_new_axis", "a new axis", (3, 4), (0, 0, 1), (0, 0, 3), (1, 1, 1), 3, newAxisMask=0b010,
        beginMask=0b001, endMask=0b001)


def resize(name, kind, size, **flags):
    table = "ResizeBilinear" if kind == "RESIZE_BILINEAR" else "ResizeNearestNeighbor"
    moves(name, f"{kind} with {flags or 'neither flag'}", kind, (1, 3, 4, 2), lambda net: [net.ints(*size)],
          lambda: options(table, **flags))


for kind in ("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"):
    stem = kind.lower().removesuffix("_neighbor")
    resize(stem, kind, (6, 8))
    resize(f"{stem}_corners", kind, (5, 7), alignCorners=True)
    resize(f"{stem}_centers", kind, (6, 10), halfPixelCenters=True)
    resize(f"{stem}_smaller", kind, (2, 3), halfPixelCenters=True)


def reduces(name, kind, axes, keep, shape=(1, 3, 4, 2), dtype=np.float32):
    rank = len(shape) if keep else len(shape) - len(axes)
    moves(name, f"{kind} over {list(axes)}", kind, shape, lambda net: [net.ints(*axes)],
          lambda: options("Reducer", keepDims=keep), rank=rank, dtype=dtype)


reduces("mean", "MEAN", (1, 2), False)
reduces("mean_keep", "MEAN", (1, 2), True)
reduces("mean_channels", "MEAN", (-1,), False)
reduces("sum", "SUM", (2,), False)
reduces("reduce_max", "REDUCE_MAX", (1, 2), True)
reduces("reduce_min", "REDUCE_MIN", (3,), False)
reduces("reduce_prod", "REDUCE_PROD", (2,), False)
reduces("reduce_any", "REDUCE_ANY", (1,), False, (2, 5), np.bool_)
reduces("reduce_all", "REDUCE_ALL", (1,), False, (6, 2), np.bool_)


def args(name, kind, axis, shape, table):
    def build(net: Net):
        x = net.input(*shape, low=-40, high=40)
        net.output(net.op(kind, [x, net.const(axis, np.int32)], options(table, outputType=2), dtype=np.int32,
                          rank=len(shape) - 1))

    add(name, f"{kind} along {axis}", build)


args("arg_max", "ARG_MAX", 1, (1, 9), "ArgMax")
args("arg_max_channels", "ARG_MAX", -1, (1, 3, 3, 4), "ArgMax")
args("arg_min", "ARG_MIN", 1, (1, 9), "ArgMin")


@case("TOPK_V2: values and indices")
def top_k(net: Net):
    x = net.input(2, 7, low=-40, high=40)
    values, indices = net.tensor([1, 1], np.float32, "values"), net.tensor([1, 1], np.int32, "indices")
    net.operator("TOPK_V2", [x, net.const(3, np.int32)], [values, indices], options("TopKV2"))
    net.output(values, indices)


@case("ONE_HOT: what is out of range hits nothing")
def one_hot(net: Net):
    x = net.input(5, dtype=np.int32, low=-1, high=4)
    rest = [net.const(4, np.int32), net.const(np.float32(2)), net.const(np.float32(-1))]
    net.output(net.op("ONE_HOT", [x, *rest], options("OneHot", axis=-1), rank=2))


@case("shape arithmetic, as TensorFlow writes a Flatten")
def shape_arithmetic(net: Net):
    x = net.input(1, 3, 4, 2)
    shape = net.op("SHAPE", [x], options("Shape", outType=2), dtype=np.int32, rank=1)
    batch = net.op("STRIDED_SLICE", [shape, net.ints(0), net.ints(1), net.ints(1)],
                   options("StridedSlice", shrinkAxisMask=1), dtype=np.int32, rank=0)
    packed = net.op("PACK", [batch, net.const(24, np.int32)], options("Pack", valuesCount=2), dtype=np.int32, rank=1)
    net.output(net.op("RESHAPE", [x, packed], rank=2))


@case("FILL, RANGE, RANK and ZEROS_LIKE beside an input")
def constants(net: Net):
    x = net.input(1, 4)
    filled = net.op("FILL", [net.ints(1, 4), net.const(np.float32(0.5))], rank=2)
    counted = net.op("RANGE", [net.const(np.float32(0)), net.const(np.float32(4)), net.const(np.float32(1))], rank=1)
    zeros = net.op("ZEROS_LIKE", [x], rank=2)
    rank = net.op("RANK", [x], options("Rank"), dtype=np.int32, rank=0)
    y = net.op("ADD", [x, filled], options("Add"), rank=2)
    y = net.op("ADD", [y, counted], options("Add"), rank=2)
    y = net.op("ADD", [y, zeros], options("Add"), rank=2)
    rank = net.op("CAST", [rank], options("Cast", inDataType=2, outDataType=0), rank=0)
    net.output(net.op("ADD", [y, rank], options("Add"), rank=2))


@case("CAST of floats to integers and back")
def cast(net: Net):
    x = net.input(1, 9, low=-9.0, high=9.0)
    whole = net.op("CAST", [x], options("Cast", inDataType=0, outDataType=2), dtype=np.int32, rank=2)
    net.output(net.op("CAST", [whole], options("Cast", inDataType=2, outDataType=0), rank=2))


@case("SCATTER_ND: what meets adds up")
def scatter_nd(net: Net):
    indices = net.const([[1], [3], [1]], np.int32)
    net.output(net.op("SCATTER_ND", [indices, net.input(3, 2), net.ints(4, 2)], rank=2))


@case("EMBEDDING_LOOKUP")
def embedding_lookup(net: Net):
    net.output(net.op("EMBEDDING_LOOKUP", [net.input(3, dtype=np.int32, low=0, high=4), net.weight(5, 4)], rank=2))


@case("int8 weights and float rows: LiteRT rounds the rows as well")
def dynamic_range(net: Net):
    from .net import Q

    w = net.int8_weight(4, 6, q=Q(1 / 127))
    net.output(net.op("FULLY_CONNECTED", [net.input(1, 6), w, net.const(np.zeros(4))], options("FullyConnected"), rank=2))
