"""Files that no converter can accept, and what a good message about each ought to contain."""

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from .net import Case, Net

BROKEN = {}


def broken(*expected):
    """Registers a builder that returns a file's bytes, or fills a Net and returns nothing."""

    def register(build):
        BROKEN[build.__name__] = (build, list(expected))
        return build

    return register


def file_bytes(name):
    """The bytes of one broken file. Nothing here is checked or run: it would not survive."""
    net = Net(Case(name, "", None, 17, False))
    made = BROKEN[name][0](net)
    return made if made is not None else finish(net)


def finish(net, kind=TensorProto.FLOAT):
    infos = [helper.make_tensor_value_info(name, kind, None) for name in net.outputs]
    return net.model(infos).SerializeToString(deterministic=True)


def image(net, *dims, kind=TensorProto.FLOAT):
    """An input named `image` with any dimensions, however absurd."""
    net.inputs.append(helper.make_tensor_value_info("image", kind, dims or (1, 3, 5, 5)))
    return "image"


def poisoned(net, value):
    """A Conv one of whose weights is `value`."""
    weight = net.normal(4, 3, 3, 3)
    weight[1, 2, 0, 1] = value
    net.output(net.op("Conv", image(net), net.const(weight, name="conv.weight")))


# Not a model at all


@broken("empty")
def empty(net):
    return b""


@broken("protobuf")
def random_bytes(net):
    return net.rng.bytes(300)


@broken("protobuf")
def truncated(net):
    net.output(net.conv(image(net), 4, 3, 3, 3))
    whole = finish(net)
    return whole[: len(whole) * 3 // 5]


@broken("protobuf")
def nested_too_deep(net):
    """Graphs within attributes within nodes, a thousand messages deep."""
    inner = b""
    for _ in range(333):
        for field in (6, 5, 1):  # AttributeProto.g, NodeProto.attribute, GraphProto.node
            inner = bytes([field << 3 | 2]) + varint(len(inner)) + inner
    return bytes([7 << 3 | 2]) + varint(len(inner)) + inner  # ModelProto.graph


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


@broken("graph")
def no_graph(net):
    return ModelProto(ir_version=8).SerializeToString()


@broken("opset")
def no_opset(net):
    net.output(net.op("Relu", image(net)))
    model = ModelProto.FromString(finish(net))
    model.ClearField("opset_import")
    return model.SerializeToString()


# Ops


@broken("FancyOp", "/FancyOp")
def unknown_op(net):
    net.output(net.op("FancyOp", net.op("Relu", image(net))))


@broken("FusedThing", "/FusedThing", "com.example")
def custom_domain(net):
    net.output(net.op("FusedThing", image(net), domain="com.example"))


@broken("FancyOp", "/FancyOp", "com.example", "nowhere", "1 other node")
def several(net):
    """Four things are wrong, and a Conv between them that nothing can be said of."""
    x = net.conv(net.op("FancyOp", image(net)), 4, 3, 3, 3)
    x = net.op("Add", net.op("FusedThing", x, domain="com.example"), "nowhere")
    net.output(net.op("FancyOp", x))


@broken("Resize", "/Resize", "mode `lanczos` does not exist")
def resize(net):
    scales = net.const([1, 1, 2, 2], name="scales")
    net.output(net.op("Resize", image(net), "", scales, mode="lanczos"))


@broken("Gather", "/Gather", "index 3 is outside its axis of 3 elements")
def gather_outside(net):
    net.output(net.op("Gather", image(net), net.ints(0, 3), axis=1))


@broken("GatherND", "/GatherND", "do not fit")
def gather_nd_too_deep(net):
    indices = net.const(np.zeros((2, 5)), np.int64)
    net.output(net.op("GatherND", image(net), indices))


@broken("ScatterElements", "/ScatterElements", "reduction `average` does not exist")
def scatter_reduction(net):
    x, zeros = image(net), net.const(np.zeros((1, 1, 1, 1)), np.int64)
    net.output(net.op("ScatterElements", x, zeros, x, reduction="average"))


@broken("TopK", "/TopK", "axis 1")
def top_k_of_too_many(net):
    values, _ = net.op("TopK", image(net), net.ints(4), outputs=2, axis=1)
    net.output(values)


@broken("Tile", "/Tile", "repeats")
def tile_nothing(net):
    net.output(net.op("Tile", image(net), net.ints(1, 0, 1, 1)))


@broken("ConvTranspose", "/ConvTranspose", "weights")
def conv_transpose_weights(net):
    net.output(net.op("ConvTranspose", image(net), net.weight(4, 2, 3, 3)))


@broken("DepthToSpace", "/DepthToSpace", "blocks of 2")
def depth_to_space_blocks(net):
    net.output(net.op("DepthToSpace", image(net), blocksize=2))


@broken("Loop", "/Loop")
def loop(net):
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Relu", ["state"], ["next"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("step", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, [1, 3, 5, 5]),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, [1, 3, 5, 5]),
        ],
    )
    net.inputs.append(helper.make_tensor_value_info("trips", TensorProto.INT64, []))
    net.output(net.op("Loop", "trips", net.const(True, np.bool_), image(net), body=body))


@broken("if", "condition", "constant")
def if_else(net):
    x = image(net)
    info = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 5, 5])
    branches = {
        key: helper.make_graph([helper.make_node(op, [x], ["y"])], key, [], [info])
        for key, op in (("then_branch", "Relu"), ("else_branch", "Sigmoid"))
    }
    net.inputs.append(helper.make_tensor_value_info("condition", TensorProto.BOOL, []))
    net.output(net.op("If", "condition", **branches))


@broken("/Reshape", "shape")
def reshape_by_input(net):
    net.inputs.append(helper.make_tensor_value_info("shape", TensorProto.INT64, [2]))
    net.output(net.op("Reshape", image(net), "shape"))


@broken("NonZero", "/NonZero")
def data_dependent_shape(net):
    net.output(net.op("Cast", net.op("NonZero", image(net)), to=TensorProto.FLOAT))


# Weights


@broken("conv.weight", "NaN")
def nan_in_weights(net):
    poisoned(net, np.nan)


@broken("conv.weight", "inf")
def infinity_in_weights(net):
    poisoned(net, -np.inf)


@broken("BatchNormalization")
def negative_variance(net):
    y = net.conv(image(net), 2, 3, 3, 3)
    values = ([1, 1], [0, 0], [0, 0], [0.5, -0.5])
    net.output(net.op("BatchNormalization", y, *(net.const(v, name="bn") for v in values)))


def damaged(net, damage):
    """A Conv whose weight tensor `damage` has changed."""
    weight = numpy_helper.from_array(net.normal(4, 3, 3, 3), "conv.weight")
    damage(weight)
    net.initializers.append(weight)
    net.output(net.op("Conv", image(net), "conv.weight"))


@broken("conv.weight")
def raw_data_too_short(net):
    def damage(tensor):
        tensor.raw_data = tensor.raw_data[:-7]

    damaged(net, damage)


@broken("conv.weight")
def raw_data_missing(net):
    damaged(net, lambda tensor: tensor.ClearField("raw_data"))


@broken("conv.weight")
def raw_data_too_long(net):
    def damage(tensor):
        tensor.raw_data += bytes(8)

    damaged(net, damage)


@broken("conv.weight")
def weight_type_unknown(net):
    def damage(tensor):
        tensor.data_type = 999

    damaged(net, damage)


@broken("conv.weight")
def weight_dims_negative(net):
    def damage(tensor):
        tensor.dims[0] = -4

    damaged(net, damage)


@broken("conv.weight")
def weight_dims_absurd(net):
    def damage(tensor):
        tensor.dims[:2] = [2**40, 2**40]

    damaged(net, damage)


@broken("conv.weight")
def weight_in_missing_file(net):
    def damage(tensor):
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="weights.bin")

    damaged(net, damage)


# Shapes


@broken("/Conv")
def conv_channels_differ(net):
    net.output(net.conv(image(net), 4, 5, 3, 3))


@broken("/Conv")
def conv_group_does_not_divide(net):
    net.output(net.conv(image(net, 1, 4, 5, 5), 4, 1, 3, 3, group=3))


@broken("/Conv")
def conv_kernel_shape_differs(net):
    net.output(net.conv(image(net), 4, 3, 3, 3, kernel_shape=[5, 5]))


@broken("/Conv")
def conv_kernel_larger_than_input(net):
    net.output(net.conv(image(net), 4, 3, 7, 7))


@broken("/Conv")
def conv_stride_zero(net):
    net.output(net.conv(image(net), 4, 3, 3, 3, strides=[0, 1]))


@broken("/Conv")
def conv_on_a_row(net):
    net.output(net.conv(image(net, 1, 12), 4, 3, 3, 3))


@broken("/Conv", "strides")
def attribute_of_wrong_type(net):
    net.output(net.conv(image(net), 4, 3, 3, 3, strides=2.5))


@broken("/Conv")
def bias_too_short(net):
    net.output(net.op("Conv", image(net), net.weight(4, 3, 3, 3), net.bias(3)))


@broken("/Gemm")
def gemm_inner_sizes_differ(net):
    net.output(net.dense(image(net, 1, 12), 13, 4))


@broken("/Add")
def add_shapes_do_not_broadcast(net):
    net.output(net.op("Add", image(net), net.bias(1, 2, 5, 5)))


@broken("/Reshape")
def reshape_counts_differ(net):
    net.output(net.op("Reshape", image(net), net.ints(1, 74)))


@broken("/Concat")
def concat_heights_differ(net):
    x = image(net)
    y = net.op("MaxPool", x, kernel_shape=[2, 2])
    net.output(net.op("Concat", x, y, axis=1))


@broken("/Split")
def split_sum_differs(net):
    net.output(*net.op("Split", image(net), net.ints(1, 1), outputs=2, axis=1))


@broken("/Softmax", "axis")
def axis_out_of_range(net):
    net.output(net.op("Softmax", image(net), axis=7))


@broken("image", "axis 1", "-3")
def input_dims_negative(net):
    net.output(net.op("Relu", image(net, 1, -3, 5, 5)))


@broken("image")
def input_dims_absurd(net):
    net.output(net.op("Relu", image(net, 1, 3, 2**40, 2**40)))


@broken("image")
def input_dims_zero(net):
    net.output(net.op("Relu", image(net, 1, 3, 0, 5)))


@broken("image", "height")
def input_dims_symbolic(net):
    net.output(net.conv(image(net, "N", 3, "height", "width"), 4, 3, 3, 3))


@broken("image")
def input_without_shape(net):
    net.inputs.append(helper.make_tensor_value_info("image", TensorProto.FLOAT, None))
    net.output(net.op("Relu", "image"))


@broken("image", "string")
def input_of_strings(net):
    net.output(net.op("Identity", image(net, 1, 3, kind=TensorProto.STRING)))
    return finish(net, TensorProto.STRING)


@broken("image")
def input_a_sequence(net):
    info = helper.make_tensor_sequence_value_info("image", TensorProto.FLOAT, [1, 3, 5, 5])
    net.inputs.append(info)
    net.output(net.op("SequenceAt", "image", net.const(0, np.int64)))


# Wiring


@broken("nowhere", "/Add")
def input_tensor_missing(net):
    net.output(net.op("Add", image(net), "nowhere"))


@broken("nowhere")
def output_tensor_missing(net):
    net.op("Relu", image(net))
    net.output("nowhere")


@broken("output")
def no_outputs(net):
    net.op("Relu", image(net))


@broken("twice")
def outputs_duplicate(net):
    x = image(net)
    for op in ("Relu", "Sigmoid"):
        net.nodes.append(helper.make_node(op, [x], ["twice"], f"/{op}"))
    net.output("twice")


@broken("cycle")
def cycle(net):
    image(net)
    net.nodes.append(helper.make_node("Add", ["image", "b"], ["a"], "/Add"))
    net.nodes.append(helper.make_node("Relu", ["a"], ["b"], "/Relu"))
    net.output("b")


@broken("/Conv")
def weight_left_out(net):
    net.output(net.op("Conv", image(net)))


@broken("/Conv")
def weight_from_an_input(net):
    """Weights must be constants: here they are a second input of the graph."""
    net.inputs.append(helper.make_tensor_value_info("kernel", TensorProto.FLOAT, [4, 3, 3, 3]))
    net.output(net.op("Conv", image(net), "kernel"))


# Functions of the model's own


def call(net, *nodes, **function):
    net.function("Own", ["a"], ["b"], list(nodes), **function)
    net.output(net.op("Own", image(net), domain="local"))


@broken("`Own`", "calls itself")
def function_that_calls_itself(net):
    call(net, helper.make_node("Own", ["a"], ["b"], domain="local"))


@broken("`Own`", "opset 13", "17")
def function_of_another_opset(net):
    call(net, helper.make_node("Relu", ["a"], ["b"]), opset=13)


@broken("functions come to more than")
def functions_that_double(net):
    for depth in range(30):
        nodes = [helper.make_node(f"F{depth + 1}", [a], [b], domain="local") for a, b in [("a", "t"), ("t", "b")]]
        net.function(f"F{depth}", ["a"], ["b"], nodes)
    net.function("F30", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["b"])])
    net.output(net.op("F0", image(net), domain="local"))
