"""Heads seen from the front: ears, face, markings, eyes, muzzle. Unit: the head's radius.

A look is a dict of features (`world.KINDS`): face, ears, marks, nose ... Each of the tables
below maps one value of a feature to its paths; only the right half is listed, the left mirrored.
"""

from __future__ import annotations

from .pen import RGB, Pen, blob, curve, limb, mirror, oval, path, shade, star, whole

INK: RGB = (38, 32, 46)
WHITE: RGB = (252, 250, 246)
BLUSH = (240, 120, 120, 70)

# right half of each face, from crown to chin, in hundredths
FACES = {
    "fox": "0,-80 55,-74 86,-25 112,30 66,56 27,82 0,90",
    "wolf": "0,-80 58,-74 90,-25 110,40 72,62 36,86 0,92",
    "dog": "0,-80 58,-74 88,-20 86,36 50,74 0,82",
    "cat": "0,-80 60,-70 97,-12 94,36 50,72 0,80",
    "bear": "0,-82 62,-74 97,-10 90,42 48,78 0,84",
    "small": "0,-80 52,-74 86,-6 84,38 44,74 0,82",
    "long": "0,-80 46,-74 66,-25 52,30 46,86 0,105",
    "block": "0,-78 56,-66 78,-20 80,50 52,82 0,86",
    "dragon": "0,-80 52,-72 84,-20 72,30 52,72 0,86",
}
CHEEKS = {
    "fox": "0,30 30,24 55,2 90,8 107,29 65,54 26,80 0,88",
    "wolf": "0,30 30,24 55,6 88,12 105,39 70,60 35,84 0,90",
}
# right ear, right inner ear
EARS = {
    "point": (
        path("16,-55 52,-130 60,-138 70,-130 98,-25"),
        path("36,-66 60,-118 82,-50"),
    ),
    "big": (
        path("10,-50 72,-162 82,-168 92,-160 106,-10"),
        path("34,-66 80,-146 92,-42"),
    ),
    "tuft": (
        path("16,-55 60,-132 68,-166 76,-130 98,-25"),
        path("36,-66 64,-118 84,-50"),
    ),
    "round": (oval(0.66, -0.68, 0.34), oval(0.68, -0.7, 0.2)),
    "mouse": (oval(0.84, -0.74, 0.56), oval(0.86, -0.74, 0.38)),
    "long": (
        blob("10,-60 16,-130 40,-195 64,-135 56,-60"),
        blob("22,-80 28,-130 40,-170 52,-130 44,-80"),
    ),
    "flop": (
        blob("46,-76 92,-78 124,-10 102,42 76,-6"),
        blob("80,-50 104,-30 110,6 98,20 86,-10"),
    ),
    "deer": (
        blob("40,-56 80,-90 136,-84 106,-46 56,-30"),
        blob("62,-58 86,-76 116,-76 96,-54 68,-44"),
    ),
    "fan": (
        blob("50,-72 124,-96 160,-20 130,50 72,30"),
        blob("84,-50 120,-68 138,-18 116,26 86,16"),
    ),
}


def head(pen: Pen, look: dict, eyes: RGB | None, mouth: str = "smile") -> None:
    """Draw a head round (0, 0); `eyes` is the iris colour, None for closed eyes."""
    marks = look["marks"]
    if "antlers" in marks:
        _antlers(pen)
    if "horns" in marks:
        for turn in (1, -1):
            horn = limb("42,-60 62,-110 95,-130", [0.17, 0.1, 0.02])
            pen.fill((horn * (turn, 1), "horn"))
        frill = path("70,-30 122,-42 100,-6 124,16 66,30")
        pen.fill((frill, "accent"), (mirror(frill), "accent"))
    if "mane" in marks:
        ring = [(1.36 * x, 1.36 * y + 0.02) for x, y in star(0, 0, 1.1, 0.96, 11)]
        pen.fill((blob(*ring), "accent"))
    if "spines" in marks:
        pen.fill((star(0, -0.1, 1.32, 1.02, 15), "accent"))
    if "wool" in marks:
        wool = [(oval(x, y, 0.36), "body") for x, y in star(0, -0.35, 0.72, 0.72, 5)]
        pen.fill(*wool)
    if ears := look.get("ears"):
        outer, inner = EARS[ears]
        paint = "dark" if "dark_ears" in marks else "body"
        pen.fill((outer, paint), (mirror(outer), paint))
        pen.fill((inner, "inner"), (mirror(inner), "inner"), outline=False)
        if "ear_tips" in marks:
            tip = path("44,-112 52,-130 60,-139 70,-130 78,-100")
            pen.fill((tip, "dark"), (mirror(tip), "dark"), outline=False)
    face = look.get("face", "bear")
    pen.fill((blob(*whole(FACES[face])), "wool_face" if "wool" in marks else "body"))
    _markings(pen, face, marks)
    _muzzle(pen, look, face, mouth)
    _eyes(pen, eyes, 0.5 if face == "long" else 0.42, -0.04)
    if face != "long":
        for side in (0.7, -0.7):
            pen.fill((oval(side, 0.34, 0.17, 0.11), BLUSH), outline=False)
    if "horn" in marks:
        pen.fill((path("-13,-70 0,-160 13,-70"), (250, 222, 140)))
        for y in (-0.9, -1.1):
            pen.line(path((-0.08, y), (0.07, y - 0.07)), 0.04, (214, 170, 90))


def _antlers(pen: Pen) -> None:
    for side in (1, -1):
        for spine in (
            [(0.3, -0.6), (0.55, -1.2), (0.95, -1.4), (0.9, -1.85)],
            [(0.56, -1.08), (0.4, -1.4), (0.5, -1.7)],
            [(0.8, -1.34), (1.15, -1.3), (1.28, -1.6)],
        ):
            pen.fill((limb(spine, [0.09, 0.04]) * (side, 1), "horn"))


def _markings(pen: Pen, face: str, marks: tuple) -> None:
    if "cheeks" in marks:  # the pale lower face of a fox or wolf
        cheek = path(CHEEKS[face])
        pen.fill((cheek, "belly"), (mirror(cheek), "belly"), outline=False)
    if "brows" in marks:
        for x in (0.4, -0.4):
            pen.fill((oval(x, -0.38, 0.14, 0.08), "belly"), outline=False)
    if "mask" in marks:  # raccoon
        bar = blob("10,-10 50,-30 88,0 84,30 40,20")
        pen.fill((bar, "dark"), (mirror(bar), "dark"), outline=False)
        brow = blob("12,-30 50,-46 84,-20 50,-32")
        pen.fill((brow, "belly"), (mirror(brow), "belly"), outline=False)
    if "tear" in marks:  # red panda
        cheek = blob("50,6 90,10 86,42 50,66 30,30")
        brow = oval(0.42, -0.36, 0.2, 0.13, -15)
        pen.fill((cheek, "belly"), (mirror(cheek), "belly"), outline=False)
        pen.fill((brow, "belly"), (mirror(brow), "belly"), outline=False)
    if "badger" in marks:
        stripe = blob("22,-72 50,-62 66,0 50,42 24,0")
        pen.fill((stripe, "dark"), (mirror(stripe), "dark"), outline=False)
    if "panda" in marks:
        for side in (1, -1):
            pen.fill((oval(side * 0.44, 0.0, 0.26, 0.32, side * 30), "dark"), outline=False)
    if "blaze" in marks:
        pen.fill((blob("0,-70 14,-20 20,40 -20,40 -14,-20"), "belly"), outline=False)


def _muzzle(pen: Pen, look: dict, face: str, mouth: str) -> None:
    nose = (226, 128, 138) if look.get("nose") == "pink" else INK
    if face in ("cat", "small"):
        pen.fill(
            (oval(0.17, 0.4, 0.23, 0.19), "belly"),
            (oval(-0.17, 0.4, 0.23, 0.19), "belly"),
            outline=False,
        )
        y, size = 0.26, 0.1
    elif face in ("fox", "wolf"):
        y, size = 0.4, 0.15
    elif face == "long":
        pen.fill((oval(0, 0.7, 0.44, 0.36), "belly"), outline=False)
        for x in (0.18, -0.18):
            pen.fill((oval(x, 0.62, 0.06, 0.08), shade_name(pen, "belly")), outline=False)
        pen.line(curve("-16,86 0,95 16,86"), 0.045, INK)
        return
    elif face == "block":
        pen.fill((blob("0,10 50,20 60,60 0,80 -60,60 -50,20"), "belly"), outline=False)
        y, size = 0.26, 0.17
    elif look.get("snout") == "pig":
        pen.fill((oval(0, 0.34, 0.36, 0.27), "inner"))
        for x in (0.13, -0.13):
            pen.fill((oval(x, 0.34, 0.06, 0.1), shade_name(pen, "inner")), outline=False)
        pen.line(curve("-20,64 0,74 20,64"), 0.045, INK)
        return
    elif look.get("snout") == "trunk":
        trunk = limb("0,10 4,90 -10,150 50,140", [0.28, 0.24, 0.18, 0.13])
        pen.fill((trunk, "body"))
        for y in (0.5, 0.72, 0.94):
            pen.line(
                curve((-0.14, y), (0.02, y + 0.05), (0.18, y)), 0.035, shade_name(pen, "body")
            )
        return
    elif face == "dragon":
        pen.fill((blob("0,22 40,26 48,60 0,82 -48,60 -40,26"), "belly"), outline=False)
        for x in (0.2, -0.2):
            pen.fill((oval(x, 0.36, 0.06, 0.045), shade_name(pen, "belly")), outline=False)
        pen.line(curve("-36,56 0,74 36,56"), 0.045, INK)
        return
    else:
        pen.fill((oval(0, 0.42, 0.42, 0.33), "belly"), outline=False)
        y, size = 0.26, 0.15
    pen.fill(
        (
            blob(
                (0, y - size * 0.55),
                (size, y - size * 0.4),
                (size * 0.5, y + size * 0.5),
                (0, y + size * 0.75),
                (-size * 0.5, y + size * 0.5),
                (-size, y - size * 0.4),
            ),
            nose,
        ),
        outline=False,
    )
    low = y + size * 0.7
    if mouth == "cat":  # :3
        wide = 0.2
        pen.line(
            curve((-wide, low + 0.04), (-wide * 0.8, low + 0.2), (0, low + 0.2), (0, low)),
            0.055,
            INK,
        )
        pen.line(
            curve((wide, low + 0.04), (wide * 0.8, low + 0.2), (0, low + 0.2), (0, low)),
            0.055,
            INK,
        )
    elif mouth == "open":
        pen.fill(
            (
                blob(
                    (-0.17, low + 0.1), (0.17, low + 0.1), (0.1, low + 0.3), (-0.1, low + 0.3)
                ),
                (150, 54, 62),
            ),
            outline=False,
        )
        pen.fill((oval(0, low + 0.27, 0.09, 0.05), (236, 128, 132)), outline=False)
    else:
        pen.line(path((0, low), (0, low + 0.08)), 0.04, INK)
        pen.line(curve((-0.17, low + 0.06), (0, low + 0.19), (0.17, low + 0.06)), 0.045, INK)
    if "whiskers" in look["marks"]:
        for side in (1, -1):
            for rise in (-0.05, 0.07):
                pen.line(
                    path((side * 0.46, 0.38 + rise), (side * 1.05, 0.32 + 2.2 * rise)),
                    0.022,
                    WHITE,
                )
    if "teeth" in look["marks"]:
        pen.fill(
            (
                path(
                    (-0.09, low + 0.12),
                    (0.09, low + 0.12),
                    (0.08, low + 0.3),
                    (-0.08, low + 0.3),
                ),
                WHITE,
            )
        )


def shade_name(pen: Pen, name: str) -> RGB:
    """A darker shade of a colour of the pen's palette."""
    return shade(pen.palette[name], 0.6)


def _eyes(pen: Pen, iris: RGB | None, x: float, y: float, size: float = 1.0) -> None:
    for side in (x, -x):
        eye(pen, iris, side, y, size)


def eye(pen: Pen, iris: RGB | None, x: float, y: float, size: float = 1.0) -> None:
    """One eye; closed (a lash line) where `iris` is None."""
    if iris is None:
        bow = curve((x - 0.2 * size, y), (x, y + 0.2 * size), (x + 0.2 * size, y))
        pen.line(bow, 0.06, INK)
        return
    pen.fill((oval(x, y, 0.21 * size, 0.26 * size), INK), outline=False)
    pen.fill((oval(x, y + 0.02 * size, 0.165 * size, 0.21 * size), iris), outline=False)
    pen.fill((oval(x, y, 0.115 * size, 0.16 * size), INK), outline=False)
    pen.fill((oval(x - 0.07 * size, y - 0.1 * size, 0.065 * size), WHITE), outline=False)
    pen.fill((oval(x + 0.07 * size, y + 0.1 * size, 0.035 * size), WHITE), outline=False)
