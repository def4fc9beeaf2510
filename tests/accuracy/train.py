#!/usr/bin/env python3
"""Train three Fashion-MNIST classifiers whose quantization is measured, and write them with their data.

    apt-get install dataset-fashion-mnist
    pip install -r requirements.txt
    python train.py OUT

writes `mlp.onnx`, `dscnn.onnx`, `resnet8.onnx` as PyTorch exports them, `calib.npz` (1,000 training images) and `test.npz` (the 10,000 test
images) to OUT; pixels are 0..1. A network that is there already is kept.
"""

import argparse
import gzip
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

DATA = Path("/usr/share/datasets/fashion-mnist")
BATCH = 128


def read_idx(path):
    """One gzipped IDX file as a uint8 array."""
    raw = gzip.decompress(path.read_bytes())
    rank = raw[3]
    shape = np.frombuffer(raw, ">i4", rank, 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(shape)


def load(split):
    """Images [N,1,28,28] in 0..1 and labels [N] of `train` or `t10k`."""
    images = read_idx(DATA / f"{split}-images-idx3-ubyte.gz")
    labels = read_idx(DATA / f"{split}-labels-idx1-ubyte.gz")
    return (images[:, None] / 255).astype(np.float32), labels.astype(np.int64)


def conv(i, o, kernel, stride=1, groups=1):
    """A convolution with its batch norm."""
    layer = nn.Conv2d(i, o, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(o))


class Inverted(nn.Module):
    """An inverted residual of MobileNetV2: expand by 1x1, depthwise 3x3, project by 1x1."""

    def __init__(self, i, o, stride, factor):
        super().__init__()
        self.expand, self.depth = conv(i, i * factor, 1), conv(i * factor, i * factor, 3, stride, i * factor)
        self.project, self.residual = conv(i * factor, o, 1), stride == 1 and i == o

    def forward(self, x):
        y = self.project(F.relu6(self.depth(F.relu6(self.expand(x)))))
        return x + y if self.residual else y


class DsCnn(nn.Module):
    """A small MobileNetV2."""

    def __init__(self):
        super().__init__()
        shapes = [(16, 16, 1, 2), (16, 24, 2, 3), (24, 24, 1, 3), (24, 40, 2, 3), (40, 40, 1, 3)]
        self.stem, self.head = conv(1, 16, 3, 2), conv(40, 96, 1)
        self.blocks, self.classify = nn.Sequential(*(Inverted(*s) for s in shapes)), nn.Linear(96, 10)

    def forward(self, x):
        y = F.relu6(self.head(self.blocks(F.relu6(self.stem(x)))))
        return self.classify(F.adaptive_avg_pool2d(y, 1).flatten(1))


class Basic(nn.Module):
    """A residual block of ResNet."""

    def __init__(self, i, o, stride):
        super().__init__()
        self.first, self.second = conv(i, o, 3, stride), conv(o, o, 3)
        self.short = conv(i, o, 1, stride) if i != o else nn.Identity()

    def forward(self, x):
        return F.relu(self.short(x) + self.second(F.relu(self.first(x))))


class ResNet8(nn.Module):
    """The residual network of MLPerf Tiny, for one channel."""

    def __init__(self):
        super().__init__()
        self.stem, self.classify = conv(1, 16, 3), nn.Linear(64, 10)
        self.blocks = nn.Sequential(Basic(16, 16, 1), Basic(16, 32, 2), Basic(32, 64, 2))

    def forward(self, x):
        y = self.blocks(F.relu(self.stem(x)))
        return self.classify(F.adaptive_avg_pool2d(y, 1).flatten(1))


def mlp():
    """784-128-10."""
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))


# Epochs, rate, pixels that images are shifted by, label smoothing.
NETS = {"mlp": (mlp, (6, 2e-3, 0, 0.0)), "dscnn": (DsCnn, (8, 4e-3, 2, 0.05)), "resnet8": (ResNet8, (5, 4e-3, 2, 0.05))}


def train(net, recipe, images, labels, rng):
    """AdamW with one cosine cycle."""
    epochs, rate, shift, smoothing = recipe
    steps = epochs * (len(images) // BATCH)
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    padded = F.pad(images, (shift,) * 4)
    net.train()
    start = time.monotonic()
    for epoch in range(epochs):
        order, total = torch.from_numpy(rng.permutation(len(images))), 0.0
        for at in range(0, len(images) - BATCH + 1, BATCH):
            pick = order[at : at + BATCH]
            y, x = rng.integers(0, 2 * shift + 1, 2)
            loss = F.cross_entropy(net(padded[pick, :, y : y + 28, x : x + 28]), labels[pick], label_smoothing=smoothing)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"  epoch {epoch + 1}: loss {total * BATCH / len(images):.4f}, {time.monotonic() - start:.0f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    images, labels = load("train")
    test, truth = load("t10k")
    pick = np.random.default_rng(1).permutation(len(images))[:1000]
    np.savez_compressed(out / "calib.npz", x=images[pick], y=labels[pick])
    np.savez_compressed(out / "test.npz", x=test, y=truth)
    for name, (build, recipe) in NETS.items():
        if (out / f"{name}.onnx").exists():
            continue
        torch.manual_seed(1)
        net = build()
        print(name, sum(p.numel() for p in net.parameters()), "parameters")
        train(net, recipe, torch.from_numpy(images), torch.from_numpy(labels), np.random.default_rng(2))
        net.eval()
        with torch.no_grad():
            right = sum((net(x).argmax(1) == y).sum().item() for x, y in
                        zip(torch.from_numpy(test).split(500), torch.from_numpy(truth).split(500)))
        print(f"  test accuracy {right / len(test):.4f}")
        torch.onnx.export(net, torch.zeros(1, 1, 28, 28), out / f"{name}.onnx", opset_version=13,
                          input_names=["x"], output_names=["logits"], dynamo=False)


if __name__ == "__main__":
    main()
