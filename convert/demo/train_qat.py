#!/usr/bin/env python3
"""Train the demo's classifier on, quantization in the loop, and write it as a QDQ model.

    venv/bin/python train_qat.py

reads `fashion.onnx`, which train.py made, folds its batch norms, and trains its weights on for some epochs while every weight
and every activation is rounded as int8 rounds it; gradients pass the rounding as if it were not there (Jacob et al., "Quantization and
Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", 2018). `fashion_qat.onnx` has the integers, with their scales
in QuantizeLinear and DequantizeLinear as PyTorch and TensorFlow export them: weights with a scale per channel, activations in int8,
biases in int32. `fashion_qat.npz` has onnxruntime's logits on the first 100 test images, node by node: with its optimizations on, its
convolutions saturate on some processors.
"""


import jax
import jax.numpy as jnp
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from train import BLOCKS, CLASSES, EPSILON, HERE, SEED, accuracy, adamw, augment, load, one_cycle, parser_of, taps

# The network: layers by name, each `w` [in..., out] as taps and products take it, and `b`


def folded(path):
    """The layers of `fashion.onnx`, batch norms folded in."""
    model = onnx.load(path)
    tensors = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}

    def layer(conv, norm):
        gain, shift, mean, var = (
            tensors[f"{norm}.{key}"] for key in ("weight", "bias", "running_mean", "running_var")
        )
        gain = gain / np.sqrt(var + EPSILON)
        weight = tensors[f"{conv}.weight"] * gain[:, None, None, None]
        return {"w": weight.reshape(len(weight), -1).T, "b": shift - mean * gain}

    layers = {"stem": layer("stem.conv", "stem.bn")}
    for i in range(len(BLOCKS)):
        layers[f"{i}.dw"] = layer(f"blocks.{i}.dw", f"blocks.{i}.dw_bn")
        layers[f"{i}.pw"] = layer(f"blocks.{i}.pw", f"blocks.{i}.pw_bn")
    layers["fc"] = {"w": tensors["fc.weight"].T, "b": tensors["fc.bias"]}
    return jax.tree.map(lambda a: np.ascontiguousarray(a, np.float32), layers)


def through(x, rounded):
    """`rounded`, with the gradient of `x`."""
    return x + jax.lax.stop_gradient(rounded - x)


def weight_scales(w):
    return jnp.maximum(jnp.abs(w).max(0), 1e-8) / 127


def held_weight(w):
    """What int8 holds of weights, a scale for each output."""
    scale = weight_scales(w)
    return through(w, jnp.round(w / scale).clip(-127, 127) * scale)


def forward(layers, x, hold):
    """Logits from images [N,28,28] in 0..1; `hold(name, x)` is what the integers hold of an activation."""

    def product(name, x):
        return x @ held_weight(layers[name]["w"]) + layers[name]["b"]

    def depthwise(name, x, stride):
        kernel = held_weight(layers[name]["w"])
        return sum(t * w for t, w in zip(taps(x, stride), kernel, strict=True)) + layers[name]["b"]

    x = hold("image", x[..., None])
    x = hold("stem", product("stem", jnp.concatenate(taps(x, 2), axis=-1)).clip(0, 6))
    for i, (_, stride, residual) in enumerate(BLOCKS):
        y = hold(f"{i}.dw", depthwise(f"{i}.dw", x, stride).clip(0, 6))
        y = product(f"{i}.pw", y)
        if residual:
            y = hold(f"{i}.add", (x + hold(f"{i}.pw", y)).clip(0, 6))
        else:
            y = hold(f"{i}.pw", y.clip(0, 6))
        x = y
    return hold("fc", product("fc", hold("pool", x.mean((1, 2)))))


def grids(layers, images):
    """Scale and zero point of every activation, from the extremes on some images."""
    seen = {}

    def see(name, x):
        seen[name] = (min(0.0, float(x.min())), max(0.0, float(x.max())))
        return x

    forward(layers, jnp.asarray(images, jnp.float32) / 255, see)
    grid = {}
    for name, (lo, hi) in seen.items():
        scale = np.float32((hi - lo) / 255)
        grid[name] = (scale, int(np.clip(np.round(-128 - lo / scale), -128, 127)))
    return grid


def holder(grid):
    def hold(name, x):
        scale, zero = grid[name]
        return through(x, (jnp.round(x / scale + zero).clip(-128, 127) - zero) * scale)

    return hold


def train(layers, grid, images, labels, options):
    rng = np.random.default_rng(SEED)
    moments = (jax.tree.map(np.zeros_like, layers), jax.tree.map(np.zeros_like, layers))
    batches = len(images) // options.batch
    steps, hold = options.epochs * batches, holder(grid)

    def loss_of(layers, x, y):
        target = jax.nn.one_hot(y, CLASSES) * 0.95 + 0.05 / CLASSES
        return -(target * jax.nn.log_softmax(forward(layers, x, hold))).sum(-1).mean()

    @jax.jit
    def step_on(layers, moments, step, x, y):
        loss, grads = jax.value_and_grad(loss_of)(layers, x.astype(jnp.float32) / 255, y)
        rate = one_cycle(step, steps, options.rate)
        layers, moments = adamw(layers, grads, moments, step, rate, 0.0)
        return layers, moments, loss

    for epoch in range(options.epochs):
        order = rng.permutation(len(images))[: batches * options.batch].reshape(batches, -1)
        total = 0.0
        for i, batch in enumerate(order):
            step = jnp.float32(epoch * batches + i)
            layers, moments, loss = step_on(layers, moments, step, augment(images[batch], rng), labels[batch])
            total += float(loss)
        print(f"epoch {epoch + 1}  loss {total / batches:.4f}", flush=True)
    return jax.tree.map(np.asarray, layers)


# Export


class Exporter:
    """Builds the QDQ graph node by node."""

    def __init__(self, layers, grid):
        self.layers, self.grid = layers, grid
        self.nodes, self.tensors = [], []

    def tensor(self, name, value):
        self.tensors.append(numpy_helper.from_array(value, name))
        return name

    def node(self, name, op, inputs, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [f"{name}_out"], name, **attributes))
        return f"{name}_out"

    def hold(self, name, x):
        """An activation through int8."""
        scale, zero = self.grid[name]
        grid = [self.tensor(f"{name}.scale", scale), self.tensor(f"{name}.zero", np.int8(zero))]
        q = self.node(f"{name}/q", "QuantizeLinear", [x, *grid])
        return self.node(f"{name}/dq", "DequantizeLinear", [q, *grid])

    def parameters(self, name, source, shape):
        """Weights [out, ...] in int8 and the bias in int32, each behind a DequantizeLinear; `source` is the input's grid."""
        w, b = self.layers[name]["w"], self.layers[name]["b"]
        scale = np.asarray(weight_scales(w), np.float32)
        q = np.round(w / scale).clip(-127, 127).astype(np.int8).T.reshape(shape)
        step = (scale * self.grid[source][0]).astype(np.float32)
        bias = np.round(b / step).astype(np.int32)
        names = []
        for key, value, grid in (("weight", q, scale), ("bias", bias, step)):
            inputs = [self.tensor(f"{name}.{key}", value), self.tensor(f"{name}.{key}.scale", grid)]
            names.append(self.node(f"{name}/{key}", "DequantizeLinear", inputs, axis=0))
        return names

    def conv(self, name, x, source, size, stride=1, group=1):
        outputs = self.layers[name]["b"].size
        inputs = [x, *self.parameters(name, source, (outputs, -1, size, size))]
        return self.node(
            f"{name}/conv",
            "Conv",
            inputs,
            group=group,
            kernel_shape=[size, size],
            pads=[size // 2] * 4,
            strides=[stride, stride],
        )

    def relu6(self, name, x):
        bounds = [self.tensor(f"{name}.{b}", np.float32(b)) for b in (0, 6)]
        return self.node(f"{name}/clip", "Clip", [x, *bounds])

    def block(self, i, x, source):
        """Its output, and the name of that output's grid."""
        wide, (_, stride, residual) = self.layers[f"{i}.dw"]["b"].size, BLOCKS[i]
        y = self.conv(f"{i}.dw", x, source, 3, stride, wide)
        y = self.hold(f"{i}.dw", self.relu6(f"{i}.dw", y))
        y = self.conv(f"{i}.pw", y, f"{i}.dw", 1)
        if not residual:
            return self.hold(f"{i}.pw", self.relu6(f"{i}.pw", y)), f"{i}.pw"
        y = self.node(f"{i}.add/add", "Add", [x, self.hold(f"{i}.pw", y)])
        return self.hold(f"{i}.add", self.relu6(f"{i}.add", y)), f"{i}.add"

    def model(self):
        x = self.hold("image", "image")
        x = self.hold("stem", self.relu6("stem", self.conv("stem", x, "image", 3, 2)))
        source = "stem"
        for i in range(len(BLOCKS)):
            x, source = self.block(i, x, source)
        x = self.hold("pool", self.node("pool/mean", "GlobalAveragePool", [x]))
        x = self.node("flatten", "Flatten", [x], axis=1)
        inputs = [x, *self.parameters("fc", "pool", (CLASSES, -1))]
        x = self.hold("fc", self.node("fc/gemm", "Gemm", inputs, transB=1))
        self.nodes[-1].output[0] = "logits"
        graph = helper.make_graph(
            self.nodes,
            "fashion_qat",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, 28, 28])],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", CLASSES])],
            self.tensors,
        )
        opset = [helper.make_opsetid("", 17)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=8, producer_name="train_qat.py")
        onnx.checker.check_model(model, full_check=True)
        return model


def save_logits(model, path, images):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    np.savez_compressed(path, logits=session.run(None, {"image": images[:, None].astype(np.float32) / 255})[0])


def main():
    options = parser_of(__doc__, HERE.parent.parent / "tests/qdq", 2, 5e-4).parse_args()
    images, labels = load(options.data, "train")
    test_images, test_labels = load(options.data, "t10k")
    layers = folded(HERE / "fashion.onnx")
    grid = grids(layers, images[:2000])
    for title, layers in (("rounded only", layers), ("trained", train(layers, grid, images, labels, options))):
        model = Exporter(layers, grid).model()
        for count in (1000, 10000):
            share = accuracy(model, test_images[:count], test_labels[:count])
            print(f"{title}: accuracy on the first {count} test images: {100 * share:.2f} %", flush=True)
    path = options.out / "fashion_qat.onnx"
    path.write_bytes(model.SerializeToString(deterministic=True))
    print(f"{path.name}: {path.stat().st_size} bytes")
    save_logits(model, options.out / "fashion_qat.npz", test_images[:100])


if __name__ == "__main__":
    main()
