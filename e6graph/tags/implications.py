"""Aliases and implications between tag names: chains, cycles and transitive closure."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from ..errors import BadInput

Node = TypeVar("Node", bound=Hashable)
MOST_IMPLIED = 2_000_000  # pairs of a closure; a chain of n names has n² / 2 of them


@dataclass(frozen=True)
class Aliases:
    """Resolved aliases; call it with a name to get the name that it stands for.

    Attributes
    ----------
    target : antecedent → the name at the end of its chain.
    chains : number of antecedents that took more than one step.
    cycles : number of names on a cycle; those stand for themselves.
    """

    target: dict[str, str]
    chains: int = 0
    cycles: int = 0

    def __call__(self, name: str) -> str:
        return self.target.get(name, name)


def resolve_aliases(pairs: Iterable[tuple[str, str]]) -> Aliases:
    """Follow every chain of aliases to its end; names on a cycle stay as they are.

    >>> resolve_aliases([("a", "b"), ("b", "c"), ("x", "y"), ("y", "x"), ("z", "x")])
    Aliases(target={'a': 'c', 'b': 'c', 'z': 'x'}, chains=1, cycles=2)
    """
    step = {antecedent: name for antecedent, name in pairs if antecedent != name}
    looping: set[str] = set()
    ends: dict[str, str] = {}
    for start in step:
        trail: dict[str, None] = {}
        name = start
        while name in step and name not in ends and name not in trail:
            trail[name] = None
            name = step[name]

        if name in trail:  # back on our own trail: the rest of it is a cycle
            steps = list(trail)
            looping.update(steps[steps.index(name) :])
        end = name if name in looping else ends.get(name, name)
        ends.update(dict.fromkeys(trail, end))

    target = {name: ends[name] for name in step if name not in looping}
    chains = sum(end != step[name] for name, end in target.items())
    return Aliases(target, chains, len(looping))


@dataclass(frozen=True)
class Implications:
    """Transitively closed implications; call it with a name to get all that it implies.

    Attributes
    ----------
    closure : antecedent → all names that it implies, without itself.
    cycles : number of names that imply themselves through others.
    """

    closure: dict[str, frozenset[str]]
    cycles: int = 0

    def __call__(self, name: str) -> frozenset[str]:
        return self.closure.get(name, frozenset())


def close_implications(pairs: Iterable[tuple[str, str]], aliases: Aliases) -> Implications:
    """Map both sides of each pair through the aliases, and close transitively.

    Raises BadInput as `close_transitively` does.

    >>> made = close_implications([("fox", "canine"), ("canine", "mammal")], Aliases({}))
    >>> sorted(made("fox")), made.cycles
    (['canine', 'mammal'], 0)
    """
    mapped = ((aliases(antecedent), aliases(consequent)) for antecedent, consequent in pairs)
    return Implications(*close_transitively(mapped))


def close_transitively(
    pairs: Iterable[tuple[Node, Node]],
) -> tuple[dict[Node, frozenset[Node]], int]:
    """Find everything that each first of a pair leads to, itself left out.

    Returns
    -------
    The closure, and how many nodes lead to themselves through others.

    Raises
    ------
    BadInput : more than `MOST_IMPLIED` pairs.
    """
    direct: dict[Node, set[Node]] = {}
    for antecedent, consequent in pairs:
        if antecedent != consequent:
            direct.setdefault(antecedent, set()).add(consequent)

    closure: dict[Node, frozenset[Node]] = {}
    cycles = total = 0
    for start in direct:
        reached: set[Node] = set()
        ahead = list(direct[start])
        while ahead:
            node = ahead.pop()
            if node in reached:
                continue
            reached.add(node)
            if node in closure:  # closed before, so its nodes need no visit
                reached |= closure[node]
            else:
                ahead.extend(direct.get(node, ()))

        cycles += start in reached
        closure[start] = frozenset(reached - {start})
        total += len(reached)
        if total > MOST_IMPLIED:
            raise BadInput(
                f"the implications make more than {MOST_IMPLIED:,} pairs when chains are "
                "followed: is this the site's export?"
            )
    return closure, cycles
