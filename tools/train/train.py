#!/usr/bin/python3
"""Quantization-aware training of CnvW2A2 or MobileNetV1 W4A4 on CIFAR-10.

Goes on from a checkpoint if one is given. Writes a checkpoint each time that it reports.
"""
import argparse
import time
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as functional

import data
import networks


@dataclass
class Phase:
    pixels: int    # side of the images
    images: int    # how many are seen, over all epochs
    rate: float    # highest learning rate of a one-cycle schedule
    batch: int
    warm_up: float  # part of the schedule until the highest rate


@dataclass
class Recipe:
    weight_decay: float  # on convolution weights
    phases: list


# How the networks in apps/ were trained.
RECIPES = {
    "cnv": Recipe(1e-4, [Phase(32, 17 * 50000, 3e-3, 128, 0.2)]),
    "mobilenet": Recipe(2e-2, [
        Phase(64, 600000, 3e-3, 128, 0.15),
        Phase(112, 100000, 1e-3, 96, 0.1),
        Phase(160, 50000, 7e-4, 64, 0.05),
        Phase(224, 65000, 6e-4, 48, 0.05),
        Phase(224, 84000, 4e-4, 48, 0.05),
    ]),
}
REPORT_EVERY = 300  # steps
LABEL_SMOOTHING = 0.05


def evaluate(network, images, labels, pixels, count, batch=100):
    """The part of the first `count` images that the network gets right."""
    network.eval()
    right = 0
    with torch.no_grad():
        for first in range(0, count, batch):
            some = slice(first, min(first + batch, count))
            scores = network(data.normalize(data.upscale(images[some], pixels)))
            right += int((scores.argmax(1) == labels[some]).sum())
    network.train()
    return right / count


def batches(count, size):
    """Endless batches of indices; every image once before any comes again."""
    while True:
        order = torch.randperm(count)
        for first in range(0, count - size + 1, size):
            yield order[first:first + size]


def make_optimizer(network, recipe, phase, steps):
    decayed = [p for name, p in network.named_parameters() if name.endswith("conv.weight")]
    others = [p for name, p in network.named_parameters() if not name.endswith("conv.weight")]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0}]
    optimizer = torch.optim.AdamW(groups, lr=phase.rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, phase.rate, total_steps=steps, pct_start=phase.warm_up,
                                                   final_div_factor=1000)
    return optimizer, schedule


def run_phase(network, recipe, phase, train_set, test_set, report):
    images, labels = train_set
    steps = max(phase.images // phase.batch, 1)
    optimizer, schedule = make_optimizer(network, recipe, phase, steps)
    losses = []
    for step, indices in zip(range(1, steps + 1), batches(len(images), phase.batch)):
        pixels = data.normalize(data.upscale(data.augment(images[indices]), phase.pixels))
        loss = functional.cross_entropy(network(pixels), labels[indices], label_smoothing=LABEL_SMOOTHING)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if step % REPORT_EVERY == 0 or step == steps:
            accuracy = evaluate(network, *test_set, phase.pixels, 500)
            report(f"{phase.pixels} pixels, step {step}/{steps}, loss {np.mean(losses):.3f}, top-1 {accuracy:.4f}")
            losses.clear()


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", choices=networks.NETWORKS)
    parser.add_argument("--data", required=True, help="directory with CIFAR-10's binary files (unpack_cifar10.py)")
    parser.add_argument("--out", required=True, help="checkpoint to write, .pt")
    parser.add_argument("--resume", help="checkpoint to go on from")
    parser.add_argument("--first-phase", type=int, default=0, help="skip the phases before this one")
    parser.add_argument("--images", type=int, help="images for each phase, instead of the recipe's")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--fused", action="store_true", help="with fused.cpp: two to three times as fast (needs g++)")
    return parser.parse_args()


def main():
    options = parse()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    np.random.seed(options.seed)
    if options.fused:
        import fused
        fused.enable()
    network = networks.NETWORKS[options.network]()
    if options.resume:
        network.load_state_dict(torch.load(options.resume))
    train_set = data.load(options.data, data.TRAIN_FILES)
    test_set = data.load(options.data, data.TEST_FILES)
    started = time.time()

    def report(line):
        print(f"{time.time() - started:7.0f} s  {line}", flush=True)
        torch.save(network.state_dict(), options.out)

    recipe = RECIPES[options.network]
    for phase in recipe.phases[options.first_phase:]:
        if options.images:
            phase.images = options.images
        run_phase(network, recipe, phase, train_set, test_set, report)
    report(f"top-1 on 10,000 test images: {evaluate(network, *test_set, network.pixels, 10000):.4f}")


if __name__ == "__main__":
    main()
