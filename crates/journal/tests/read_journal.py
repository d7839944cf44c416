"""Lists and checks a journal, written from docs/journal-format.md alone: read_journal.py DIRECTORY"""
import hashlib, json, pathlib, struct, sys

TABLE = [0] * 256
for n in range(256):
    TABLE[n] = n
    for _ in range(8):
        TABLE[n] = TABLE[n] >> 1 ^ (0x82F63B78 if TABLE[n] & 1 else 0)

def crc(data):
    value = 0xFFFFFFFF
    for byte in data:
        value = TABLE[(value ^ byte) & 255] ^ value >> 8
    return value ^ 0xFFFFFFFF

def frames(data, journal):
    at = 0
    while at + 128 <= len(data):
        if data[at:at + 8] != b"\x89OUTRFRM":
            at += 8
            continue
        head = data[at:at + 64]
        name, _, kind, place, _, seq, _, header_length, body_length, check = struct.unpack("<16sIBBHQQIQI", head[8:])
        assert crc(head[:60]) == check and name.hex() == journal, f"head at {at}"
        header = data[at + 64:at + 64 + header_length]
        body = data[at + 64 + header_length:][:body_length if place == 1 else 0]
        start = at + 64 + header_length + len(body)
        at_us, sha256, file, body_crc, check = struct.unpack("<q32s16sII", data[start:start + 64])
        assert crc(head + header + data[start:start + 60]) == check, f"trailer of {seq}"
        yield kind, place, seq, header, body, body_length, sha256, file.hex(), body_crc
        at = start + 64 + -(start + 64) % 8

root = pathlib.Path(sys.argv[1])
line = (root / "head").read_bytes().splitlines()[0]
assert int(line[:8], 16) == crc(line[9:]), "head"
head = json.loads(line[9:])
assert head["format"] == 1
found = [frame for path in sorted(root.glob("segments/*.segment")) for frame in frames(path.read_bytes(), head["journal"])]
released = [pair for frame in found if frame[0] == 5 for pair in json.loads(frame[3])["released"]]
for kind, place, seq, header, body, length, sha256, file, body_crc in found:
    if place == 2 and not any(first <= seq <= last for first, last in released):
        body = (root / "objects" / f"{file}.object").read_bytes()[:length]
    if body and kind < 0x40:
        assert hashlib.sha256(body).digest() == sha256, f"body of {seq}"
    if kind < 0x40:
        gone = place == 3 or any(first <= seq <= last for first, last in released)
        print(seq, kind, "-" if place == 0 else "released" if gone else len(body), header.decode())
