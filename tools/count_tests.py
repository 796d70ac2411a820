#!/usr/bin/python3
"""Counts the test cases in Meson's test log and prints "N passed, N failed[, N skipped]".

A doctest program counts by its cases, any other test as one. A case that prints "skipped: WHY" counts as skipped, a
program that ends without doctest's summary as one failure. Exits with 1 if anything failed or nothing ran.
"""
import argparse
import json
import re
import sys

SUMMARY = re.compile(r"\[doctest\] test cases:\s*\d+ \|\s*(\d+) passed \|\s*(\d+) failed")
SKIPPED = re.compile(r"(?:^|MESSAGE: )skipped: ", re.MULTILINE)


def numbered(test):
    """How many cases were run where the first and the last were given, which doctest's summary does not say; else nothing."""
    given = [re.search(rf"--{bound}=(\d+)", " ".join(test.get("command") or [])) for bound in ("first", "last")]
    return int(given[1][1]) - int(given[0][1]) + 1 if all(given) else None


def count(test):
    """(passed, failed, skipped) of one line of the log."""
    output = test.get("stdout") or ""
    skips = len(SKIPPED.findall(output))
    summary = SUMMARY.findall(output)
    good = test["result"] in ("OK", "EXPECTEDFAIL")
    if summary:
        passed = sum(int(row[0]) for row in summary)
        failed = sum(int(row[1]) for row in summary)
        if (cases := numbered(test)) is not None:
            passed = cases - failed
        if not good:
            failed = max(failed, 1)  # a sanitizer's finding, a crash at exit, or a time-out after the summary
        skips = min(skips, passed)
        return passed - skips, failed, skips
    if test["result"] == "SKIP":
        return 0, 0, 1
    return (1, 0, 0) if good else (0, 1, 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("log", help="meson-logs/testlog.json of a build directory")
    log = parser.parse_args().log
    try:
        with open(log, encoding="utf-8") as lines:
            rows = [count(json.loads(line)) for line in lines if line.strip()]
    except OSError as error:
        print(f"no test ran: {error}", file=sys.stderr)
        rows = []
    passed, failed, skipped = (sum(column) for column in zip(*rows)) if rows else (0, 0, 0)
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
