#!/usr/bin/env python3
"""Write the suite's models, their inputs, and the outputs that onnxruntime gives for them.

    python3 -m venv venv && venv/bin/pip install -r requirements.txt
    venv/bin/python make.py

The same versions give the same files. Every model passes onnx's checker, and its outputs are
compared with onnx's own reference evaluator, so that no quirk of one engine becomes our truth.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from cases import CASES, Net
from cases.broken import BROKEN, file_bytes

HERE = Path(__file__).resolve().parent
TOLERANCE = 1e-4  # between onnxruntime and the reference evaluator, relative to the largest output


def run(model, feeds):
    """onnxruntime's outputs, with its graph optimizations off."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return session.run(None, feeds)


def bare_infos(net):
    """Output descriptions without shapes or types, which the first run finds out."""
    inferred = onnx.shape_inference.infer_shapes(
        net.model([onnx.ValueInfoProto(name=name) for name in net.outputs])
    )
    kinds = {v.name: v.type.tensor_type.elem_type for v in inferred.graph.output}
    return [
        helper.make_tensor_value_info(name, kinds[name] or TensorProto.FLOAT, None)
        for name in net.outputs
    ]


def info(net, name, value):
    """The description of one output as it came out of a run."""
    kind = helper.np_dtype_to_tensor_dtype(value.dtype)
    dims = list(value.shape)
    if net.case.symbolic:
        dims[0] = "N"
    return helper.make_tensor_value_info(name, kind, dims)


def wrong_in_reference(model):
    """Known faults of the reference evaluator; a few lines of numpy agreed with onnxruntime.

    Before opset 14 it trains batch norms instead of applying them, before opset 13 it gives
    Softmax the meaning of opset 13, and it loses a row of max_pool_same_lower. It does not know
    Upsample, Resize before opset 11, GlobalLpPool, fails on dilated ConvTranspose in groups, and
    reads neither the lengths nor the clip of an LSTM. It fails on attributes of functions in functions
    and on scans from the end.
    """
    opset = model.opset_import[0].version
    ops = {node.op_type for node in model.graph.node}
    return (opset < 14 and "BatchNormalization" in ops) or model.graph.name in (
        "softmax_coerced",
        "max_pool_same_lower",
        "upsample_attribute",
        "upsample_linear",
        "resize_opset_10",
        "global_lp_pool",
        "conv_transpose_groups",
        "lstm_lengths",
        "lstm_clip",
        "functions",
        "scan_lstm_reversed",
    )


def disagreement(model, feeds, outputs):
    """The largest difference from the reference evaluator, relative to the largest output."""
    if wrong_in_reference(model):
        return 0.0
    expected = ReferenceEvaluator(model).run(None, feeds)
    worst = 0.0
    for want, got in zip(expected, outputs, strict=True):
        if np.shape(want) != got.shape:
            return np.inf
        difference = np.abs(np.asarray(want, np.float64) - got).max()
        worst = max(worst, difference / max(1e-6, np.abs(got).max()))
    return worst


def write_case(case):
    """Writes NAME.onnx and NAME.npz; returns how far the two engines are apart."""
    net = Net(case)
    case.build(net)
    outputs = run(net.model(bare_infos(net)), net.feeds)
    model = net.model([info(net, n, v) for n, v in zip(net.outputs, outputs, strict=True)])
    onnx.checker.check_model(model, full_check=True)
    if not all(np.isfinite(value).all() for value in outputs):
        raise ValueError(f"{case.name}: an output is not finite")
    (HERE / f"{case.name}.onnx").write_bytes(model.SerializeToString(deterministic=True))
    arrays = {f"in:{name}": value for name, value in net.feeds.items()}
    arrays |= {f"out:{name}": value for name, value in zip(net.outputs, outputs, strict=True)}
    np.savez_compressed(HERE / f"{case.name}.npz", **arrays)
    return disagreement(model, net.feeds, outputs)


def write_broken():
    folder = HERE / "bad"
    folder.mkdir(exist_ok=True)
    for name in BROKEN:
        (folder / f"{name}.onnx").write_bytes(file_bytes(name))
    expected = {f"{name}.onnx": BROKEN[name][1] for name in sorted(BROKEN)}
    (folder / "bad.json").write_text(json.dumps(expected, indent=2) + "\n")


def main():
    for old in [*HERE.glob("*.onnx"), *HERE.glob("*.npz"), *HERE.glob("bad/*")]:
        old.unlink()
    apart = []
    for case in CASES.values():
        try:
            difference = write_case(case)
        except Exception as error:
            raise RuntimeError(f"case {case.name}") from error
        if not difference <= TOLERANCE:
            apart.append(f"{case.name}: onnxruntime and the reference differ by {difference:.2g}")
    about = {name: CASES[name].about for name in sorted(CASES)}
    (HERE / "cases.json").write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n")
    write_broken()
    size = sum(f.stat().st_size for f in HERE.rglob("*") if f.suffix in (".onnx", ".npz", ".json"))
    print(f"{len(CASES)} cases, {len(BROKEN)} broken files, {size} bytes")
    if apart:
        sys.exit("\n".join(apart))


if __name__ == "__main__":
    main()
