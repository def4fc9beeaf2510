#!/usr/bin/env python3
"""Write the cases of ONNX's own backend suite as folders, KIND/CASE/model.onnx beside tensors.

    python3 -m venv venv && venv/bin/pip install -r requirements.txt
    venv/bin/python make.py OUT

Node cases are computed by the package `onnx`, each from its own seed; the others lie in it as
files. The same versions give the same bytes. A case holds `model.onnx`,
`test_data_set_0/{input,output}_N.pb`, and `data.json` where its tolerance is not the usual one.
"""

import argparse
import json
import shutil
import warnings
from pathlib import Path

import onnx
from onnx import TensorProto, numpy_helper
from onnx.backend.test.loader import DATA_DIR, load_model_tests
from onnx.backend.test.runner import Runner

USUAL = {"rtol": 1e-3, "atol": 1e-7}
MADE = "made.txt"  # written last: a folder without it is not complete


def proto(value, info):
    """The protobuf of one input or output, of the type that the graph declares."""
    kind = info.type.WhichOneof("value")
    write = {
        "map_type": numpy_helper.from_dict,
        "sequence_type": numpy_helper.from_list,
        "optional_type": numpy_helper.from_optional,
        "tensor_type": numpy_helper.from_array,
    }[kind]
    if kind == "tensor_type" and isinstance(value, TensorProto):
        return value
    return write(value, info.name)


def write_set(folder, graph, inputs, outputs):
    folder.mkdir()
    for name, values, infos in (("input", inputs, graph.input), ("output", outputs, graph.output)):
        for i, (value, info) in enumerate(zip(values, infos, strict=False)):
            bytes_ = proto(value, info).SerializeToString(deterministic=True)
            (folder / f"{name}_{i}.pb").write_bytes(bytes_)


def write_node(case, folder):
    """A case that exists in memory."""
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(case.model.SerializeToString(deterministic=True))
    for i, (inputs, outputs) in enumerate(case.data_sets):
        write_set(folder / f"test_data_set_{i}", case.model.graph, inputs, outputs)


def write_light(case, folder):
    """A network whose weights are a pattern, on the suite's own input."""
    folder.mkdir(parents=True)
    source = Path(DATA_DIR) / "light" / Path(case.url).name
    shutil.copyfile(source, folder / "model.onnx")
    graph = onnx.load(source).graph
    constants = {tensor.name for tensor in graph.initializer}
    [info] = [info for info in graph.input if info.name not in constants]
    value = Runner.generate_dummy_data(info, seed=0, name=case.model_name, random=False)
    sets = folder / "test_data_set_0"
    sets.mkdir()
    (sets / "input_0.pb").write_bytes(proto(value, info).SerializeToString(deterministic=True))
    shutil.copyfile(source.with_name(f"{source.stem}_output_0.pb"), sets / "output_0.pb")


def write(case, folder):
    if case.model is not None:
        write_node(case, folder)
    elif case.model_dir is not None:
        shutil.copytree(case.model_dir, folder)
    else:
        write_light(case, folder)
    tolerance = {"rtol": case.rtol, "atol": case.atol}
    if tolerance != USUAL:
        (folder / "data.json").write_text(json.dumps(tolerance) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="the folder to write, which is emptied first")
    out = parser.parse_args().out
    warnings.simplefilter("ignore")  # the suite divides by zero on purpose
    out.mkdir(parents=True, exist_ok=True)
    (out / MADE).unlink(missing_ok=True)
    kinds = ["node", "pytorch-converted", "pytorch-operator", "real", "simple"]
    for kind in kinds:
        shutil.rmtree(out / kind, ignore_errors=True)
        cases = sorted(load_model_tests(kind=kind), key=lambda case: case.name)
        for case in cases:
            write(case, out / kind / case.name)
        print(f"{kind}: {len(cases)} cases")
    (out / MADE).write_text(f"onnx {onnx.__version__}\n")


if __name__ == "__main__":
    main()
