#!/usr/bin/env python3
"""Knocks at every port of a machine as somebody who has no key that is known there, by libzmq itself.

  strangers.py scan ADDRESS PORT... --server-key HEX     every mechanism, every kind of socket; exit 1 if anything answers
  strangers.py hostile ADDRESS PORT --server-key HEX --secret FILE --hello FILE
                                                         a member's key, and HELLOs that no member sends
"""
import argparse
import ctypes
import ctypes.util
import random
import socket
import struct
import sys
import time

zmq = ctypes.CDLL(ctypes.util.find_library("zmq") or "libzmq.so.5")
for name in ("zmq_ctx_new", "zmq_socket"):
    getattr(zmq, name).restype = ctypes.c_void_p
PAIR, SUB, DEALER, PULL, PUSH = 0, 2, 5, 7, 8
ROUTING_ID, SUBSCRIBE, LINGER, IMMEDIATE = 5, 6, 17, 39
PLAIN_USERNAME, PLAIN_PASSWORD, CURVE_PUBLICKEY, CURVE_SECRETKEY, CURVE_SERVERKEY = 45, 46, 48, 49, 50
DONTWAIT, HANDSHAKE_SUCCEEDED = 1, 0x1000
context = ctypes.c_void_p(zmq.zmq_ctx_new())


def option(sock, number, value):
    data = value if isinstance(value, bytes) else struct.pack("i", value)
    if zmq.zmq_setsockopt(sock, number, data, ctypes.c_size_t(len(data))) != 0:
        sys.exit(f"zmq_setsockopt {number}")


def key_pair():
    public, secret = ctypes.create_string_buffer(41), ctypes.create_string_buffer(41)
    zmq.zmq_curve_keypair(public, secret)
    return tuple(decoded(text.value) for text in (public, secret))


def decoded(text):
    out = ctypes.create_string_buffer(32)
    zmq.zmq_z85_decode.restype = ctypes.c_void_p
    zmq.zmq_z85_decode(out, text)
    return out.raw


def receive(sock):
    buffer = ctypes.create_string_buffer(1 << 16)
    size = zmq.zmq_recv(sock, buffer, ctypes.c_size_t(len(buffer)), DONTWAIT)
    return None if size < 0 else buffer.raw[:size]


class Knock:
    """One connection, and what came of it."""

    def __init__(self, kind, endpoint, prepare):
        self.sock = ctypes.c_void_p(zmq.zmq_socket(context, kind))
        option(self.sock, LINGER, 0)
        option(self.sock, IMMEDIATE, 1)
        if kind == SUB:
            option(self.sock, SUBSCRIBE, b"")
        prepare(self.sock)
        place = f"inproc://monitor-{id(self)}".encode()
        zmq.zmq_socket_monitor(self.sock, place, HANDSHAKE_SUCCEEDED)
        self.monitor = ctypes.c_void_p(zmq.zmq_socket(context, PAIR))
        option(self.monitor, LINGER, 0)
        zmq.zmq_connect(self.monitor, place)
        if zmq.zmq_connect(self.sock, endpoint.encode()) != 0:
            sys.exit(f"cannot connect to {endpoint}")
        self.kind = kind

    def answered(self):
        if receive(self.monitor) is not None:
            return "its handshake was taken"
        if self.kind in (DEALER, PUSH) and zmq.zmq_send(self.sock, b"", ctypes.c_size_t(0), DONTWAIT) >= 0:
            return "it takes messages"
        if self.kind != PUSH and receive(self.sock) is not None:
            return "it says something"
        return None

    def close(self):
        zmq.zmq_socket_monitor(self.sock, None, 0)
        zmq.zmq_close(self.monitor)
        zmq.zmq_close(self.sock)


def curve(server, pair):
    def prepare(sock):
        option(sock, CURVE_SERVERKEY, server)
        option(sock, CURVE_PUBLICKEY, pair[0])
        option(sock, CURVE_SECRETKEY, pair[1])
    return prepare


def plain(sock):
    option(sock, PLAIN_USERNAME, b"admin")
    option(sock, PLAIN_PASSWORD, b"admin")


def scan(arguments):
    server = bytes.fromhex(arguments.server_key)
    ways = {"NULL": lambda sock: None, "PLAIN": plain, "CURVE to another key": curve(key_pair()[0], key_pair()),
            "CURVE with an unknown key": curve(server, key_pair())}
    knocks = [(f"port {port}, {way}, socket type {kind}", Knock(kind, f"tcp://{arguments.address}:{port}", prepare))
              for port in arguments.ports for way, prepare in ways.items() for kind in (DEALER, SUB, PULL, PUSH)]
    rude = []
    for port in arguments.ports:  # neither half a greeting nor rubbish may hold anybody up
        for words in (b"", b"\xff\0\0\0\0\0\0\0\1\x7f\3", b"GET / HTTP/1.0\r\n\r\n" * 9, bytes(64)):
            rude.append(socket.create_connection((arguments.address, port), timeout=5))
            rude[-1].sendall(words)
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        for what, knock in knocks:
            if said := knock.answered():
                sys.exit(f"{what}: {said}")
        time.sleep(0.02)
    print(f"{len(knocks)} strangers at {len(arguments.ports)} ports: no answer")


def hostile(arguments):
    with open(arguments.secret) as file:
        secret = bytes.fromhex(file.read().split()[-1])
    text = ctypes.create_string_buffer(41)
    zmq.zmq_z85_encode(text, secret, ctypes.c_size_t(32))
    public = ctypes.create_string_buffer(41)
    zmq.zmq_curve_public(public, text)
    with open(arguments.hello, "rb") as file:
        hello = file.read()
    draw = random.Random(7)
    forms = [hello.replace(b"tcp://", other) for other in (b"udp://", b"pgm://", b"ipc:/x", b"ws:///", b"tcp:\0/", b"://///")]
    forms += [hello.replace(b"ipc://", b"vmci:/"), hello[:-1], hello[:40], b"", b"\xdf\xff\xff\xff\xff" + hello, b"\x91" * 60000]
    for first in (b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff"):
        forms += [hello[:at] + first + hello[at:] for at in range(1, len(hello), 29)]  # 2^32 of whatever stands there
    for _ in range(400):
        changed = bytearray(hello)
        for _ in range(draw.randint(1, 8)):
            changed[draw.randrange(len(changed))] = draw.randrange(256)
        forms.append(bytes(changed))
    knock = Knock(DEALER, f"tcp://{arguments.address}:{arguments.ports[0]}",
                  curve(bytes.fromhex(arguments.server_key), (decoded(public.value), secret)))
    for form in forms:
        end = time.monotonic() + 10
        while zmq.zmq_send(knock.sock, form, ctypes.c_size_t(len(form)), DONTWAIT) < 0:
            if time.monotonic() > end:
                sys.exit("the door takes no message of a member any more")
            time.sleep(0.002)
        while receive(knock.sock) is not None:
            pass
    time.sleep(0.5)
    print(f"{len(forms)} HELLOs that no member sends")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("scan", "hostile"))
    parser.add_argument("address")
    parser.add_argument("ports", nargs="+", type=int)
    parser.add_argument("--server-key", required=True)
    parser.add_argument("--secret")
    parser.add_argument("--hello")
    arguments = parser.parse_args()
    scan(arguments) if arguments.what == "scan" else hostile(arguments)


main()
