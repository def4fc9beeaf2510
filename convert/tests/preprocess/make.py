#!/usr/bin/env python3
"""Write a clip and a picture with what TensorFlow and Pillow make of them.

    python3 -m venv venv && venv/bin/pip install -r requirements.txt
    venv/bin/python make.py
"""

import numpy as np
import tensorflow as tf
from PIL import Image
from pathlib import Path

HERE = Path(__file__).resolve().parent
RATE = 16000


def tone_and_noise(samples):
    """A rising tone that fades in, over noise, after silence."""
    random = np.random.default_rng(7)
    t = np.arange(samples) / RATE
    tone = np.sin(2 * np.pi * (200 * t + 4000 * t * t)) * t / t[-1]
    clip = 9000 * tone + 300 * random.standard_normal(samples)
    clip[:700] = 0
    return np.round(clip).astype(np.int16)


def log_mel(samples, window, stride, taper, power, bins, low, high, offset):
    spectrum = tf.abs(tf.signal.stft(samples, window, stride, window_fn=taper))
    spectrum = spectrum * spectrum if power else spectrum
    matrix = tf.signal.linear_to_mel_weight_matrix(bins, spectrum.shape[-1], RATE, low, high)
    return tf.math.log(tf.tensordot(spectrum, matrix, 1) + offset)


def mlperf_tiny(clip):
    """The front end of MLPerf Tiny's keyword spotting."""
    samples = tf.cast(clip, tf.float32)
    samples = samples / tf.reduce_max(samples)
    logs = log_mel(samples, 480, 320, tf.signal.hann_window, False, 40, 20.0, 4000.0, 1e-6)
    return tf.signal.mfccs_from_log_mel_spectrograms(logs)[..., :10]


def tf1_speech_commands(clip):
    """The operators of TensorFlow's speech_commands example, and of ML-KWS-for-MCU."""
    samples = tf.cast(clip, tf.float32)[:, None] / 32768
    power = tf.raw_ops.AudioSpectrogram(input=samples, window_size=640, stride=640, magnitude_squared=True)
    return tf.raw_ops.Mfcc(spectrogram=power, sample_rate=RATE, upper_frequency_limit=4000.0, lower_frequency_limit=20.0,
                           filterbank_channel_count=40, dct_coefficient_count=10)[0]


def yamnet(clip):
    samples = tf.cast(clip, tf.float32) / 32768
    return log_mel(samples, 400, 160, tf.signal.hann_window, False, 64, 125.0, 7500.0, 1e-3)


def hamming_power(clip):
    samples = tf.cast(clip, tf.float32) / 32768
    return log_mel(samples, 256, 128, tf.signal.hamming_window, True, 20, 0.0, 8000.0, 1e-6)


def picture(width, height):
    """Waves in three colors, with noise."""
    random = np.random.default_rng(11)
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / 3 + c) * np.cos(y / (2 + c)) for c in range(3)]
    noise = random.uniform(-20, 20, (height, width, 3))
    return np.clip(128 + 100 * np.stack(waves, -1) + noise, 0, 255).astype(np.uint8)


def main():
    clip = tone_and_noise(6000)
    ways = [mlperf_tiny, tf1_speech_commands, yamnet, hamming_power]
    np.savez_compressed(HERE / "sound.npz", clip=clip, **{way.__name__: way(clip).numpy() for way in ways})

    pixels = picture(37, 26)
    small, large = (9, 14), (41, 50)  # height, width
    results = {
        "bilinear_small": tf.image.resize(pixels, small, "bilinear"),
        "bilinear_large": tf.image.resize(pixels, large, "bilinear"),
        "antialias_small": tf.image.resize(pixels, small, "bilinear", antialias=True),
        "area_small": tf.image.resize(pixels, small, "area"),
    }
    results = {name: result.numpy() for name, result in results.items()}
    shorter = Image.fromarray(pixels).resize((12 * 37 // 26, 12), Image.BILINEAR)
    left = (shorter.width - 12) // 2
    results["pillow_shorter_12"] = np.asarray(shorter.crop((left, 0, left + 12, 12)))
    np.savez_compressed(HERE / "image.npz", pixels=pixels, **results)


if __name__ == "__main__":
    main()
