"""The builder every case is written with, and the list of cases."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

CASES: dict[str, "Case"] = {}

TYPES = {
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.float16): schema.TensorType.FLOAT16,
    np.dtype(np.int8): schema.TensorType.INT8,
    np.dtype(np.uint8): schema.TensorType.UINT8,
    np.dtype(np.int16): schema.TensorType.INT16,
    np.dtype(np.int32): schema.TensorType.INT32,
    np.dtype(np.int64): schema.TensorType.INT64,
    np.dtype(np.bool_): schema.TensorType.BOOL,
}

SAME, VALID = schema.Padding.SAME, schema.Padding.VALID
ACTIVATION = schema.ActivationFunctionType


@dataclass
class Case:
    """One model: `build` receives an empty Net and fills it. `runs` inputs are given one after the other."""

    name: str
    about: str
    build: Callable[["Net"], None]
    runs: int


def add(name, about, build, runs=1):
    if name in CASES:
        raise ValueError(f"two cases named {name}")
    CASES[name] = Case(name, about, build, runs)


def case(about, runs=1):
    """Registers the decorated builder under its own name."""

    def register(build):
        add(build.__name__, about, build, runs)
        return build

    return register


@dataclass
class Q:
    """`real = scale · (q − zero)`, of these integers."""

    scale: float | list[float]
    zero: int = 0
    dtype: type = np.int8
    axis: int = 0

    def table(self):
        scales = np.atleast_1d(np.asarray(self.scale, np.float32))
        table = schema.QuantizationParametersT()
        table.scale = list(scales)
        table.zeroPoint = [self.zero] * len(scales)
        table.quantizedDimension = self.axis
        return table


def sparsity(ends, indices, block, kind):
    """A dense level of rows, a sparse one of blocks of columns, and a dense one inside of the blocks."""
    levels = [schema.DimensionMetadataT() for _ in range(3 if block > 1 else 2)]
    levels[0].denseSize, levels[-1].denseSize = len(ends) - 1, block
    listed = levels[1]
    listed.format = schema.DimensionType.SPARSE_CSR
    listed.arraySegmentsType = listed.arrayIndicesType = getattr(schema.SparseIndexVector, f"{kind}Vector")
    listed.arraySegments, listed.arrayIndices = [getattr(schema, f"{kind}VectorT")() for _ in range(2)]
    listed.arraySegments.values, listed.arrayIndices.values = [int(end) for end in ends], indices
    table = schema.SparsityParametersT()
    table.traversalOrder, table.dimMetadata = list(range(len(levels))), levels
    table.blockMap = [1] if block > 1 else []
    return table


class Net:
    """A model in the making. Its random numbers depend on the case's name alone."""

    def __init__(self, name):
        self.rng = np.random.default_rng(zlib.crc32(name.encode()))
        self.buffers, self.codes, self.tensors, self.operators = [schema.BufferT()], [], [], []
        self.inputs, self.outputs = [], []
        self.limits, self.initial = {}, None

    def tensor(self, shape, dtype, name, q=None, data=None):
        table = schema.TensorT()
        table.shape = list(shape)
        table.type = TYPES[np.dtype(q.dtype if q else dtype)]
        table.name = f"{name}_{len(self.tensors)}"
        table.quantization = q.table() if q else None
        table.buffer = len(self.buffers) if data is not None else 0
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = list(np.ascontiguousarray(data).tobytes())
            self.buffers.append(buffer)
        self.tensors.append(table)
        return len(self.tensors) - 1

    def input(self, *shape, q=None, dtype=np.float32, low=-2.0, high=2.0):
        """An input; reals are drawn from low to high, in steps of 1/64."""
        index = self.tensor(shape, dtype, "x", q)
        self.inputs.append(index)
        self.limits[index] = (low, high, q)
        return index

    def values(self):
        """Random values of the inputs."""
        return [self.value(index) for index in self.inputs]

    def value(self, index):
        low, high, q = self.limits[index]
        shape = self.tensors[index].shape
        if q:
            limits = np.iinfo(q.dtype)
            return self.rng.integers(limits.min, limits.max, shape, endpoint=True).astype(q.dtype)
        dtype = next(kind for kind, number in TYPES.items() if number == self.tensors[index].type)
        if dtype == np.bool_:
            return self.rng.integers(0, 2, shape).astype(np.bool_)
        if np.issubdtype(dtype, np.integer):
            return self.rng.integers(int(low), int(high), shape, endpoint=True).astype(dtype)
        return (np.round(self.rng.uniform(low, high, shape) * 64) / 64).astype(dtype)

    def const(self, value, dtype=np.float32, q=None):
        value = np.asarray(value, q.dtype if q else dtype)
        return self.tensor(value.shape, value.dtype, "const", q, value)

    def ints(self, *values):
        return self.const(values, np.int32)

    def weight(self, *shape, fan_in=None, scale=1.0):
        fan_in = fan_in or max(1, int(np.prod(shape[1:])))
        return self.const(self.rng.standard_normal(shape) * scale * fan_in**-0.5)

    def int8_weight(self, *shape, q):
        return self.const(self.rng.integers(-127, 127, shape, endpoint=True), q=q)

    def int32_bias(self, count, low=-2000, high=2000):
        return self.const(self.rng.integers(low, high, count), np.int32)

    def variable(self, *shape, q=None):
        """A tensor that an operator keeps from run to run."""
        index = self.tensor(shape, np.float32, "kept", q)
        self.tensors[index].isVariable = True
        return index

    def code(self, name):
        number = getattr(schema.BuiltinOperator, name, schema.BuiltinOperator.CUSTOM)
        for index, code in enumerate(self.codes):
            if code.builtinCode == number and number != schema.BuiltinOperator.CUSTOM:
                return index
        code = schema.OperatorCodeT()
        code.builtinCode, code.deprecatedBuiltinCode = number, min(number, 127)
        code.version = 2 if name == "BROADCAST_TO" else 1
        code.customCode = name if number == schema.BuiltinOperator.CUSTOM else None
        self.codes.append(code)
        return len(self.codes) - 1

    def op(self, name, inputs, options=None, q=None, dtype=np.float32, rank=4, count=1):
        """An operator; its outputs get their shapes from LiteRT."""
        outputs = [self.tensor([1] * rank, dtype, "y", q) for _ in range(count)]
        self.operator(name, inputs, outputs, options)
        return outputs[0] if count == 1 else outputs

    def operator(self, name, inputs, outputs, options=None):
        table = schema.OperatorT()
        table.opcodeIndex = self.code(name)
        table.inputs = [-1 if i is None else i for i in inputs]
        table.outputs = list(outputs)
        if options is not None:
            kind = type(options).__name__.removesuffix("T")
            table.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            table.builtinOptions = options
        self.operators.append(table)

    def output(self, *indices):
        self.outputs += indices

    def bytes(self, shapes=None):
        """The file, with these shapes by tensor name."""
        for tensor in self.tensors:
            tensor.shape = (shapes or {}).get(tensor.name, tensor.shape)
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs = self.inputs, self.outputs
        model = schema.ModelT()
        model.version, model.buffers, model.operatorCodes = 3, self.buffers, self.codes
        model.subgraphs = [graph, *([self.initial] if self.initial else [])]
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def options(name, **fields):
    """The options table of this name."""
    table = getattr(schema, f"{name}OptionsT")()
    for field, value in fields.items():
        if not hasattr(table, field):
            raise AttributeError(f"{name}Options has no {field}")
        setattr(table, field, value)
    return table
