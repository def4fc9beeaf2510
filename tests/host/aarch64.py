#!/usr/bin/env python3
"""Count the instructions that onnxruntime takes on AArch64, emulated, beside those of `cargo xtask processor`.

    cargo xtask processor --cpu cortex-a76 --model kws.lace       # compiles the counter, once
    python aarch64.py WORK kws_qdq.onnx [--cpu cortex-a53]

Debian's Python and PyPI's wheel for arm64 are unpacked in the folder WORK and run by qemu-aarch64 on one thread. The inference that is counted is
the third; the call from Python is in it, some ten thousand instructions. onnxruntime looks for the processor's features in /proc/cpuinfo, so that
of the processor is laid there.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

PACKAGES = """python3.11-minimal libpython3.11-minimal libpython3.11-stdlib libc6 libgcc-s1 libstdc++6 zlib1g libexpat1 libffi8 libssl3
libbz2-1.0 liblzma5 libsqlite3-0 libuuid1 libcrypt1""".split()
WHEELS = "onnxruntime==1.32.0 numpy==2.4.6 flatbuffers==25.12.19 protobuf==7.36.2 packaging==26.4".split()
PLATFORMS = ["manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux2014_aarch64"]

# What Linux tells of a processor.
BASE = "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid"
DOT = BASE + " atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp"
FEATURES = {"cortex-a53": (BASE, "0xd03"), "cortex-a76": (DOT, "0xd0b"), "max,sve=off": (DOT + " i8mm bf16", "0xd40")}

# Begin and end of what is counted are calls of functions in machine code, `mov x10, x10; ret` and `mov x11, x11; ret`.
RUN = """
import ctypes, mmap, sys
import numpy as np
import onnxruntime as ort
options = ort.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = ort.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
binding = session.io_binding()
for i in session.get_inputs():
    dtype = {"tensor(float)": np.float32, "tensor(int8)": np.int8, "tensor(uint8)": np.uint8}[i.type]
    shape = [dim if isinstance(dim, int) else 1 for dim in i.shape]
    binding.bind_cpu_input(i.name, np.random.default_rng(0).integers(0, 100, shape).astype(dtype))
for o in session.get_outputs():
    binding.bind_output(o.name)
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(bytes.fromhex("ea030aaac0035fd6" "eb030baac0035fd6"))
at = ctypes.addressof(ctypes.c_char.from_buffer(code))
begin, end = (ctypes.CFUNCTYPE(None)(at + offset) for offset in (0, 8))
for _ in range(2):
    session.run_with_iobinding(binding)
begin()
session.run_with_iobinding(binding)
end()
"""


def call(*command, **options):
    """Runs a command; what it prints is shown if it fails."""
    done = subprocess.run([str(word) for word in command], text=True, capture_output=True, **options)
    if done.returncode:
        sys.exit(f"{command[0]}: {done.stdout}{done.stderr}")


def unpack(work):
    """Python and the wheels in `work`, unless they are there."""
    if (work / "ready").exists():
        return
    lists = work / "apt"
    for folder in ("lists/partial", "cache/archives/partial"):
        (lists / folder).mkdir(parents=True, exist_ok=True)
    apt = {"Dir::State::lists": lists / "lists", "Dir::Cache": lists / "cache", "Dir::State::status": "/dev/null",
           "APT::Architecture": "arm64", "APT::Architectures": "arm64", "APT::Sandbox::User": "root"}
    apt = ["apt-get", "-qq", *(word for name, value in apt.items() for word in ("-o", f"{name}={value}"))]
    # Other sources of this machine need not have the architecture.
    subprocess.run([*apt, "update"], capture_output=True)
    call(*apt, "download", *PACKAGES, cwd=work)
    for package in work.glob("*.deb"):
        call("dpkg", "-x", package, work / "root")
    platforms = [word for name in PLATFORMS for word in ("--platform", name)]
    call(sys.executable, "-m", "pip", "install", "--no-deps", "--only-binary=:all:", "--python-version", "311", *platforms,
         "--target", work / "site", *WHEELS)
    (work / "run.py").write_text(RUN)
    (work / "ready").touch()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("model", type=Path, nargs="+")
    parser.add_argument("--cpu", choices=FEATURES, default="cortex-a76")
    args = parser.parse_args()
    target = Path(os.environ.get("CARGO_TARGET_DIR", Path(__file__).resolve().parents[2] / "target"))
    counters = sorted((target / "qemu").glob("count-*.so"), key=lambda path: path.stat().st_mtime)
    if not counters:
        sys.exit("no counter yet: `cargo xtask processor` compiles it")
    work = args.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    unpack(work)
    root, (features, part) = work / "root", FEATURES[args.cpu]
    (root / "proc").mkdir(exist_ok=True)
    (root / "proc/cpuinfo").write_text(
        f"processor\t: 0\nFeatures\t: {features}\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x1\n"
        f"CPU part\t: {part}\nCPU revision\t: 0\n\n")
    python = {**os.environ, "PYTHONHOME": str(root / "usr"), "PYTHONPATH": str(work / "site")}
    for model in args.model:
        counts = work / "counts.txt"
        call("qemu-aarch64", "-L", root, "-cpu", args.cpu, "-plugin", f"{counters[-1]},out={counts}",
             root / "usr/bin/python3.11", work / "run.py", model.resolve(), env=python)
        print(f"{model.name:32} {int(counts.read_text().split()[1]):>12,} instructions", flush=True)


if __name__ == "__main__":
    main()
