#!/usr/bin/env python3
"""Write quantized models as onnxruntime's own quantizer makes them, with the outputs that onnxruntime gives.

    python3 -m venv venv && venv/bin/pip install -r requirements.txt
    venv/bin/python make.py

Two small float networks with random weights are quantized in every form that users bring: QDQ and QOperator, int8,
uint8, int16 and uint16 activations, one weight scale and one for each channel. The same versions give the same files.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

HERE = Path(__file__).resolve().parent
SAMPLES = 8
OPSET = 17


class Net:
    """A float graph in the making."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.weights = [], []

    def constant(self, array, name):
        name = f"{name}_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def normal(self, *shape):
        fan_in = max(1, int(np.prod(shape[1:])))
        return self.constant((self.rng.standard_normal(shape) * (1.5 / fan_in) ** 0.5).astype(np.float32), "weight")

    def bias(self, n):
        return self.constant((self.rng.standard_normal(n) * 0.1).astype(np.float32), "bias")

    def op(self, kind, *inputs, **attributes):
        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [f"{name}:0"], name, **attributes))
        return f"{name}:0"

    def conv(self, x, *shape, **attributes):
        return self.op("Conv", x, self.normal(*shape), self.bias(shape[0]), kernel_shape=shape[2:], **attributes)

    def model(self, x, y, y_shape):
        infos = [helper.make_tensor_value_info("x", TensorProto.FLOAT, x)]
        outputs = [helper.make_tensor_value_info(y, TensorProto.FLOAT, y_shape)]
        graph = helper.make_graph(self.nodes, "net", infos, outputs, self.weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)


def cnn():
    """Convolution, depthwise, a residual sum, a gate, branches of other ranges joined, pools, a classifier."""
    net = Net(7)
    a = net.op("Relu", net.conv("x", 8, 3, 3, 3, strides=[2, 2], pads=[1, 1, 1, 1]))
    b = net.op("Relu", net.conv(a, 8, 1, 3, 3, group=8, pads=[1, 1, 1, 1]))
    c = net.op("Add", a, net.conv(b, 8, 8, 1, 1))
    c = net.op("Mul", c, net.op("Sigmoid", net.conv(c, 8, 8, 1, 1)))
    left = net.op("MaxPool", c, kernel_shape=[2, 2], strides=[2, 2])
    right = net.op("AveragePool", net.op("LeakyRelu", net.conv(c, 4, 8, 1, 1), alpha=0.1), kernel_shape=[2, 2], strides=[2, 2])
    d = net.op("Concat", left, right, axis=1)
    d = net.op("GlobalAveragePool", net.conv(d, 12, 12, 2, 2))
    d = net.op("Reshape", d, net.constant(np.array([1, 12], np.int64), "shape"))
    y = net.op("Gemm", d, net.normal(10, 12), net.bias(10), transB=1)
    return net.model([1, 3, 16, 16], net.op("Softmax", y), [1, 10])


def mlp():
    """MatMul and Add, as TensorFlow's exporters write dense layers."""
    net = Net(8)
    y = "x"
    for wide, narrow in [(20, 16), (16, 12), (12, 5)]:
        w = net.constant((net.rng.standard_normal((wide, narrow)) * wide**-0.5).astype(np.float32), "weight")
        y = net.op("Add", net.op("MatMul", y, w), net.bias(narrow))
        y = net.op("Relu", y) if narrow != 5 else y
    return net.model([1, 20], y, [1, 5])


class Samples(CalibrationDataReader):
    def __init__(self, rows):
        self.rows = iter(rows)

    def get_next(self):
        row = next(self.rows, None)
        return None if row is None else {"x": row}


def form(quant_format, activations, weights, per_channel, symmetric=True, centered=False):
    return {
        "quant_format": quant_format,
        "activation_type": activations,
        "weight_type": weights,
        "per_channel": per_channel,
        "extra_options": {"WeightSymmetric": symmetric, "ActivationSymmetric": centered},
    }


INT8, UINT8 = QuantType.QInt8, QuantType.QUInt8
INT16, UINT16 = QuantType.QInt16, QuantType.QUInt16
FORMS = {
    "qdq_int8": form(QuantFormat.QDQ, INT8, INT8, True),
    "qdq_uint8": form(QuantFormat.QDQ, UINT8, INT8, False),
    "qdq_asymmetric": form(QuantFormat.QDQ, UINT8, UINT8, False, symmetric=False),
    "qdq_int16": form(QuantFormat.QDQ, INT16, INT8, True, centered=True),
    "qdq_uint16": form(QuantFormat.QDQ, UINT16, INT8, True, centered=True),
    "qoperator_int8": form(QuantFormat.QOperator, INT8, INT8, True),
    # With scales for channels the weights would be int8, whose products with uint8 saturate in onnxruntime where the
    # processor has no VNNI.
    "qoperator_uint8": form(QuantFormat.QOperator, UINT8, UINT8, False),
}


def session(path):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options)


def write(name, form, model, rows):
    path = HERE / f"{name}_{form}.onnx"
    with tempfile.TemporaryDirectory() as folder:
        float_path = Path(folder) / "float.onnx"
        onnx.save(model, float_path)
        quantize_static(str(float_path), str(path), Samples(rows[:4]), **FORMS[form])
        wanted = np.concatenate([session(float_path).run(None, {"x": row})[0] for row in rows])
    outputs = np.concatenate([session(path).run(None, {"x": row})[0] for row in rows])
    np.savez_compressed(path.with_suffix(".npz"), **{"in:x": np.concatenate(rows), "out:y": outputs})
    noise = 10 * np.log10((wanted**2).sum() / ((wanted - outputs) ** 2).sum())
    print(f"{path.name}: {path.stat().st_size} bytes, {noise:.1f} dB of the float model")


def main():
    for old in [*HERE.glob("*.onnx"), *HERE.glob("*.npz")]:
        old.unlink()
    for name, build in [("cnn", cnn), ("mlp", mlp)]:
        model = build()
        onnx.checker.check_model(model, full_check=True)
        shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
        rng = np.random.default_rng(9)
        rows = [(np.round(rng.uniform(-2, 2, shape) * 64) / 64).astype(np.float32) for _ in range(SAMPLES)]
        for form in FORMS:
            write(name, form, model, rows)


if __name__ == "__main__":
    sys.exit(main())
