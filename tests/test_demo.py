"""The demo board: its pictures show what their tags say, its tables are the site's."""

import csv
import gzip
import hashlib
import io
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from e6graph.demo import make_board
from e6graph.demo.creature import poses_of
from e6graph.demo.drawings import ACTIONS, BELONGS, DRAWINGS
from e6graph.demo.export import make_posts
from e6graph.demo.render import CARD_GREY, render
from e6graph.demo.stories import plan
from e6graph.demo.styles import STYLES
from e6graph.demo.tables import (
    ARTISTS,
    CHARACTERS,
    GROUPS,
    PLACES,
    SPECIES,
    TAG_COLORS,
    Actor,
    Scene,
    fits,
    lineage,
)
from e6graph.demo.tagging import closure, scene_tags
from e6graph.errors import BadInput

POSTS = 60
COLUMNS = {
    "posts": "id uploader_id created_at md5 source rating image_width image_height tag_string "
    "locked_tags fav_count file_ext parent_id change_seq approver_id file_size comment_count "
    "description duration updated_at is_deleted is_pending is_flagged score up_score down_score "
    "is_rating_locked is_status_locked is_note_locked bg_color last_noted_at last_commented_at",
    "tags": "id name category post_count created_at updated_at is_locked",
    "tag_aliases": "id antecedent_name consequent_name created_at status forum_post_id "
    "forum_topic_id reason updated_at creator_id approver_id post_count down_votes meh_votes "
    "up_votes",
    "tag_implications": "id antecedent_name consequent_name created_at status forum_post_id "
    "forum_topic_id reason updated_at approver_id creator_id descendant_names down_votes "
    "meh_votes up_votes",
    "pools": "id name created_at updated_at creator_id description is_active category post_ids",
}


def digests(root):
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    root = tmp_path_factory.mktemp("board")
    make_board(root, POSTS, seed=3, progress=False)
    return root


@pytest.fixture(scope="module")
def tables(board):
    found = {}
    for name, columns in COLUMNS.items():
        with gzip.open(board / f"{name}.csv.gz", "rt", encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            found[name] = list(reader)
            assert reader.fieldnames == columns.split()
    return found


def resolved(tables, names):
    """Tags after active aliases; a chain is followed, a cycle left alone."""
    active = {
        row["antecedent_name"]: row["consequent_name"]
        for row in tables["tag_aliases"]
        if row["status"] == "active"
    }
    out = set()
    for name in names:
        seen = {name}
        while name in active and active[name] not in seen:
            name = active[name]
            seen.add(name)
        out.add(name)
    return out


def test_same_seed_same_bytes_other_seed_other_board(board, tmp_path):
    make_board(tmp_path / "again", POSTS, seed=3, progress=False)
    assert digests(tmp_path / "again") == digests(board)
    other = plan(POSTS, 4)[0]
    assert [entry.scene for entry in other] != [entry.scene for entry in plan(POSTS, 3)[0]]


def test_gzip_headers_carry_no_time(board):
    for name in COLUMNS:
        assert (board / f"{name}.csv.gz").read_bytes()[4:8] == bytes(4)


def test_posts_are_well_formed(tables):
    posts = tables["posts"]
    assert len(posts) == POSTS
    ids = [int(row["id"]) for row in posts]
    assert ids == sorted(set(ids)) and ids[-1] - ids[0] > POSTS  # with gaps
    assert len({row["md5"] for row in posts}) == POSTS
    for row in posts:
        assert row["rating"] in ("s", "q") and len(row["md5"]) == 32
        assert row["is_deleted"] in ("t", "f") and row["is_pending"] in ("t", "f")
        assert int(row["score"]) == int(row["up_score"]) + int(row["down_score"])
        assert row["tag_string"] == " ".join(sorted(set(row["tag_string"].split())))
        if row["parent_id"]:
            assert int(row["parent_id"]) in ids and row["parent_id"] != row["id"]
    assert any(row["parent_id"] for row in posts)
    assert any("\r\n" in row["description"] and '"' in row["description"] for row in posts)


def test_tag_counts_per_post(tables):
    for row in tables["posts"]:
        tags = row["tag_string"].split()
        if "blank_card" not in tags:
            assert 10 <= len(tags) <= 25, row["tag_string"]


def test_tags_satisfy_the_active_implications(tables):
    rules = {"active": [], "pending": [], "deleted": []}
    for row in tables["tag_implications"]:
        rules[row["status"]].append((row["antecedent_name"], row["consequent_name"]))
    assert all(rules.values())
    broken = 0
    for row in tables["posts"]:
        tags = resolved(tables, row["tag_string"].split())
        for child, parent in rules["active"]:
            assert child not in tags or parent in tags, (child, parent, row["tag_string"])
        broken += sum(
            child in tags and parent not in tags
            for child, parent in rules["pending"] + rules["deleted"]
        )
    assert broken  # so an import that applies them all gets other counts


def test_some_tag_strings_hold_aliases(tables):
    before = [set(row["tag_string"].split()) for row in tables["posts"]]
    assert any(resolved(tables, tags) != tags for tags in before)


def test_aliases_have_a_chain_a_cycle_and_some_not_in_force(tables):
    by_status = Counter(row["status"] for row in tables["tag_aliases"])
    assert min(by_status[status] for status in ("active", "pending", "deleted")) >= 2
    pairs = {(row["antecedent_name"], row["consequent_name"]) for row in tables["tag_aliases"]}
    assert {("vulpes_vulpes", "reynard"), ("reynard", "red_fox")} <= pairs
    assert {("lavender_sky", "lilac_sky"), ("lilac_sky", "lavender_sky")} <= pairs


def test_every_tag_is_in_the_table_with_its_category_and_count(tables):
    tags = {row["name"]: row for row in tables["tags"]}
    assert len(tags) == len(tables["tags"])
    counts = Counter()
    for row in tables["posts"]:
        if row["is_deleted"] == "f":
            counts.update(
                set(row["tag_string"].split()) | resolved(tables, row["tag_string"].split())
            )
    for name, row in tags.items():
        if int(row["post_count"]):
            assert int(row["post_count"]) == counts[name], name
    assert set(counts) <= set(tags)
    numbers = {"red_fox": 5, "mammal": 5, "night": 0, "softboiled": 1, "lanternwood": 3}
    numbers |= {"wick_(lanternwood)": 4, "hi_res": 7, "long_journey_(lore)": 8}
    for name, number in numbers.items():
        assert name not in tags or int(tags[name]["category"]) == number


def test_forbidden_rows_are_exactly_three_grey_cards(board, tables):
    rows = [
        r for r in tables["posts"] if "young" in r["tag_string"].split() and r["rating"] != "s"
    ]
    assert len(rows) == 3
    for row in rows:
        path = board / "data/preview" / row["md5"][:2] / row["md5"][2:4] / f"{row['md5']}.jpg"
        pixels = np.asarray(Image.open(path).convert("RGB"))
        assert np.abs(pixels.astype(int) - CARD_GREY).max() <= 2
        assert "blank_card" in row["tag_string"].split()
    innocent = [r for r in tables["posts"] if "young" in r["tag_string"].split()]
    assert len(innocent) >= 5


def test_previews_lie_where_the_site_has_them(board, tables):
    expected = set()
    for row in tables["posts"]:
        md5 = row["md5"]
        path = board / "data" / "preview" / md5[:2] / md5[2:4] / f"{md5}.jpg"
        if row["is_deleted"] == "t":
            assert not path.exists()
            continue
        expected.add(path)
        with Image.open(path) as picture:
            assert picture.format == "JPEG" and max(picture.size) == 256
            width, height = int(row["image_width"]), int(row["image_height"])
            assert abs(picture.size[0] / picture.size[1] - width / height) < 0.01
    assert expected == set((board / "data").rglob("*.jpg"))


def test_pools_tell_of_posts_that_are_there(tables):
    shown = {int(row["id"]) for row in tables["posts"] if row["is_deleted"] == "f"}
    names = [row["name"] for row in tables["pools"]]
    assert len(names) == len(set(names)) >= 2
    scattered = 0
    for row in tables["pools"]:
        members = [int(part) for part in row["post_ids"].strip("{}").split(",")]
        assert 4 <= len(members) <= 12 and len(set(members)) == len(members)
        assert set(members) <= shown
        scattered += members != sorted(members)
    assert scattered


def test_a_pool_has_more_in_common_than_chance():
    entries, pools = plan(300, 1)

    def shared(a, b):
        a, b = entries[a].tags, entries[b].tags
        return len(a & b) / len(a | b)

    rng = np.random.default_rng(0)
    inside = [shared(*rng.choice(pool.members, 2, replace=False)) for pool in pools]
    across = [shared(*rng.choice(300, 2, replace=False)) for _ in range(200)]
    assert np.mean(inside) > 2.5 * np.mean(across)


def test_a_large_board_has_what_it_should():
    entries, pools = plan(2000, 0)
    rows = make_posts(entries, pools, 0)
    assert len(entries) == 2000 and 60 <= len(pools) <= 80
    tags = Counter(tag for row in rows for tag in row.written)
    assert max(len(row.written) for row in rows) <= 25
    assert tags["hapax"] == 1 and tags["vulpes_vulpes"] == 2
    for awkward in (
        "<3",
        ":3",
        "null",
        "nan",
        "...",
        "143",
        "10:30",
        "café",
        "quill_(watercolour)",
    ):
        assert tags[awkward] >= 2, awkward
    assert 0.04 < np.mean([row.entry.rating == "q" for row in rows]) < 0.09
    assert sum(row.deleted for row in rows) == 60
    assert 30 < sum(row.parent_id is not None for row in rows) < 90
    assert {row.ext for row in rows} == {"jpg", "png", "gif", "webm"}
    assert max(row.id for row in rows) > 2150
    young = [row for row in rows if "young" in row.written]
    assert sum(row.entry.rating == "q" for row in young) == 3 and len(young) > 30
    used = {actor.species for entry in entries for actor in entry.scene.actors}
    assert used == set(SPECIES)
    for entry in entries:
        for actor in entry.scene.actors:
            assert fits(actor.species, entry.scene.place)
    assert {entry.scene.artist for entry in entries} == set(STYLES) == set(ARTISTS)


@pytest.mark.parametrize("name", list(TAG_COLORS))
def test_the_body_has_the_color_its_tag_says(name):
    """Two pictures that differ in body colour alone differ where the body is, by that colour."""
    other = "green" if name != "green" else "red"
    pictures = []
    for color in (name, other):
        actor = Actor("squirrel", color, eyes="brown")
        scene = Scene(5, (256, 256), "bold_bram", "plain", actors=(actor,), tint="teal")
        assert f"{color}_fur" in scene_tags(scene)
        pictures.append(np.asarray(render(scene), dtype=float))
    body = np.abs(pictures[0] - pictures[1]).sum(2) > 60
    assert body.sum() > 3000
    median = np.median(pictures[0][body], axis=0)
    distance = {key: np.linalg.norm(median - rgb) for key, rgb in TAG_COLORS.items()}
    assert min(distance, key=distance.get) == name


def test_night_is_dark_dusk_is_warm_and_snow_is_there():
    def mean(**fields):
        scene = Scene(9, (256, 192), "softboiled", "meadow", actors=(Actor("rabbit", "white"),))
        return np.asarray(render(scene._replace(**fields)), dtype=float).mean((0, 1))

    day, dusk, night = mean(), mean(time="dusk"), mean(time="night")
    assert night.sum() < 0.7 * day.sum()
    assert dusk[0] - dusk[2] > day[0] - day[2] + 20
    assert night[2] > night[0]
    assert np.abs(mean(weather="snow") - day).max() > 3


def test_monochrome_is_grey_and_claims_no_colors():
    scene = Scene(
        2, (256, 256), "lino_lou", "forest", actors=(Actor("tiger", "orange", "striped"),)
    )
    grey = scene._replace(monochrome=True)
    pixels = np.asarray(render(grey)).astype(int)
    assert np.ptp(pixels, axis=2).max() == 0 and pixels.std() > 20
    assert "orange_fur" in scene_tags(scene) and "orange_fur" not in scene_tags(grey)
    assert not any(
        tag.endswith(("_eyes", "_sky")) and tag != "clear_sky" for tag in scene_tags(grey)
    )


def test_each_artist_draws_the_same_scene_in_another_way():
    scene = Scene(
        7, (128, 128), "softboiled", "lake", sky=("sun",), actors=(Actor("otter", "brown"),)
    )
    drawn = {a: np.asarray(render(scene._replace(artist=a)), dtype=float) for a in STYLES}
    for a in STYLES:
        for b in STYLES:
            if a < b:
                assert np.abs(drawn[a] - drawn[b]).mean() > 4, (a, b)


def test_everything_there_is_can_be_drawn():
    """Every species in every pose, place, thing and prop: no error, and something to be seen."""
    for seed, (name, species) in enumerate(SPECIES.items()):
        place = "underwater" if fits(name, "underwater") else "plain"
        blank = Scene(seed, (64, 64), "bold_bram", place)
        empty = np.asarray(render(blank), dtype=float)
        assert len(poses_of(name)) == len(set(poses_of(name))) >= 1
        for pose in poses_of(name):
            actor = Actor(name, species.colors[0], "spotted", pose)
            full = render(blank._replace(actors=(actor,)))
            assert np.abs(np.asarray(full, dtype=float) - empty).mean() > 2, (name, pose)
    bare = Scene(1, (64, 64), "bold_bram", "meadow", actors=(Actor("red_fox", "orange"),))
    before = np.asarray(render(bare), dtype=float)
    dark = np.asarray(render(bare._replace(time="night")), dtype=float)
    for thing, (where, *_) in BELONGS.items():
        if where in ("far", "near", "sea", "sky", "all"):
            after = np.asarray(render(bare._replace(props=(thing,), time="night")), dtype=float)
            assert np.abs(after - dark).max() > 20, thing
        else:
            dressed = bare.actors[0]._replace(things=((thing, "blue"),))
            after = np.asarray(render(bare._replace(actors=(dressed,))), dtype=float)
            assert np.abs(after - before).max() > 30, thing
    for place in PLACES.keys() - {"plain"}:
        assert np.asarray(render(bare._replace(place=place))).std() > 10, place


def test_drawings_name_only_drawings_that_exist():
    features = {word: set() for word in ("mouth", "legs")}
    features |= {"mouth": {"smile", "cat", "open"}, "legs": {"soft", "thin"}}
    for species in SPECIES.values():
        for feature, value in species.features.items():
            features.setdefault(feature, set()).add(value)
    for drawing, steps in DRAWINGS.items():
        for step in steps:
            if step.action not in ACTIONS or step.action not in ("draw", "strew"):
                continue
            names = step.name.split(",")
            if "{" in step.name:
                before, _, rest = step.name.partition("{")
                names = [f"{before}{value}" for value in features[rest.rstrip("}")]]
            assert set(names) <= set(DRAWINGS), (drawing, step.name)


def test_the_species_tree():
    assert lineage("arctic_fox") == {"arctic_fox", "fox", "canine", "mammal", "animal"}
    assert lineage("unicorn") == {
        "unicorn",
        "equine",
        "mammal",
        "animal",
        "mythological_creature",
    }
    assert closure({"red_fox"}) == lineage("red_fox")
    assert max(len(lineage(name)) for name in SPECIES) >= 5  # four steps deep below the root
    assert all(parent in {*GROUPS, ""} for parent in GROUPS.values())


def test_tables_name_only_what_exists():
    for row in CHARACTERS.values():
        assert row.actor.species in SPECIES and row.actor.color in TAG_COLORS
        assert all(
            thing in BELONGS and color in TAG_COLORS for thing, color in row.actor.things
        )
        assert all(fits(row.actor.species, home) for home in row.homes)
    for place, row in PLACES.items():
        assert place in DRAWINGS
        assert set(row.props) | set(row.worn) <= set(BELONGS)
    for row in SPECIES.values():
        assert set(row.homes) <= set(PLACES) and set(row.colors) <= set(TAG_COLORS)
        assert all(parent in GROUPS for parent in row.parents)


def test_a_jpeg_is_small_and_plain():
    file = io.BytesIO()
    render(Scene(0, (256, 256), "bold_bram", "card")).save(file, "JPEG")
    assert file.tell() < 3000


def test_too_few_posts_and_a_bad_place_are_named(tmp_path):
    with pytest.raises(BadInput, match="12 posts: expected 60"):
        make_board(tmp_path, 12)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadInput, match="cannot write the demo board"):
        make_board(tmp_path / "file", 60, progress=False)
