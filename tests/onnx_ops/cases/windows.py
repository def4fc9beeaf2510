"""Pools over windows and over whole images."""

from .net import add, case

# name: what it is about, op, input shape, attributes, opset
POOLS = {
    "average_pool": ("2x2, stride 2", "AveragePool", (1, 3, 6, 6), {"strides": [2, 2]}, 7),
    "average_pool_stride_1": ("2x2, stride 1 by default", "AveragePool", (1, 3, 4, 5), {}, 11),
    "average_pool_pads_left_out": (
        "padding not counted",
        "AveragePool",
        (1, 3, 6, 5),
        {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 2], "count_include_pad": 0},
        11,
    ),
    "average_pool_pads_counted": (
        "padding counted",
        "AveragePool",
        (1, 3, 6, 5),
        {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 2], "count_include_pad": 1},
        11,
    ),
    "average_pool_pads_asymmetric": (
        "another pad on each side, not counted",
        "AveragePool",
        (1, 2, 5, 5),
        {"kernel_shape": [3, 2], "pads": [0, 1, 2, 0]},
        17,
    ),
    "average_pool_ceil": (
        "ceil_mode, the last windows hang over the edge",
        "AveragePool",
        (1, 3, 6, 5),
        {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1},
        19,
    ),
    "average_pool_ceil_pads": (
        "ceil_mode and pads, which are not counted",
        "AveragePool",
        (1, 3, 6, 6),
        {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 2], "ceil_mode": 1},
        19,
    ),
    "average_pool_ceil_pads_counted": (
        "ceil_mode and pads, which are counted, but not what hangs over them",
        "AveragePool",
        (1, 3, 6, 6),
        {
            "kernel_shape": [3, 3],
            "pads": [1, 1, 1, 1],
            "strides": [2, 2],
            "ceil_mode": 1,
            "count_include_pad": 1,
        },
        19,
    ),
    "average_pool_same_upper": (
        "auto_pad SAME_UPPER",
        "AveragePool",
        (1, 3, 5, 6),
        {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
        10,
    ),
    "average_pool_whole": (
        "a window as large as the image",
        "AveragePool",
        (1, 5, 4, 3),
        {"kernel_shape": [4, 3]},
        17,
    ),
    "max_pool": ("2x2, stride 2", "MaxPool", (1, 3, 6, 6), {"strides": [2, 2]}, 8),
    "max_pool_pads": (
        "padding never wins, even where all values are negative",
        "MaxPool",
        (1, 3, 6, 5),
        {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 2]},
        12,
    ),
    "max_pool_strides_2x1": (
        "3x2, stride 2 down, 1 across",
        "MaxPool",
        (1, 3, 7, 5),
        {"kernel_shape": [3, 2], "strides": [2, 1]},
        17,
    ),
    "max_pool_dilations": (
        "dilation 2",
        "MaxPool",
        (1, 3, 7, 6),
        {"kernel_shape": [2, 2], "dilations": [2, 2]},
        11,
    ),
    "max_pool_ceil": (
        "ceil_mode",
        "MaxPool",
        (1, 3, 6, 5),
        {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1},
        11,
    ),
    "max_pool_ceil_pads": (
        "ceil_mode and pads",
        "MaxPool",
        (1, 3, 6, 6),
        {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 2], "ceil_mode": 1},
        12,
    ),
    "max_pool_same_lower": (
        "auto_pad SAME_LOWER",
        "MaxPool",
        (1, 3, 5, 6),
        {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_LOWER"},
        17,
    ),
    "max_pool_stride_larger": (
        "stride larger than the window",
        "MaxPool",
        (1, 2, 7, 7),
        {"kernel_shape": [2, 2], "strides": [3, 3]},
        17,
    ),
    "global_average_pool": ("whole image", "GlobalAveragePool", (1, 5, 4, 3), None, 7),
    "global_max_pool": ("whole image", "GlobalMaxPool", (1, 5, 4, 3), None, 17),
}


def pool(op, shape, attributes):
    def build(net):
        high = -0.25 if op == "MaxPool" else 2.0
        x = net.input(*shape, high=high)
        full = {} if attributes is None else {"kernel_shape": [2, 2], **attributes}
        net.output(net.op(op, x, **full))

    return build


for name, (about, op, shape, attributes, opset) in POOLS.items():
    symbolic = name in ("average_pool", "max_pool", "global_average_pool")
    add(name, f"{op}: {about}", pool(op, shape, attributes), opset, symbolic)


@case("Conv, Relu, MaxPool", symbolic=True)
def conv_relu_max_pool(net):
    y = net.op("Relu", net.conv(net.input(1, 2, 6, 6), 4, 2, 3, 3, pads=[1, 1, 1, 1]))
    net.output(net.op("MaxPool", y, kernel_shape=[2, 2], strides=[2, 2]))


@case("ReduceMean over height and width, axes as an attribute, dimensions kept", opset=11)
def reduce_mean_keep(net):
    net.output(net.op("ReduceMean", net.input(1, 5, 4, 3), axes=[2, 3], keepdims=1))


@case("ReduceMean over the last two axes, dimensions dropped, then Gemm", opset=13)
def reduce_mean_drop_gemm(net):
    x = net.op("ReduceMean", net.input(1, 5, 4, 3), axes=[-1, -2], keepdims=0)
    net.output(net.dense(x, 5, 4))


@case("ReduceMean with axes as an input, dimensions dropped", opset=18, symbolic=True)
def reduce_mean_axes_input(net):
    net.output(net.op("ReduceMean", net.input(1, 5, 4, 3), net.ints(2, 3), keepdims=0))
