"""The builder every case is written with, and the list of cases."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from onnx import TensorProto, helper, numpy_helper

CASES: dict[str, "Case"] = {}


@dataclass
class Case:
    """One model: `build` receives an empty Net and fills it."""

    name: str
    about: str
    build: Callable[["Net"], None]
    opset: int
    symbolic: bool


def add(name, about, build, opset=17, symbolic=False):
    """Registers a case; `symbolic` writes the leading dimension of every input as `N`."""
    if name in CASES:
        raise ValueError(f"two cases named {name}")
    CASES[name] = Case(name, about, build, opset, symbolic)


def case(about, opset=17, symbolic=False):
    """Registers the decorated builder under its own name."""

    def register(build):
        add(build.__name__, about, build, opset, symbolic)
        return build

    return register


class Net:
    """A graph in the making. Its random numbers depend on the case's name alone."""

    def __init__(self, case):
        self.case = case
        self.rng = np.random.default_rng(zlib.crc32(case.name.encode()))
        self.feeds, self.outputs = {}, []
        self.nodes, self.initializers, self.inputs, self.functions = [], [], [], []
        self.used = {}
        self.ir_version = max(4, helper.find_min_ir_version_for([self.opset_id()]))

    def opset_id(self):
        return helper.make_opsetid("", self.case.opset)

    def fresh(self, stem):
        """`stem`, then `stem_1`, `stem_2`, … as PyTorch's exporter counts."""
        count = self.used.get(stem, 0)
        self.used[stem] = count + 1
        return f"{stem}_{count}" if count else stem

    def input(self, *shape, low=-2.0, high=2.0, name="x"):
        """A float input and its recorded values: multiples of 1/64, which keeps the files small."""
        values = np.round(self.rng.uniform(low, high, shape) * 64) / 64
        name = self.fresh(name)
        self.feeds[name] = values.astype(np.float32)
        dims = ["N", *shape[1:]] if self.case.symbolic else shape
        self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, dims))
        return name

    def const(self, value, dtype=np.float32, name="const"):
        """An initializer holding `value`."""
        name = self.fresh(name)
        self.initializers.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def ints(self, *values):
        """A one-dimensional int64 initializer: axes, starts, shapes, …"""
        return self.const(values, np.int64, "ints")

    def constant(self, value, dtype=np.float32):
        """The output of a Constant node, as exporters write scalars."""
        return self.op("Constant", value=numpy_helper.from_array(np.asarray(value, dtype)))

    def normal(self, *shape, scale=1.0):
        return (self.rng.standard_normal(shape) * scale).astype(np.float32)

    def weight(self, *shape, fan_in=None):
        """Random weights of unit gain; `fan_in` is the product of all dimensions but the first."""
        fan_in = fan_in or max(1, int(np.prod(shape[1:])))
        return self.const(self.normal(*shape, scale=fan_in**-0.5), name="weight")

    def bias(self, *shape):
        return self.const(self.normal(*shape, scale=0.5), name="bias")

    def op(self, kind, *inputs, outputs=1, **attributes):
        """Adds a node; returns its output's name, or a list of names where it has several."""
        name = self.fresh(f"/{kind}")
        made = [f"{name}_output_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, made, name, **attributes))
        return made[0] if outputs == 1 else made

    def conv(self, x, *shape, bias=True, **attributes):
        """Conv with random weights of `shape` [O,I/group,H,W]."""
        parameters = [self.weight(*shape)] + ([self.bias(shape[0])] if bias else [])
        attributes.setdefault("kernel_shape", shape[2:])
        return self.op("Conv", x, *parameters, **attributes)

    def batch_norm(self, x, channels, **attributes):
        parameters = [
            self.rng.uniform(0.5, 1.5, channels),
            self.normal(channels, scale=0.3),
            self.normal(channels, scale=0.3),
            self.rng.uniform(0.3, 1.5, channels),
        ]
        names = [self.const(value, name="bn") for value in parameters]
        return self.op("BatchNormalization", x, *names, **attributes)

    def dense(self, x, inputs, outputs):
        """Gemm as PyTorch writes a Linear layer."""
        parameters = [self.weight(outputs, inputs), self.bias(outputs)]
        return self.op("Gemm", x, *parameters, transB=1)

    def function(self, name, inputs, outputs, nodes, attributes=(), defaults=(), opset=None):
        """A function of the model's own, in the domain `local`."""
        opsets = [helper.make_opsetid("", opset or self.case.opset), helper.make_opsetid("local", 1)]
        parts = [name, inputs, outputs, nodes, opsets, attributes, defaults]
        self.functions.append(helper.make_function("local", *parts))

    def output(self, *names):
        """Names graph outputs, in order."""
        self.outputs += names

    def model(self, infos):
        """The finished model; `infos` describe the outputs."""
        graph = helper.make_graph(self.nodes, self.case.name, self.inputs, infos, self.initializers)
        domains = sorted({node.domain for node in self.nodes if node.domain})
        opsets = [self.opset_id(), *(helper.make_opsetid(domain, 1) for domain in domains)]
        return helper.make_model(graph, functions=self.functions, opset_imports=opsets, ir_version=self.ir_version)
