#!/usr/bin/python3
"""Schedules followed a second time, by coroutines over a clock: when is each result there?

Usage: schedules.py PROGRAM [COUNT]    PROGRAM draws COUNT pipelines and says what fard's simulation makes of them.
"""

import heapq
import itertools
import json
import subprocess
import sys


class Clock:
    """Runs coroutines. They yield seconds to wait, or a Gate to wait at until it is shaken."""

    def __init__(self):
        self.now, self.queue, self.count = 0.0, [], itertools.count()

    def start(self, coroutine):
        self.later(0, coroutine)

    def later(self, seconds, coroutine):
        heapq.heappush(self.queue, (self.now + seconds, next(self.count), coroutine))

    def run(self, until):
        while self.queue and not until():
            self.now, _, coroutine = heapq.heappop(self.queue)
            self.step(coroutine)

    def step(self, coroutine):
        try:
            wanted = next(coroutine)
        except StopIteration:
            return
        if isinstance(wanted, Gate):
            wanted.waiting.append(coroutine)
        else:
            self.later(wanted, coroutine)


class Gate:
    def __init__(self):
        self.waiting = []


class Line:
    """Serves one at a time, whoever came first."""

    def __init__(self, clock):
        self.clock, self.free = clock, 0.0

    def take(self, seconds):
        self.free = max(self.free, self.clock.now) + seconds
        return self.free - self.clock.now


class Slot:
    def __init__(self):
        self.loaded, self.empty_at, self.next_start = None, 0.0, 0.0


class World:
    def __init__(self, case):
        self.case, self.clock = case, Clock()
        self.gate = Gate()
        places = case["places"]
        self.cpu = [Line(self.clock) for _ in places]
        self.out = [Line(self.clock) for _ in places]
        self.into = [Line(self.clock) for _ in places]
        self.port = [Line(self.clock) for _ in places]  # bitstreams
        self.positions = case["positions"]
        self.batched = bool(case["turns"])
        self.slots, self.orders = {}, {(t["board"], 0): t["order"] for t in case["turns"]}
        self.held = {}       # (position, seat): chunks that have room there and are not computed
        self.here = {}       # (position, seat): chunks that have come
        self.pieces = {}     # (position, seat, chunk): how many parts have come
        self.outbox = {}     # (position, seat): computed, not sent
        self.pending = {}    # (position, seat): started, not sent
        self.ready = {}      # (position, seat): set of computed chunks, for the order
        self.on = {}         # slot: (position, batch) whose turn it is
        self.target = {}     # (position, chunk)
        self.let_in = {}     # position: chunks in the order in which there was room for them
        self.started = {}    # (position, seat): how many
        self.delivered, self.results, self.reloads = 0, {}, 0
        self.handing = 0     # messages of a board where chunks come from that wait for its processor
        for p, position in enumerate(self.positions):
            for s, seat in enumerate(position["seats"]):
                self.slots.setdefault(tuple(seat), Slot())
                for table in (self.held, self.here, self.outbox):
                    table[p, s] = []
                self.ready[p, s] = set()
                self.pending[p, s] = self.started[p, s] = 0
            self.let_in[p] = []

    # What a position is.

    def seats(self, p):
        return range(len(self.positions[p]["seats"]))

    def slot(self, p, s):
        return tuple(self.positions[p]["seats"][s])

    def place(self, p, s):
        if p < 0:
            return self.case["input"]
        if p == len(self.positions):
            return self.case["output"]
        return self.positions[p]["seats"][s][0]

    def bytes_to(self, p, sender):
        if p > 0 and self.positions[p - 1]["parts"]:
            return self.positions[p - 1]["parts"][sender]
        return self.case["bytes_out"] if p == len(self.positions) else self.positions[p]["bytes"]

    def shake(self):
        woken, self.gate.waiting = self.gate.waiting, []
        for coroutine in woken:
            self.clock.step(coroutine)

    # Room.

    def receivers(self, p, chunk):
        """The seats that a chunk may go to now; none where there is no room."""
        position = self.positions[p]
        if position["parts"]:
            wanted = list(self.seats(p))
        elif self.batched:
            wanted = [chunk // self.case["batch"] % len(position["seats"])]
        else:
            wanted = [min(self.seats(p), key=lambda s: (len(self.held[p, s]), s))]
        return wanted if all(self.room(p, s, chunk) and self.lets_in(p, s, chunk) for s in wanted) else []

    def room(self, p, s, chunk):
        room = self.positions[p]["room"]
        if not self.batched:
            return len(self.held[p, s]) < room
        mine = self.chunks_of(p, s)
        done = next((i for i, c in enumerate(mine) if c not in self.ready[p, s]), len(mine))
        return mine.index(chunk) < done + room

    def chunks_of(self, p, s):
        seats = len(self.positions[p]["seats"])
        return [c for c in range(self.case["chunks"]) if self.positions[p]["parts"] or c // self.case["batch"] % seats == s]

    def may_start(self, p, s):
        """Of what is here, what may be computed now: parts in one order, with turns all in theirs."""
        if not self.batched and not self.positions[p]["parts"]:
            return sorted(self.here[p, s])
        order = self.chunks_of(p, s) if self.batched else self.let_in[p]
        wanted = order[self.started[p, s]:][:1]
        return [c for c in wanted if c in self.here[p, s]]

    def lets_in(self, p, s, chunk):
        if not self.positions[p]["here"]:
            return True
        slot = self.slot(p, s)
        return slot not in self.orders or self.on.get(slot) == (p, s, chunk // self.case["batch"])

    # Coroutines.

    def source(self):
        for chunk in range(self.case["chunks"]):
            while True:
                early = chunk * self.case["every"] - self.clock.now
                if early > 0:
                    yield early
                    continue
                if chunk < self.delivered + self.case["window"] and self.handing < 2 and self.hand_on(-1, 0, chunk):
                    break
                yield self.gate

    def hand_on(self, p, s, chunk):
        if p + 1 == len(self.positions):
            self.clock.step(self.travel(p, s, 0, chunk))
            return True
        if (p + 1, chunk) not in self.target:
            seats = self.receivers(p + 1, chunk)
            if not seats:
                return False
            self.target[p + 1, chunk] = seats
            self.let_in[p + 1].append(chunk)
            for seat in seats:
                self.held[p + 1, seat].append(chunk)
        for seat in self.target[p + 1, chunk]:
            self.clock.step(self.travel(p, s, seat, chunk))
        return True

    def sender(self, p, s):
        while True:
            sent = True
            while sent:
                sent = False
                for chunk in sorted(self.outbox[p, s]):
                    if self.hand_on(p, s, chunk):
                        self.outbox[p, s].remove(chunk)
                        self.pending[p, s] -= 1
                        sent = True
                        self.shake()
                        break
                    if not self.batched:
                        break
            yield self.gate

    def travel(self, p, s, to, chunk):
        first, last, count = self.place(p, s), self.place(p + 1, to), self.bytes_to(p + 1, s)
        stops, client, via = [first, last], len(self.case["places"]) - 1, self.case["coordinator"]
        if first != last and client in stops and via not in [None, *stops]:
            stops.insert(1, via)
        for a, b in zip(stops, stops[1:]) if first != last else ():
            (rate_a, late_a, chunk_a, byte_a, _), (rate_b, late_b, chunk_b, byte_b, _) = (self.case["places"][x] for x in (a, b))
            from_board = p < 0 and a == first and first != client
            self.handing += from_board
            yield self.cpu[a].take(chunk_a + count * byte_a)
            if from_board:
                self.handing -= 1
                self.shake()
            end = self.out[a].take(count / rate_a)
            ahead = max(0.0, count / rate_a - count / rate_b)
            yield end - count / rate_a + late_a + late_b + ahead
            yield self.into[b].take(count / rate_b)
            yield self.cpu[b].take(chunk_b + count * byte_b)
        if first == last:
            yield 0.0
        self.arrive(p + 1, to, chunk, len(self.positions[p]["parts"]) or 1 if p >= 0 else 1)

    def arrive(self, p, s, chunk, pieces):
        self.pieces[p, s, chunk] = self.pieces.get((p, s, chunk), 0) + 1
        if self.pieces[p, s, chunk] < pieces:
            return
        if p == len(self.positions):
            self.results[chunk] = self.clock.now
            while self.delivered in self.results:
                self.results[self.delivered] = self.clock.now
                self.delivered += 1
        else:
            self.here[p, s].append(chunk)
        self.shake()

    def board(self, key):
        """A slot of one position, or the turns of several."""
        users = [(p, s) for p in range(len(self.positions)) for s in self.seats(p) if self.slot(p, s) == key]
        if key not in self.orders:
            (p, s), = users
            yield from self.load(key, p, s)
            while True:
                yield from self.compute_next(key, p, s, None)
        batches = -(-self.case["chunks"] // self.case["batch"])
        had = {user: 0 for user in users}
        named = {p: itertools.cycle([user for user in users if user[0] == p]) for p, _ in users}
        for p in itertools.cycle(self.orders[key]):
            _, s = next(named[p])
            batch = had[p, s] if self.positions[p]["parts"] else s + had[p, s] * len(self.positions[p]["seats"])
            had[p, s] += 1
            if min(had.values()) > batches:
                return
            if batch >= batches:
                continue
            self.on[key] = (p, s, batch)
            self.shake()
            yield from self.load(key, p, s)
            chunks = range(batch * self.case["batch"], min((batch + 1) * self.case["batch"], self.case["chunks"]))
            while not self.reserved(p, s, chunks):
                yield self.gate
            for _ in chunks:
                yield from self.compute_next(key, p, s, chunks)
            self.on[key] = None

    def load(self, key, p, s):
        slot, overlay = self.slots[key], (p, s if self.positions[p]["parts"] else 0)
        if self.positions[p]["processor"] or slot.loaded == overlay:
            return
        while self.clock.now < slot.empty_at:
            yield slot.empty_at - self.clock.now
        self.reloads += 1
        slot.loaded = None
        yield self.port[key[0]].take(self.case["places"][key[0]][4])
        slot.loaded, slot.next_start = overlay, self.clock.now

    def reserved(self, p, s, chunks):
        if p + 1 == len(self.positions):
            return True
        if self.positions[p + 1]["here"]:
            return self.pending[p, s] + len(chunks) <= max(self.case["batch"], self.positions[p + 1]["room"])
        if self.positions[p + 1]["parts"]:
            return all(self.room(p + 1, t, chunks[-1]) for t in self.seats(p + 1))
        return self.room(p + 1, chunks[-1] // self.case["batch"] % len(self.positions[p + 1]["seats"]), chunks[-1])

    def compute_next(self, key, p, s, chunks):
        slot, position = self.slots[key], self.positions[p]
        while True:
            mine = [c for c in self.may_start(p, s) if chunks is None or c in chunks]
            full = chunks is None and p + 1 < len(self.positions) and self.pending[p, s] >= self.positions[p + 1]["room"]
            if mine and self.clock.now < slot.next_start:
                yield slot.next_start - self.clock.now
            elif mine and not full:
                break
            else:
                yield self.gate
        chunk = min(mine)
        self.here[p, s].remove(chunk)
        self.started[p, s] += 1
        self.pending[p, s] += 1
        if position["processor"]:
            wait = self.cpu[key[0]].take(position["interval"])
            slot.next_start = slot.empty_at = self.clock.now + wait
        else:
            wait = position["latency"]
            slot.next_start, slot.empty_at = self.clock.now + position["interval"], self.clock.now + wait
        self.clock.later(wait, self.finish(p, s, chunk))

    def finish(self, p, s, chunk):
        self.held[p, s].remove(chunk)
        self.ready[p, s].add(chunk)
        self.outbox[p, s].append(chunk)
        self.shake()
        return
        yield

    def run(self):
        for key in self.slots:
            self.clock.start(self.board(key))
        for p in range(len(self.positions)):
            for s in self.seats(p):
                self.clock.start(self.sender(p, s))
        self.clock.start(self.source())
        self.clock.run(lambda: self.delivered == self.case["chunks"])
        return [self.results.get(c) for c in range(self.case["chunks"])]


def main():
    count = sys.argv[2] if len(sys.argv) > 2 else "400"
    lines = subprocess.run([sys.argv[1], count], check=True, capture_output=True, text=True).stdout.splitlines()
    wrong = turns = 0
    for seed, line in enumerate(lines):
        case = json.loads(line)
        turns += bool(case["turns"])
        world = World(case)
        ours = world.run()
        same = all(a is not None and abs(a - b) <= 1e-9 * max(1, b) for a, b in zip(ours, case["delivered"]))
        if not same or world.reloads != case["reloads"]:
            wrong += 1
            first = next((i for i, (a, b) in enumerate(zip(ours, case["delivered"])) if a is None or abs(a - b) > 1e-9 * max(1, b)), None)
            print(f"seed {seed}: chunk {first}: {ours[first] if first is not None else ''} here, "
                  f"{case['delivered'][first] if first is not None else ''} there; reloads {world.reloads} and {case['reloads']}")
    print(f"{len(lines)} schedules, {turns} of them with turns, {wrong} wrong")
    sys.exit(wrong > 0 or len(lines) < int(count) or turns == 0)


if __name__ == "__main__":
    main()
