#!/usr/bin/env python3
"""Compare every operator of a file, given LiteRT's own input, with LiteRT on that operator alone.

    cargo build --release -p lacewing-convert
    venv/bin/python layers.py [--data NPZ] [--verbose] model.tflite ...

LiteRT runs the whole file and shows every tensor. Each operator becomes a file of its own, whose inputs are those tensors; `lacewing`
converts and runs it, and its integers are compared with those of LiteRT's reference kernels, its optimized kernels, and as users have
it (XNNPACK). LiteRT's tables of some functions are rough: those are also compared with exact arithmetic, which then decides. The
exit status is 1 if a layer is more than 1 apart. `--data` holds rows `x` in the units of
the file's input.
"""

import argparse
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from compare import random
from make import run

LACEWING = Path(__file__).resolve().parents[2] / "target/release/lacewing"
KERNELS = {
    "reference": OpResolverType.BUILTIN_REF,
    "optimized": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    "default": OpResolverType.AUTO,
}
EXACT = {
    "LOGISTIC": lambda x: 1 / (1 + np.exp(-x)),
    "TANH": np.tanh,
    "SOFTMAX": lambda x: (powers := np.exp(x - x.max(-1, keepdims=True))) / powers.sum(-1, keepdims=True),
}
RUNS = 30
NAMES = {number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}
RESOURCE = schema.TensorType.RESOURCE


def litert(content, kernels, everything=False):
    found = Interpreter(
        model_content=content,
        num_threads=1,
        experimental_op_resolver_type=KERNELS[kernels],
        experimental_preserve_all_tensors=everything,
    )
    found.allocate_tensors()
    return found


@dataclass
class Layer:
    """One operator of a file: the tensors that it computes from others, and what they held in each run."""

    kind: str
    name: str
    inputs: list[int]
    outputs: list[int]
    content: bytes
    runs: list[list[np.ndarray]] = field(default_factory=list)


class File:
    """A file taken apart."""

    def __init__(self, content):
        self.content = content
        self.model = schema.ModelT.InitFromPackedBuf(content, 0)
        self.graph = self.model.subgraphs[0]
        self.skipped = []
        self.layers = [layer for operator in self.graph.operators if (layer := self.layer(operator))]

    def layer(self, operator):
        """The operator as a file of its own; None where it has no computed input or only handles variables."""
        code = self.model.operatorCodes[operator.opcodeIndex]
        name = NAMES[max(code.builtinCode, code.deprecatedBuiltinCode)]
        used = [i for i in [*operator.inputs, *operator.outputs] if i >= 0]
        inputs = list(dict.fromkeys(i for i in operator.inputs if i >= 0 and not self.constant(i)))
        keeps = any(self.graph.tensors[i].isVariable or self.graph.tensors[i].type == RESOURCE for i in used)
        if keeps or not inputs:
            self.skipped.append(name)
            return None
        outputs = list(operator.outputs)
        first = self.graph.tensors[outputs[0]].name.decode().split(";")[0]
        return Layer(name, f"{name} `{first}`", inputs, outputs, self.cut(operator, code, used, inputs))

    def constant(self, i):
        return self.model.buffers[self.graph.tensors[i].buffer].data is not None

    def cut(self, operator, code, used, inputs):
        """A file with these tensors alone. Names are unique in it, as those of inputs and outputs must be."""
        places = {old: new for new, old in enumerate(dict.fromkeys(used))}
        placed = lambda tensors: [places.get(i, -1) for i in tensors]
        buffers, tensors = [schema.BufferT()], []
        for old in places:
            from_file, table = self.graph.tensors[old], schema.TensorT()
            vars(table).update(vars(from_file))
            table.name, table.buffer = f"t{old}", 0
            if self.constant(old):
                table.buffer = len(buffers)
                buffers.append(self.model.buffers[from_file.buffer])
            tensors.append(table)
        alone = schema.OperatorT()
        vars(alone).update(vars(operator))
        alone.opcodeIndex, alone.inputs, alone.outputs = 0, placed(operator.inputs), placed(operator.outputs)
        graph, model = schema.SubGraphT(), schema.ModelT()
        graph.tensors, graph.operators = tensors, [alone]
        graph.inputs, graph.outputs = placed(inputs), placed(operator.outputs)
        model.version, model.buffers, model.operatorCodes, model.subgraphs = 3, buffers, [code], [graph]
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def trace(self, rows):
        """Runs the whole file and keeps what each layer reads. A state goes from run to run, and starts at zero."""
        engine, rng = litert(self.content, "optimized", everything=True), np.random.default_rng(0)
        details = engine.get_input_details()
        for i in range(RUNS if rows is None else len(rows)):
            if rows is None:
                inputs = [random(rng, detail) for detail in details]
            else:
                inputs = [rows[i].reshape(details[0]["shape"]).astype(details[0]["dtype"])]
            run(engine, inputs)
            for layer in self.layers:
                layer.runs.append([engine.get_tensor(i).copy() for i in layer.inputs])


def ours(layer):
    """What `lacewing` computes: for each output, all runs."""
    with tempfile.TemporaryDirectory() as folder:
        model, lace, x, y = (Path(folder) / name for name in ("m.tflite", "m.lace", "x.npz", "y.npz"))
        model.write_bytes(layer.content)
        columns = zip(layer.inputs, zip(*layer.runs, strict=True), strict=True)
        np.savez(x, **{f"t{i}": np.stack([value.reshape(-1) for value in values]) for i, values in columns})
        for command in (["convert", model, "-o", lace], ["run", lace, "--input", x, "--output", y]):
            done = subprocess.run([LACEWING, *command], capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(done.stderr.strip())
        outputs = np.load(y)
        return [outputs[f"t{i}"].reshape(len(layer.runs), -1) for i in layer.outputs]


def apart(layer, kernels, got):
    """The largest difference from LiteRT; in floats relative to 1 + |expected|."""
    engine, worst = litert(layer.content, kernels), 0.0
    for i, inputs in enumerate(layer.runs):
        for want, found in zip(run(engine, inputs), got, strict=True):
            unit = 1 if np.issubdtype(want.dtype, np.integer) else 1 + np.abs(want.reshape(-1))
            worst = max(worst, float((np.abs(found[i] - want.reshape(-1).astype(np.float64)) / unit).max()))
    return worst


def exact(layer, got):
    """The largest difference from the function's exact values, rounded once; None for other operators."""
    engine, function = litert(layer.content, "reference"), EXACT.get(layer.kind)
    x, y = engine.get_input_details()[0], engine.get_output_details()[0]
    (x_scale, x_zero), (scale, zero) = x["quantization"], y["quantization"]
    if function is None or not scale:
        return None
    limits, worst = np.iinfo(y["dtype"]), 0.0
    for i, [values] in enumerate(layer.runs):
        want = np.round(function(x_scale * (values.astype(np.float64) - x_zero)) / scale) + zero
        want = np.clip(want, limits.min, limits.max).reshape(-1)
        worst = max(worst, float(np.abs(got[0][i] - want).max()))
    return worst


def judge(path, rows, verbose):
    """Prints what is found of a file; whether every layer is within 1 of all kernels."""
    file = File(path.read_bytes())
    file.trace(rows)
    worst, good = dict.fromkeys(KERNELS, (0.0, "")), True
    for layer in file.layers:
        got = ours(layer)
        found = {kernels: apart(layer, kernels, got) for kernels in KERNELS}
        worst = {kernels: max(worst[kernels], (found[kernels], layer.name)) for kernels in KERNELS}
        if (truth := exact(layer, got)) is not None:
            found["exact arithmetic"] = truth
        good &= (max(found.values()) if truth is None else truth) <= 1
        if verbose or max(found.values()) > 1:
            print(f"  {layer.name}: " + ", ".join(f"{value:.3g} from {name}" for name, value in found.items()))
    print(f"{path}: {len(file.layers)} layers, {RUNS if rows is None else len(rows)} runs, at most")
    for kernels, (value, name) in worst.items():
        print(f"  {value:.3g} apart from LiteRT's {kernels} kernels{f', at {name}' if value else ''}")
    if file.skipped:
        print(f"  not compared: {', '.join(f'{file.skipped.count(n)} {n}' for n in sorted(set(file.skipped)))}")
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="an .npz with rows `x`")
    parser.add_argument("--verbose", action="store_true", help="print every layer")
    parser.add_argument("models", nargs="+", type=Path)
    args = parser.parse_args()
    rows = np.load(args.data)["x"][:RUNS] if args.data else None
    good = True
    for path in args.models:
        try:
            good &= judge(path, rows, args.verbose)
        except RuntimeError as error:
            print(f"{path}: {error}")
            good = False
    sys.exit(not good)


if __name__ == "__main__":
    main()
