"""What tests share: the scripts as modules, a built index, the real data where it is present."""

import os
import signal
import sys
from pathlib import Path

import pytest
from boards import families_export, planted_export

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


@pytest.fixture
def kept(tmp_path):
    """Profiles in a file of the test's own."""
    from e6graph.chat.profiles import Profiles

    with Profiles(tmp_path / "profiles.sqlite") as profiles:
        yield profiles


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
def demo(tmp_path_factory):
    """demo/ as `make demo` leaves it, but for a board of 180 posts: its index is in it."""
    import solve_recognizer
    from e6graph.demo import make_board

    demo = tmp_path_factory.mktemp("board") / "demo"
    make_board(demo, 180, progress=False)
    build(demo / "index", demo, dim=32)
    solve_recognizer.main(["--index", f"{demo}/index", "--previews", str(demo), "--no-fetch"])
    return demo


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
def openmoji_index(openmoji, tmp_path_factory):
    """OpenMoji's index with the scripts' defaults; copy it before changing it."""
    index = tmp_path_factory.mktemp("openmoji") / "index"
    build(index, openmoji, dim=128)
    return index


@pytest.fixture(scope="session")
def tate_index(tate, tmp_path_factory):
    """Tate's index with the scripts' defaults; copy it before changing it."""
    index = tmp_path_factory.mktemp("tate") / "index"
    build(index, tate, dim=128)
    return index
