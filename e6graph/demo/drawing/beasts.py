"""Four-legged creatures and dragons: bodies, legs, tails and wings of each pose.

Unit frame: feet at y = 0, the top of a sitting creature's head near y = -2, facing left.
"""

from __future__ import annotations

import numpy as np

from .heads import shade_name
from .pen import Pen, blob, curve, limb, mirror, mix, oval, path, star, whole


def beast(pen: Pen, look: dict, pose: str) -> None:
    """Draw all of a beast but its head."""
    POSES[pose](pen, look)


def _leg(pen: Pen, look: dict, points: list, width: float = 0.13, far: bool = False) -> None:
    """One leg from hip to foot, with sock, hoof or paw."""
    thin = look.get("legs") == "thin"
    w = width * (0.72 if thin else 1)
    foot = np.array(points[-1], dtype=float)
    shape = limb(points, [w * 1.25, w * 0.95])
    paw = oval(foot[0] - 0.03, foot[1] - 0.02, w * 1.25, w * 0.8)
    paint = "far" if far else "body"
    if "dark_legs" in look["marks"]:
        paint = "dark"
    pen.fill((shape, paint), (paw, paint))
    if "socks" in look["marks"]:
        low = np.array(points[-2], dtype=float) * 0.42 + foot * 0.58
        pen.fill((limb([low, foot], [w * 0.9, w * 0.95]), "dark"), (paw, "dark"), outline=False)
    elif thin:
        hoof = path((-w, -0.11), (w, -0.11), (w * 1.15, 0.05), (-w * 1.15, 0.05)) + foot
        pen.fill((hoof, "dark"), outline=False)


def _tail(pen: Pen, look: dict) -> None:
    """A tail from (0, 0) towards +x and up."""
    kind = look.get("tail", "thin")
    if kind in ("bush", "ring", "squirrel"):
        spine = [(-0.05, 0), (0.62, 0.16), (0.95, -0.35), (0.66, -0.95)]
        widths = [0.1, 0.24, 0.31, 0.22, 0.02]
        if kind == "squirrel":
            spine = [(-0.05, 0), (0.7, 0.2), (0.95, -1.0), (0.35, -1.5)]
            widths = [0.12, 0.28, 0.36, 0.34, 0.16]
        shape = limb(spine, widths)
        pen.fill((shape, "body"))
        middle = curve(*spine)
        if kind == "ring":
            for i in (4, 7, 10):
                along = middle[i + 1] - middle[i - 1]
                across = along[::-1] * (-1, 1) / np.hypot(*along)
                w = float(np.interp(i / 13, np.linspace(0, 1, 5), widths)) * 0.96
                pen.fill(
                    (
                        limb(
                            [middle[i] - across * w * 0.8, middle[i] + across * w * 0.8],
                            [0.065],
                        ),
                        "dark",
                    ),
                    outline=False,
                )
        if kind == "bush":
            paint = "dark" if "dark_tip" in look["marks"] else "belly"
            tip = limb([middle[10], middle[12], middle[13]], [0.17, 0.14, 0.02])
            pen.fill((tip, paint), outline=False)
    elif kind == "puff":
        pen.fill((oval(0.12, -0.04, 0.21), "belly"))
    elif kind == "curl":
        pen.fill((limb("0,0 50,0 60,-60 10,-55 25,-25", [0.15, 0.17, 0.13]), "body"))
    elif kind == "flat":
        paddle = oval(0.5, 0.02, 0.48, 0.22, -14)
        pen.fill((paddle, "dark"))
    elif kind == "mane":
        pen.fill((limb("-5,0 50,-10 62,30 50,62", [0.09, 0.2, 0.22, 0.03]), "accent"))
    elif kind == "dragon":
        pen.fill((limb("-25,2 70,30 110,0 92,-70", [0.3, 0.19, 0.1, 0.04]), "body"))
        pen.fill((path("86,-62 68,-84 93,-110 114,-82"), "accent"))
    elif kind == "lion":
        pen.fill((limb("0,0 60,15 70,-40 85,-72", [0.07, 0.055]), "body"))
        pen.fill((oval(0.88, -0.8, 0.14, 0.2, 20), "accent"))
    elif kind == "thin":
        spine = [(0, 0), (0.7, 0.2), (0.5, -0.62), (0.86, -0.85)]
        pen.fill((limb(spine, [0.09, 0.08, 0.07]), look.get("tail_color", "body")))


def _wings(pen: Pen, look: dict, spread: float = 1.0) -> None:
    """A bat wing from (0, 0) up and to +x."""
    if look.get("wings") != "bat":
        return
    tips = np.array(
        [
            (0.05, 0.1),
            (0.1, -0.35),
            (0.62, -1.02),
            (0.8, -0.5),
            (1.05, -0.62),
            (1.02, -0.2),
            (1.2, -0.18),
            (0.85, 0.1),
            (0.45, 0.2),
        ]
    )
    tips = tips * (1.15 * spread, 1.1)
    pen.fill((path(*tips), "accent"))
    for i in (3, 5):
        pen.line(path(tips[1], tips[i + 1]), 0.035, shade_name(pen, "accent"))
    pen.fill((limb([tips[0], tips[1], tips[2]], [0.08, 0.03]), "body"))


def _scutes(pen: Pen, look: dict, rows: list) -> None:
    if look.get("wings") == "bat":
        for x0, y, x1 in rows:
            pen.line(
                curve((x0, y), ((x0 + x1) / 2, y + 0.05), (x1, y)),
                0.03,
                shade_name(pen, "belly"),
            )


def _coat(pen: Pen, look: dict, tufts: str, radius: float = 0.28) -> None:
    """The fleece of a sheep over the torso."""
    if "wool" in look["marks"]:
        pen.fill(*[(oval(x, y, radius), "body") for x, y in path(tufts)])


def _spines(pen: Pen, look: dict, x: float, y: float, radius: float) -> None:
    """A hedgehog's spines, drawn behind or over the torso."""
    if "spines" in look["marks"]:
        pen.fill((star(x, y, radius, radius * 0.78, 17), "accent"))
        inner = star(x, y, radius * 0.7, radius * 0.55, 15)
        pen.fill((inner, mix(pen.palette["accent"], pen.palette["body"], 0.35)), outline=False)


def _sitting(pen: Pen, look: dict) -> None:
    marks = look["marks"]
    for side in (-1, 1):
        _wings(pen.at(0.22 * side, -0.95, flip=side < 0), look)
    _tail(pen.at(0.4, -0.2), look)
    _spines(pen, look, 0, -0.58, 0.8)
    haunch = oval(0.46, -0.24, 0.26, 0.25)
    torso = blob(*whole("0,-128 32,-118 42,-70 56,-26 44,0 0,3"))
    pen.fill((torso, "body"), (haunch, "body"), (mirror(haunch), "body"))
    _coat(pen, look, "-34,-100 34,-100 -45,-60 45,-60 0,-90 -30,-30 30,-30 0,-55")
    if "wool" not in marks:
        chest = blob(*whole("0,-120 22,-100 27,-60 16,-20 0,-16"))
        pen.fill((chest, "belly"), outline=False)
    _scutes(pen, look, [(-0.2, y, 0.2) for y in (-0.85, -0.65, -0.45, -0.25)])
    paint = "dark" if {"socks", "dark_legs"} & set(marks) else "body"
    for side in (0.46, -0.46):
        pen.fill((oval(side, -0.06, 0.19, 0.09), paint))
    for side in (0.17, -0.17):
        _leg(pen, look, [(side * 1.25, -0.78), (side, -0.07)], 0.115)


def _standing(pen: Pen, look: dict, stride: float = 0.0) -> None:
    marks = look["marks"]
    _wings(pen.at(-0.05, -0.9), look)
    _tail(pen.at(0.62, -0.78), look)
    for x, swing in ((-0.3, stride), (0.6, -stride)):
        _leg(pen, look, [(x, -0.6), (x + swing, -0.06)], far=True)
    pen.fill((blob("-66,-92 -20,-104 40,-102 72,-84 72,-52 20,-42 -40,-40 -72,-58"), "body"))
    pen.fill((blob("-60,-56 0,-56 50,-56 20,-44 -40,-41"), "belly"), outline=False)
    for x, swing in ((-0.5, -stride), (0.44, stride)):
        _leg(pen, look, [(x, -0.62), (x + swing, -0.05)], 0.14)
    if "saddle" in marks:  # the dark shoulders of a panda
        pen.fill((limb("-50,-98 -50,-50", [0.16, 0.2]), "dark"), outline=False)
    _coat(pen, look, "-50,-85 -10,-95 30,-95 62,-78 -30,-60 10,-60 45,-60")
    _spines(pen, look, 0.22, -0.84, 0.6)
    if look.get("tail") == "mane":
        pen.fill((limb("-50,-135 -25,-120 -30,-80", [0.14, 0.2, 0.08]), "accent"))


def _walking(pen: Pen, look: dict) -> None:
    _standing(pen, look, 0.2)


def _sleeping(pen: Pen, look: dict) -> None:
    _wings(pen.at(0.25, -0.5, 0.7, 25), look)
    wraps = {"bush": 1, "ring": 1, "squirrel": 1, "dragon": 1, "thin": 0.4, "lion": 0.4}
    tail = look.get("tail")
    if tail not in wraps:
        _tail(pen.at(0.82, -0.35), look)
    pen.fill((blob("-70,-36 -35,-70 25,-76 80,-50 86,-12 30,2 -50,2"), "body"))
    _coat(pen, look, "-20,-50 15,-55 50,-45 65,-25 30,-25 0,-25")
    _spines(pen, look, 0.25, -0.42, 0.56)
    if not {"wool", "spines"} & set(look["marks"]):
        pen.fill((oval(0.56, -0.24, 0.32, 0.27), "body"))
    pen.fill((oval(0.44, -0.04, 0.2, 0.09), "far"))
    pen.fill((oval(-0.62, -0.04, 0.2, 0.09), "far"))
    if tail in wraps:
        wide = wraps[tail]
        spine = "88,-30 95,12 30,4 -10,-6"
        pen.fill((limb(spine, [0.16 * wide, 0.2 * wide, 0.2 * wide, 0.04]), "body"))
        if tail == "bush":
            paint = "dark" if "dark_tip" in look["marks"] else "belly"
            pen.fill((limb("30,0 10,-2 -10,-6", [0.15, 0.12, 0.03]), paint), outline=False)
        if tail == "ring":
            for x in (0.62, 0.34, 0.08):
                band = limb([(x, -0.12), (x - 0.03, 0.14)], [0.055])
                pen.fill((band, "dark"), outline=False)


def _jumping(pen: Pen, look: dict) -> None:
    up = pen.at(0.05, -0.42, angle=14)
    _wings(up.at(-0.05, -0.85, 1.2), look)
    _tail(up.at(0.62, -0.78, angle=20), look)
    _leg(up, look, [(-0.36, -0.66), (-0.62, -0.36), (-0.7, -0.1)], far=True)
    _leg(up, look, [(0.6, -0.66), (0.95, -0.5), (1.2, -0.22)], far=True)
    torso = blob("-66,-94 -20,-104 40,-102 74,-84 74,-54 20,-44 -40,-40 -74,-60")
    up.fill((torso, "body"))
    up.fill((blob("-60,-58 0,-58 50,-57 20,-46 -40,-42"), "belly"), outline=False)
    _leg(up, look, [(-0.55, -0.66), (-0.85, -0.5), (-0.98, -0.2)], 0.14)
    _leg(up, look, [(0.52, -0.66), (0.72, -0.3), (1.02, 0.02)], 0.15)
    _coat(up, look, "-40,-80 0,-88 40,-85 0,-62 40,-62")
    _spines(up, look, 0.22, -0.84, 0.6)


POSES = {
    "sitting": _sitting,
    "standing": _standing,
    "walking": _walking,
    "sleeping": _sleeping,
    "jumping": _jumping,
    "flying": _jumping,
}
