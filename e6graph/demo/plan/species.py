"""The species tree of the demo board, and what each species looks like.

Tables only, written as text: one row a leaf of the tree, a longer row goes on in an indented line.
"""

from __future__ import annotations

from typing import NamedTuple

# the inner nodes of the tree: child -> parent; roots are `animal` and `mythological_creature`
_TREE = """
    animal<mammal animal<bird animal<reptile animal<amphibian animal<fish animal<invertebrate
    mammal<canine canine<fox canine<dog mammal<feline feline<pantherine mammal<bear
    mammal<lagomorph mammal<rodent mammal<mustelid mammal<procyonid mammal<ailurid mammal<cervid
    mammal<equine mammal<bovid mammal<cetacean mammal<suine mammal<proboscidean
    mammal<eulipotyphlan bird<owl bird<duck bird<parrot bird<corvid bird<songbird
    reptile<turtle reptile<lizard reptile<crocodilian reptile<snake fish<shark
    invertebrate<mollusk mollusk<cephalopod mollusk<gastropod invertebrate<arthropod
    arthropod<crustacean arthropod<insect mythological_creature<dragon
"""
CLADES: dict[str, str] = dict(pair.split("<")[::-1] for pair in _TREE.split())

# name | parents | plan | cover | colours, the usual first | homes | weight | look
_ROWS = """
red_fox | fox | beast | fur | orange red | forest meadow | 7 | ears=point face=fox tail=bush
  marks=cheeks,socks,ear_tips
arctic_fox | fox | beast | fur | white | tundra mountain | 4 | ears=round face=fox tail=bush
  belly=white marks=cheeks
fennec_fox | fox | beast | fur | tan yellow | desert | 3 | ears=big face=fox tail=bush
  marks=cheeks,dark_tip
grey_wolf | canine | beast | fur | grey black white | forest mountain tundra | 6 | ears=point
  face=wolf tail=bush marks=cheeks,brows
corgi | dog | beast | fur | orange tan | meadow city room | 3 | ears=point face=dog tail=puff
  marks=blaze
beagle | dog | beast | fur | brown tan | city meadow room | 2 | ears=flop face=dog tail=lion
  marks=blaze,dark_ears
domestic_cat | feline | beast | fur | black orange grey white | city room garden | 6 | ears=point
  face=cat tail=thin nose=pink marks=whiskers
lynx | feline | beast | fur | tan grey | tundra forest | 2 | ears=tuft face=cat tail=puff
  marks=whiskers
tiger | pantherine | beast | fur | orange white | forest | 3 | ears=round face=cat tail=thin
  nose=pink pattern=striped marks=whiskers
leopard | pantherine | beast | fur | yellow tan | desert forest | 2 | ears=round face=cat tail=thin
  pattern=spotted marks=whiskers
lion | pantherine | beast | fur | tan yellow | desert meadow | 3 | ears=round face=cat tail=lion
  marks=mane,whiskers
brown_bear | bear | beast | fur | brown | forest mountain | 3 | ears=round face=bear tail=puff
polar_bear | bear | beast | fur | white | tundra | 3 | ears=round face=bear tail=puff belly=white
giant_panda | bear | beast | fur | white | forest garden | 3 | ears=round face=bear tail=puff
  belly=white marks=panda,dark_ears,dark_legs,saddle
rabbit | lagomorph | beast | fur | white brown grey tan | meadow garden forest | 5 | ears=long
  face=small tail=puff nose=pink
mouse | rodent | beast | fur | grey white brown | room garden meadow | 3 | ears=mouse face=small
  tail=thin tail_color=inner nose=pink marks=whiskers
squirrel | rodent | beast | fur | red brown grey | forest garden | 3 | ears=tuft face=small
  tail=squirrel
beaver | rodent | beast | fur | brown | lake forest | 2 | ears=round face=bear tail=flat marks=teeth
capybara | rodent | beast | fur | brown tan | lake garden | 2 | ears=round face=block tail=none
otter | mustelid | beast | fur | brown grey | lake beach | 3 | ears=round face=bear tail=thin
  marks=whiskers
badger | mustelid | beast | fur | white grey | forest cave | 2 | ears=round face=small tail=puff
  belly=white marks=badger,socks
raccoon | procyonid | beast | fur | grey brown | city forest | 4 | ears=point face=fox tail=ring
  marks=mask
red_panda | ailurid | beast | fur | red orange | forest mountain | 4 | ears=point face=dog tail=ring
  marks=tear,dark_legs
hedgehog | eulipotyphlan | beast | fur | tan brown | garden forest | 2 | ears=round face=small
  tail=none marks=spines
pig | suine | beast | skin | pink | meadow garden | 2 | ears=point face=bear snout=pig tail=none
elephant | proboscidean | beast | skin | grey blue | desert meadow | 2 | ears=fan face=bear
  snout=trunk tail=lion
sheep | bovid | beast | fur | white black | meadow mountain | 2 | ears=deer face=small tail=none
  marks=wool
deer | cervid | beast | fur | brown tan | forest meadow | 3 | ears=deer face=long tail=puff
  legs=thin pattern=spotted
reindeer | cervid | beast | fur | grey brown | tundra forest | 2 | ears=deer face=long tail=puff
  legs=thin marks=antlers
horse | equine | beast | fur | brown black white tan | meadow | 3 | ears=point face=long tail=mane
  legs=thin marks=blaze
zebra | equine | beast | fur | white | desert meadow | 2 | ears=point face=long tail=mane legs=thin
  pattern=striped accent=black
unicorn | equine mythological_creature | beast | fur | white pink | meadow sky | 3 | ears=point
  face=long tail=mane legs=thin marks=horn accent=pink
whale | cetacean | fish | skin | blue grey | underwater | 3 | shape=whale
orca | cetacean | fish | skin | black | underwater | 2 | shape=dolphin belly=white marks=patch
dolphin | cetacean | fish | skin | grey blue | underwater | 2 | shape=dolphin
barn_owl | owl | bird | feathers | tan brown | forest meadow | 3 | belly=white marks=barred
snowy_owl | owl | bird | feathers | white | tundra mountain | 3 | belly=white pattern=spotted
horned_owl | owl | bird | feathers | brown grey | forest city | 3 | ears=tuft marks=barred
penguin | bird | bird | feathers | black blue | tundra | 3 | belly=white marks=penguin
mallard | duck | bird | feathers | brown grey | lake | 2 | side=yes beak=bill tail=curl
  marks=mallard
pekin_duck | duck | bird | feathers | white yellow | lake garden | 3 | side=yes beak=bill tail=curl
  belly=white
macaw | parrot | bird | feathers | red blue green | forest beach | 3 | side=yes beak=parrot
  tail=long marks=cheek,wing_bar
cockatoo | parrot | bird | feathers | white pink | forest room | 2 | side=yes beak=parrot
  marks=crest
crow | corvid | bird | feathers | black | city meadow | 3 | side=yes beak=crow belly=body legs=dark
robin | songbird | bird | feathers | brown grey | garden meadow | 2 | side=yes accent=orange
  marks=bib
bluebird | songbird | bird | feathers | blue | garden meadow | 2 | side=yes accent=orange
  belly=white marks=crest
flamingo | bird | bird | feathers | pink | lake beach | 3 | side=yes neck=long beak=flamingo
  legs=accent accent=pink
sea_turtle | turtle | turtle | scales | green teal | underwater beach | 3 | accent=brown
tortoise | turtle | turtle | scales | tan green | desert garden | 2 | accent=brown
garter_snake | snake | snake | scales | green yellow red | desert forest | 3 |
gecko | lizard | lizard | scales | green orange yellow | desert room | 3 |
crocodile | crocodilian | lizard | scales | green | lake | 2 | shape=croc
tree_frog | amphibian | frog | skin | green blue | lake garden | 4 |
great_white_shark | shark | fish | scales | grey blue | underwater | 3 | shape=shark belly=white
clownfish | fish | fish | scales | orange | underwater | 3 | marks=bands
goldfish | fish | fish | scales | orange yellow red | underwater | 2 |
pufferfish | fish | fish | scales | yellow tan | underwater | 2 | shape=puffer
octopus | cephalopod | octopus | skin | red purple pink | underwater | 3 |
snail | gastropod | snail | skin | tan grey | garden forest | 2 | accent=orange
crab | crustacean | crab | shell | red orange | beach underwater | 2 |
butterfly | insect | butterfly | scales | orange blue yellow purple | garden meadow | 2 |
western_dragon | dragon | beast | scales | green red blue purple black | mountain cave | 6 |
  face=dragon tail=dragon wings=bat marks=horns
eastern_dragon | dragon | snake | scales | teal red yellow | sky mountain | 4 | shape=long
  face=dragon ears=deer marks=antlers
"""


class Kind(NamedTuple):
    """A species: a leaf of the tree. `plan` names its body, `homes` the places it likes."""

    parents: tuple[str, ...]
    plan: str
    cover: str
    colors: tuple[str, ...]
    homes: tuple[str, ...]
    weight: float
    look: dict[str, str | tuple[str, ...]]  # features by name; `marks` is a tuple


def _parse(row: str) -> tuple[str, Kind]:
    name, parents, plan, cover, colors, homes, weight, look = (
        c.strip() for c in row.split("|")
    )
    features = dict(pair.split("=") for pair in look.split())
    features["marks"] = tuple(features.get("marks", "").split(","))
    lists = [tuple(text.split()) for text in (parents, colors, homes)]
    return name, Kind(lists[0], plan, cover, lists[1], lists[2], float(weight), features)


KINDS: dict[str, Kind] = dict(
    _parse(row) for row in _ROWS.strip().replace("\n  ", " ").split("\n")
)
