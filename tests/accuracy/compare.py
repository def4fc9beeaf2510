#!/usr/bin/env python3
"""Quantize networks with lacewing and with onnxruntime, and compare both with the float original on the test images.

    python train.py OUT
    cargo build --release
    python compare.py OUT ../../target/release/lacewing [--json]

For every network: top-1, share of images in the same class as float, and SQNR of the logits in dB, over all of `test.npz`; ranges come from
`calib.npz`. onnxruntime quantizes statically to QDQ with weights per channel, once for each of its calibrators, the best by SQNR counts;
its int4 has weights per channel and int8 activations. Networks are `*.onnx` files of one image input `x` and one output.
"""

import argparse
import json
import math
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

OURS = {
    "int8": ["--precision", "int8"],
    "int4": ["--precision", "int4"],
    "int8 x int16": ["--precision", "int16"],
}
METHODS = [CalibrationMethod.MinMax, CalibrationMethod.Percentile, CalibrationMethod.Entropy]


class Reader(CalibrationDataReader):
    """One sample after another."""

    def __init__(self, name, samples):
        self.left = iter([{name: sample[None]} for sample in samples])

    def get_next(self):
        return next(self.left, None)


def run_onnx(path, images):
    """Logits by onnxruntime, one thread."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: image[None]})[0].reshape(1, -1) for image in images])


def run_lace(binary, model, data):
    """Logits by the runtime."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "y.npy"
        command = [binary, "run", model, "--input", data, "--output", output]
        subprocess.run(command, check=True, capture_output=True)
        logits = np.load(output)
    return logits.reshape(len(logits), -1)


def measured(logits, float_logits, labels):
    """Top-1, agreement and SQNR."""
    noise = ((logits - float_logits) ** 2).sum()
    signal = (float_logits.astype(np.float64) ** 2).sum()
    return {
        "top1": float((logits.argmax(1) == labels).mean()),
        "agreement": float((logits.argmax(1) == float_logits.argmax(1)).mean()),
        "sqnr_db": round(10 * math.log10(signal / noise), 2) if noise else math.inf,
    }


def ours(binary, model, folder, extra):
    """A file of ours for one arithmetic."""
    output = folder / "ours.lace"
    command = [binary, "convert", model, "-o", output, "--calib", model.parent / "calib.npz", *extra]
    subprocess.run(command, check=True, capture_output=True)
    return output


def theirs(model, folder, samples, weights, activations):
    """Files of onnxruntime, one for each calibrator that works."""
    prepared = folder / "prepared.onnx"
    quant_pre_process(str(model), str(prepared), skip_symbolic_shape=True)
    name = onnx.load(prepared).graph.input[0].name
    for method in METHODS:
        output = folder / f"{method.name}.onnx"
        quantize_static(
            str(prepared), str(output), Reader(name, samples), quant_format=QuantFormat.QDQ, per_channel=True,
            weight_type=weights, activation_type=activations, calibrate_method=method,
        )
        yield method.name, output


def networks(binary, folder, images, truth, samples):
    """A row for each network, program and arithmetic."""
    for model in sorted(folder.glob("*.onnx")):
        reference = run_onnx(str(model), images)
        yield model.stem, "float", "", measured(reference, reference, truth)
        with tempfile.TemporaryDirectory() as scratch:
            scratch = Path(scratch)
            for arithmetic, extra in OURS.items():
                lace = ours(binary, model, scratch, extra)
                logits = run_lace(binary, lace, folder / "test.npz")
                yield model.stem, "lacewing", arithmetic, measured(logits, reference, truth)
            for arithmetic, weights, activations in [
                ("int8", QuantType.QInt8, QuantType.QInt8),
                ("int4", QuantType.QInt4, QuantType.QInt8),
                ("int8 x int16", QuantType.QInt8, QuantType.QInt16),
            ]:
                found = []
                for method, output in theirs(model, scratch, samples, weights, activations):
                    try:
                        found.append((measured(run_onnx(str(output), images), reference, truth), method))
                    except Exception as error:  # noqa: BLE001 - what it refuses is part of the comparison
                        print(f"{model.stem}: onnxruntime {arithmetic} {method}: {error}")
                if found:
                    best, method = max(found, key=lambda each: each[0]["sqnr_db"])
                    yield model.stem, f"onnxruntime {method}", arithmetic, best


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("lacewing", type=Path)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    test, calib = np.load(args.folder / "test.npz"), np.load(args.folder / "calib.npz")
    rows = []
    for network, program, arithmetic, row in networks(args.lacewing.resolve(), args.folder, test["x"], test["y"], calib["x"]):
        rows.append({"network": network, "program": program, "arithmetic": arithmetic, **row})
        if not args.json:
            print(f"{network:10} {program:24} {arithmetic:14} top-1 {row['top1']:.4f}  same class {row['agreement']:.4f}  "
                  f"{row['sqnr_db']:6.2f} dB", flush=True)
    if args.json:
        print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
