#!/usr/bin/python3
"""Instructions per unit of work of each kernel, in each row, beside the row `plain`, and what was kept of them.

tools/cross/instructions.py KERNELS COUNTS EXPECTED [--keep]

KERNELS is what tests/instructions/kernel-work printed, COUNTS what tools/cross/count_instructions.c wrote: two counts for each line of KERNELS.
"""
import pathlib
import sys

TOLERATED = 1.03  # of what was kept: other compilers of the same version differ by less


def measured(kernels, counts):
    """{(kernel, unit): {row: instructions per unit}}, kernels and rows in their order."""
    lines = [line.split() for line in pathlib.Path(kernels).read_text().splitlines()]
    marks = [int(count) for count in pathlib.Path(counts).read_text().split()]
    if not lines or len(marks) != 2 * len(lines):
        sys.exit(f"{len(marks)} marks for {len(lines)} kernels")
    table = {}
    for (row, kernel, work, unit), before, after in zip(lines, marks[::2], marks[1::2]):
        table.setdefault((kernel, unit), {})[row] = (after - before) / int(work)
    return table


def show(table):
    rows = list(dict.fromkeys(row for each in table.values() for row in each))
    print(f"{'instructions per':>20} {'':8}" + "".join(f"{row:>18}" for row in rows))
    for (kernel, unit), each in table.items():
        cells = [f"{each[row]:8.3f} ({each['plain'] / each[row]:5.1f}x)" if row in each and row != "plain" else f"{each[row]:9.3f}" if row in each else "-"
                 for row in rows]
        print(f"{kernel:>20} {unit:8}" + "".join(f"{cell:>18}" for cell in cells))


def kept(file):
    lines = [line.split() for line in file.read_text().splitlines() if line and not line.startswith("#")]
    return {(row, kernel): float(count) for row, kernel, count in lines}


def main():
    kernels, counts, expected = sys.argv[1:4]
    table = measured(kernels, counts)
    show(table)
    flat = {(row, kernel): count for (kernel, _), each in table.items() for row, count in each.items()}
    file = pathlib.Path(expected)
    if sys.argv[4:] == ["--keep"]:
        said = "# Instructions per unit of work, as tools/cross/instructions --keep has counted them: row, kernel, instructions.\n"
        file.write_text(said + "".join(f"{row} {kernel} {count:.4g}\n" for (row, kernel), count in flat.items()))
        return
    before = kept(file)
    worse = [f"{row} {kernel}: {count:.4g} instructions, {before[row, kernel]:.4g} before" for (row, kernel), count in flat.items()
             if (row, kernel) in before and count > before[row, kernel] * TOLERATED]
    strange = [f"{' '.join(key)}: counted or expected alone" for key in flat.keys() ^ before.keys()]
    if worse or strange:
        sys.exit("\n".join(["FAILED:", *worse, *strange]))
    print(f"{len(flat)} counts, none over {TOLERATED:.2f} of what is expected")


if __name__ == "__main__":
    main()
