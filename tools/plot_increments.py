#!/usr/bin/python3
"""Draws what each convolution of CnvW2A2 adds to the first board, as the FARD paper measured it on PYNQ-Z1 and as the splitter
estimates it: docs/increments.svg.

Usage: plot_increments.py PLAN.json OUT.svg, where PLAN.json is what this prints, a stage for each layer:
  fard split cnv_w2a2.onnx --board pynq-z1 --boards 12 --stages 12 --folding cnv-w2a2_folding_config.json --estimates mended --json
"""

import json
import sys

# FARD paper: percent of the XC7Z020 that the first board takes when the network is cut behind convolution 0 .. 5.
PAPER = {"lut": [13.55, 27.69, 37.15, 44.51, 54.27, 58.35], "ff": [10.26, 16.93, 16.93, 29.77, 38.07, 44.62],
         "bram18": [1.79, 3.93, 12.50, 26.79, 52.50, 88.93], "dsp": [2.73, 6.36, 9.09, 13.64, 14.55, 14.55]}
WHOLE = {"lut": 53_200, "ff": 106_400, "bram18": 280, "dsp": 220}
OVERHEAD = {"lut": 5_000, "ff": 7_500, "bram18": 4, "dsp": 0}  # of each stage, which the paper's first board has once
LAYERS = ["Conv_0", "Conv_1", "Conv_2", "Conv_3", "Conv_4", "Conv_5"]


def paper_increments(resource):
    sums = [round(percent / 100 * WHOLE[resource]) for percent in PAPER[resource]]
    return [now - before for before, now in zip([OVERHEAD[resource]] + sums, sums)]


def our_increments(plan, resource):
    """A pool counts with the convolution before it."""
    found = dict.fromkeys(LAYERS, 0)
    last = None
    for stage in plan["stages"]:
        for layer in stage["layers"]:
            last = layer if layer in found else last if layer.startswith("MaxPool") else None
        if last:
            found[last] += stage["resources"][resource] - OVERHEAD[resource]
    return [found[layer] for layer in LAYERS]


def panel(x, title, theirs, ours):
    most = max(theirs + ours) or 1
    out = [f'<text x="{x}" y="40" font-size="14">{title}</text>']
    for i, pair in enumerate(zip(theirs, ours)):
        for j, value in enumerate(pair):
            height = max(0, 150 * value / most)
            left = x + i * 38 + j * 15
            out.append(f'<rect x="{left}" y="{210 - height:.1f}" width="13" height="{height:.1f}" fill="{"#9aa7b8" if j == 0 else "#2f6db3"}"/>')
        out.append(f'<text x="{x + i * 38 + 14}" y="226" font-size="11" text-anchor="middle">{i}</text>')
    out.append(f'<text x="{x + 228}" y="68" font-size="10" text-anchor="end">largest: {most:,}</text>')
    return "\n".join(out)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        plan = json.load(file)
    parts = []
    for place, resource in enumerate(["lut", "ff", "bram18", "dsp"]):
        theirs, ours = paper_increments(resource), our_increments(plan, resource)
        print(f"| {resource} | " + " | ".join(f"{a:,} / {b:,}" for a, b in zip(theirs, ours)) + " |")
        parts.append(panel(20 + place * 250, resource, theirs, ours))
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        file.write('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1010 250" width="1010" height="250" '
                   'font-family="system-ui, sans-serif" fill="#1d2a3d">\n<rect width="1010" height="250" fill="#ffffff"/>\n'
                   '<text x="20" y="18" font-size="12">What convolutions 0 to 5 of CnvW2A2 add: grey the FARD paper on PYNQ-Z1, '
                   'blue the mended estimates</text>\n' + "\n".join(parts) + "\n</svg>\n")


if __name__ == "__main__":
    main()
