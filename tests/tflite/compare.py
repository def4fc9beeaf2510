#!/usr/bin/env python3
"""Compare LiteRT on a file with onnxruntime on what the converter reads in its place, on random inputs or on given ones.

    cargo build -p lacewing-convert --example tflite_as_onnx
    venv/bin/python compare.py [--data NPZ] model.tflite ...

`--data` holds rows `x` in the units of the file's input. A state goes from run to run, and starts at zero.
"""

import argparse
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from make import interpreter, run

TRANSLATE = Path(__file__).resolve().parents[2] / "target/debug/examples/tflite_as_onnx"
RUNS = 30


class Translated:
    """The ONNX model of a file, run by onnxruntime without its optimizations."""

    def __init__(self, path):
        with tempfile.TemporaryDirectory() as folder:
            written = Path(folder) / "model.onnx"
            done = subprocess.run([TRANSLATE, path, written], capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(done.stderr.strip())
            self.model = onnx.load(written)
        onnx.checker.check_model(self.model, full_check=True)
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(self.model.SerializeToString(), options)
        listed = "".join(p.value for p in self.model.metadata_props if p.key == "lacewing.state")
        self.pairs = [pair.split(">") for pair in listed.split(";") if pair]
        self.state = {name: self.zeros(name) for name, _ in self.pairs}

    def zeros(self, name):
        """Integers that stand for zero, or zeros."""
        [given] = [i for i in self.session.get_inputs() if i.name == name]
        dtype = {"tensor(int8)": np.int8, "tensor(int16)": np.int16, "tensor(uint8)": np.uint8}
        constants = {t.name: t for t in self.model.graph.initializer}
        points = [n.input[2] for n in self.model.graph.node if n.op_type == "DequantizeLinear" and n.input[0] == name]
        zero = onnx.numpy_helper.to_array(constants[points[0]]) if points else 0
        return np.full(given.shape, zero, dtype.get(given.type, np.float32))

    def run(self, feeds):
        names = [output.name for output in self.session.get_outputs()]
        outputs = dict(zip(names, self.session.run(None, feeds | self.state), strict=True))
        self.state = {name: outputs[after] for name, after in self.pairs}
        return outputs


def random(rng, detail):
    if detail["dtype"] == np.float32:
        return rng.standard_normal(detail["shape"]).astype(np.float32)
    if detail["dtype"] == np.bool_:
        return rng.integers(0, 2, detail["shape"]).astype(np.bool_)
    limits = np.iinfo(detail["dtype"])
    wide = limits.bits > 16 or not detail["quantization"][0]
    low, high = (0, 4) if wide else (limits.min, limits.max)
    return rng.integers(low, high, detail["shape"], endpoint=True).astype(detail["dtype"])


def differences(path, rows):
    """The absolute differences of all outputs, whether they are integers, and how often the largest element is the same."""
    ours, theirs = Translated(path), interpreter(Path(path).read_bytes())
    details, rng = theirs.get_input_details(), np.random.default_rng(0)
    apart, agree, integers = [], [], False
    for i in range(RUNS if rows is None else len(rows)):
        if rows is None:
            inputs = [random(rng, detail) for detail in details]
        else:
            inputs = [rows[i].reshape(details[0]["shape"]).astype(details[0]["dtype"])]
        want = run(theirs, inputs)
        got = ours.run({detail["name"]: value for detail, value in zip(details, inputs, strict=True)})
        for detail, value in zip(theirs.get_output_details(), want, strict=True):
            found = got[detail["name"]]
            if found.shape != value.shape or found.dtype != value.dtype:
                raise RuntimeError(f"{found.shape} {found.dtype} where LiteRT has {value.shape} {value.dtype}")
            integers |= value.dtype != np.float32
            apart.append(np.abs(found.astype(np.float64) - value.astype(np.float64)).ravel())
            agree.append(found.argmax() == value.argmax())
    return np.concatenate(apart), integers, np.mean(agree)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", help="an .npz with rows `x`")
    parser.add_argument("models", nargs="+")
    args = parser.parse_args()
    rows = np.load(args.data)["x"] if args.data else None
    for path in args.models:
        try:
            apart, integers, agree = differences(path, rows)
        except Exception as error:
            print(f"{path}: {str(error)[:300]}")
            continue
        counts = dict(zip(*map(np.ndarray.tolist, np.unique(apart, return_counts=True)))) if integers else ""
        print(f"{path}: at most {apart.max():.3g} apart, same largest {agree:.1%} {counts}")


if __name__ == "__main__":
    main()
