#!/usr/bin/env python3
"""What a coordinator holds: results that a paused client does not take, and runs that wait for their places.

    bench/memory.py BUILD_DIRECTORY [--json] [--runs N]

Rows (goals): growth of the node manager's memory while a run with a window of 1 MiB makes results of 1 MiB from 16-byte
inputs and its client is stopped (4 MiB); growth while 200 runs are queued behind one that holds the only slot (8 MiB).
Memory is resident memory, against what the same node manager had after a run of the same app.
"""
import argparse, json, os, pathlib, shutil, signal, subprocess, sys, tempfile, time
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MIB = 1 << 20
WIDTH = MIB // 4  # floats of a result


def write_apps(directory):
    tensor = lambda name, n: helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, n])
    weights = numpy_helper.from_array(np.ones((4, WIDTH), np.float32), "w")
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"], name="m")], "wide", [tensor("x", 4)],
                              [tensor("y", WIDTH)], [weights])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), directory / "wide.onnx")
    (directory / "wide.toml").write_text('[app]\nname = "wide"\n[model]\nfile = "wide.onnx"\n[pipeline]\nwindow = "1 MiB"\n'
                                         '[[pipeline.position]]\nname = "p"\n')
    np.save(directory / "x.npy", np.ones((4000, 4), np.float32))
    for name, slow_ms in ("short", 0), ("long", 600000):
        (directory / f"{name}.toml").write_text(
            f'[app]\nname = "{name}"\n[input]\nrandom_chunks = 2\n[[input.tensor]]\nname = "bytes"\nshape = [1, 16]\n'
            'type = "UINT8"\n[pipeline]\nchunk_timeout = "60 min"\n[[pipeline.position]]\nname = "s"\njob = "test_faulty"\n'
            f'params = {{ slow_ms = {slow_ms} }}\n')


class Board:
    """One node manager with one slot."""

    def __init__(self, build, directory):
        self.fard, self.directory = build / "cli/fard", directory
        self.environment = dict(os.environ, XDG_RUNTIME_DIR=str(directory))
        self.log = open(directory / "log", "w")
        self.fardd = subprocess.Popen([build / "runtime/node_manager/fardd", "--name", "n", "--state-dir", directory / "s",
                                       "--front-door", f"ipc://{directory}/n.ipc", "--slots", "1"], stderr=self.log,
                                      env=self.environment)
        self.clients = []
        for _ in range(100):
            if "cpu0" in self.run("status").stdout:
                return
            time.sleep(0.1)
        raise RuntimeError("the node manager does not answer")

    def run(self, *arguments):
        return subprocess.run([self.fard, arguments[0], "--node", f"ipc://{self.directory}/n.ipc", *arguments[1:]],
                              capture_output=True, text=True, env=self.environment)

    def submit(self, app, *more):
        client = subprocess.Popen([self.fard, "submit", self.directory / f"{app}.toml", "--node",
                                   f"ipc://{self.directory}/n.ipc", "--json", *more],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.environment)
        self.clients.append(client)
        return client

    def first_run(self, app, *more):
        done = self.run("submit", self.directory / f"{app}.toml", *more)
        if done.returncode != 0:
            raise RuntimeError(f"the first run failed: {done.stderr.strip()}")

    def status(self):
        done = self.run("status", "--json")
        return json.loads(done.stdout) if done.returncode == 0 else {"runs": []}  # on a busy machine it may come too late

    def resident(self):
        for line in open(f"/proc/{self.fardd.pid}/status"):
            if line.startswith("VmRSS"):
                return int(line.split()[1]) * 1024
        return 0

    def close(self):
        for client in self.clients:
            client.kill()
            client.wait()
        self.fardd.terminate()
        self.fardd.wait()
        self.log.close()


def wait_for(condition, what, limit=60):
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"{what}: not within {limit} s")
        time.sleep(0.1)


def paused_client(board):
    board.first_run("wide", "--input", board.directory / "x.npy", "--chunks", "200")
    before = most = board.resident()
    client = board.submit("wide", "--input", board.directory / "x.npy")
    wait_for(lambda: any(r["app"] == "wide" and r["phase"] == "running" and r["results"] > 20 for r in board.status()["runs"]),
             "results of the run")
    client.send_signal(signal.SIGSTOP)
    for _ in range(40):
        time.sleep(0.1)
        most = max(most, board.resident())
    client.send_signal(signal.SIGCONT)
    if client.wait() != 0:
        raise RuntimeError("the run whose client was stopped for 4 s failed")
    return most - before


def queued_runs(board, runs):
    board.first_run("short")
    board.submit("long")
    wait_for(lambda: any(r["app"] == "long" and r["phase"] == "running" for r in board.status()["runs"]), "the first run")
    before = most = board.resident()
    for _ in range(runs):
        board.submit("short")
        most = max(most, board.resident())
        time.sleep(0.02)
    queued = lambda: sum(r["app"] == "short" and r["phase"] == "admitted" for r in board.status()["runs"])
    wait_for(lambda: queued() >= runs, f"{runs} queued runs")
    for _ in range(30):
        time.sleep(0.1)
        most = max(most, board.resident())
    return most - before


def measured(build, what, *arguments):
    directory = pathlib.Path(tempfile.mkdtemp(prefix="fardmem"))
    board = None
    try:
        write_apps(directory)
        board = Board(build, directory)
        return what(board, *arguments)
    finally:
        if board:
            board.close()
        shutil.rmtree(directory, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--runs", type=int, default=200)
    options = parser.parse_args()
    build = pathlib.Path(options.build).resolve()
    row = lambda what, ours, goal: dict(what=what, unit="MiB", ours=ours / MIB, goal=goal, ratio=ours / MIB / goal)
    rows = [row("window of 1 MiB, results of 1 MiB from 16 bytes, client stopped", measured(build, paused_client), 4),
            row(f"{options.runs} queued runs", measured(build, queued_runs, options.runs), 8)]
    if options.json:
        print(json.dumps({"bench": "memory", "rows": rows}, indent=2))
        return 0
    for r in rows:
        print(f"{r['what']}: {r['ours']:.2f} MiB  goal {r['goal']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
