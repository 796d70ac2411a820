"""Reads tests/golden/wire by what docs/protocol.md says, with no code of fard: read_golden.py DIRECTORY PROTOCOL.md

Each NAME.bin must mean what NAME.json says. Messages must have the numbers, versions and fields that the page lists, in its
order, and come out as the same bytes when they are written again; every message of the page must have a file.
"""
import json
import pathlib
import re
import struct
import sys

FIXED = {0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"}
SIZED = {0xC4: ("bin", ">B"), 0xC5: ("bin", ">H"), 0xC6: ("bin", ">I"), 0xD9: ("str", ">B"), 0xDA: ("str", ">H"),
         0xDB: ("str", ">I"), 0xDC: ("array", ">H"), 0xDD: ("array", ">I"), 0xDE: ("map", ">H"), 0xDF: ("map", ">I")}
ENVELOPE = ["t", "v", "q", "a", "f", "l", "b"]


# ---- MessagePack, as much of it as fard speaks

class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        self.at += size
        if self.at > len(self.data):
            raise ValueError("cut off")
        return self.data[self.at - size:self.at]

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def value(self):
        first = self.number(">B")
        if first < 0x80:
            return first
        if first >= 0xE0:
            return first - 0x100
        if first in (0xC0, 0xC2, 0xC3):
            return {0xC0: None, 0xC2: False, 0xC3: True}[first]
        if first in FIXED:
            return self.number(FIXED[first])
        if first in SIZED:
            kind, form = SIZED[first]
            return self.sized(kind, self.number(form))
        if first < 0x90:
            return self.sized("map", first & 0x0F)
        if first < 0xA0:
            return self.sized("array", first & 0x0F)
        return self.sized("str", first & 0x1F)

    def sized(self, kind, size):
        if kind == "map":
            return {self.value(): self.value() for _ in range(size)}
        if kind == "array":
            return [self.value() for _ in range(size)]
        return self.take(size).decode() if kind == "str" else self.take(size)


def read(data):
    reader = Reader(data)
    value = reader.value()
    if reader.at != len(data):
        raise ValueError("bytes after the end")
    return value


def head(size, short, shortest, forms):
    """The least head that says this size."""
    if short is not None and size < shortest:
        return bytes([short | size])
    first, form = next(pair for pair, most in zip(forms, (0xFF, 0xFFFF, 0xFFFFFFFF)[3 - len(forms):]) if size <= most)
    return bytes([first]) + struct.pack(form, size)


def write(value):
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int) and value >= 0:
        if value < 0x80:
            return bytes([value])
        return next(bytes([first]) + struct.pack(form, value) for first, form in
                    ((0xCC, ">B"), (0xCD, ">H"), (0xCE, ">I"), (0xCF, ">Q")) if value < 1 << 8 * struct.calcsize(form))
    if isinstance(value, int):
        if value >= -0x20:
            return bytes([value + 0x100])
        return next(bytes([first]) + struct.pack(form, value) for first, form in
                    ((0xD0, ">b"), (0xD1, ">h"), (0xD2, ">i"), (0xD3, ">q")) if value >= -1 << 8 * struct.calcsize(form) - 1)
    if isinstance(value, str):
        text = value.encode()
        return head(len(text), 0xA0, 32, ((0xD9, ">B"), (0xDA, ">H"), (0xDB, ">I"))) + text
    if isinstance(value, bytes):
        return head(len(value), None, 0, ((0xC4, ">B"), (0xC5, ">H"), (0xC6, ">I"))) + value
    if isinstance(value, list):
        return head(len(value), 0x90, 16, ((0xDC, ">H"), (0xDD, ">I"))) + b"".join(map(write, value))
    return head(len(value), 0x80, 16, ((0xDE, ">H"), (0xDF, ">I"))) + b"".join(
        write(key) + write(inner) for key, inner in value.items())


def plain(value):
    """As JSON has it: bytes as an object with their values."""
    if isinstance(value, bytes):
        return {"bytes": list(value), "subtype": None}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return value


# ---- the page

def messages_of(page):
    """number -> (name, version, fields)"""
    rows = re.findall(r"^\| (\d+) \| (\w+) \| (\d+) \| [^|]* \| ([^|]*) \|", page, re.MULTILINE)
    return {int(number): (name, int(version), [field for field in re.split(r",\s*", fields.strip()) if field])
            for number, name, version, fields in rows}


# ---- each kind of file

def check_message(data, meant, listed):
    value = read(data)
    if plain(value) != meant:
        return "is not what its .json says"
    name, version, fields = listed
    if value["t"] == 92:  # a form of its own, with all integers at full width
        return None if list(value) == ["t", "v"] + fields else "has other keys than the page"
    if list(value) != ENVELOPE or value["v"] != version:
        return "has another envelope than the page"
    if list(value["b"]) != fields:
        return f"has the fields {list(value['b'])}, the page {fields}"
    return None if write(value) == data else "comes out in other bytes"


def elements_of(kind, data, count):
    bits = 1 if kind == "BIPOLAR" else int(re.sub(r"\D", "", kind))
    lie = bits if bits <= 8 else 16 if bits <= 16 else 32
    whole = int.from_bytes(data, "little")
    elements = [whole >> lie * i & (1 << lie) - 1 for i in range(count)]
    if kind == "BIPOLAR":
        return [2 * element - 1 for element in elements]
    return [element - (1 << lie) if kind.startswith("INT") and element >> lie - 1 else element for element in elements]


def check_other(name, data, meant):
    if name.startswith("tensor-"):
        good = elements_of(meant["type"], data, len(meant["elements"])) == meant["elements"]
    else:
        size = meant["bytes_each"]
        good = [int.from_bytes(data[at:at + size], "little") for at in range(0, len(data), size)] == meant["numbers"]
    return None if good else "is not what its .json says"


def main():
    directory, page = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).read_text(encoding="utf-8")
    listed, seen, wrong = messages_of(page), set(), []
    for file in sorted(directory.glob("*.bin")):
        data, meant = file.read_bytes(), json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
        number = re.match(r"(\d+)-(\w+)$", file.stem)
        if not number:
            problem = check_other(file.stem, data, meant)
        elif listed.get(int(number[1]), ("",))[0] != number[2]:
            problem = "is no message of the page"
        else:
            seen.add(int(number[1]))
            problem = check_message(data, meant, listed[int(number[1])])
        if problem:
            wrong.append(f"{file.name} {problem}")
    wrong += [f"{listed[number][0]} has no golden bytes" for number in sorted(set(listed) - seen)]
    print("\n".join(wrong) or f"{len(seen)} messages and the other frames are as docs/protocol.md says")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
