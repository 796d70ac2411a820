#!/usr/bin/env python3
"""What `fard plan` predicts, beside what a cluster of emulated boards then takes.

    bench/scenarios.py BUILD_DIRECTORY --networks DIR [--seed N] [--count N] [--only N[,N]] [--seconds S] [--efficiency | --papers] [--json]

DIR holds what `tools/bench_networks.py DIR NAMES` wrote (the names: NETWORKS below, those of "made"); the apps' own networks are there anyway.

Scenarios are drawn from the seed: a network and where it is cut, boards, their number and slots, links, replicas, chunks, window and batch,
with and without turns; in turns a position may have parallel parts, too. For each a cluster is brought up, `fard plan APP --node` predicts, `fard submit` measures, from when the run had its
places to the last result. Drawn again, and not counted: what fits no board. Skipped, and counted (40 at most): what would take more than 60 %
of this machine's cores, by the time that `fard run` takes for a chunk. A run of which more than 1 % of the chunks were late counts for
nothing: it is repeated twice at most, and stays listed.

--efficiency: instead, chains of stages that stay loaded on 2 to 6 boards, 240 chunks: the rate from the first result to the last, against
1 / the planner's period.

--papers: instead, what `bench/papers` says of ours, run: those of its rows that this machine can emulate in time (docs/papers.md). Cuts are the
planner's for the whole boards (fraction 1), packages are in the boards' stores, and where a row begins cold the FPGAs hold other overlays. Late runs
are repeated as those of scenarios; then a network that is copied onto each board is run with a copy less, one that `fard split` cut with a
board less.

Goals: each scenario within 7 % of its plan, half of them within 3 %, none more than 1 % above its bound; the efficiency at least 0.95.
"""
import argparse, dataclasses, json, os, pathlib, random, re, subprocess, sys, tempfile, time
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Name, most stages that are drawn, most chunks.
NETWORKS = [("cnv_w2a2", 5, 200), ("mobilenet_v1_w4a4", 8, 48), ("chain_6_w4a4", 4, 200), ("chain_12_w2a2", 6, 200), ("chain_16_w4a4", 6, 200),
            ("graph_10_w4a4", 4, 200), ("tfc_w2a2", 3, 400), ("kws_mlp_w3a3", 3, 400)]
OWN = {"cnv_w2a2": ROOT / "apps/two_stage_bnn/cnv_w2a2.onnx", "mobilenet_v1_w4a4": ROOT / "apps/mobilenet_six_stage/mobilenet_v1_w4a4.onnx"}
LINKS = [100, 100, 100, 300, 1000, 30]  # Mbit/s
HOP_S = 0.2e-3  # what this machine takes to pass a chunk from one job to the next
LEAST_S, MOST_CHUNKS = 4, 20_000  # a run takes so long, or has so many chunks, so that starting its jobs is a small part of it
FIRST_BOARD = "b0"  # of those that `fard up` brings up: the one that is asked
MOST_OF_CORES, MOST_SKIPPED, MOST_LATE_REPEATS = 0.6, 40, 2


class Fard:
    """A user's world: programs, a runtime directory, board profiles with links of several rates."""

    def __init__(self, build, place):
        self.build = pathlib.Path(build).resolve()
        self.program = self.build / "cli/fard"
        self.place = pathlib.Path(place)
        runtime, profiles = self.place / "runtime", self.place / "boards"
        runtime.mkdir(mode=0o700)
        profiles.mkdir()
        for file in (ROOT / "overlays/boards").glob("*.toml"):
            text = file.read_text()
            (profiles / file.name).write_text(text)
            for rate in sorted(set(LINKS)):
                named = re.sub(r'(?m)^name = ".*"', f'name = "{file.stem}-{rate}"', text)
                named = re.sub(r"(?m)^mbit_per_s = \{ value = [0-9.]+", f"mbit_per_s = {{ value = {rate}", named)
                (profiles / f"{file.stem}-{rate}.toml").write_text(named)
        # The paper's clock. Its links carry 10 Gbit/s, which is more than a machine of two cores can compute for.
        text = (ROOT / "overlays/boards/zcu102.toml").read_text()
        for key, value in (("name", '"zcu102-200MHz"'), ("clock_mhz", "{ value = 200"), ("mbit_per_s", "{ value = 1000")):
            text = re.sub(rf'(?m)^{key} = (".*"|\{{ value = [0-9.]+)', f"{key} = {value}", text)
        (profiles / "zcu102-200MHz.toml").write_text(text)
        self.environment = dict(os.environ, XDG_RUNTIME_DIR=str(runtime), FARD_BOARDS=str(profiles), FARD_NODE="")

    def run(self, *arguments, limit=300):
        done = subprocess.run([self.program, *map(str, arguments)], capture_output=True, text=True, env=self.environment, timeout=limit)
        if done.returncode:
            raise Refused(f"fard {arguments[0]}: {done.stderr.strip()}")
        return done.stdout

    def json(self, *arguments, **more):
        return json.loads(self.run(*arguments, "--json", **more))

    def up(self, boards, profile, slots):
        self.run("up", "--boards", boards, "--profile", profile, *(["--slots", slots] if slots > 1 else []))

    def down(self):
        self.run("down")


class Refused(Exception):
    pass


class Network:
    """A network that scenarios are drawn of: where it can be cut, inputs, and what a chunk takes on one core here."""

    def __init__(self, fard, name, directory):
        self.name, self.file = name, OWN.get(name, pathlib.Path(directory) / f"{name}.onnx")
        known = fard.json("inspect", self.file)
        self.cuts = [cut["tensors"] for cut in known["legal_cuts"][:-1] if len(cut["tensors"]) == 1]
        self.macs = {layer["name"]: layer["macs"] for layer in known["layers"]}
        tensor = known["inputs"][0]
        low, high = tensor.get("range") or (-1, 1)
        draw = np.random.default_rng(1)
        shape = [20, *tensor["shape"][1:]]
        values = draw.integers(low, high + 1, shape) if tensor.get("range") else draw.uniform(low, high, shape)
        self.inputs = fard.place / f"{name}.npy"
        np.save(self.inputs, values.astype(np.uint8 if tensor["declared"] == "UINT8" else np.float32))
        # The least of a few: what else this machine does is no part of it.
        command = ["run", self.file, "--input", self.inputs, "--output", fard.place / "out.npy"]
        self.core_s = min(fard.json(*command)["ms_per_image"] for _ in range(5)) / 1e3

    def app(self, place, cuts, window, link, replicas=(), parts=()):
        lines = ["[app]", 'name = "drawn"', "[model]", f'file = "{self.file}"', "cuts = [" + ", ".join(json.dumps(c[0]) for c in cuts) + "]",
                 "[pipeline]", f'window = "{window} KiB"', f'link = "{link} KiB"', 'turn_wait = "2 s"']
        for i in range(len(cuts) + 1):
            lines += ["[[pipeline.position]]", f'name = "s{i}"'] + ([f"replicas = {replicas[i]}"] if i < len(replicas) and replicas[i] > 1 else [])
            lines += [f"parts = {parts[i]}"] if i < len(parts) and parts[i] > 1 else []
        file = place / "drawn.toml"
        file.write_text("\n".join(lines) + "\n")
        return file


class Scenario:
    def __init__(self, draw, of_turns, networks):
        name, most_stages, most_chunks = draw.choice(NETWORKS)
        self.network = networks[name]
        stages = draw.randint(1, min(most_stages, len(self.network.cuts) + 1))
        self.cuts = [self.network.cuts[i] for i in sorted(draw.sample(range(len(self.network.cuts)), stages - 1))]
        self.kind, self.rate = draw.choice(["zedboard", "zedboard", "pynq-z1", "pynq-z2"]), draw.choice(LINKS)
        self.slots = draw.choice([1, 1, 1, 2])
        turns = stages > 1 and draw.random() < 0.5
        self.boards = draw.randint(1, max(1, (stages - 1) // self.slots)) if turns else draw.randint(-(-stages // self.slots), max(6, -(-stages // self.slots)))
        self.replicas = [1] * stages
        if not turns and draw.random() < 0.4:
            self.replicas[draw.randrange(stages)] = 2
            self.boards = max(self.boards, -(-(stages + 1) // self.slots))
        self.window, self.link = draw.choice([1024, 8192, 16384]), draw.choice([256, 1024, 4096])
        self.chunks = draw.randint(most_chunks // 4, most_chunks)
        self.batch = draw.choice(["auto", "auto", draw.randint(1, 32)])
        self.parts = [1] * stages
        if turns and self.boards * self.slots > 1:
            several = of_turns.choice([None, None, self.replicas, self.replicas, self.parts])
            if several is not None:
                several[of_turns.randrange(stages)] = 2

    def text(self):
        return (f"{self.network.name} in {len(self.cuts) + 1}, {self.boards} {self.kind} x {self.slots} at {self.rate} Mbit/s, replicas "
                f"{''.join(map(str, self.replicas))}, {self.chunks} chunks, batch {self.batch}"
                + (f", parts {''.join(map(str, self.parts))}" if max(self.parts) > 1 else ""))

    def run(self, fard):
        app = self.network.app(fard.place, self.cuts, self.window, self.link, self.replicas, self.parts)
        fard.up(self.boards, f"{self.kind}-{self.rate}", self.slots)
        try:
            return self.measured(fard, app)
        finally:
            fard.down()

    def planned(self, fard, app):
        return fard.json("plan", app, "--node", "", "--chunks", self.chunks, "--batch", self.batch)

    def measured(self, fard, app):
        row = dict(late_runs=0, skipped=False)
        for again in range(MOST_LATE_REPEATS + 1):
            expected = self.planned(fard, app)
            for _ in range(2):
                if expected["wall_s"] >= LEAST_S or self.chunks == MOST_CHUNKS:
                    break
                self.chunks = min(MOST_CHUNKS, int(self.chunks * 1.1 * LEAST_S / expected["wall_s"]) + 1)
                expected = self.planned(fard, app)
            row.update(scenario=self.text())
            row.update(predicted=expected["throughput_per_s"], bound=expected["bound"], limit=expected["limit"], batch=expected["batch"])
            chunk_s = self.network.core_s * max(self.parts) + HOP_S * (len(self.cuts) + 2)  # what lies before a part's layer each of them computes
            cores = max(expected["throughput_per_s"], expected["steady_per_s"]) * chunk_s
            if cores > MOST_OF_CORES * (os.cpu_count() or 1):
                return dict(row, skipped=True, cores=cores)
            summary = fard.json("submit", app, "--input", self.network.inputs, "--chunks", self.chunks, "--batch", self.batch, "--output",
                                fard.place / "out.npy", "--timeout", "240")
            if "plan" not in summary:
                raise Refused("fard submit made no plan")
            got = summary["plan"]["measured"]
            row.update(measured=got["throughput_per_s"], reloads=(expected["reloads"], got["reloads"]), submit_plan=summary["plan"]["throughput_per_s"],
                       load=os.getloadavg()[0], invalid="invalid" in summary)
            if not row["invalid"]:
                break
            row["late_runs"] += 1
            fard.down()
            fard.up(self.boards, f"{self.kind}-{self.rate}", self.slots)
        return row


def off(row):
    return row["measured"] / row["predicted"] - 1


def draw_all(fard, networks, seed, count, only, seconds):
    draw, rows, skipped, number = random.Random(seed), [], [], 0
    end = time.monotonic() + seconds
    while len(rows) < count and len(skipped) < MOST_SKIPPED and time.monotonic() < end:
        number += 1
        scenario = Scenario(draw, random.Random(f"turns {seed} {number}"), networks)
        if only and number not in only:
            if number > max(only):
                break
            continue
        try:
            row = scenario.run(fard)
        except Refused as why:
            print(f"{number:3} drawn again: {scenario.text()}: {str(why).splitlines()[0][:150]}", file=sys.stderr)
            continue
        row["number"] = number
        (skipped if row["skipped"] else rows).append(row)
        print(f"{number:3} {line(row)}", file=sys.stderr, flush=True)
    return rows, skipped


def line(row):
    if row["skipped"]:
        return f"skipped, {row['cores']:.1f} cores: {row['scenario']}"
    late = f", {row['late_runs']} late" if row["late_runs"] else ""
    return (f"{row['predicted']:9.3f} {row['measured']:9.3f} {off(row) * 100:+6.1f} %  of bound {row['measured'] / row['bound']:.3f}  reloads "
            f"{row['reloads'][0]}/{row['reloads'][1]}  load {row['load']:.1f}{late}  {row['scenario']} ({row['limit']})")


def scenarios(fard, networks, options):
    only = {int(n) for n in options.only.split(",")} if options.only else set()
    rows, skipped = draw_all(fard, networks, options.seed, options.count, only, options.seconds)
    valid = [row for row in rows if not row["invalid"]]
    offs = sorted(abs(off(row)) for row in valid)
    result = dict(seed=options.seed, rows=rows, skipped=skipped, run=len(rows), valid=len(valid))
    if offs:
        result.update(median=float(np.median(offs)), worst=offs[-1], above_bound=max(row["measured"] / row["bound"] for row in valid) - 1)
        result["reached"] = offs[-1] <= 0.07 and result["median"] <= 0.03 and result["above_bound"] <= 0.01
    return result


def told(result):
    print(f"seed {result['seed']}: {result['run']} run, {result['valid']} valid, {len(result['skipped'])} skipped")
    if "median" in result:
        print(f"off by {result['median'] * 100:.1f} % (median), {result['worst'] * 100:.1f} % at worst; {result['above_bound'] * 100:+.1f} % above the bound at most"
              f"{'' if result['reached'] else '  MISSED'}")


def even_cuts(network, stages):
    """Where the products are shared most evenly: the nearest cut behind each share of them."""
    names, sums, total = list(network.macs), [], 0
    for name in names:
        total += network.macs[name]
        sums.append(total)
    places = {cut[0]: sums[names.index(cut[0])] for cut in network.cuts if cut[0] in network.macs}
    cuts = []
    for share in range(1, stages):
        left = [tensor for tensor in places if not cuts or places[tensor] > places[cuts[-1][0]]]
        cuts.append([min(left, key=lambda tensor: abs(places[tensor] - total * share / stages))])
    return cuts


def efficiency(fard, networks, options):
    rows = []
    for boards in range(2, 7):
        network = networks["chain_16_w4a4"]
        app = network.app(fard.place, even_cuts(network, boards), 8192, 2048)
        fard.up(boards, "zedboard", 1)
        try:
            command = ["submit", app, "--input", network.inputs, "--output", fard.place / "out.npy", "--batch", "auto", "--chunks"]
            fard.json(*command, boards)  # loads
            got = fard.json(*command, 240)
        finally:
            fard.down()
        share = got["steady_per_s"] * got["plan"]["period_ms"] / 1e3
        rows.append(dict(boards=boards, network=network.name, steady_per_s=got["steady_per_s"], period_ms=got["plan"]["period_ms"], efficiency=share,
                         limit=got["plan"]["limit"], reloads=got["reloads"], invalid="invalid" in got, load=os.getloadavg()[0]))
        print(f"{boards} boards, {network.name:18} {got['steady_per_s']:8.2f}/s of {1e3 / got['plan']['period_ms']:8.2f}/s  {share:.3f} "
              f"({got['plan']['limit']}){' INVALID' if 'invalid' in got else ''}", file=sys.stderr, flush=True)
    return dict(rows=rows, reached=all(row["efficiency"] >= 0.95 for row in rows if not row["invalid"]))


FILLER = "tfc_w2a2"  # what FPGAs hold where a row begins cold


@dataclasses.dataclass
class PaperRow:
    name: str
    network: str
    kind: str
    boards: int
    chunks: int
    published: float = None  # this and the goal: chunks/s
    goal: float = None
    stages: int = None  # None: as many as the planner likes
    cold: bool = False
    steady: bool = True  # the rate from the first result to the last, else of the whole
    split: bool = False  # the stages, copies and packages that `fard split` writes; else the cuts of `fard plan`, packages as `fard submit` makes them
    on_board: bool = False  # chunks come from the first board
    fraction: float = 1  # of each board that may be used; None: FINN's


PAPERS = [
    PaperRow("GRETSI: one image, six bitstreams on three Zedboards", "mobilenet_v1_w4a4_pixels", "zedboard", 3, 1, 1.302, 1 / 0.540, stages=6, cold=True, steady=False),
    PaperRow("GRETSI: 64 images of it", "mobilenet_v1_w4a4_pixels", "zedboard", 3, 64, 3.174, 64 / 1.68, stages=6, cold=True, steady=False),
    PaperRow("WiPiEC: resident on six Zedboards, raw images over 100 Mbit/s", "mobilenet_v1_w4a4_pixels", "zedboard", 6, 240, goal=0.95 * 78.8, stages=6),
    PaperRow("WiPiEC: resident on six Zedboards, images on the first of them", "mobilenet_v1_w4a4_pixels", "zedboard", 6, 720, 118.3, 210, split=True, on_board=True),
    PaperRow("GRETSI: CnvW2A2 on two Zedboards", "cnv_w2a2", "zedboard", 2, 8000, 123.8, 1600),
    PaperRow("FARD: 20 images of CnvW2A2 on two PYNQ-Z1", "cnv_w2a2", "pynq-z1", 2, 20, 238.1, steady=False),
    PaperRow("BNNsplit: CnvW2A2 on three PYNQ-Z1", "cnv_w2a2", "pynq-z1", 3, 12000, 719.56, 2300),
    PaperRow("Mageiropoulos: SqueezeNet on six ZU9EG at 200 MHz, over 1 Gbit/s", "squeezenet_qdq_pixels", "zcu102-200MHz", 6, 3000, 251, 350, split=True, fraction=None)]


def paper_row(fard, networks, row):
    """As planned; where this machine is too late for that many copies of a whole network, or boards of a split one, with fewer of them."""
    network = networks[row.network]
    result = dict(name=row.name, published=row.published, goal=row.goal, chunks=row.chunks)
    if row.split:
        for boards in range(row.boards, 0, -1):
            app = split_app(fard, network, row, boards)
            if repeated(result, lambda: paper_run(fard, networks, network, app, row, boards), boards=boards, boards_planned=row.boards):
                break
        return result
    count = ["--stages", row.stages] if row.stages else []
    planned = fard.json("plan", network.file, "--board", row.kind, "--boards", row.boards, *count, "--chunks", row.chunks,
                        *(["--fraction", row.fraction] if row.fraction else []))
    after = {cut["after"]: cut["tensors"] for cut in fard.json("inspect", network.file)["legal_cuts"]}
    cuts = [after[stage["layers"][-1]] for stage in planned["stages"][:-1]]
    replicas = [stage["replicas"] for stage in planned["stages"]]
    for copies in range(replicas[0], 0, -1) if not cuts else [replicas[0]]:
        app = network.app(fard.place, cuts, 16384, 4096, [copies, *replicas[1:]])
        if repeated(result, lambda: paper_run(fard, networks, network, app, row, row.boards), copies=copies, copies_planned=replicas[0]):
            break
    return result


def repeated(result, run, **more):
    """Whether a run was on time, in as many tries as a late one may have."""
    for late_runs in range(MOST_LATE_REPEATS + 1):
        result.update(run(), late_runs=late_runs, **more)
        if not result["invalid"]:
            return True
    return False


def split_app(fard, network, row, boards):
    """The app that `fard split` writes for so many boards; where chunks come from the first of them, position 0 is to be there."""
    out = fard.place / f"split-{network.name}-{boards}"
    more = (["--on-board"] if row.on_board else []) + (["--fraction", row.fraction] if row.fraction else [])
    if not out.exists():
        fard.run("split", network.file, "--board", row.kind, "--boards", boards, *more, "--out", out)
    app = out / f"{network.name}.toml"
    if row.on_board:
        app.write_text(app.read_text().replace("[[pipeline.position]]\n", f'[[pipeline.position]]\nboard = "{FIRST_BOARD}"\n', 1))
    return app


def paper_run(fard, networks, network, app, row, boards):
    fard.up(boards, row.kind, 1)
    try:
        command = ["submit", app, "--input", network.inputs, "--output", fard.place / "out.npy", "--batch", "auto",
                   *(["--on-board"] if row.on_board else []), "--chunks"]
        fard.json(*command, 8 * boards)  # packages are where they are needed, and loaded
        if row.cold:
            other = fard.place / "other"
            other.mkdir(exist_ok=True)
            second = networks[FILLER]
            fard.run("submit", second.app(other, [], 1024, 256, [boards]), "--input", second.inputs, "--chunks", 8 * boards)
        got = fard.json(*command, row.chunks)
    finally:
        fard.down()
    key = "steady_per_s" if row.steady else "throughput_per_s"
    return dict(plan=got["plan"][key], bound=got["plan"]["bound"], measured=got["plan"]["measured"][key], reloads=got["reloads"],
                invalid="invalid" in got, load=os.getloadavg()[0])


def papers(fard, networks, options):
    rows = []
    for row in PAPERS:
        try:
            rows.append(paper_row(fard, networks, row))
        except (Refused, KeyError) as why:
            rows.append(dict(name=row.name, refused=str(why)))
        one = rows[-1]
        text = one.get("refused") or (f"plan {one['plan']:9.3f}/s, run {one['measured']:9.3f}/s, published {one['published']}, goal {one['goal']}, "
                                      f"reloads {one['reloads']}")
        for what in ("copies", "boards"):
            if one.get(what) != one.get(f"{what}_planned"):
                text += f", {one[what]} {what} of {one[f'{what}_planned']}"
        if one.get("invalid"):
            text += " INVALID"
        print(f"{one['name']}: {text}", file=sys.stderr, flush=True)
    return dict(rows=rows, reached=all(row["measured"] >= row["goal"] for row in rows if row.get("measured") and row["goal"] and not row["invalid"]))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--networks", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--only", default="")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="no scenario begins after so long")
    parser.add_argument("--efficiency", action="store_true")
    parser.add_argument("--papers", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fard-scenarios-") as place:
        fard = Fard(options.build, place)
        names = [row.network for row in PAPERS] + [FILLER] if options.papers else [name for name, _, _ in NETWORKS]
        networks = {name: Network(fard, name, options.networks) for name in dict.fromkeys(names)}
        result = (papers if options.papers else efficiency if options.efficiency else scenarios)(fard, networks, options)
    if options.json:
        print(json.dumps(result))
    elif not options.efficiency and not options.papers:
        told(result)
    return 0 if result.get("reached") else 1


if __name__ == "__main__":
    sys.exit(main())
