#!/usr/bin/env python3
"""What a large network costs the first time: six stages of 16.8 MB for six boards that have none of them.

    bench/packages.py BUILD_DIRECTORY [--json] [--stages N] [--megabytes M] [--rows LIST]

Six node managers and a client, each in a network namespace of its own, on one bridge; once over links without a limit,
once with 100 Mbit/s on each machine's port, each way. Beside the run of the large network a second client runs a small
one on the same boards, before and meanwhile. Says "skipped" and why where namespaces or tc are not permitted.

Rows (goals): wall time of the first run, unlimited (2 s); wall time at 100 Mbit/s against what the client's port needs
for each package once (1.15); bytes that the client's port sends against the packages (1.1); bytes that all boards' ports
send against one copy for each board that lacked one (1.1); the small run's latency meanwhile against before (1.2), its
replays (0).
"""
import argparse, json, os, shutil, subprocess, sys, tempfile, time
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

RATE = 12.5e6  # bytes/s of a port of 100 Mbit/s
NET = "127.78.0"  # an address of the loopback range: nothing needs keys, yet every packet crosses a cable


def run(*command, check=True, **more):
    return subprocess.run(command, check=check, capture_output=True, text=True, **more)


def make_model(path, stages, width):
    """One MatMul per stage, so that each stage's package is its weights."""
    rng = np.random.default_rng(1)
    nodes, weights, tensor = [], [], "x"
    for s in range(stages):
        name = f"y{s}"
        weights.append(numpy_helper.from_array(rng.standard_normal((width, width)).astype(np.float32) / width, f"w{s}"))
        nodes.append(helper.make_node("MatMul", [tensor, f"w{s}"], [name], name=f"m{s}"))
        tensor = name
    info = lambda n: helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, width])
    graph = helper.make_graph(nodes, "large", [info("x")], [info(tensor)], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), path)


def make_app(directory, stages, width):
    make_model(directory / "large.onnx", stages, width)
    cuts = ", ".join(f'"y{s}"' for s in range(stages - 1))
    text = f'[app]\nname = "large"\n[model]\nfile = "large.onnx"\ncuts = [{cuts}]\n[pipeline]\n'
    for s in range(stages):
        text += f'[[pipeline.position]]\nname = "p{s}"\n'
    (directory / "large.toml").write_text(text)
    np.save(directory / "x.npy", np.ones((4, width), np.float32))
    small = ('[app]\nname = "small"\n[input]\nrandom_chunks = 20\n[[input.tensor]]\nname = "bytes"\nshape = [1, 64]\n'
             'type = "UINT8"\n[pipeline]\n')
    for p in range(2):
        small += f'[[pipeline.position]]\nname = "s{p}"\njob = "test_faulty"\nparams = {{ slow_ms = 50 }}\n'
    (directory / "small.toml").write_text(small)


class Lan:
    """Machines 1 to N on a bridge. Its namespaces go with it."""

    def __init__(self, count):
        self.tag, self.count, self.spaces = f"fardpk{os.getpid()}", count, []
        self.space("sw")
        run("ip", "-n", self.name("sw"), "link", "add", "br0", "type", "bridge")
        run("ip", "-n", self.name("sw"), "link", "set", "br0", "up")
        for i in range(1, count + 1):
            here = self.space(i)
            run("ip", "link", "add", f"v{i}", "netns", self.name("sw"), "type", "veth", "peer", "name", "eth0", "netns", here)
            run("ip", "-n", self.name("sw"), "link", "set", f"v{i}", "master", "br0", "up")
            run("ip", "-n", here, "link", "set", "lo", "up")
            for key in ("all.route_localnet=1", "eth0.route_localnet=1", "all.rp_filter=0", "eth0.rp_filter=0"):
                run("ip", "netns", "exec", here, "sysctl", "-qw", "net.ipv4.conf." + key)
            run("ip", "-n", here, "addr", "add", f"{NET}.{i}/24", "brd", "+", "dev", "eth0")
            run("ip", "-n", here, "link", "set", "eth0", "up")
            run("ip", "-n", here, "addr", "del", "127.0.0.1/8", "dev", "lo")
            run("ip", "-n", here, "addr", "add", "127.0.0.1/32", "dev", "lo")

    def name(self, i):
        return f"{self.tag}-{i}"

    def space(self, i):
        run("ip", "netns", "add", self.name(i))
        self.spaces.append(self.name(i))
        return self.name(i)

    def slow_down(self):
        tbf = ("root", "tbf", "rate", "100mbit", "burst", "32kb", "latency", "100ms")
        for i in range(1, self.count + 1):
            run("tc", "-n", self.name(i), "qdisc", "add", "dev", "eth0", *tbf)
            run("tc", "-n", self.name("sw"), "qdisc", "add", "dev", f"v{i}", *tbf)

    def sent(self, i):
        return int(run("ip", "netns", "exec", self.name(i), "cat", "/sys/class/net/eth0/statistics/tx_bytes").stdout)

    def on(self, i, *command):
        return ["ip", "netns", "exec", self.name(i), *command]

    def close(self):
        for space in self.spaces:
            run("ip", "netns", "del", space, check=False)


def slow_lans_are_permitted():
    """Where they are not, that is said."""
    try:
        lan = Lan(1)
        lan.slow_down()
        lan.close()
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        print(f"skipped: network namespaces or tc are not permitted here ({error})")
        return False
    return True


class Cluster:
    def __init__(self, lan, build, directory, boards):
        self.lan, self.fard = lan, build / "cli/fard"
        self.door = f"{NET}.1:7000"
        self.fardds = []
        self.environment = dict(os.environ, XDG_RUNTIME_DIR=str(directory))
        for i in range(1, boards + 1):
            command = [build / "runtime/node_manager/fardd", "--name", f"n{i}", "--state-dir", directory / f"s{i}",
                       "--front-door", f"tcp://{NET}.{i}:7000", "--slots", "4"]
            if i > 1:
                command += ["--seed", f"tcp://{NET}.1:7000"]
            log = open(directory / f"log{i}", "w")
            self.fardds.append(subprocess.Popen(lan.on(i, *map(str, command)), stderr=log, env=self.environment))
        for _ in range(100):
            status = run(*lan.on(boards + 1, str(self.fard), "status", "--node", self.door), check=False, env=self.environment)
            if status.stdout.count("cpu0 (soft)") == boards:
                return
            time.sleep(0.1)
        raise RuntimeError("the boards did not find each other")

    def submit(self, machine, *arguments):
        return subprocess.Popen(self.lan.on(machine, str(self.fard), "submit", "--json", "--node", self.door, *map(str, arguments)),
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environment)

    def close(self):
        for fardd in self.fardds:
            fardd.terminate()
        for fardd in self.fardds:
            fardd.wait()


def result_of(process):
    if process is None:
        return None
    out, err = process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"submit: exit {process.returncode}: {err.strip()[-500:]}")
    return json.loads(out)


def measure(build, stages, width, slow):
    directory = __import__("pathlib").Path(tempfile.mkdtemp(prefix="fardpk"))
    lan = cluster = None
    try:
        make_app(directory, stages, width)
        lan = Lan(stages + 2)
        if slow:
            lan.slow_down()
        cluster = Cluster(lan, build, directory, stages)
        client, second = stages + 1, stages + 2
        can_be_slow = (build / "jobs/test_faulty").exists()  # a job of the tests that takes its time
        small = lambda: cluster.submit(second, directory / "small.toml") if can_be_slow else None
        result_of(small())
        before = result_of(small())
        counted = [lan.sent(i) for i in range(1, stages + 2)]
        beside = small() if slow else None
        began = time.monotonic()
        large = result_of(cluster.submit(client, directory / "large.toml", "--input", directory / "x.npy"))
        wall = time.monotonic() - began
        meanwhile = result_of(beside) if beside else None
        sent = [lan.sent(i) - c for i, c in zip(range(1, stages + 2), counted)]
        stored = {f.parts[-2:]: f.stat().st_size for f in directory.glob("s*/overlays/*/*") if "." not in f.parts[-2]}
        packages = sum(stored.values())
        return dict(wall=wall, run=large["wall_s"], client=sent[-1], boards=sum(sent[:-1]), packages=packages,
                    before=before, meanwhile=meanwhile, attempts=large.get("attempts", 1))
    finally:
        if cluster:
            cluster.close()
        if lan:
            lan.close()
        shutil.rmtree(directory, ignore_errors=True)


def rows_of(fast, slow, stages):
    row = lambda name, ours, peer, peer_is, goal, unit: dict(
        what=name, unit=unit, ours=ours, peer=peer, peer_is=peer_is, ratio=ours / peer if peer else None, goal=goal)
    rows = []
    if fast:
        rows.append(row("first run, links without a limit", fast["run"], 2.0, "goal", 1.0, "s"))
        rows.append(row("the same with packing, as `fard submit` takes", fast["wall"], None, "", None, "s"))
    if slow:
        lacking = slow["packages"] / stages * (stages - 1)  # the coordinator has its own from the client
        rows.append(row("first run, 100 Mbit/s", slow["run"], slow["packages"] / RATE, "the packages over the client's port", 1.15, "s"))
        rows.append(row("bytes from the client", slow["client"], slow["packages"], "the packages", 1.1, "bytes"))
        rows.append(row("bytes from all boards", slow["boards"], lacking, "a copy for each board that lacks one", 1.1, "bytes"))
        if slow["meanwhile"]:
            rows.append(row("small run meanwhile, latency p50", slow["meanwhile"]["latency_ms"]["p50"],
                            slow["before"]["latency_ms"]["p50"], "before", 1.2, "ms"))
            rows.append(row("small run meanwhile, replays", slow["meanwhile"]["replays"], 0, "", 0, ""))
    return rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--stages", type=int, default=6)
    parser.add_argument("--megabytes", type=float, default=16.8)
    parser.add_argument("--rows", default="fast,slow")
    options = parser.parse_args()
    build = __import__("pathlib").Path(options.build).resolve()
    width = int((options.megabytes * 1e6 / 4) ** 0.5)
    try:
        Lan(1).close()
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        print(f"skipped: network namespaces are not permitted here ({error})")
        return 0
    fast = measure(build, options.stages, width, False) if "fast" in options.rows else None
    slow = measure(build, options.stages, width, True) if "slow" in options.rows else None
    rows = rows_of(fast, slow, options.stages)
    if options.json:
        print(json.dumps({"bench": "packages", "rows": rows}, indent=2))
        return 0
    for r in rows:
        ratio = "" if r["ratio"] is None else f"  ratio {r['ratio']:.3f}"
        goal = "" if r["goal"] is None else f"  goal {r['goal']}"
        peer = "" if r["peer"] is None else f"  against {r['peer']:.4g} ({r['peer_is']})"
        print(f"{r['what']}: {r['ours']:.4g} {r['unit']}{peer}{ratio}{goal}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
