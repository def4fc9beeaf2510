#!/usr/bin/env python3
"""Writes the tiny ONNX models of this folder, each with inputs and outputs recorded by onnxruntime.

They spell networks as exporters do (PyTorch: channels first, batch norm apart, `view` as shape arithmetic;
TensorFlow: channels last behind transpositions). Weights are random, so only arithmetic and layout are tested.

    pip install onnx onnxruntime numpy && python3 make.py
"""
import os
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

FOLDER = os.path.dirname(os.path.abspath(__file__))


class Net:
    def __init__(self, opset=13):
        self.opset, self.rng = opset, np.random.default_rng(7)
        self.nodes, self.inits, self.inputs, self.outputs = [], [], [], []

    def input(self, *shape, name=None, type=TensorProto.FLOAT):
        name = name or f"x{len(self.inputs)}"
        self.inputs.append(helper.make_tensor_value_info(name, type, shape))
        return name

    def const(self, array):
        name = f"c{len(self.inits)}"
        self.inits.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def ints(self, *values):
        return self.const(np.array(values, np.int64))

    def num(self, value):
        return self.const(np.array(value, np.float32))

    def rand(self, *shape, lo=-1.0, hi=1.0):
        scale = 1.0 / np.sqrt(max(1, int(np.prod(shape[1:])))) if len(shape) > 1 else 1.0
        return self.const((self.rng.uniform(lo, hi, shape) * (scale if lo < 0 else 1)).astype(np.float32))

    def __call__(self, op, *inputs, outputs=1, **attributes):
        names = [f"/{len(self.nodes)}/{op}_output_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, name=f"/{len(self.nodes)}/{op}", **attributes))
        return names[0] if outputs == 1 else names

    def conv(self, x, i, o, k=3, bias=True, group=1, pad=None, **attributes):
        pad = k // 2 if pad is None else pad
        w = [self.rand(o, i // group, k, k)] + ([self.rand(o)] if bias else [])
        return self("Conv", x, *w, kernel_shape=[k, k], pads=[pad] * 4, group=group, **attributes)

    def bn(self, x, c):
        stats = [self.rand(c), self.rand(c), self.rand(c), self.rand(c, lo=0.2, hi=2.0)]
        return self("BatchNormalization", x, *stats, epsilon=1e-3)

    def gemm(self, x, i, o):
        return self("Gemm", x, self.rand(o, i), self.rand(o), transB=1)

    def save(self, name, *outputs):
        infos = [onnx.ValueInfoProto(name=o) for o in outputs]
        graph = helper.make_graph(self.nodes, name, self.inputs, infos, self.inits)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)])
        model.ir_version = 8
        model = onnx.shape_inference.infer_shapes(model)
        feeds = {}
        for info in self.inputs:
            t = info.type.tensor_type
            shape = [d.dim_value or 1 for d in t.shape.dim]
            if t.elem_type == TensorProto.FLOAT:
                feeds[info.name] = self.rng.uniform(-2, 2, shape).astype(np.float32)
            else:
                feeds[info.name] = self.rng.integers(0, 255, shape).astype(np.uint8)
        data = model.SerializeToString()
        results = onnxruntime.InferenceSession(data).run(None, feeds)
        with open(os.path.join(FOLDER, f"{name}.onnx"), "wb") as file:
            file.write(data)
        arrays = {f"in:{k}": v.astype(np.float32) for k, v in feeds.items()}
        arrays |= {f"out:{k}": v.astype(np.float32) for k, v in zip(outputs, results)}
        np.savez_compressed(os.path.join(FOLDER, f"{name}.golden.npz"), **arrays)


def torch_mobilenet():
    """Conv, BN, ReLU6 as Clip; inverted residual; pool, flatten, Gemm. Symbolic batch."""
    n = Net()
    x = n.input("N", 3, 12, 10, name="input")
    relu6 = lambda y: n("Clip", y, n.num(0.0), n.num(6.0))
    y = relu6(n.bn(n.conv(x, 3, 8, bias=False, strides=[2, 2]), 8))
    z = relu6(n.bn(n.conv(y, 8, 16, k=1, bias=False), 16))
    z = relu6(n.bn(n.conv(z, 16, 16, bias=False, group=16), 16))
    y = n("Add", y, n.bn(n.conv(z, 16, 8, k=1, bias=False), 8))
    y = n("Flatten", n("GlobalAveragePool", y), axis=1)
    n.save("torch_mobilenet", n.gemm(y, 8, 5))


def torch_squeeze_excite():
    """Hard-swish as an operator and spelled out, a gate over channels, ReduceMean, view by shape arithmetic."""
    n = Net(14)
    x = n.input("batch", 3, 8, 8, name="input")
    y = n("HardSwish", n.bn(n.conv(x, 3, 8, bias=False), 8))
    g = n("Relu", n.conv(n("GlobalAveragePool", y), 8, 4, k=1))
    y = n("Mul", y, n("HardSigmoid", n.conv(g, 4, 8, k=1), alpha=1 / 6))
    y = n.conv(y, 8, 6, strides=[2, 2])
    y = n("Div", n("Mul", y, n("Clip", n("Add", y, n.num(3.0)), n.num(0.0), n.num(6.0))), n.num(6.0))
    y = n("ReduceMean", y, axes=[2, 3], keepdims=1)
    batch = n("Unsqueeze", n("Gather", n("Shape", y), n.const(np.int64(0)), axis=0), n.ints(0))
    y = n("Reshape", y, n("Concat", batch, n.ints(-1), axis=0))
    n.save("torch_squeeze_excite", n("LogSoftmax", n.gemm(y, 6, 5), axis=1))


def torch_lenet():
    """Rows, columns and channels flattened together in front of a fully connected layer."""
    n = Net(10)
    x = n.input(1, 1, 14, 14, name="input.1")
    y = n("MaxPool", n("Relu", n.conv(x, 1, 4, k=5, pad=2)), kernel_shape=[2, 2], strides=[2, 2])
    y = n("AveragePool", n("Tanh", n.conv(y, 4, 6, pad=0)), kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1],
          count_include_pad=1, ceil_mode=1)
    y = n("Dropout", n("Flatten", y))
    y = n("Relu", n.gemm(y, 54, 20))
    n.save("torch_lenet", n("Softmax", n.gemm(y, 20, 10), axis=-1))


def torch_conv1d():
    """A keyword net over sequences: 1-D convolutions, batch norm, pools."""
    n = Net()
    x = n.input(1, 5, 32, name="features")
    conv = lambda y, i, o, **a: n("Conv", y, n.rand(o, i // a.get("group", 1), 5), n.rand(o), pads=[2, 2], **a)
    y = n("Relu", n.bn(conv(x, 5, 8, strides=[2]), 8))
    y = n("MaxPool", y, kernel_shape=[3], strides=[2], pads=[1, 1])
    y = n("LeakyRelu", conv(y, 8, 8, group=8), alpha=0.1)
    y = n("Squeeze", n("GlobalAveragePool", y), n.ints(2))
    n.save("torch_conv1d", n.gemm(y, 8, 4))


def torch_inception():
    """Branches joined along channels, one of them shared with an addition, pools in ceil mode, PReLU, channel shuffle."""
    n = Net()
    x = n.input(1, 4, 9, 9, name="input")
    a = n("PRelu", n.conv(x, 4, 4, strides=[2, 2]), n.rand(4, 1, 1))
    b = n("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
    c = n("Elu", n("AveragePool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]))
    y = n("Concat", a, b, c, axis=1)
    y = n("Reshape", y, n.ints(1, 3, 4, 5, 5))
    y = n("Reshape", n("Transpose", y, perm=[0, 2, 1, 3, 4]), n.ints(1, -1, 5, 5))
    p, q = n("Split", y, n.ints(4, 8), outputs=2, axis=1)
    y = n("Add", n("Add", n.conv(q, 8, 4), p), a)
    n.save("torch_inception", n("Sigmoid", y), n("ArgMax", y, axis=1, keepdims=0))


def torch_tokens():
    """Patches as rows of a matrix, GELU spelled out, mean over rows."""
    n = Net(18)
    x = n.input(1, 1, 8, 8, name="image")
    y = n.conv(x, 1, 6, k=4, pad=0, strides=[4, 4])
    y = n("Transpose", n("Reshape", y, n.ints(1, 6, -1)), perm=[0, 2, 1])
    y = n("Add", n("MatMul", n("Add", y, n.rand(1, 4, 6)), n.rand(6, 10)), n.rand(10))
    gate = n("Add", n("Erf", n("Div", y, n.num(np.sqrt(2)))), n.num(1.0))
    y = n("Mul", n("Mul", y, gate), n.num(0.5))
    y = n("ReduceMean", y, n.ints(1), keepdims=0)
    n.save("torch_tokens", n.gemm(y, 10, 3))


def tf_channels_last():
    """Channels last at both doors; explicit padding; mean over the middle axes."""
    n = Net()
    x = n.input("unk__1", 9, 9, 3, name="serving_default_x:0")
    y = n("Transpose", x, perm=[0, 3, 1, 2])
    y = n("Pad", y, n.ints(0, 0, 0, 0, 0, 0, 1, 1))
    y = n("Clip", n.conv(y, 3, 4, pad=0, strides=[2, 2]), n.num(0.0), n.num(6.0))
    y = n("Transpose", n.conv(y, 4, 6, group=2), perm=[0, 2, 3, 1])
    y = n("Mul", n("Add", y, n.rand(6)), n.rand(6))
    flat = n("ReduceMean", y, axes=[1, 2], keepdims=0)
    n.save("tf_channels_last", y, n("Add", n("MatMul", flat, n.rand(6, 4)), n.rand(4)))


def normalized_input():
    """Bytes cast, shifted and scaled in front of a padded convolution; batch norm with nothing to fold into."""
    n = Net()
    x = n.input(1, 3, 7, 7, name="pixels", type=TensorProto.UINT8)
    y = n("Div", n("Cast", x, to=TensorProto.FLOAT), n.num(255.0))
    y = n("Div", n("Sub", y, n.rand(1, 3, 1, 1, lo=0.3, hi=0.6)), n.rand(1, 3, 1, 1, lo=0.2, hi=0.3))
    y = n("Relu", n.conv(y, 3, 4))
    y = n("Selu", n.bn(n("Add", y, n("Softplus", y)), 4))
    n.save("normalized_input", n("ReduceMax", y, axes=[2, 3], keepdims=0))


def two_inputs():
    """Two inputs, an output that another node reads, batch norm over features, slices."""
    n = Net(11)
    a, b = n.input(1, 12, name="a"), n.input(1, 1, 12, name="b")
    h = n("Tanh", n.bn(n.gemm(a, 12, 12), 12))
    y = n("Concat", h, n("Squeeze", b, axes=[1]), h, axis=1)
    y = n("Sub", n("Slice", y, n.ints(4), n.ints(-4), n.ints(1), n.ints(2)), n.num(0.25))
    n.save("two_inputs", h, n("MatMul", n.bn(y, 14), n.rand(14, 3)))


if __name__ == "__main__":
    for make in [torch_mobilenet, torch_squeeze_excite, torch_lenet, torch_conv1d, torch_inception, torch_tokens,
                 tf_channels_last, normalized_input, two_inputs]:
        if len(sys.argv) < 2 or make.__name__ in sys.argv[1:]:
            make()
            print(make.__name__, os.path.getsize(os.path.join(FOLDER, make.__name__ + ".onnx")))
