#!/usr/bin/python3
"""Stores the integer weights of an ONNX network small.

Usage: shrink_model.py IN.onnx OUT.onnx

Every FLOAT initializer whose values are all integers becomes an INT8, INT16 or INT32 initializer (the smallest that
holds it) followed by a Cast to FLOAT that keeps the name, so that the network computes the same with any runtime.
finn_datatype annotations stay on the name. Needs Debian's python3-onnx.
"""

import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

STORED = (np.int8, np.int16, np.int32)


def smallest_type(values):
    """The smallest of STORED that holds all values exactly; None if none does."""
    if values.size == 0 or not np.all(np.isfinite(values)) or np.any(values != np.rint(values)):
        return None
    for stored in STORED:
        limits = np.iinfo(stored)
        if limits.min <= values.min() and values.max() <= limits.max:
            return stored
    return None


def unused_name(wanted, taken):
    name = wanted
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def shrink(model):
    """Replaces the initializers in place; returns how many."""
    graph = model.graph
    taken = {name for node in graph.node for name in (*node.input, *node.output)}
    taken |= {tensor.name for tensor in graph.initializer} | {value.name for value in graph.input}
    published = {value.name for value in (*graph.input, *graph.output)}
    kept, casts = [], []
    for tensor in graph.initializer:
        stored = None
        if tensor.data_type == TensorProto.FLOAT and tensor.name not in published:
            values = numpy_helper.to_array(tensor)
            stored = smallest_type(values)
        if stored is None:
            kept.append(tensor)
            continue
        name = unused_name(tensor.name + "_stored", taken)
        kept.append(numpy_helper.from_array(values.astype(stored), name))
        casts.append(helper.make_node("Cast", [name], [tensor.name], name=tensor.name + "_cast", to=TensorProto.FLOAT))
    nodes = list(graph.node)
    del graph.initializer[:]
    del graph.node[:]
    graph.initializer.extend(kept)
    graph.node.extend(casts + nodes)
    return len(casts)


def main(arguments):
    if len(arguments) != 2:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    source, target = arguments
    model = onnx.load(source)
    count = shrink(model)
    onnx.checker.check_model(model)
    onnx.save(model, target)
    print(f"{target}: {count} initializers stored as integers, {model.ByteSize():,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
