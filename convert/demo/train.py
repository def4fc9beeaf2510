#!/usr/bin/env python3
"""Train the demo's Fashion-MNIST classifier and write everything the demo reads.

    apt-get install dataset-fashion-mnist
    python3 -m venv venv && venv/bin/pip install -r requirements.txt
    venv/bin/python train.py

writes `fashion.onnx`, `calib.npz` and `test.npz` beside this file. The same seed on the same
machine gives the same bytes. The network works on NHWC here and is written in NCHW, node for
node as PyTorch's exporter would write it: batch norms stay unfolded, ReLU6 is a Clip whose
bounds are Constant nodes.
"""

import argparse
import gzip
import math
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).resolve().parent
DATA = Path("/usr/share/datasets/fashion-mnist")
SEED = 7
EPSILON = 1e-5  # of the batch norms
CLASSES = 10
STEM = 16  # channels after the first convolution, 14 x 14
# Depthwise-separable blocks: output channels, stride, and whether the input is added to the output.
BLOCKS = [(32, 1, False), (64, 2, False), (64, 1, True), (64, 1, True), (128, 1, False)]


# The data


def read_idx(path):
    """One gzipped IDX file as a uint8 array."""
    raw = gzip.decompress(path.read_bytes())
    rank = raw[3]
    shape = np.frombuffer(raw, ">i4", rank, 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(shape)


def load(folder, split):
    """Images [N,28,28] in 0..255 and labels [N] of `train` or `t10k`."""
    images = read_idx(folder / f"{split}-images-idx3-ubyte.gz")
    return images, read_idx(folder / f"{split}-labels-idx1-ubyte.gz").astype(np.int64)


def augment(images, rng):
    """Shift every image by up to two pixels each way and mirror half of them."""
    count = len(images)
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (28, 28), axis=(1, 2))
    moved = windows[np.arange(count), rng.integers(0, 5, count), rng.integers(0, 5, count)].copy()
    mirrored = rng.random(count) < 0.5
    moved[mirrored] = moved[mirrored, :, ::-1]
    return moved


# The network


def norm_init(channels):
    return {"weight": np.ones(channels, np.float32), "bias": np.zeros(channels, np.float32)}


def init(rng):
    """Random parameters and the starting statistics of the batch norms, keyed by layer name."""

    def normal(shape, fan_in):
        return (rng.standard_normal(shape) * math.sqrt(2 / fan_in)).astype(np.float32)

    params = {"stem.conv": normal((9, STEM), 9), "stem.bn": norm_init(STEM)}
    wide = STEM
    for i, (out, _, _) in enumerate(BLOCKS):
        params[f"blocks.{i}.dw"] = normal((3, 3, wide), 9)
        params[f"blocks.{i}.dw_bn"] = norm_init(wide)
        params[f"blocks.{i}.pw"] = normal((wide, out), wide)
        params[f"blocks.{i}.pw_bn"] = norm_init(out)
        wide = out
    params["fc"] = normal((wide, CLASSES), 2 * wide)
    params["fc.bias"] = np.zeros(CLASSES, np.float32)
    stats = {
        name: (np.zeros_like(p["weight"]), np.ones_like(p["weight"]))
        for name, p in params.items()
        if isinstance(p, dict)
    }
    return params, stats


def taps(x, stride):
    """The nine shifted views [N,H/stride,W/stride,C] that a padded 3x3 window sees."""
    out = -(-x.shape[1] // stride)
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    reach = (out - 1) * stride + 1
    return [
        padded[:, i : i + reach : stride, j : j + reach : stride]
        for i in range(3)
        for j in range(3)
    ]


def depthwise(x, weight, stride):
    return sum(t * w for t, w in zip(taps(x, stride), weight.reshape(9, -1), strict=True))


def relu6(x):
    return jnp.clip(x, 0.0, 6.0)


class Norm:
    """Applies batch norms and collects the statistics that the next step starts from."""

    def __init__(self, params, stats, training):
        self.params, self.stats, self.training = params, dict(stats), training

    def __call__(self, name, x):
        mean, var = self.stats[name]
        if self.training:
            batch_mean, batch_var = x.mean((0, 1, 2)), x.var((0, 1, 2))
            self.stats[name] = (0.97 * mean + 0.03 * batch_mean, 0.97 * var + 0.03 * batch_var)
            mean, var = batch_mean, batch_var
        p = self.params[name]
        return (x - mean) * (p["weight"] / jnp.sqrt(var + EPSILON)) + p["bias"]


def forward(params, stats, x, training):
    """Logits [N,10] and the batch norms' statistics, from images [N,28,28] in 0..1."""
    norm = Norm(params, stats, training)
    x = jnp.concatenate(taps(x[..., None], 2), axis=-1) @ params["stem.conv"]
    x = relu6(norm("stem.bn", x))
    for i, (_, stride, residual) in enumerate(BLOCKS):
        name = f"blocks.{i}"
        y = relu6(norm(f"{name}.dw_bn", depthwise(x, params[f"{name}.dw"], stride)))
        y = norm(f"{name}.pw_bn", y @ params[f"{name}.pw"])
        x = relu6(x + y if residual else y)
    return x.mean((1, 2)) @ params["fc"] + params["fc.bias"], norm.stats


# Training


def loss_of(params, stats, x, y):
    """Cross-entropy with labels smoothed by 0.05."""
    logits, stats = forward(params, stats, x, True)
    target = jax.nn.one_hot(y, CLASSES) * 0.95 + 0.05 / CLASSES
    return -(target * jax.nn.log_softmax(logits)).sum(-1).mean(), stats


def one_cycle(step, steps, peak):
    """Rises linearly to `peak` over the first quarter, then falls along a cosine to nothing."""
    rise = steps / 4
    fall = (step - rise) / (steps - rise)
    return jnp.where(step < rise, peak * (step + 1) / rise, peak * (1 + jnp.cos(jnp.pi * fall)) / 2)


def adamw(params, grads, moments, step, rate, decay):
    """One AdamW step; biases and batch norms do not decay."""
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, moments[0], grads)
    second = jax.tree.map(lambda v, g: 0.99 * v + 0.01 * g * g, moments[1], grads)

    def update(p, m, v):
        m, v = m / (1 - 0.9 ** (step + 1)), v / (1 - 0.99 ** (step + 1))
        return p - rate * (m / (jnp.sqrt(v) + 1e-8) + (decay if p.ndim > 1 else 0.0) * p)

    return jax.tree.map(update, params, first, second), (first, second)


def train(images, labels, options):
    """The trained parameters and statistics as numpy arrays."""
    rng = np.random.default_rng(options.seed)
    params, stats = init(rng)
    moments = (jax.tree.map(np.zeros_like, params), jax.tree.map(np.zeros_like, params))
    batches = len(images) // options.batch
    steps = options.epochs * batches

    @jax.jit
    def step_on(params, stats, moments, step, x, y):
        x = x.astype(jnp.float32) / 255
        (loss, stats), grads = jax.value_and_grad(loss_of, has_aux=True)(params, stats, x, y)
        rate = one_cycle(step, steps, options.rate)
        params, moments = adamw(params, grads, moments, step, rate, options.decay)
        return params, stats, moments, loss

    for epoch in range(options.epochs):
        start, total = time.time(), 0.0
        order = rng.permutation(len(images))[: batches * options.batch].reshape(batches, -1)
        for i, batch in enumerate(order):
            x, y = augment(images[batch], rng), labels[batch]
            step = jnp.float32(epoch * batches + i)
            params, stats, moments, loss = step_on(params, stats, moments, step, x, y)
            total += float(loss)
        seconds = time.time() - start
        print(f"epoch {epoch + 1:2}  loss {total / batches:.4f}  {seconds:.0f} s", flush=True)
    return jax.tree.map(np.asarray, params), jax.tree.map(np.asarray, stats)


# Export


class Exporter:
    """Builds the ONNX graph node by node, named as PyTorch's exporter names them."""

    def __init__(self):
        self.nodes, self.weights = [], []

    def weight(self, name, value):
        value = np.ascontiguousarray(value, np.float32)
        self.weights.append(numpy_helper.from_array(value, name))
        return name

    def node(self, path, op, inputs, **attributes):
        name = f"{path}/{op}"
        self.nodes.append(helper.make_node(op, inputs, [f"{name}_output_0"], name, **attributes))
        return f"{name}_output_0"

    def conv(self, path, x, weight, stride=1, group=1):
        """`weight` is [O,I/group,K,K]; 3x3 windows are padded by one pixel."""
        size = weight.shape[-1]
        attributes = dict(
            dilations=[1, 1],
            group=group,
            kernel_shape=[size, size],
            pads=[size // 2] * 4,
            strides=[stride, stride],
        )
        name = self.weight(path[1:].replace("/", ".") + ".weight", weight)
        return self.node(path, "Conv", [x, name], **attributes)

    def norm(self, path, x, params, stats):
        stem = path[1:].replace("/", ".")
        keys = ("weight", "bias", "running_mean", "running_var")
        values = (params["weight"], params["bias"], *stats)
        names = [
            self.weight(f"{stem}.{key}", value) for key, value in zip(keys, values, strict=True)
        ]
        return self.node(path, "BatchNormalization", [x, *names], epsilon=EPSILON, momentum=0.97)

    def relu6(self, path, x):
        bounds = []
        for suffix, bound in (("", 0.0), ("_1", 6.0)):
            name = f"{path}/Constant{suffix}"
            value = numpy_helper.from_array(np.float32(bound))
            self.nodes.append(
                helper.make_node("Constant", [], [f"{name}_output_0"], name, value=value)
            )
            bounds.append(f"{name}_output_0")
        return self.node(path, "Clip", [x, *bounds])


def export_block(out, index, x, params, stats, stride, residual):
    """One depthwise-separable block; returns the name of its output."""
    path, key = f"/blocks/{index}", f"blocks.{index}"
    kernel = params[f"{key}.dw"].transpose(2, 0, 1)[:, None]
    y = out.conv(f"{path}/dw", x, kernel, stride, group=len(kernel))
    y = out.norm(f"{path}/dw_bn", y, params[f"{key}.dw_bn"], stats[f"{key}.dw_bn"])
    y = out.relu6(f"{path}/dw_act", y)
    y = out.conv(f"{path}/pw", y, params[f"{key}.pw"].T[:, :, None, None])
    y = out.norm(f"{path}/pw_bn", y, params[f"{key}.pw_bn"], stats[f"{key}.pw_bn"])
    if residual:
        y = out.node(path, "Add", [x, y])
    return out.relu6(f"{path}/pw_act", y)


def export(params, stats):
    """The ONNX model: `image` float [N,1,28,28] in 0..1 to `logits` [N,10]."""
    out = Exporter()
    kernel = params["stem.conv"].T.reshape(STEM, 1, 3, 3)
    x = out.conv("/stem/conv", "image", kernel, 2)
    x = out.norm("/stem/bn", x, params["stem.bn"], stats["stem.bn"])
    x = out.relu6("/stem/act", x)
    for i, (_, stride, residual) in enumerate(BLOCKS):
        x = export_block(out, i, x, params, stats, stride, residual)
    x = out.node("/pool", "GlobalAveragePool", [x])
    x = out.node("/flatten", "Flatten", [x], axis=1)
    fc = [out.weight("fc.weight", params["fc"].T), out.weight("fc.bias", params["fc.bias"])]
    gemm = helper.make_node("Gemm", [x, *fc], ["logits"], "/fc/Gemm", alpha=1.0, beta=1.0, transB=1)
    graph = helper.make_graph(
        [*out.nodes, gemm],
        "fashion",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, 28, 28])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", CLASSES])],
        out.weights,
    )
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8, producer_name="train.py")
    onnx.checker.check_model(model, full_check=True)
    return model


def accuracy(model, images, labels):
    """Share of images that onnxruntime classifies as labelled."""
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString())
    x = images[:, None].astype(np.float32) / 255
    return float((session.run(None, {"image": x})[0].argmax(1) == labels).mean())


def save_images(path, images, labels):
    np.savez_compressed(path, x=images[:, None], y=labels)
    print(f"{path.name}: {len(images)} images, {path.stat().st_size} bytes")


def parser_of(doc, out, epochs, rate):
    """What every training takes, with these defaults."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the four IDX files")
    parser.add_argument("--out", type=Path, default=out, help="folder to write to")
    parser.add_argument("--epochs", type=int, default=epochs)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=rate, help="the highest learning rate")
    return parser


def arguments():
    parser = parser_of(__doc__, HERE, 18, 6e-3)
    parser.add_argument("--decay", type=float, default=0.02, help="weight decay")
    parser.add_argument("--seed", type=int, default=SEED)
    return parser.parse_args()


def main():
    options = arguments()
    images, labels = load(options.data, "train")
    test_images, test_labels = load(options.data, "t10k")
    model = export(*train(images, labels, options))
    path = options.out / "fashion.onnx"
    path.write_bytes(model.SerializeToString(deterministic=True))
    print(f"{path.name}: {path.stat().st_size} bytes")
    chosen = np.random.default_rng(SEED).choice(len(images), 200, replace=False)
    save_images(options.out / "calib.npz", images[chosen], labels[chosen])
    save_images(options.out / "test.npz", test_images[:1000], test_labels[:1000])
    for count in (1000, 10000):
        share = accuracy(model, test_images[:count], test_labels[:count])
        print(f"accuracy on the first {count} test images: {100 * share:.2f} %")


if __name__ == "__main__":
    main()
