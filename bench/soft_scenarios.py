#!/usr/bin/env python3
"""What `fard plan` predicts for plain computers, against boards that it did not make: processes in network namespaces.

    bench/soft_scenarios.py BUILD_DIRECTORY --networks DIR [--seed N] [--count N] [--json]

Machines on a bridge, 100 Mbit/s (tbf) at each one's port, each way; soft boards, one for each stage, and a client. Rates and latencies
of the plan's boards are those that `fard doctor` measured between them, what a stage takes is what `fard run` takes for the network on one core.
The client submits to the first board. A run takes 4 s at least, next to which the 32 kB that tbf lets through at once are little.
DIR: as for bench/scenarios.py. The rate from the first result to the last is compared: goal within 15 %. Networks whose stages would take
more than 60 % of this machine's cores are drawn again. Says "skipped" and why where namespaces or tc are not permitted.
"""
import argparse, json, os, pathlib, random, re, shutil, statistics, sys, tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from packages import Cluster, Lan, result_of, run, slow_lans_are_permitted
from scenarios import HOP_S, MOST_OF_CORES, ROOT, Fard, Network

NETWORKS = ["cnv_w2a2", "chain_6_w4a4", "chain_12_w2a2", "chain_16_w4a4", "graph_10_w4a4"]
CHUNKS, LEAST_S, PAYLOAD, GOAL = 300, 4, 0.949, 0.15  # payload: of a line's rate, as in splitter/cost


def measured_ways(lan, cluster, client):
    """Mbit/s and microseconds of one half of a way, medians over all pairs, as `fard doctor` says."""
    done = run(*lan.on(client, str(cluster.fard), "doctor", "--node", cluster.door, "--json"), check=False, env=cluster.environment)
    ways = re.findall(r"([0-9.]+) ms there and back, ([0-9.]+) Mbit/s", done.stdout)
    if not ways:
        raise RuntimeError(f"fard doctor measured no way: {done.stdout[-400:]} {done.stderr[-400:]}")
    return statistics.median(float(rate) for _, rate in ways), statistics.median(float(ms) for ms, _ in ways) * 1e3 / 4


def write_cluster(place, network, boards, mbit, us):
    """The measured boards: a profile with this network's speed on one core, and a cluster file."""
    profile = (ROOT / "overlays/boards/computer.toml").read_text()
    speed = sum(network.macs.values()) / network.core_s / 1e6
    profile = re.sub(r"(?m)^mmac_per_s = \{ value = [0-9.]+", f"mmac_per_s = {{ value = {speed:.1f}", profile)
    (place / "boards/measured.toml").write_text(profile.replace('name = "computer"', 'name = "measured"'))
    way = f"mbit_per_s = {mbit / PAYLOAD:.2f}\nlatency_us = {us:.0f}\n"
    text = 'coordinator = "n1"\n[client]\n' + way + "".join(f'[[board]]\nname = "n{i + 1}"\nprofile = "measured"\nslots = 1\n{way}' for i in range(boards))
    (place / "cluster.toml").write_text(text)
    return place / "cluster.toml"


def app_of(place, network, cuts):
    file = network.app(place, cuts, 2048, 512)
    text = file.read_text()
    for i in range(len(cuts) + 1):
        text = text.replace(f'name = "s{i}"', f'name = "s{i}"\nboard = "n{i + 1}"')
    file.write_text(text)
    return file


def draw_one(draw, networks):
    network = networks[draw.choice(NETWORKS)]
    stages = draw.randint(2, 4)
    return network, [network.cuts[i] for i in sorted(draw.sample(range(len(network.cuts)), stages - 1))]


def measure(fard, network, cuts):
    """One scenario; none where it would take too much of this machine."""
    boards, lan, cluster = len(cuts) + 1, None, None
    client = boards + 1
    state = pathlib.Path(tempfile.mkdtemp(prefix="fardsoft"))
    try:
        lan = Lan(client)
        lan.slow_down()
        cluster = Cluster(lan, fard.build, state, boards)
        mbit, us = measured_ways(lan, cluster, client)
        app = app_of(fard.place, network, cuts)
        plan = ["plan", app, "--cluster", write_cluster(fard.place, network, boards, mbit, us), "--chunks"]
        chunks = max(CHUNKS, int(LEAST_S * fard.json(*plan, CHUNKS)["steady_per_s"]))
        planned = fard.json(*plan, chunks)
        if planned["steady_per_s"] * (network.core_s + HOP_S * (boards + 1)) > MOST_OF_CORES * (os.cpu_count() or 1):
            return None
        got = result_of(cluster.submit(client, app, "--input", network.inputs, "--chunks", chunks, "--output", fard.place / "out.npy"))
        return dict(network=network.name, boards=boards, mbit_per_s=mbit, latency_us=us, predicted=planned["steady_per_s"], limit=planned["limit"],
                    measured=got["steady_per_s"], ratio=got["steady_per_s"] / planned["steady_per_s"], load=os.getloadavg()[0])
    finally:
        if cluster:
            cluster.close()
        if lan:
            lan.close()
        shutil.rmtree(state, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--networks", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not slow_lans_are_permitted():
        return 0
    draw, rows = random.Random(options.seed), []
    with tempfile.TemporaryDirectory(prefix="fard-soft-") as place:
        fard = Fard(options.build, place)
        networks = {name: Network(fard, name, options.networks) for name in NETWORKS}
        for _ in range(4 * options.count):
            if len(rows) == options.count:
                break
            row = measure(fard, *draw_one(draw, networks))
            if row is None:
                continue
            rows.append(row)
            print(f"{row['network']:16} {row['boards']} boards at {row['mbit_per_s']:.1f} Mbit/s  {row['predicted']:9.2f} {row['measured']:9.2f}/s "
                  f"{(row['ratio'] - 1) * 100:+6.1f} %  load {row['load']:.1f}  ({row['limit']})", file=sys.stderr, flush=True)
    reached = len(rows) == options.count and all(abs(row["ratio"] - 1) <= GOAL for row in rows)
    if options.json:
        print(json.dumps(dict(seed=options.seed, rows=rows, reached=reached)))
    else:
        print(f"{len(rows)} scenarios, off by {max((abs(row['ratio'] - 1) for row in rows), default=0) * 100:.1f} % at worst{'' if reached else '  MISSED'}")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
