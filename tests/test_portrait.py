"""The portrait: what stands out in a planted taste, to the digit, and how it is drawn."""

import io
import struct

import pytest
from boards import post
from conftest import index_of
from PIL import Image, ImageChops

from e6graph.chat.conversation import Conversation
from e6graph.chat.terminal.talk import talk
from e6graph.drawing import Portrait, Tag, lettering
from e6graph.drawing import portrait as drawn
from e6graph.errors import BadInput
from e6graph.hydrate.previews import preview_path
from e6graph.recommend import PostGraph
from e6graph.recommend.personal import Profile
from e6graph.recommend.portrait import portrait_of
from e6graph.tags.categories import BACKGROUND, COLORS

GREEN, RED, BLUE = (0, 255, 0), (255, 0, 0), (0, 0, 255)
LONG = "long_" * 40  # 200 characters
STRANGE = ["\U0001f98a", "日本", "שועל", LONG]
LIKED = [*range(1, 9), 21, 22]  # 8 foxes and 2 owls of 10


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    """An index of 200 posts, 100 of them of rating s, and previews in colors of their ratings.

    Of the safe ones (1 to 100) 10 hold fox, 20 owl, 29 night, 2 twice, 1 once and 5 an artist.
    """
    root = tmp_path_factory.mktemp("portraits")
    rows = []
    for i in range(1, 201):
        tags = ["animal", "day" if i % 2 else "dusk", f"thing_{i % 7}"]
        tags += ["fox", "canine"] if i <= 10 else ["owl"] * (20 < i <= 40)
        tags += (
            ["night"] * (i <= 8 or 50 < i <= 71) + ["twice"] * (i <= 2) + ["once"] * (i == 1)
        )
        tags += ["inkwash_(artist)"] * (i <= 5) + ["rain"] * (80 < i <= 90)
        tags += STRANGE * (i in (31, 32)) + ["young"] * (i in (150, 151))
        rating = "s" if i <= 100 else "qe"[i % 2]
        rows.append(post(i, " ".join(tags), rating=rating))
        path = preview_path(root, rows[-1]["md5"])
        path.parent.mkdir(parents=True, exist_ok=True)
        color = RED if rating != "s" else BLUE if i > 20 else GREEN
        Image.new("RGB", (150, 90), color).save(path, "PNG")
    categories = dict.fromkeys({tag for row in rows for tag in row["tag_string"].split()}, 0)
    categories |= {"fox": 5, "owl": 5, "canine": 5, "animal": 5, "inkwash_(artist)": 1}
    index_of(root, rows, categories, implications=[("fox", "canine")], dim=8)
    return root


@pytest.fixture(scope="module")
def graph(board):
    return PostGraph.open(board / "index", blacklist=None)


def figures(tags):
    return [(tag.name, *tag.figures()) for tag in tags]


def colors(picture):
    return {color for _, color in picture.getcolors(1 << 20)}


def rgb(color):
    return tuple(bytes.fromhex(color[1:]))


# -- what stands out -------------------------------------------------------------------------------
def test_the_planted_taste_to_the_digit(graph):
    """Fox: 8 of 10 beside 10 of 100, pull 13/6; night: 8 beside 29 of 100, 13/7.9."""
    made = portrait_of(graph, Profile(liked=LIKED))
    assert figures(made.panels["species"]) == [("fox", "80%", "8.0x")]  # canine is implied
    # It was liked twice, which is ten times the board's, and yet leads nothing.
    assert figures(made.panels["general"])[:2] == [
        ("night", "80%", "2.8x"),
        ("twice", "20%", "10x"),
    ]
    assert figures(made.panels["favorite artists"]) == [("inkwash", "50%", "10x")]
    assert [tag.name for tag in made.leading][:2] == ["fox", "twice"]  # night comes with fox
    names = {tag.name for tags in made.panels.values() for tag in tags}
    assert not names & {"once", "owl", "animal", "canine", "rating safe"}
    assert "10 likes" in made.said and "100 posts" in made.said
    assert made.rows()[0][1][:2] == ["fox 80% 8.0x", "twice 20% 10x"]


def test_favorites_count_as_likes_and_what_was_disliked_does_not(graph):
    asked = portrait_of(graph, Profile(liked=LIKED)).rows()
    assert portrait_of(graph, Profile(favorites=LIKED)).rows() == asked
    assert portrait_of(graph, Profile(favorites=LIKED[:6], liked=LIKED[4:])).rows() == asked
    turned = Profile(favorites=[*LIKED, 81, 82], liked=[1], disliked=[81, 82])
    assert portrait_of(graph, turned).rows()[1] == asked[1]
    moods = Profile(liked=LIKED, moods=dict.fromkeys(LIKED, "owl"), mood=["rain"])
    assert portrait_of(graph, moods).rows() == asked


def test_what_is_avoided_was_named_or_disliked_more_than_liked(graph):
    profile = Profile(liked=LIKED, disliked=[*range(81, 88), 9], avoids=["dusk"])
    made = portrait_of(graph, profile)
    assert [tag.name for tag in made.avoids] == ["dusk", "rain"]
    everything = {tag.name for tags in made.panels.values() for tag in tags}
    assert not everything & {"dusk", "rain"}
    assert made.rows()[-1] == ("avoids", ["dusk", "rain"])


def test_tags_that_were_named_follow_those_that_stand_out(graph):
    made = portrait_of(graph, Profile(liked=LIKED, enjoys=["rain", "fox", "no_such_tag"]))
    assert figures(made.panels["species"]) == [("fox", "80%", "8.0x")]
    assert made.panels["general"][-1] == Tag("rain", "general", None, 0.1)
    alone = portrait_of(graph, Profile(enjoys=["rain", "fox"], avoids=["owl"]))
    assert [tag.name for tag in alone.leading] == ["fox", "rain"]
    assert not any(alone.panels.values())
    assert rgb(COLORS["species"]) in colors(alone.draw())


@pytest.mark.parametrize(
    "profile",
    [
        Profile(),
        Profile(liked=[150, 999]),
        Profile(enjoys=["no_such_tag"], avoids=["young"]),
        Profile(disliked=[1]),
    ],
)
def test_where_nothing_is_known_that_is_said(graph, profile):
    with pytest.raises(BadInput, match="too little is known of this taste for a portrait"):
        graph.portrait(profile)


def test_one_like_and_all_posts_liked_are_drawn(board, graph):
    assert graph.portrait(Profile(liked=[1])).size == (1200, 675)
    everything = Profile(favorites=list(range(1, 201)))  # like the board in everything
    made = portrait_of(graph, everything, board)
    assert not any(made.panels.values()) and len(made.thumbnails) == drawn.THUMBNAILS
    assert "100 likes" in made.said and made.draw().size == drawn.SIZE


# -- who sees what ---------------------------------------------------------------------------------
def test_thumbnails_are_of_rating_s_whatever_the_options_say(board):
    wide = PostGraph.open(board / "index", ratings="sqe", blacklist=None)
    profile = Profile(liked=[101, 102, 103, 150, 151, 1], favorites=list(range(104, 140)))
    made = portrait_of(wide, profile, board)
    assert "42" not in made.said and "40 likes" in made.said  # 150 and 151 are under the rule
    assert [one.getpixel((9, 9)) for one in made.thumbnails] == [GREEN]
    assert RED not in colors(made.draw())
    assert portrait_of(wide, Profile(liked=[101, 102]), board).thumbnails == []


def test_what_their_blacklist_hides_is_neither_shown_nor_counted(board, graph):
    mine = graph.narrowed("s", "owl")
    made = portrait_of(mine, Profile(liked=LIKED, enjoys=["owl"], avoids=["owl"]), board)
    assert BLUE not in colors(made.draw()) and GREEN in colors(made.draw())
    assert "8 likes" in made.said and "80 posts" in made.said and made.avoids == []
    assert "owl" not in str(made.rows())


def test_a_preview_that_is_missing_or_broken_is_passed_over(board, graph, tmp_path):
    profile = Profile(liked=LIKED)
    assert portrait_of(graph, profile, tmp_path).thumbnails == []
    for post_id, data in ((1, b"no picture"), (2, b"")):
        path = preview_path(tmp_path, post(post_id, "")["md5"])
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
    assert portrait_of(graph, profile, tmp_path).thumbnails == []
    assert len(portrait_of(graph, profile, board).thumbnails) == 8


def test_the_file_holds_the_picture_alone_and_is_the_same_each_time(board, graph):
    profile = Profile(liked=LIKED)
    png = portrait_of(graph, profile, board).png()
    again = PostGraph.open(board / "index", blacklist=None)
    assert portrait_of(again, profile, board).png() == png
    kinds, at = [], 8
    while at < len(png):
        size, kind = struct.unpack_from(">I4s", png, at)
        kinds.append(kind)
        at += size + 12
    assert set(kinds) == {b"IHDR", b"IDAT", b"IEND"}
    picture = Image.open(io.BytesIO(png))
    assert picture.size == (1200, 675) and picture.mode == "RGB" and not picture.info
    assert not ImageChops.difference(picture, graph.portrait(profile, board)).getbbox()


# -- the drawing -----------------------------------------------------------------------------------
def edges(picture):
    """The colors of the outermost pixels and of the gaps between the columns of tags."""
    step = drawn.COLUMN_WIDTH + drawn.COLUMN_GAP
    found = set()
    for left, right in [(0, 20), (1180, 1200)]:
        found |= colors(picture.crop((left, 0, right, 675)))
    for number in (1, 2):
        right = drawn.MARGIN + number * step
        found |= colors(picture.crop((right - 20, 140, right - 4, 440)))
    return (
        found
        | colors(picture.crop((0, 0, 1200, 16)))
        | colors(picture.crop((0, 655, 1200, 675)))
    )


@pytest.mark.parametrize("rows", [1, 2, 5, 12])
@pytest.mark.parametrize("panels", [1, 2, 4, 6])
@pytest.mark.parametrize("rest", [False, True])
def test_whatever_there_is_stays_in_its_place(rows, panels, rest):
    kinds = ["general", "species", "artist", "character", "copyright", "lore"][:panels]
    tags = {kind: [Tag(LONG, kind, 0.003, 1e-7)] * rows for kind in kinds}
    square = Image.new("RGB", (30, 200), GREEN)
    made = Portrait(
        "said " * 60,
        leading=tags["general"] * 4,
        panels=tags,
        avoids=tags["general"] * rest,
        thumbnails=[square] * 9 * rest,
    )
    picture = made.draw()
    assert edges(picture) == {rgb(BACKGROUND)}
    assert (GREEN in colors(picture)) == rest
    if rest:
        top = 675 - drawn.MARGIN - drawn.THUMBNAIL
        assert colors(picture.crop((40, top, 40 + drawn.THUMBNAIL, 635))) == {GREEN}
    for kind in kinds:
        assert rgb(drawn.PLOT_COLORS[kind]) in colors(picture)


def test_words_alone_are_as_large_as_fits():
    few = Portrait("said", [Tag("fox", "species")]).draw()
    many = [Tag(f"name {k} {'x' * k}", "general") for k in range(12)]
    full = Portrait("said", many, avoids=many, thumbnails=[Image.new("RGB", (9, 9))]).draw()
    large = Portrait("said", [Tag(LONG, "species")], avoids=[Tag(LONG, "lore")] * 9).draw()
    for picture in (few, full, large):
        assert edges(picture) == {rgb(BACKGROUND)} or picture is not few
        assert colors(picture.crop((1180, 0, 1200, 675))) == {rgb(BACKGROUND)}
    species = few.point(lambda level: level).convert("RGB")
    assert rgb(COLORS["species"]) in colors(species)


def test_a_bar_is_as_long_as_the_share_and_its_notch_at_the_boards():
    tags = [Tag("a", "species", 0.8, 0.2), Tag("b", "species", 0.4, 0.2)]
    picture = Portrait("said", tags, {"species": tags}).draw()
    lengths = []
    for y in range(140, 400):
        row = picture.crop((drawn.MARGIN, y, drawn.MARGIN + drawn.COLUMN_WIDTH, y + 1))
        row = [row.getpixel((x, 0)) for x in range(drawn.COLUMN_WIDTH)]
        if row[0] == row[3] == rgb(COLORS["species"]):
            lengths.append((row.count(rgb(COLORS["species"])), row.index((0xE6, 0xEE, 0xF7))))
    full, quarter = drawn.COLUMN_WIDTH, round((drawn.COLUMN_WIDTH - 3) / 4)
    assert sorted(set(lengths))[-1] == (full - 3, quarter)
    assert abs(sorted(set(lengths))[0][0] - (full / 2 - 3)) < 4 and lengths[-1][1] == quarter


# -- letters ---------------------------------------------------------------------------------------
@pytest.fixture
def one_font(monkeypatch):
    monkeypatch.setattr(lettering, "FONTS", ("",))


def test_names_are_written_in_letters_that_the_font_has(one_font):
    assert lettering.legible("fox") == "fox"
    assert lettering.legible("café") == "cafe"  # Pillow's font has no accents
    assert [lettering.legible(name) for name in ("日本", "жук", "\U0001f98a", "")] == [""] * 4
    assert lettering.legible("e" + "\u0301" * 90) == "e"  # marks would cover other lines
    assert (
        lettering.plain("a\u202e\n\tb\u200b") == "ab" and len(lettering.plain("x" * 999)) == 200
    )
    assert lettering.shortened("x" * 5000, lettering.best_font("x", 20), 99).endswith("...")


def test_names_that_cannot_be_written_are_left_out_and_told(one_font, graph, kept):
    profile = Profile(liked=[31, 32, 33, 34, 35, 36])
    made = portrait_of(graph, profile)
    assert set(made.unwritten) == {"\U0001f98a", "日本", "שועל"}
    shown = [tag.name for tag in made.panels["general"]]
    assert LONG.replace("_", " ").strip() in shown
    assert not {name for name in shown if not name.isascii()}
    bot = Conversation(graph, kept, "ann")
    bot.reply(f"/like {' '.join(map(str, profile.liked))}")
    assert "no font here has their letters" in bot.reply("/portrait")[0].text


# -- in the talk -----------------------------------------------------------------------------------
def test_the_bot_draws_it_says_it_and_does_not_name_them(
    board, graph, kept, tmp_path, monkeypatch
):
    bot = Conversation(graph, kept, "somebodys_own_name", board)
    (reply,) = bot.reply("/portrait")
    assert reply.text.startswith("too little is known") and reply.document is None
    bot.reply(f"/like {' '.join(map(str, LIKED))}")
    (reply,) = bot.reply("/portrait")
    name, data = reply.document
    assert name == "portrait.png" and reply.is_drawing
    assert Image.open(io.BytesIO(data)).size == (1200, 675)
    assert b"somebodys" not in data and "somebodys" not in reply.text
    assert (
        "species    fox 80% 8.0x" in reply.text and "artists    inkwash 50% 10x" in reply.text
    )
    monkeypatch.chdir(tmp_path)
    out = io.StringIO()
    talk(bot, io.StringIO("/portrait\n/portrait\n"), out)
    assert "Written to portrait.png." in out.getvalue()
    assert "Written to portrait-2.png." in out.getvalue()
    assert (tmp_path / "portrait.png").read_bytes() == data
