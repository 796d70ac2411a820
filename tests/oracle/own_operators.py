"""The operators of fard's own domain that stages of integers hold, from what model/graph.hpp says of them."""
import numpy as np
from onnx import numpy_helper


def numbers(n, name):
    for each in n.proto.attribute:
        if each.name == name:
            return numpy_helper.to_array(each.t)
    return np.zeros(0)


def clamp(n, whole):
    low, high = n.get("range")
    return np.clip(whole, low, high)


def shaped(values, axis, rank):
    """One number, or one for each index of a dimension, to be broadcast."""
    if values.size <= 1 or axis < 0:
        return values.reshape(-1)[:1].reshape([1] * rank) if values.size else np.zeros([1] * rank)
    return values.reshape([-1 if i == axis else 1 for i in range(rank)])


def requantize(n):
    axis, multipliers = n.get("axis", -1), numbers(n, "multipliers")
    total, at = None, 0
    for operand, count, zero in zip(n.inputs, n.get("counts"), n.get("zero_points")):
        x = operand.astype(np.float64) - zero
        term = x * shaped(multipliers[at:at + count], axis, x.ndim)
        total = term if total is None else total + term
        at += count
    offset = numbers(n, "offset")
    if offset.size:
        total = total + shaped(offset, axis, total.ndim)
    return clamp(n, np.rint(total) + n.get("zero_point", 0)).astype(n.net.kind)


ROUNDINGS = [np.rint, np.ceil, np.floor, lambda y: np.sign(y) * np.ceil(np.abs(y)), np.trunc,
             lambda y: np.sign(y) * np.floor(np.abs(y) + 0.5), lambda y: np.sign(y) * np.ceil(np.abs(y) - 0.5)]


def quantize(n):
    """Of integers, so that the division is one of doubles."""
    axis = n.get("axis", -1)
    scaled = n[0].astype(np.float64) / shaped(numbers(n, "scale"), axis, n[0].ndim)
    zero = shaped(np.array(n.get("zero_point")), axis, n[0].ndim)
    mode = n.get("rounding", 0)
    if mode == len(ROUNDINGS):
        return np.where(scaled < 0, -1, 1).astype(n.net.kind)
    rounded = ROUNDINGS[mode](scaled + zero) if n.get("add_then_round", 0) else ROUNDINGS[mode](scaled) + zero
    return clamp(n, rounded).astype(n.net.kind)


OWN = {"Requantize": requantize, "Quantize": quantize}
