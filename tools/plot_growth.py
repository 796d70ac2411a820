#!/usr/bin/python3
"""Draws how the search's time grows with the layers of a network: docs/growth.svg.

Usage: plot_growth.py OUT.svg RUN.txt..., where each RUN is what this printed, for another number of layers:
  build/tests/splitter/search-campaign 0 20 LAYERS 64 4
Prints the medians as a Markdown table.
"""

import math
import pathlib
import re
import statistics
import sys

STRATEGIES = {"throughput": "#2f6db3", "latency": "#b3502f"}
SEED = re.compile(r"seed \d+: (\w+) .* gap (\S+) %, (\S+) s")
TOTAL = re.compile(r"(\d+) layers on (\d+) boards of (\d+) kinds, (\w+):")
WIDE, HIGH, LEFT, RIGHT, TOP = 520, 300, 60, 96, 60
BESIDE = 9  # between the dots of two strategies


def read(files):
    """(strategy, layers): list of (gap in percent, seconds)."""
    found, rows = {}, []
    for file in files:
        for line in pathlib.Path(file).read_text(encoding="utf-8").splitlines():
            if seed := SEED.match(line):
                rows.append((float(seed[2]), float(seed[3])))
            elif total := TOTAL.match(line):
                found[total[4], int(total[1])] = rows
                rows = []
    return found


def scale(low, high, length):
    span = math.log(high) - math.log(low)
    return lambda value: length * (math.log(max(value, low)) - math.log(low)) / span


def draw(found):
    layers = sorted({size for _, size in found})
    seconds = [row[1] for rows in found.values() for row in rows]
    low, high = 10 ** math.floor(math.log10(max(min(seconds), 1e-3))), 10 ** math.ceil(math.log10(max(seconds)))
    across, up = scale(layers[0] * 0.85, layers[-1] * 1.15, WIDE), scale(low, high, HIGH)
    x, y = lambda size: LEFT + across(size), lambda value: TOP + HIGH - up(value)
    parts = []
    tick = low
    while tick <= high * 1.01:
        parts.append(f'<line x1="{LEFT}" y1="{y(tick):.1f}" x2="{LEFT + WIDE}" y2="{y(tick):.1f}" stroke="#ddd"/>'
                     f'<text x="{LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:g} s</text>')
        tick *= 10
    for size in layers:
        parts.append(f'<text x="{x(size):.1f}" y="{TOP + HIGH + 18}" text-anchor="middle">{size:,}</text>')
    for place, (strategy, colour) in enumerate(STRATEGIES.items()):
        beside = (place - (len(STRATEGIES) - 1) / 2) * BESIDE
        medians = []
        for size in layers:
            rows = found.get((strategy, size), [])
            parts += [f'<circle cx="{x(size) + beside:.1f}" cy="{y(took):.1f}" r="2.5" fill="{colour}" fill-opacity="0.35"/>' for _, took in rows]
            if rows:
                medians.append((x(size) + beside, y(statistics.median(took for _, took in rows))))
        if not medians:
            continue
        parts.append(f'<polyline points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in medians)}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="4" fill="{colour}"/>' for a, b in medians]
        parts.append(f'<text x="{LEFT + WIDE + 8}" y="{medians[-1][1] + 4:.1f}" fill="{colour}">{strategy}</text>')
    body = "\n".join(parts)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDE + RIGHT}" height="{TOP + HIGH + 48}" font-family="sans-serif" font-size="12">\n'
            f'<rect width="100%" height="100%" fill="white"/>\n<text x="{LEFT}" y="22" font-size="14">Processor time of a search, 64 boards of '
            f'4 kinds</text>\n<text x="{LEFT}" y="40" fill="#555">a small dot for each of the networks; lines through the medians</text>\n{body}\n'
            f'<text x="{LEFT + WIDE / 2}" y="{TOP + HIGH + 38}" text-anchor="middle">layers</text>\n</svg>\n')


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    found = read(sys.argv[2:])
    if not found:
        sys.exit("no run of search-campaign with large networks is in these files")
    print("| layers | strategy | least, median, most seconds | certified gap: median, worst |\n|---|---|---|---|")
    for (strategy, size), rows in sorted(found.items(), key=lambda item: (item[0][1], list(STRATEGIES).index(item[0][0]))):
        gaps, times = sorted(row[0] for row in rows), sorted(row[1] for row in rows)
        print(f"| {size:,} | `{strategy}` | {times[0]:.2g}, {statistics.median(times):.2g}, {times[-1]:.2g} | "
              f"{statistics.median(gaps):.1f} %, {gaps[-1]:.1f} % |")
    pathlib.Path(sys.argv[1]).write_text(draw(found), encoding="utf-8")


if __name__ == "__main__":
    main()
