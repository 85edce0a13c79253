"""Talk with the page as many visitors do while some do their worst, and measure the others.

    python -m benchmarks.crowd --index DIR --minutes 10

Starts `bot.py --web` with a profile file of its own. Of 200 clients 20 send hostile
pictures, bursts of messages, messages without a cookie, and requests that never end.
Fails (status 1) if the 99th percentile of the others' answers is above 300 ms, if
memory (of the server and its processes) rises by more than 1 GB, or if an answer to one
of them is missing.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter, defaultdict
from contextlib import suppress
from itertools import chain
from pathlib import Path

import numpy as np
from PIL import Image

from e6graph import cli
from e6graph.errors import E6GraphError

from .measure import ROOT, memory

P99_SECONDS = 0.3
MEMORY_BYTES = 10**9
THINKING_SECONDS = 5.0  # on average, between an answer and the next message
PICTURES = 0.02  # share of the others' messages
UNFINISHED = 130  # connections that one hostile client holds open
BURST = 45  # messages of one user at once
EVERY = 1.0  # seconds between looks at the memory
TALK = ["/walk", "/like", "/skip", "/dislike", "/why", "/more", "/surprise", "/taste", "/help"]
PATIENCE = 60.0  # seconds for an answer


class Client:
    """A browser: one connection at a time, a cookie, and one more try if it was closed."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookie = ""
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def say(self, text: str) -> tuple[int, bytes]:
        """Send a message; return the status and the body of the answer."""
        return await self.post(
            "/api/message", "application/json", json.dumps({"text": text}).encode()
        )

    async def post(self, path: str, kind: str, body: bytes) -> tuple[int, bytes]:
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
            "Sec-Fetch-Site: same-origin\r\n"
            f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        )
        if self.cookie:
            head += f"Cookie: {self.cookie}\r\n"
        request = f"{head}\r\n".encode() + body
        async with asyncio.timeout(PATIENCE):
            try:
                return await self._ask(request)
            except (OSError, asyncio.IncompleteReadError):  # an idle connection was closed
                await self.close()
                return await self._ask(request)

    async def _ask(self, request: bytes) -> tuple[int, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self._streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
        if "set-cookie" in fields:
            self.cookie = fields["set-cookie"].split(";")[0]
        body = await reader.readexactly(int(fields["content-length"]))
        if fields.get("connection") == "close":
            await self.close()
        return int(head.split()[1]), body

    async def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


# -- what the hostile ones send --------------------------------------------------------------------
def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def png(wide: int, high: int, parts: int = 0) -> bytes:
    """A PNG of one color, with some empty parts before it."""

    def part(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    packer = zlib.compressobj(9)
    packed = [packer.compress(bytes(1 + 4 * wide)) for _ in range(high)]
    header = struct.pack(">IIBBBBB", wide, high, 8, 6, 0, 0, 0)
    data = part(b"IDAT", b"".join([*packed, packer.flush()]))
    before = part(b"zzZz", b"") * parts
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + before + data + part(b"IEND", b"")


def hostile_pictures() -> list[bytes]:
    """Make the worst that fits in few megabytes: scans, pixels, memory, many parts."""
    whole = encoded(Image.linear_gradient("L").resize((4000, 4000)), "JPEG", progressive=True)
    last = whole.rindex(b"\xff\xda")
    scans = [whole[:-2] + whole[last:-2] * more + whole[-2:] for more in (50, 400)]
    honest = Image.linear_gradient("L").resize((4000, 4000)).convert("RGBA")
    return [
        *scans,
        png(7000, 7000),
        png(1, 49_000),
        png(4000, 4000),
        png(8, 8, parts=1_700_000),  # 20 MB, which Python reads part by part
        encoded(honest, "WEBP", quality=50, method=0),
        encoded(honest.convert("RGB"), "PNG")[:-5000],
        bytes(20_000_000),
    ]


class Crowd:
    """The visitors of a page, what they measured, and what the others did to it."""

    def __init__(self, port: int, seed: int) -> None:
        self.port = port
        self.random = random.Random(seed)  # noqa: S311 (visitors, not secrets)
        self.seconds: dict[str, list[float]] = defaultdict(list)  # by what was said
        self.busy = 0.0  # cores that the server had in use on average
        self.problems: Counter[str] = Counter()
        self.hostile: Counter[str] = Counter()
        small = Image.effect_noise((800, 600), 40).convert("RGB")
        self.picture = encoded(small, "JPEG", quality=80)

    async def visit(self) -> None:
        """Talk as a person does, for ever; note how long each answer took."""
        client = Client(self.port)
        await asyncio.sleep(self.random.uniform(0, THINKING_SECONDS))
        for text in self._talk():
            begun = time.perf_counter()
            try:
                if text == "picture":
                    status, _ = await client.post("/api/picture", "image/jpeg", self.picture)
                else:
                    status, _ = await client.say(text)
                if status != 200:
                    self.problems[f"status {status} to {text}"] += 1
            except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
                await client.close()
                self.problems[f"{type(error).__name__} for {text}"] += 1
            self.seconds[text.split()[0]].append(time.perf_counter() - begun)
            await asyncio.sleep(self.random.expovariate(1 / THINKING_SECONDS))

    def _talk(self):
        yield "/start"
        yield "/enjoy fox night"
        yield "/walk"
        while True:
            likely = self.random.random() < PICTURES
            yield "picture" if likely else self.random.choice(TALK)

    async def molest(self, number: int, pictures: list[bytes]) -> None:
        """Do one kind of harm, for ever."""
        kinds = [self.send_pictures, self.burst, self.flood, self.hold]
        harm = kinds[number % len(kinds)]
        while True:
            with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                await harm(pictures)
            await asyncio.sleep(0.01)

    async def send_pictures(self, pictures: list[bytes]) -> None:
        client = Client(self.port)
        await client.say("/start")
        for picture in self.random.sample(pictures, len(pictures)):
            status, _ = await client.post("/api/picture", "image/png", picture)
            self.hostile[f"picture: status {status}"] += 1
        await client.close()

    async def burst(self, pictures: list[bytes]) -> None:
        first = Client(self.port)
        await first.say("/start")
        clients = [first, *(Client(self.port) for _ in range(BURST))]
        for client in clients:
            client.cookie = first.cookie
        slow = first.post("/api/picture", "image/png", pictures[5])
        asked = [client.say(self.random.choice(TALK)) for client in clients[1:]]
        for got in await asyncio.gather(slow, *asked, return_exceptions=True):
            status = got[0] if isinstance(got, tuple) else type(got).__name__
            self.hostile[f"burst: status {status}"] += 1
        for client in clients:
            await client.close()

    async def flood(self, _: list[bytes]) -> None:
        client = Client(self.port)
        for text in ("/enjoy fox", "/surprise", "/like 1", "/walk"):
            client.cookie = ""
            status, _ = await client.say(text)
            self.hostile[f"without a cookie: status {status}"] += 1
        await client.close()

    async def hold(self, _: list[bytes]) -> None:
        head = b"POST /api/picture HTTP/1.1\r\nHost: 127.0.0.1\r\nSec-Fetch-Site: none\r\n"
        body = head + b"Content-Type: image/png\r\nContent-Length: 20000000\r\n\r\n"
        held = []
        for number in range(UNFINISHED):
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            held.append(writer)
            writer.write(head if number % 4 else body + bytes(500_000))
        self.hostile["unfinished requests"] += len(held)
        await asyncio.sleep(self.random.uniform(5, 20))
        for writer in held:
            writer.close()


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process so far, without its children's; 0 without /proc."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def tree_memory(pid: int) -> int:
    """Return the resident bytes of a process and its children."""
    children: list[str] = []
    with suppress(OSError):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return memory(pid)[0] + sum(memory(child)[0] for child in children)


async def press(port: int, pid: int, args: argparse.Namespace) -> tuple[Crowd, int, int]:
    """Let the crowd in for some minutes; return it, and the memory before and at most."""
    crowd = Crowd(port, args.seed)
    pictures = await asyncio.to_thread(hostile_pictures)
    before = most = tree_memory(pid)
    cpu, begun = cpu_seconds(pid), time.monotonic()
    tasks = [crowd.visit() for _ in range(args.clients - args.hostile)]
    tasks += [crowd.molest(number, pictures) for number in range(args.hostile)]
    running = [asyncio.create_task(task) for task in tasks]
    until = time.monotonic() + 60 * args.minutes
    while time.monotonic() < until:
        await asyncio.sleep(EVERY)
        most = max(most, tree_memory(pid))
        for task in running:
            if task.done():
                task.result()  # raises what went wrong in this program
    crowd.busy = (cpu_seconds(pid) - cpu) / (time.monotonic() - begun)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    return crowd, before, most


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--index", default="index", metavar="DIR")
    parser.add_argument("--minutes", type=cli.between(0, 1e4, float), default=10.0)
    parser.add_argument("--clients", type=cli.positive, default=200)
    parser.add_argument("--hostile", type=cli.natural, default=20, help="of the clients")
    parser.add_argument("--seed", type=cli.natural, default=0)
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        server = subprocess.Popen(  # noqa: S603
            [sys.executable, "bot.py", "--web", "--port", "0", *_places(args.index, scratch)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            line = server.stdout.readline()
            if not line.startswith("http://"):
                raise E6GraphError(f"bot.py --web said {line!r}, expected its address")
            port = int(line.split("/")[2].rpartition(":")[2])
            crowd, before, most = asyncio.run(press(port, server.pid, args))
        finally:
            server.terminate()
            status = server.wait(60)
        left = sorted(path.name for path in Path(scratch).iterdir())
    report(crowd, before, most)
    wrong = judged(crowd, before, most)
    if status or any(name.endswith("-wal") for name in left):
        wrong.append(f"the server ended with status {status} and left {left}")
    if wrong:
        raise E6GraphError("; ".join(wrong))
    print("every answer came, in time and in memory")


def _places(index: str, scratch: str) -> list[str]:
    return ["--index", str(Path(index).resolve()), "--profiles", f"{scratch}/profiles.sqlite"]


def report(crowd: Crowd, before: int, most: int) -> None:
    """Print what was measured."""
    rows = []
    everything = list(chain.from_iterable(crowd.seconds.values()))
    for name, seconds in [*sorted(crowd.seconds.items()), ("all", everything)]:
        shown = np.percentile(seconds, (50, 95, 99, 100)) * 1e3
        rows.append([name, len(seconds), *(f"{ms:.0f}" for ms in shown)])
    print(cli.table(rows, ("of the others", "answers", "p50 ms", "p95", "p99", "slowest")))
    print()
    print(cli.table(sorted(crowd.hostile.items()), ("of the hostile ones", "times")))
    print()
    print(f"cores in use by the server: {crowd.busy:.2f}\n")
    megabytes = [("at the start", before / 1e6), ("at most", most / 1e6)]
    print(cli.table(megabytes, ("resident, with its processes", "MB")))
    for problem, times in crowd.problems.most_common():
        print(f"{times} × {problem}")


def judged(crowd: Crowd, before: int, most: int) -> list[str]:
    """Return what is not as it should be."""
    wrong = []
    took = list(chain.from_iterable(crowd.seconds.values()))
    late = float(np.percentile(took, 99)) if took else 0.0
    if late > P99_SECONDS:
        wrong.append(
            f"p99 of the others is {late * 1e3:.0f} ms, expected ≤ {P99_SECONDS * 1e3:.0f}"
        )
    if most - before > MEMORY_BYTES:
        wrong.append(f"memory rose by {(most - before) / 1e6:.0f} MB, expected ≤ 1,000")
    if crowd.problems:
        wrong.append(f"{sum(crowd.problems.values())} answers to the others were none")
    return wrong


if __name__ == "__main__":
    sys.exit(cli.run(main))
