#!/usr/bin/env python3
"""How long a conversion takes and how much memory: MobileNetV2 1.0 at 224x224, 200 samples.

    cargo build --release
    python speed.py ../../target/release/lacewing [--json] [--samples N]

Weights are random (He), samples are smoothed noise: time does not depend on what they mean. Each way to convert runs once, a process of its
own; memory is the largest resident set that it had.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# Expansion, output channels, repetitions, stride: Sandler et al., "MobileNetV2", 2018, table 2.
BLOCKS = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
WAYS = {
    "min-max, nearest": ["--calibrator", "minmax", "--rounding", "nearest"],
    "min-max, AdaRound": ["--calibrator", "minmax", "--rounding", "adaround"],
    "MSE, GPTQ (default)": [],
}


class Net:
    """Builds the ONNX graph node by node."""

    def __init__(self):
        self.nodes, self.tensors, self.rng = [], [], np.random.default_rng(1)

    def tensor(self, value):
        name = f"t{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def node(self, op, *inputs, **attributes):
        name = f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name, **attributes))
        return name

    def conv(self, x, i, o, kernel=1, stride=1, group=1, clip=True):
        fan = i // group * kernel * kernel
        weight = self.rng.standard_normal((o, i // group, kernel, kernel)) * np.sqrt(2 / fan)
        x = self.node("Conv", x, self.tensor(weight), self.tensor(0.1 * self.rng.standard_normal(o)), group=group,
                      kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[kernel // 2] * 4)
        return self.node("Clip", x, self.tensor(0), self.tensor(6)) if clip else x

    def mobilenet(self):
        x, wide = self.conv("x", 3, 32, 3, 2), 32
        for factor, out, count, stride in BLOCKS:
            for at in range(count):
                step, inner = stride if at == 0 else 1, wide * factor
                y = self.conv(x, wide, inner) if factor > 1 else x
                y = self.conv(y, inner, inner, 3, step, inner)
                y = self.conv(y, inner, out, clip=False)
                x, wide = self.node("Add", x, y) if step == 1 and wide == out else y, out
        x = self.node("Flatten", self.node("GlobalAveragePool", self.conv(x, wide, 1280)))
        weight = self.rng.standard_normal((1000, 1280)) / np.sqrt(1280)
        x = self.node("Gemm", x, self.tensor(weight), self.tensor(np.zeros(1000)), transB=1)
        value = helper.make_tensor_value_info
        inputs, outputs = [value("x", TensorProto.FLOAT, [1, 3, 224, 224])], [value(x, TensorProto.FLOAT, [1, 1000])]
        graph = helper.make_graph(self.nodes, "mobilenetv2", inputs, outputs, self.tensors)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def samples(count):
    """Noise whose neighbors are alike, about 0."""
    noise = np.random.default_rng(2).standard_normal((count, 3, 28, 28)).astype(np.float32)
    return noise.repeat(8, 2).repeat(8, 3)


def run(command):
    """Seconds, and the largest resident set in MiB."""
    start = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"{command} failed")
    return time.monotonic() - start, usage.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lacewing", type=Path)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        model, calib, lace = (Path(folder) / name for name in ("model.onnx", "calib.npz", "model.lace"))
        onnx.save(Net().mobilenet(), model)
        np.savez(calib, x=samples(args.samples))
        for way, options in WAYS.items():
            seconds, mebibytes = run([args.lacewing.resolve(), "convert", model, "--calib", calib, "-o", lace, *options])
            rows.append({"way": way, "samples": args.samples, "seconds": round(seconds, 1), "peak_mib": round(mebibytes)})
            if not args.json:
                print(f"{way:20} {seconds:6.1f} s  {mebibytes:6.0f} MiB", flush=True)
    if args.json:
        print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
