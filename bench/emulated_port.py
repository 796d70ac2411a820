#!/usr/bin/env python3
"""Six boards at one client's port, emulated and through a port that the kernel holds to its rate.

    bench/emulated_port.py BUILD_DIRECTORY [--json] [--chunks N]

Real: seven network namespaces on a bridge, 100 Mbit/s (tbf) at each machine's port, each way; images of 150,528 bytes over fard's
links. One flow alone says what a port lets through; emulated boards and their client get ports of that rate. Then six flows come
to one client, once through the kernel and once emulated. Says "skipped" and why where namespaces or tc are not permitted.

Rows: the rate of all six, emulated against real (5 %); the least share of six, of each.
"""
import argparse, json, pathlib, subprocess, sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from packages import NET, Lan, slow_lans_are_permitted

FLOWS = 6


def through_kernel(lan, program, flows, chunks):
    client = FLOWS + 1
    sink = subprocess.Popen(lan.on(client, program, "--sink", f"tcp:{NET}.{client}", "--flows", str(flows), "--chunks", str(chunks)),
                            stdout=subprocess.PIPE, text=True)
    sources = []
    try:
        for number in range(flows):
            data, credit = sink.stdout.readline().split()
            sources.append(subprocess.Popen(lan.on(number + 1, program, "--source", data, credit, "--number", str(number))))
        out, _ = sink.communicate(timeout=300)
        return json.loads(out)
    finally:
        for process in [*sources, sink]:
            process.kill()
            process.wait()


def emulated(program, flows, per_s, chunks):
    command = [program, "--flows", str(flows), "--port", repr(per_s), "--chunks", str(chunks)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure(program, chunks):
    lan = Lan(FLOWS + 1)
    try:
        lan.slow_down()
        one = through_kernel(lan, program, 1, chunks)["per_s"]
        real = through_kernel(lan, program, FLOWS, chunks)
    finally:
        lan.close()
    ours = emulated(program, FLOWS, one, chunks)
    return one, real, ours


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--chunks", type=int, default=1000)
    options = parser.parse_args()
    program = str(pathlib.Path(options.build).resolve() / "bench/emulated")
    if not slow_lans_are_permitted():
        return 0
    one, real, ours = measure(program, options.chunks)
    ratio = ours["per_s"] / real["per_s"]
    reached = abs(ratio - 1) <= 0.05
    if options.json:
        print(json.dumps(dict(single_flow=one, real=real, emulated=ours, ratio=ratio, goal=0.05, reached=reached)))
    else:
        print(f"one flow through the kernel's port        {one:8.3f} chunks/s")
        print(f"six flows to one client, kernel           {real['per_s']:8.3f} chunks/s, the least share {real['least_share']:.3f}")
        print(f"six flows to one client, emulated         {ours['per_s']:8.3f} chunks/s, the least share {ours['least_share']:.3f}")
        print(f"emulated / kernel                         {ratio:8.3f}, within 0.05 of 1 {'' if reached else 'MISSED'}")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
