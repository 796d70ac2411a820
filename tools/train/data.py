"""CIFAR-10 in its binary format, and what happens to its images before a network sees them."""
import os

import numpy as np
import torch
import torch.nn.functional as functional

RECORD_BYTES = 1 + 3 * 32 * 32
TRAIN_FILES = [f"data_batch_{i}.bin" for i in range(1, 6)]
TEST_FILES = ["test_batch.bin"]


def load(directory, files):
    """(images uint8 Nx3x32x32, labels int64 N)."""
    records = np.concatenate(
        [np.fromfile(os.path.join(directory, name), np.uint8).reshape(-1, RECORD_BYTES) for name in files])
    images = torch.from_numpy(records[:, 1:].reshape(-1, 3, 32, 32).copy())
    return images, torch.from_numpy(records[:, 0].astype(np.int64))


def upscale(images, pixels):
    """Bilinear with half-pixel centres, rounded to whole pixel values: what fard's input preparation does."""
    if pixels == 32:
        return images
    size = (pixels, pixels)
    return functional.interpolate(images.float(), size=size, mode="bilinear", align_corners=False).round().clamp(0, 255)


def normalize(images):
    """The exported network sees the integer pixel - 128; its step is 1/128."""
    return (images.float() - 128) / 128


def augment(images):
    """Random shifts by up to four pixels (edges mirrored) and random left-right flips."""
    count = len(images)
    padded = functional.pad(images.float(), (4, 4, 4, 4), mode="reflect")
    out = torch.empty(count, 3, 32, 32)
    left, top = np.random.randint(0, 9, count), np.random.randint(0, 9, count)
    flips = np.random.rand(count) < 0.5
    for i in range(count):
        crop = padded[i, :, top[i]:top[i] + 32, left[i]:left[i] + 32]
        out[i] = crop.flip(2) if flips[i] else crop
    return out
