#!/usr/bin/env python3
"""Models for `cargo xtask bench-host` that no folder has.

    python make.py mobilenet DIR          MobileNetV2 1.0 at 224x224 with random weights: mobilenet_v2.onnx, mobilenet_v2_qdq.onnx,
                                          and of the same shapes mobilenet_v2.tflite, mobilenet_v2_int8.tflite
    python make.py ncnn MODEL.onnx DIR    the same for ncnn, by pnnx: NAME.ncnn.param, NAME.ncnn.bin and NAME.ncnn.json, its input's shape
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import onnx


def mobilenet(folder):
    sys.path.append(str(Path(__file__).resolve().parent.parent / "accuracy"))
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from speed import BLOCKS, Net, samples
    from tflite import mobilenet as tflite

    class Noise(CalibrationDataReader):
        def __init__(self):
            self.rows = iter(samples(8))

        def get_next(self):
            row = next(self.rows, None)
            return None if row is None else {"x": row[None]}

    model = folder / "mobilenet_v2.onnx"
    onnx.save(Net().mobilenet(), model)
    types = {"activation_type": QuantType.QInt8, "weight_type": QuantType.QInt8}
    path = folder / "mobilenet_v2_qdq.onnx"
    quantize_static(model, path, Noise(), quant_format=QuantFormat.QDQ, per_channel=True, **types)
    (folder / "mobilenet_v2.tflite").write_bytes(tflite(BLOCKS, int8=False))
    (folder / "mobilenet_v2_int8.tflite").write_bytes(tflite(BLOCKS, int8=True))


def ncnn(model, folder):
    graph = onnx.load(model).graph
    weights = {tensor.name for tensor in graph.initializer}
    port = next(port for port in graph.input if port.name not in weights)
    shape = [dim.dim_value or 1 for dim in port.type.tensor_type.shape.dim]
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / model.name
        shutil.copy(model, copy)
        pnnx = Path(sys.executable).with_name("pnnx")
        shown = json.dumps(shape, separators=(",", ":"))
        done = subprocess.run([pnnx, copy, f"inputshape={shown}", "fp16=0"], cwd=scratch, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"pnnx failed on {model}:\n{done.stdout}{done.stderr}")
        stem = model.stem.replace("-", "_")
        for suffix in ("param", "bin"):
            shutil.copy(Path(scratch) / f"{stem}.ncnn.{suffix}", folder / f"{model.stem}.ncnn.{suffix}")
    (folder / f"{model.stem}.ncnn.json").write_text(json.dumps(shape))


def main():
    match sys.argv[1:]:
        case ["mobilenet", folder]:
            mobilenet(Path(folder))
        case ["ncnn", model, folder]:
            ncnn(Path(model), Path(folder))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
