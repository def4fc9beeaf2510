#!/usr/bin/env python3
"""How long one inference takes in another engine: one process, one engine, one model.

    python peer.py litert|onnxruntime|openvino|ncnn MODEL --threads N --seconds S

Prints one JSON object: `load_us` until the engine could run, `first_us` of the first run, `min_us` and
`median_us` of the runs after it, `runs`, and `peak_memory_bytes` of the process, Python's own share included. Loading begins when the engine's
package has been imported.
"""

import argparse
import json
import os
import statistics
import time
from pathlib import Path


def random(shape, dtype):
    """Any byte in integers, −1..1 in f32."""
    import numpy as np

    rng, dtype = np.random.default_rng(1), np.dtype(dtype)
    if dtype.kind == "f":
        return rng.uniform(-1, 1, shape).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(max(limits.min, -128), min(limits.max, 255), shape, dtype, endpoint=True)


def litert(threads):
    """LiteRT with XNNPACK, as its interpreter comes."""
    from ai_edge_litert.interpreter import Interpreter

    def load(path):
        model = Interpreter(path, num_threads=threads)
        model.allocate_tensors()
        for port in model.get_input_details():
            model.set_tensor(port["index"], random(port["shape"], port["dtype"]))
        return model.invoke

    return load


def onnxruntime(threads):
    """onnxruntime's CPU provider with every optimization."""
    import onnxruntime as engine

    engine.set_default_logger_severity(3)
    types = {"tensor(float)": "float32", "tensor(int8)": "int8", "tensor(uint8)": "uint8", "tensor(int64)": "int64"}

    def load(path):
        options = engine.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        session = engine.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        fixed = lambda shape: [dim if isinstance(dim, int) else 1 for dim in shape]
        inputs = {port.name: random(fixed(port.shape), types[port.type]) for port in session.get_inputs()}
        return lambda: session.run(None, inputs)

    return load


def openvino(threads):
    """OpenVINO, made for latency."""
    import openvino as engine

    def load(path):
        core = engine.Core()
        hints = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        model = core.read_model(path)
        one = lambda shape: [dim.get_length() if dim.is_static else 1 for dim in shape]
        model.reshape({port: one(port.partial_shape) for port in model.inputs})
        model = core.compile_model(model, "CPU", hints)
        request = model.create_infer_request()
        for index, port in enumerate(model.inputs):
            request.set_input_tensor(index, engine.Tensor(random(list(port.shape), port.element_type.to_dtype())))
        return request.infer

    return load


def ncnn(threads):
    """ncnn, of what pnnx wrote: `NAME.ncnn.param`, whose first input has the shape that pnnx was given."""
    import ncnn as engine

    def load(path):
        net = engine.Net()
        net.opt.num_threads = threads
        net.load_param(path)
        net.load_model(str(Path(path).with_suffix(".bin")))
        shape = json.loads(Path(path).with_suffix(".json").read_text())
        data = engine.Mat(random(shape[1:], "float32"))

        def run():
            with net.create_extractor() as extractor:
                extractor.input(net.input_names()[0], data)
                for name in net.output_names():
                    extractor.extract(name)

        return run

    return load


def peak():
    """Bytes that the process had at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), None)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    engines = {engine.__name__: engine for engine in (litert, onnxruntime, openvino, ncnn)}
    parser.add_argument("engine", choices=engines)
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0.5)
    args = parser.parse_args()
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    load = engines[args.engine](args.threads)
    times, clock = [], time.perf_counter
    start = clock()
    run = load(args.model)
    ready = clock()
    run()
    first = clock()
    warm, end = first + args.seconds / 5, first + args.seconds
    while (now := clock()) < end or len(times) < 5:
        run()
        if now >= warm or clock() >= end:
            times.append(clock() - now)
    print(
        json.dumps(
            {
                "load_us": (ready - start) * 1e6,
                "first_us": (first - ready) * 1e6,
                "min_us": min(times) * 1e6,
                "median_us": statistics.median(times) * 1e6,
                "runs": len(times),
                "peak_memory_bytes": peak(),
            }
        )
    )


if __name__ == "__main__":
    main()
