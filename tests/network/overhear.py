#!/usr/bin/env python3
"""Reads all that passes the ports of this network namespace until it is ended, then says which of some byte strings it saw.

  overhear.py READY_FILE RESULT_FILE WORDS_FILE     WORDS_FILE: one byte string a line, as hex digits
"""
import signal
import socket
import sys

ended = False


def end(*_):
    global ended
    ended = True


signal.signal(signal.SIGTERM, end)
everything = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
everything.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUFFORCE if hasattr(socket, "SO_RCVBUFFORCE") else 33, 64 << 20)
everything.settimeout(0.2)
open(sys.argv[1], "w").close()
frames = []
while not ended:
    try:
        frames.append(everything.recv(1 << 16))
    except TimeoutError:
        pass
with open(sys.argv[3]) as file:
    words = [bytes.fromhex(line.strip()) for line in file if line.strip()]
seen = [word for word in words if any(word in frame for frame in frames)]
with open(sys.argv[2], "w") as file:
    print(len(frames), "frames;", len(seen), "of", len(words), "words", file=file)
    for word in seen:
        print(word.hex(), word, file=file)
