#!/usr/bin/env python3
"""Write small Keras models as TensorFlow's own converter quantizes them: int16 activations, int8 weights.

    python3 -m venv keras && keras/bin/pip install tensorflow-cpu==2.21.0
    keras/bin/python keras_models.py
    venv/bin/python make.py

The last writes the outputs that LiteRT gives for them.
"""

from pathlib import Path

import numpy as np
import tensorflow as tf

HERE = Path(__file__).resolve().parent
L = tf.keras.layers


def conv():
    """Convolutions, pools, sums and a softmax."""
    x = L.Input((12, 10, 1), batch_size=1)
    y = L.Conv2D(6, 3, strides=2, padding="same", activation="relu")(x)
    y = L.DepthwiseConv2D(3, padding="same")(y)
    y = L.Add()([y, L.Conv2D(6, 1, activation="relu6")(y)])
    y = L.MaxPool2D(2)(y)
    y = L.AveragePooling2D(2, strides=1, padding="same")(y)
    y = L.Concatenate()([y, tf.keras.activations.tanh(y)])
    y = L.GlobalAveragePooling2D()(y)
    return tf.keras.Model(x, L.Softmax()(L.Dense(5)(y)))


def gates():
    """Functions, products and differences."""
    x = L.Input((8, 6), batch_size=1)
    a, b = L.Dense(8, activation="sigmoid")(x), L.Dense(8, activation="tanh")(x)
    y = L.Subtract()([L.Multiply()([a, b]), a])
    y = L.Reshape((4, 16))(L.LeakyReLU(negative_slope=0.1)(y))
    return tf.keras.Model(x, L.Permute((2, 1))(y))


def quantized(model):
    rng = np.random.default_rng(7)
    samples = [[rng.normal(size=model.input_shape).astype(np.float32)] for _ in range(20)]
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: samples
    int16x8 = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
    converter.target_spec.supported_ops = [int16x8]
    converter.inference_input_type = converter.inference_output_type = tf.int16
    return converter.convert()


def main():
    for make in (conv, gates):
        tf.keras.utils.set_random_seed(7)
        (HERE / f"int16_keras_{make.__name__}.tflite").write_bytes(quantized(make()))


if __name__ == "__main__":
    main()
