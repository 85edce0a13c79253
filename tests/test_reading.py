"""Pictures that strangers send: each costs little, whatever it is, and the next is read."""

import io
import os
import signal
import struct
import threading
import time
import zlib
from contextlib import closing

import numpy as np
import pytest
from fake_graph import PICTURE, FakeGraph
from PIL import Image

from e6graph.chat import conversation as talk
from e6graph.chat.messages import Picture
from e6graph.chat.profiles import Profiles
from e6graph.chat.sessions import Sessions
from e6graph.errors import BadInput
from e6graph.pictures import PictureReader, features_of, open_picture, opening, reading
from e6graph.pictures.features import N_FEATURES
from e6graph.pictures.opening import MOST_SCANS, count_scans
from e6graph.pictures.reading import DecodingLimits


def encoded(image, kind="PNG", **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def chunk(kind, data):
    return (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    )


def png(wide, high, depth=8, color=0, channels=1, before=b""):
    """A whole PNG of one color, tiny as a file."""
    row = bytes(1 + wide * channels * depth // 8)
    packer, packed = zlib.compressobj(9), []
    packed += [packer.compress(row) for _ in range(high)]
    header = struct.pack(">IIBBBBB", wide, high, depth, color, 0, 0, 0)
    data = chunk(b"IDAT", b"".join([*packed, packer.flush()]))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before + data + chunk(b"IEND", b"")


def with_scans(more):
    """A progressive JPEG whose last scan, a refinement, comes again and again."""
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    whole = encoded(image, "JPEG", progressive=True)
    last = whole.rindex(b"\xff\xda")
    return whole[:-2] + whole[last:-2] * more + whole[-2:]


@pytest.fixture
def reader():
    with closing(PictureReader()) as made:
        yield made


HONEST = encoded(Image.linear_gradient("L").convert("RGB").resize((900, 600)), "JPEG")
PIXELS = opening.STRANGERS_PIXELS


# -- what is read ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "data",
    [
        HONEST,
        PICTURE,
        encoded(Image.new("RGBA", (30, 40), (200, 10, 30, 90))),
        encoded(Image.new("RGB", (30, 40), "teal"), "WEBP"),
        encoded(Image.new("L", (30, 40), 7), "BMP"),
        encoded(Image.linear_gradient("L"), "JPEG", progressive=True),
        png(30, 40, depth=16),
    ],
)
def test_the_features_are_those_of_a_file_of_ones_own(reader, data):
    features = reader.read(data)
    assert features.shape == (N_FEATURES,) and features.dtype == np.float32
    assert (features == features_of(data)).all()


def test_the_process_lives_on_between_pictures(reader):
    reader.read(HONEST)
    process = reader.process_id
    for data in (PICTURE, HONEST):
        reader.read(data)
    for broken in (b"", b"<!DOCTYPE html>", HONEST[:2000], HONEST[:100]):
        with pytest.raises(BadInput):
            reader.read(broken)
    reader.read(HONEST)
    assert reader.process_id == process


@pytest.mark.parametrize(
    ("wide", "high", "depth", "color", "channels"),
    [(4000, 4000, 8, 6, 4), (4000, 4000, 16, 6, 4), (12_000, 1300, 16, 0, 1)],
)
def test_the_largest_pictures_that_are_taken_fit_in_the_memory(
    reader, wide, high, depth, color, channels
):
    data = png(wide, high, depth, color, channels)
    assert wide * high <= PIXELS and reader.read(data).shape == (N_FEATURES,)


def test_the_process_gets_no_secrets_and_may_write_nothing(reader, monkeypatch):
    monkeypatch.setenv("BOT_TOKEN", "12345:secret")
    reader.start()
    reader.read(PICTURE)
    proc = f"/proc/{reader.process_id}"
    if not os.path.exists(f"{proc}/limits"):
        pytest.skip("no /proc here")
    with open(f"{proc}/environ", "rb") as file:
        assert b"BOT_TOKEN" not in file.read()
    with open(f"{proc}/limits") as file:
        limits = {line[:26].strip(): line[26:].split()[0] for line in file}
    assert limits["Max file size"] == "0"
    assert limits["Max address space"] == str(512 * 1024**2)


# -- what is refused -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (png(1, 12_250), "12,000 a side"),
        (png(12_250, 1), "12,000 a side"),
        (png(4001, 4000), "16,000,000 pixels"),
        (png(7000, 7000), "16,000,000 pixels"),
        (with_scans(400), "scans"),
        (with_scans(MOST_SCANS), "scans"),
        (b"", "empty"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "begins"),
        (HONEST[:-400], "whole picture"),
        (PICTURE[:20], "begins"),
    ],
)
def test_what_costs_too_much_is_refused_before_it_is_decoded(reader, data, said):
    assert len(data) < 300_000
    reader.read(PICTURE)
    process = reader.process_id
    with pytest.raises(BadInput, match=said) as refused:
        reader.read(data)
    assert "\n" not in str(refused.value)
    assert reader.process_id == process  # it was not stopped by the system


def test_a_picture_that_takes_too_long_is_given_up_and_the_next_is_read():
    # Nobody decodes 16 million pixels in 10 ms.
    limits = DecodingLimits(cpu_seconds=0.01)
    with closing(PictureReader(limits)) as reader:
        reader.start()
        for _ in range(2):
            with pytest.raises(BadInput, match=r"more than 0\.01 s to decode"):
                reader.read(png(4000, 4000, channels=4, color=6))
            assert reader.process_id


def test_parts_that_python_reads_one_by_one_are_limited_as_well():
    many = chunk(b"zzZz", b"") * 300_000  # unknown chunks, each to be skipped
    limits = DecodingLimits(cpu_seconds=0.05)
    with closing(PictureReader(limits)) as reader, pytest.raises(BadInput, match=r"0\.05 s"):
        reader.read(png(8, 8, before=many))


def test_a_picture_that_needs_too_much_memory_is_given_up_and_the_next_is_read():
    with closing(PictureReader(DecodingLimits(memory_bytes=160 * 2**20))) as reader:
        reader.read(HONEST)
        with pytest.raises(BadInput, match="more than 160 MB to decode"):
            reader.read(png(4000, 4000, channels=4, color=6))
        assert reader.read(HONEST).shape == (N_FEATURES,)


def test_a_process_that_stands_still_is_given_up():
    with closing(PictureReader(DecodingLimits(wall_seconds=0.5))) as reader:
        reader.start()
        os.kill(reader.process_id, signal.SIGSTOP)
        reader.read(PICTURE)  # by the other process
        reader._slow.square(PICTURE, "ann")
        os.kill(reader.process_id, signal.SIGSTOP)
        os.kill(reader._slow.process_id, signal.SIGSTOP)
        with pytest.raises(BadInput, match="to decode"):
            reader._slow.square(HONEST, "ann")


def test_a_process_that_was_ended_is_started_again(reader):
    reader.read(HONEST)
    before = reader.process_id
    os.kill(before, signal.SIGKILL)
    assert reader.read(HONEST).shape == (N_FEATURES,)
    assert reader.process_id != before


def test_a_closed_reader_reads_no_more(reader):
    reader.read(HONEST)
    reader.close()
    reader.close()
    with pytest.raises(BadInput, match="ending"):
        reader.read(HONEST)


# -- who waits -------------------------------------------------------------------------------------
class Held(reading._Queue):
    """Reads nothing; each picture waits until it is let go, and the order is noted."""

    def __init__(self, waiting):
        super().__init__(DecodingLimits(), waiting, reading._Spent())
        self.order, self.at_once, self.most = [], 0, 0
        self.begun, self.go = threading.Semaphore(0), threading.Semaphore(0)

    def _square(self, data, size):
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        self.order.append(data)
        self.begun.release()
        assert self.go.acquire(timeout=60)
        self.at_once -= 1


def sent(reader, data, sender, refused):
    def send():
        try:
            reader.square(data, sender)
        except BadInput as error:
            refused.append((data, str(error)))

    thread = threading.Thread(target=send)
    thread.start()
    return thread


def waiting(reader, number):
    until = time.monotonic() + 60
    while len(reader._waiting) != number and time.monotonic() < until:
        time.sleep(0.001)
    assert len(reader._waiting) == number


def test_one_is_read_at_a_time_and_too_many_are_refused():
    reader, refused = Held(waiting=3), []
    threads = [sent(reader, b"first", "ann", refused)]
    assert reader.begun.acquire(timeout=60)
    for number in range(3):
        threads.append(sent(reader, b"%d" % number, f"user {number}", refused))
        waiting(reader, number + 1)
    with pytest.raises(BadInput, match="send yours again"):
        reader.square(b"one too many", "dan")
    for _ in threads:
        reader.go.release()
    for thread in threads:
        thread.join(60)
    assert reader.order == [b"first", b"0", b"1", b"2"] and reader.most == 1 and not refused


def test_whose_pictures_cost_least_comes_first_and_stays():
    reader, refused = Held(waiting=2), []
    reader._spent.note("mallory", 3.0)
    threads = [sent(reader, b"first", "ann", refused)]
    assert reader.begun.acquire(timeout=60)
    for number, (data, sender) in enumerate([(b"costly", "mallory"), (b"bob's", "bob")], 1):
        threads.append(sent(reader, data, sender, refused))
        waiting(reader, number)
    threads.append(sent(reader, b"cat's", "cat", refused))  # takes the costly one's place
    threads[1].join(60)
    assert [data for data, _ in refused] == [b"costly"]
    for _ in range(3):
        reader.go.release()
    for thread in threads:
        thread.join(60)
    assert reader.order == [b"first", b"bob's", b"cat's"]


def test_small_pictures_go_before_large_ones_of_other_unknown_senders():
    reader, refused = Held(waiting=2), []
    threads = [sent(reader, b"first", "ann", refused)]
    assert reader.begun.acquire(timeout=60)
    for number, data in enumerate([bytes(10**6), b"small"], 1):
        threads.append(sent(reader, data, f"user {number}", refused))
        waiting(reader, number)
    for _ in threads:
        reader.go.release()
    for thread in threads:
        thread.join(60)
    assert reader.order == [b"first", b"small", bytes(10**6)]


def test_what_a_sender_cost_is_forgotten_in_time(monkeypatch):
    spent = reading._Spent()

    def a_minute_later():
        monkeypatch.setattr(spent, "_halved", time.monotonic() - 1 - reading.FORGET_SECONDS)
        spent.note("ann", 0.0)

    spent.note("mallory", 8.0)
    for _ in range(20):
        a_minute_later()
    assert spent.of("mallory") < 0.01
    for number in range(reading.MOST_SENDERS):
        spent.note(f"user {number}", 1.0)
    a_minute_later()
    assert spent.of("user 7") == spent.of("nobody yet") == reading.UNKNOWN_SECONDS


def test_a_slow_picture_delays_only_its_like(monkeypatch):
    """A picture that takes long waits elsewhere, is read in the end, and others meanwhile."""
    slow = png(4000, 4000, channels=4, color=6)  # nobody decodes it in 10 ms
    monkeypatch.setattr(reading, "QUICK_SECONDS", 0.01)
    limits = DecodingLimits(cpu_seconds=60.0, wall_seconds=600.0)
    with closing(PictureReader(limits)) as reader:
        reader.read(PICTURE, "ann")
        features = []
        thread = threading.Thread(target=lambda: features.append(reader.read(slow, "mallory")))
        with reader._slow._turn("bob", 0):
            thread.start()
            waiting(reader._slow, 1)
            assert (reader.read(PICTURE, "ann") == features_of(PICTURE)).all()
            assert not features
        thread.join(60)
        assert (features[0] == features_of(slow)).all()


def test_costly_senders_get_no_first_try():
    """Their next pictures would only make the others wait; in the second queue all are read."""
    with closing(PictureReader()) as reader:
        reader._spent.note("mallory", reading.COSTLY_SECONDS)
        with reader._quick._turn("bob", 0):  # it is taken for as long as this lasts
            assert (reader.read(PICTURE, "mallory") == features_of(PICTURE)).all()


def test_one_decodes_at_a_time():
    """The second process is stopped while the first has work."""
    stopped = []
    queue = reading._Queue(DecodingLimits(), 4, reading._Spent())
    first = Held(waiting=3)
    first._square = lambda data, size: stopped.append(state(queue.process_id))
    with closing(queue):
        queue.square(PICTURE, "ann")
        if state(queue.process_id) is None:
            pytest.skip("no /proc here")
        first.square(b"", "bob", goes_before=queue)
        assert stopped == ["T"] and state(queue.process_id) != "T"
        assert queue.square(HONEST, "ann").shape == (64, 64, 3)


def state(process):
    """Return the letter of proc(5): T for stopped; None without /proc."""
    until = time.monotonic() + 5
    letter = None
    while time.monotonic() < until and letter in (None, "R"):  # a signal takes a moment
        try:
            with open(f"/proc/{process}/stat") as file:
                letter = file.read().rpartition(")")[2].split()[0]
        except OSError:
            return None
    return letter


# -- files of one's own ----------------------------------------------------------------------------
def test_own_files_may_be_larger_but_not_without_end():
    assert open_picture(png(5000, 4000)).size == (5000, 4000)
    for data, said in [
        (png(12_001, 8), "12,000 a side"),
        (png(8, 12_001), "12,000 a side"),
        (png(6400, 6400), "40,000,000 pixels"),
        (with_scans(400), "scans"),
    ]:
        with pytest.raises(BadInput, match=said):
            open_picture(data)


def test_scans_are_counted_as_a_decoder_meets_them():
    usual = encoded(Image.linear_gradient("L"), "JPEG")
    assert count_scans(usual, 99) == 1
    progressive = with_scans(0)
    number = count_scans(progressive, 99)
    assert 5 < number < 20
    assert count_scans(with_scans(7), 99) == number + 7
    assert count_scans(with_scans(400), 99) == 100  # it stops there
    # These two bytes in a comment, as in a thumbnail, are no scan.
    comment = b"\xff\xda" * 300
    segment = b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment
    assert count_scans(progressive[:2] + segment + progressive[2:], 99) == number
    assert open_picture(progressive[:2] + segment + progressive[2:]).size == (64, 64)
    # Fill bytes before a marker, and restarts inside a scan.
    filled = progressive.replace(b"\xff\xda", b"\xff\xff\xff\xda")
    assert count_scans(filled, 99) == number
    restarted = encoded(Image.linear_gradient("L"), "JPEG", restart_marker_blocks=1)
    assert count_scans(restarted, 99) == 1
    for junk in (b"", b"\xff", b"\xff\xd8", b"\xff" * 1000, b"\xff\xfe", b"\xff\xda\0"):
        assert count_scans(junk, 99) <= 1


# -- what a talk remembers -------------------------------------------------------------------------
def reached(thing):
    """Everything that can be reached from a thing, modules and classes aside."""
    import gc
    import types

    seen, todo = {}, [thing]
    while todo:
        one = todo.pop()
        skipped = (type, types.ModuleType, types.FunctionType, types.FrameType)
        if id(one) not in seen and not isinstance(one, skipped):
            seen[id(one)] = one
            todo += gc.get_referents(one)
    return seen.values()


def test_a_talk_keeps_no_bytes_of_a_picture(tmp_path, reader):
    data = encoded(Image.linear_gradient("L").convert("RGB"), "JPEG") + bytes(100_000)
    with Profiles(tmp_path / "profiles.sqlite") as profiles:
        sessions = Sessions(FakeGraph(), profiles, reader=reader)
        for user in ("ann", "bob"):
            assert "I think I see" in sessions.reply(user, Picture(data))[0].text
            assert sessions.reply(user, "/skip")[-1].why.startswith("like your picture")
        sizes = [
            len(one) for one in reached(sessions._talks) if isinstance(one, bytes | bytearray)
        ]
        assert max(sizes, default=0) < 50_000
        arrays = [one for one in reached(sessions._talks) if isinstance(one, np.ndarray)]
        assert sum(one.shape == (N_FEATURES,) for one in arrays) == 2
        about = sessions.reply("ann", "/about")[0].text
    assert "A picture that you send is not kept" in about
    assert talk.features_of is features_of  # a talk in the terminal reads own files
