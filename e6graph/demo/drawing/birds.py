"""Birds: those that face us (owls, penguins) and those seen from the side.

Unit frame as in `beasts`: feet at y = 0, facing left, about two units high.
"""

from __future__ import annotations

from .heads import BLUSH, INK, WHITE, eye, shade_name
from .pen import RGB, Pen, blob, curve, limb, mirror, oval, path, whole

ORANGE: RGB = (240, 160, 60)


def bird(pen: Pen, look: dict, pose: str, eyes: RGB | None) -> None:
    """Draw a bird; `look["side"]` says which kind."""
    (_side if look.get("side") else _front)(pen, look, pose, eyes)


def _toes(pen: Pen, x: float, y: float = 0.0) -> None:
    for dx in (-0.1, 0.0, 0.1):
        pen.line(path((x, y - 0.08), (x + dx, y)), 0.06, ORANGE)


def _front(pen: Pen, look: dict, pose: str, eyes: RGB | None) -> None:
    marks = look["marks"]
    flying = pose in ("flying", "jumping")
    drop = 0.22 if pose == "sleeping" else 0.0
    if flying:
        spread = blob(
            "30,-110 90,-150 170,-160 162,-130 140,-116 136,-98 110,-92 102,-74 70,-72 40,-60"
        )
        pen.fill((spread, "far"), (mirror(spread), "far"))
        for side in (1, -1):
            for x, y in ((1.36, -1.16), (1.02, -0.92), (0.68, -0.74)):
                pen.line(
                    path((side * x, y), (side * (x - 0.18), y - 0.25)),
                    0.035,
                    shade_name(pen, "far"),
                )
        pen.fill((path("-30,-20 -34,12 0,4 34,12 30,-20"), "far"))
    for x in (0.2, -0.2):
        _toes(pen, x, 0.02)
    body = blob(*whole("0,-184 46,-162 58,-115 60,-60 40,-10 0,-3"))
    body = body * (1, 1 - drop / 1.84)
    if look.get("ears"):
        tuft = path((0.12, -1.7 + drop), (0.56, -2.06 + drop), (0.54, -1.45 + drop))
        pen.fill((tuft, "body"), (mirror(tuft), "body"), (body, "body"))
    else:
        pen.fill((body, "body"))
    pen.fill((blob("0,-112 34,-95 40,-50 0,-10 -40,-50 -34,-95"), "belly"), outline=False)
    if "barred" in marks:
        for y in (-0.85, -0.65, -0.45):
            for x in (-0.18, 0.0, 0.18):
                pen.line(
                    curve((x - 0.06, y), (x, y + 0.08), (x + 0.06, y)),
                    0.035,
                    shade_name(pen, "belly"),
                )
    if not flying:
        wing = blob("46,-112 72,-70 64,-22 50,-34 44,-70")
        pen.fill((wing, "far"))
        pen.fill((mirror(wing), "far"))
    head = pen.at(0, -1.36 + drop, 0.56)
    if "penguin" in marks:
        cheek = blob("6,-35 50,-42 74,0 50,42 0,50")
        head.fill((cheek, "belly"), (mirror(cheek), "belly"), outline=False)
        for side in (0.72, -0.72):
            head.fill((oval(side, 0.46, 0.14, 0.2), (250, 205, 100)), outline=False)
    else:
        for side in (0.38, -0.38):
            head.fill((oval(side, 0, 0.42, 0.46), "belly"), outline=False)
    for side in (0.38, -0.38):
        eye(head, eyes, side, -0.05, 1.15 if "penguin" not in marks else 0.9)
        head.fill((oval(side * 1.75, 0.32, 0.14, 0.09), BLUSH), outline=False)
    head.fill((blob("-13,12 13,12 0,44"), ORANGE), outline=False)


BEAKS = {  # paths from the head's left side, head radius 1
    "short": [(blob("-80,-10 -135,12 -80,30"), ORANGE)],
    "bill": [(blob("-70,0 -120,4 -162,12 -155,32 -110,34 -70,42"), ORANGE)],
    "crow": [(blob("-75,-18 -130,-5 -172,22 -120,26 -75,34"), (86, 82, 96))],
    "parrot": [
        (blob("-60,-40 -120,-35 -142,20 -130,50 -110,22 -62,36"), (70, 66, 78)),
    ],
    "flamingo": [
        (blob("-70,-20 -125,-10 -155,50 -140,72 -110,35 -70,34"), (250, 226, 220)),
        (blob("-150,30 -158,56 -142,76 -126,50"), INK),
    ],
}


def _side(pen: Pen, look: dict, pose: str, eyes: RGB | None) -> None:
    marks = look["marks"]
    tall = 0.55 if look.get("neck") == "long" and pose != "sleeping" else 0.0
    flying = pose in ("flying", "jumping")
    frame = pen.at(0.1, -0.25 if flying else -tall, angle=8 if flying else 0)
    if pose == "sleeping":
        frame = pen.at(0.1, 0.22, 1.0)
    if not flying and pose != "sleeping":
        swing = 0.14 if pose == "walking" else 0.0
        for x, step in ((-0.08, -swing), (0.2, swing)):
            pen.line(
                path((x + 0.1, -0.4 - tall), (x + 0.1 + step, -0.02)),
                0.065,
                look.get("legs", ORANGE),
            )
            _toes(pen, x + 0.06 + step)
    if flying:
        _far_wing(frame)
    tail = look.get("tail", "fan")
    if tail == "long":
        frame.fill((limb("45,-60 100,-30 135,15", [0.17, 0.1, 0.05]), "accent"))
        frame.fill((limb("45,-66 105,-45 145,-10", [0.12, 0.08, 0.03]), "far"))
    elif tail == "curl":
        frame.fill((blob("40,-80 75,-90 100,-96 92,-62 50,-40"), "far"))
    else:
        frame.fill((path("40,-74 112,-78 120,-60 110,-44 45,-42"), "far"))
    head = (-0.48, -1.28)
    shape = [(blob("-62,-86 -30,-112 20,-98 66,-66 45,-30 -5,-12 -50,-38"), "body")]
    if tall:
        head = (-0.72, -1.72)
        neck = limb("-40,-66 -95,-95 -20,-140 -66,-170", [0.2, 0.13, 0.12])
        shape.append((neck, "body"))
    if pose == "sleeping":
        head = (-0.4, -1.0)
    shape.append((oval(*head, 0.4 if not tall else 0.3), "body"))
    frame.fill(*shape)
    frame.fill((blob("-56,-80 -36,-86 -10,-50 10,-20 -10,-16 -46,-40"), "belly"), outline=False)
    if "mallard" in marks:  # green head, white collar
        frame.fill((oval(*head, 0.4), (66, 140, 104)), outline=False)
        frame.line(curve("-74,-98 -50,-84 -22,-98") - (-0.48, -1.28) + head, 0.08, WHITE)
    if flying:
        wing = blob(
            "-30,-86 -10,-150 35,-198 50,-170 72,-162 66,-136 80,-120 60,-100 50,-70 10,-60"
        )
        frame.fill((wing, "far"))
        for x, y in ((0.5, -1.7), (0.66, -1.36), (0.6, -1.0)):
            frame.line(path((x, y), (x - 0.3, y + 0.14)), 0.035, shade_name(pen, "far"))
    else:
        wing = blob("-24,-84 15,-90 55,-70 86,-50 50,-40 10,-36 -18,-52")
        frame.fill((wing, "far"))
        if "wing_bar" in marks:
            frame.fill((limb("6,-50 30,-44 50,-47", [0.06]), "accent"), outline=False)
        for dx in (0.0, 0.2):
            frame.line(
                curve((0.1 + dx, -0.5), (0.3 + dx, -0.47), (0.45 + dx, -0.56)),
                0.03,
                shade_name(pen, "far"),
            )
    face = frame.at(*head, 0.4 if not tall else 0.3)
    if "cheek" in marks:  # bare face of a macaw
        face.fill((oval(-0.4, 0.1, 0.42, 0.4), WHITE), outline=False)
    if "bib" in marks:  # a robin
        face.fill((blob("-85,-20 -30,0 10,70 20,160 -50,150 -80,70"), "accent"), outline=False)
    if "crest" in marks:
        face.fill((path("-10,-80 50,-160 40,-95 95,-125 62,-60"), "accent"))
    face.fill(*BEAKS[look.get("beak", "short")])
    eye(face, eyes, -0.32, -0.16, 1.25)
    face.fill((oval(-0.2, 0.36, 0.2, 0.13), BLUSH), outline=False)


def _far_wing(pen: Pen) -> None:
    wing = blob("-20,-90 -50,-150 -30,-192 0,-170 16,-140 30,-90")
    pen.fill((wing, "far"))
