"""The README cannot rot: its commands exist, its Python runs, its files are there."""

import doctest
import importlib
import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_the_worked_toy_runs_to_the_digit():
    (text,) = blocks("pycon")
    test = doctest.DocTestParser().get_doctest(text, {}, "README", "README.md", 0)
    assert len(test.examples) > 10
    assert doctest.DocTestRunner(verbose=False).run(test).failed == 0


def test_the_notebook_snippet_runs(built_index, monkeypatch, tmp_path):
    from PIL import Image

    from e6graph import PostGraph
    from e6graph.recommend.postgraph import PostGraph as Real

    (text,) = blocks("python")
    graph = PostGraph.open(built_index)
    posts = [int(i) for i in graph.posts.ids[graph.allowed][:2]]
    tags = [name for name, _ in graph.posts.tags(graph.row(posts[0]))][-3:]
    text = text.replace("[12, 40]", str(posts)).replace(
        "neighbors(12,", f"neighbors({posts[0]},"
    )
    text = text.replace('["fox", "night"]', str(tags[:2])).replace('["night"]', str(tags[:1]))
    text = text.replace('["fox", "mammal"]', str(tags[:2]))
    text = text.replace('["rain"]', str(tags[2:])).replace('"index"', repr(str(built_index)))
    Image.new("RGB", (64, 64), "orange").save(tmp_path / "picture.jpg")
    monkeypatch.chdir(tmp_path)
    # the planted board has no pictures, so nothing to train a recogniser on
    monkeypatch.setattr(Real, "embed_image", lambda self, image: self.embed_tags(tags[:1]))
    names = {}
    exec(compile(text, "README.md", "exec"), names)
    assert len(names["ids"]) and len(names["vector"]) == len(graph.embed_tags(tags))


def script_calls():
    for block in [*blocks("sh"), (ROOT / "Makefile").read_text("utf-8").replace("\\\n", " ")]:
        for line in block.splitlines():
            for part in re.split(r"[|]", line.split("#")[0]):
                found = re.search(r"(?:python|\$\(BIN\)/python) (\w+)\.py(.*)", part)
                if found:
                    yield found[1], found[2].replace("$(DEMO)", "demo")


@pytest.mark.parametrize(("script", "options"), sorted(set(script_calls())))
def test_every_command_shown_is_one_the_scripts_take(script, options):
    source = importlib.import_module(script)
    shown = []

    def read(parser, argv=None, namespace=None):
        shown.append(parser.parse_known_args(shlex.split(options))[1])
        raise SystemExit

    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr("argparse.ArgumentParser.parse_args", read)
        source.main([])
    assert shown == [[]]  # no option was left over


def test_every_script_is_in_the_table_and_every_file_named_is_there():
    scripts = sorted(path.name for path in ROOT.glob("*.py"))
    assert len(scripts) >= 6
    for name in scripts:
        assert name in README
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / link).is_file(), link


def test_the_readme_is_short_and_finished():
    assert len(README.splitlines()) < 250
    left_open = set(re.findall(r"\b[A-Z]{3,}_[A-Z_]{3,}\b", README))
    assert left_open <= {"E6GRAPH_CONTACT", "BOT_TOKEN"}


def test_scripts_stay_small():
    for path in ROOT.glob("*.py"):
        assert len(path.read_text("utf-8").splitlines()) <= 110, path
