"""What tests share: the scripts as modules, a built index, the real data where it is present."""

import fcntl
import os
import shutil
import signal
import sys
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # workers share the cores; before NumPy

import pytest
from boards import families_export, planted_export, write_export

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 600  # seconds: ends what hangs; no machine is so slow
# A shell's background job ignores Ctrl-C, and so would every program that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, str(ROOT))  # so that `pytest` finds the scripts as `python -m pytest` does


def build(index, export, *hydrate, dim=16, construct=()):
    """Run the four scripts that make an index in this process."""
    import construct_index
    import embed_tags
    import hydrate_data
    import solve_attenuator

    index = ["--index", str(index)]
    hydrate_data.main([*index, "--from", str(export), *hydrate])
    embed_tags.main([*index, "--dim", str(dim)])
    solve_attenuator.main(index)
    construct_index.main([*index, *construct])


def index_of(root, *tables, dim=16, **more):
    """Write an export into `root`, as `write_export` does, build its index there; return that."""
    write_export(root / "export", *tables, **more)
    build(root / "index", root / "export", dim=dim)
    return root / "index"


@pytest.fixture(scope="session")
def once(tmp_path_factory):
    """A function of (name, make): the directory that make(directory) filled.

    It is filled once, however many workers run tests side by side, so nobody may change it.
    """
    root = tmp_path_factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root

    def once(name, make):
        place, made = root / name, root / f"{name}.made"
        with open(root / f"{name}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not made.exists():
                shutil.rmtree(place, ignore_errors=True)  # of a worker that failed
                place.mkdir()
                make(place)
                made.touch()
        return place

    return once


@pytest.fixture
def kept(tmp_path):
    """Profiles in a file of the test's own."""
    from e6graph.chat.profiles import Profiles

    with Profiles(tmp_path / "profiles.sqlite") as profiles:
        yield profiles


@pytest.fixture
def bot(graph, kept):
    """A talk with ann on the board of the test's module."""
    from e6graph.chat.conversation import Conversation

    return Conversation(graph, kept, "ann")


@pytest.fixture(scope="session")
def planted(tmp_path_factory):
    """A planted board's export; see `boards.planted_export`."""
    return planted_export(tmp_path_factory.mktemp("planted"))


@pytest.fixture(scope="session")
def built_index(planted, tmp_path_factory):
    """The planted board's index, all four stages; copy it before changing it."""
    index = tmp_path_factory.mktemp("built") / "index"
    build(index, planted.directory)
    return index


@pytest.fixture(scope="session")
def family_index(tmp_path_factory):
    """The index of `boards.families_export`: families, and what only looks like one."""
    root = tmp_path_factory.mktemp("families")
    build(root / "index", families_export(root / "export"))
    return root / "index"


@pytest.fixture(scope="session")
def demo(once):
    """demo/ as `make demo` leaves it, but for a board of 180 posts: its index is in it."""

    def make(demo):
        import solve_recognizer
        from e6graph.demo import make_board

        make_board(demo, 180, progress=False)
        build(demo / "index", demo, dim=32)
        options = ["--previews", str(demo), "--no-fetch", "--no-judge"]
        solve_recognizer.main(["--index", f"{demo}/index", *options])

    return once("demo", make)


def _shared(name):
    """A real board's directory. Without it a test is skipped, or fails if told where to find it."""
    told = os.environ.get("E6GRAPH_SHARED")
    path = Path(told or ROOT.parent / "shared") / "data" / name
    if not path.is_dir():
        said = f"no {path}: set E6GRAPH_SHARED to the directory that holds data/{name}"
        (pytest.fail if told else pytest.skip)(said)
    return path


@pytest.fixture(scope="session")
def tate():
    """The export made of Tate's collection."""
    return _shared("tate")


@pytest.fixture(scope="session")
def openmoji():
    """The export made of OpenMoji, with previews."""
    return _shared("openmoji")


@pytest.fixture(scope="session")
def openmoji_index(openmoji, once):
    """OpenMoji's index with the scripts' defaults; copy it before changing it."""
    return once("openmoji", lambda root: build(root / "index", openmoji, dim=128)) / "index"


@pytest.fixture(scope="session")
def tate_index(tate, once):
    """Tate's index with the scripts' defaults; copy it before changing it."""
    return once("tate", lambda root: build(root / "index", tate, dim=128)) / "index"
