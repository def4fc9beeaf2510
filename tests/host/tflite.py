"""MobileNetV2 1.0 at 224x224 as .tflite, in f32 and in int8 with weights per channel: the shapes of `Net.mobilenet` in tests/accuracy/speed.py.

Weights are random and scales made up so that nothing saturates: time does not depend on what they are.
"""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

# Scale and zero point: ReLU6 fills the range, and what is not limited has signs.
CLIPPED, SIGNED = (6 / 255, -128), (16 / 255, 0)
RELU6 = schema.ActivationFunctionType.RELU6
KINDS = {np.dtype(kind): getattr(schema.TensorType, kind.upper()) for kind in ("float32", "int8", "int32")}


class Writer:
    """A model in the making, of one subgraph."""

    def __init__(self, int8):
        self.int8, self.rng = int8, np.random.default_rng(1)
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.model = schema.ModelT()
        self.model.version, self.model.subgraphs, self.model.operatorCodes = 3, [self.graph], []
        self.model.buffers = [schema.BufferT()]

    def tensor(self, shape, kind, scales, zero=0, data=None, axis=0):
        tensor = schema.TensorT()
        tensor.shape, tensor.type, tensor.name = list(shape), KINDS[np.dtype(kind)], f"t{len(self.graph.tensors)}"
        tensor.buffer = 0
        if data is not None:
            tensor.buffer = len(self.model.buffers)
            self.model.buffers.append(schema.BufferT())
            self.model.buffers[-1].data = np.frombuffer(data.astype(kind).tobytes(), np.uint8)
        if self.int8:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = np.atleast_1d(scales).astype(np.float32)
            tensor.quantization.zeroPoint = np.full(np.size(scales), zero, np.int64)
            tensor.quantization.quantizedDimension = axis
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def activation(self, shape, grid):
        return self.tensor(shape, "int8" if self.int8 else "float32", *grid)

    def scale(self, x):
        quantization = self.graph.tensors[x].quantization
        return quantization.scale[0] if quantization else 1

    def constants(self, x, shape, outputs, fan, axis):
        """Weights and biases of a layer: sums are about as large as activations. Uniform integers to ±127 deviate by 73."""
        scale = np.sqrt(2 / fan) / 73 * self.rng.uniform(0.8, 1.2, outputs)
        if not self.int8:
            weights = self.tensor(shape, "float32", 1, data=self.rng.standard_normal(shape) * np.sqrt(2 / fan))
            return [weights, self.tensor([outputs], "float32", 1, data=self.rng.standard_normal(outputs))]
        weights = self.tensor(shape, "int8", scale, data=self.rng.integers(-127, 128, shape), axis=axis)
        biases = self.tensor([outputs], "int32", scale * self.scale(x), data=self.rng.integers(-999, 999, outputs))
        return [weights, biases]

    def operator(self, name, inputs, output, options):
        code = getattr(schema.BuiltinOperator, name)
        codes = [known.builtinCode for known in self.model.operatorCodes]
        if code not in codes:
            known = schema.OperatorCodeT()
            known.builtinCode, known.deprecatedBuiltinCode, known.version = code, min(code, 127), 3 if self.int8 else 1
            self.model.operatorCodes.append(known)
            codes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex, operator.inputs, operator.outputs = codes.index(code), inputs, [output]
        operator.builtinOptions = options
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        self.graph.operators.append(operator)
        return output

    def conv(self, x, kernel, outputs, stride=1, depthwise=False, clip=True):
        _, height, width, inputs = self.graph.tensors[x].shape
        shape = [1, kernel, kernel, inputs] if depthwise else [outputs, kernel, kernel, inputs]
        fan = kernel * kernel * (1 if depthwise else inputs)
        options = schema.DepthwiseConv2DOptionsT() if depthwise else schema.Conv2DOptionsT()
        options.padding, options.strideW, options.strideH = schema.Padding.SAME, stride, stride
        options.dilationWFactor = options.dilationHFactor = 1
        options.fusedActivationFunction = RELU6 if clip else 0
        if depthwise:
            options.depthMultiplier = 1
        constants = self.constants(x, shape, outputs, fan, 3 if depthwise else 0)
        y = self.activation((1, -(-height // stride), -(-width // stride), outputs), CLIPPED if clip else SIGNED)
        return self.operator("DEPTHWISE_CONV_2D" if depthwise else "CONV_2D", [x, *constants], y, options)

    def add(self, a, b):
        options = schema.AddOptionsT()
        return self.operator("ADD", [a, b], self.activation(self.graph.tensors[a].shape, SIGNED), options)

    def pool(self, x):
        _, height, width, channels = self.graph.tensors[x].shape
        options = schema.Pool2DOptionsT()
        options.padding, options.strideW, options.strideH = schema.Padding.VALID, 1, 1
        options.filterWidth, options.filterHeight = width, height
        return self.operator("AVERAGE_POOL_2D", [x], self.activation((1, 1, 1, channels), CLIPPED), options)

    def fully_connected(self, x, outputs):
        inputs = self.graph.tensors[x].shape[-1]
        constants = self.constants(x, [outputs, inputs], outputs, inputs, 0)
        y = self.activation((1, outputs), SIGNED)
        return self.operator("FULLY_CONNECTED", [x, *constants], y, schema.FullyConnectedOptionsT())

    def bytes(self, x, y):
        self.graph.inputs, self.graph.outputs = [x], [y]
        builder = flatbuffers.Builder(1 << 24)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def mobilenet(blocks, int8):
    """The file's bytes; `blocks` are expansion, outputs, repetitions and stride of each stage."""
    net = Writer(int8)
    image = net.activation((1, 224, 224, 3), SIGNED)
    x, wide = net.conv(image, 3, 32, 2), 32
    for factor, out, count, stride in blocks:
        for at in range(count):
            step, inner = stride if at == 0 else 1, wide * factor
            y = net.conv(x, 1, inner) if factor > 1 else x
            y = net.conv(y, 3, inner, step, depthwise=True)
            y = net.conv(y, 1, out, clip=False)
            x, wide = net.add(x, y) if step == 1 and wide == out else y, out
    return net.bytes(image, net.fully_connected(net.pool(net.conv(x, 1, 1280)), 1000))
