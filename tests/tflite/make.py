#!/usr/bin/env python3
"""Write the suite's models, their inputs, and the outputs that LiteRT gives for them.

    python3 -m venv venv && venv/bin/pip install -r requirements.txt
    venv/bin/python make.py [case ...]

The same versions give the same files. What `keras_models.py` has written stays, and gets its outputs here.
"""

import json
import sys
import zlib
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from cases import BROKEN, CASES, Net

HERE = Path(__file__).resolve().parent


def interpreter(content):
    """LiteRT as users have it, on one thread."""
    found = Interpreter(model_content=content, num_threads=1)
    found.allocate_tensors()
    return found


def run(engine, inputs):
    for detail, value in zip(engine.get_input_details(), inputs, strict=True):
        engine.set_tensor(detail["index"], value)
    engine.invoke()
    return [engine.get_tensor(detail["index"]).copy() for detail in engine.get_output_details()]


def write_case(case):
    """Writes NAME.tflite and NAME.npz."""
    net = Net(case.name)
    case.build(net)
    inputs = [net.values() for _ in range(case.runs)]
    engine = interpreter(net.bytes())
    run(engine, inputs[0])
    shapes = {detail["name"]: detail["shape"].tolist() for detail in engine.get_tensor_details()}
    content = net.bytes(shapes)
    engine = interpreter(content)
    outputs = [run(engine, values) for values in inputs]
    arrays = {}
    for details, runs, prefix in (
        (engine.get_input_details(), inputs, "in"),
        (engine.get_output_details(), outputs, "out"),
    ):
        for i, detail in enumerate(details):
            values = np.stack([values[i] for values in runs]) if case.runs > 1 else runs[0][i]
            if not np.isfinite(values).all():
                raise ValueError("a value is not finite")
            arrays[f"{prefix}:{detail['name']}"] = values
    (HERE / f"{case.name}.tflite").write_bytes(content)
    np.savez_compressed(HERE / f"{case.name}.npz", **arrays)


def write_outputs(path):
    """Writes the outputs of a file that is there, for integers of any size."""
    engine = interpreter(path.read_bytes())
    details, rng = engine.get_input_details(), np.random.default_rng(zlib.crc32(path.stem.encode()))
    limits = [np.iinfo(detail["dtype"]) for detail in details]
    inputs = [
        rng.integers(limit.min, limit.max, detail["shape"], endpoint=True).astype(detail["dtype"])
        for detail, limit in zip(details, limits, strict=True)
    ]
    arrays = {f"in:{detail['name']}": values for detail, values in zip(details, inputs, strict=True)}
    outputs = zip(engine.get_output_details(), run(engine, inputs), strict=True)
    arrays |= {f"out:{detail['name']}": values for detail, values in outputs}
    np.savez_compressed(path.with_suffix(".npz"), **arrays)


def write_broken():
    """Writes bad/NAME.tflite; LiteRT does not see them."""
    (HERE / "bad").mkdir(exist_ok=True)
    for name, build in BROKEN.items():
        net = Net(name)
        build(net)
        (HERE / "bad" / f"{name}.tflite").write_bytes(net.bytes())


def main():
    wanted = sys.argv[1:] or list(CASES)
    if not sys.argv[1:]:
        for old in [*HERE.glob("*.tflite"), *HERE.glob("*.npz")]:
            if "_keras_" not in old.name:
                old.unlink()
    failed = []
    for name in wanted:
        try:
            write_case(CASES[name])
        except Exception as error:
            failed.append(f"{name}: {error}")
    for path in sorted(HERE.glob("*_keras_*.tflite")):
        write_outputs(path)
    write_broken()
    about = {name: CASES[name].about for name in sorted(CASES)}
    (HERE / "cases.json").write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n")
    files = [f for f in HERE.iterdir() if f.suffix in (".tflite", ".npz", ".json")]
    print(f"{len(CASES)} cases, {sum(f.stat().st_size for f in files)} bytes")
    if failed:
        sys.exit("\n".join(failed))


if __name__ == "__main__":
    main()
