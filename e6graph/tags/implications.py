"""Aliases and implications between tag names: chains, cycles and transitive closure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import BadInput

MOST_IMPLIED = 2_000_000  # pairs of a closure; one of n names in a chain has n² / 2


@dataclass(frozen=True)
class Aliases:
    """Resolved aliases.

    Attributes
    ----------
    target : antecedent → the name it stands for, chains followed to their end.
    chains : how many antecedents took more than one step.
    cycles : how many names were on a cycle; those are left as they are.
    """

    target: dict[str, str]
    chains: int = 0
    cycles: int = 0

    def __call__(self, name: str) -> str:
        return self.target.get(name, name)


def resolve_aliases(pairs: Iterable[tuple[str, str]]) -> Aliases:
    """Follow alias chains; a cycle resolves to nothing, as does an alias of a name to itself.

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
        if name in trail:
            steps = list(trail)
            looping.update(steps[steps.index(name) :])
        end = name if name in looping else ends.get(name, name)
        ends.update(dict.fromkeys(trail, end))
    target = {name: ends[name] for name in step if name not in looping}
    chains = sum(end != step[name] for name, end in target.items())
    return Aliases(target, chains, len(looping))


@dataclass(frozen=True)
class Implications:
    """The transitive closure of implications.

    Attributes
    ----------
    closure : antecedent → all it implies, itself left out.
    cycles : how many names imply themselves through others.
    """

    closure: dict[str, frozenset[str]]
    cycles: int = 0

    def __call__(self, name: str) -> frozenset[str]:
        return self.closure.get(name, frozenset())


def close_implications(pairs: Iterable[tuple[str, str]], aliases: Aliases) -> Implications:
    """Map both sides through the aliases and close transitively.

    Raises
    ------
    BadInput : more than `MOST_IMPLIED` pairs.

    >>> made = close_implications([("fox", "canine"), ("canine", "mammal")], Aliases({}))
    >>> sorted(made("fox")), made.cycles
    (['canine', 'mammal'], 0)
    """
    direct: dict[str, set[str]] = {}
    for antecedent, consequent in pairs:
        antecedent, consequent = aliases(antecedent), aliases(consequent)
        if antecedent != consequent:
            direct.setdefault(antecedent, set()).add(consequent)
    closure, cycles, pairs = {}, 0, 0
    for start in direct:
        reached: set[str] = set()
        ahead = list(direct[start])
        while ahead:
            name = ahead.pop()
            if name not in reached:
                reached.add(name)
                if name in closure:  # whose own need no second visit
                    reached |= closure[name]
                else:
                    ahead.extend(direct.get(name, ()))
        cycles += start in reached
        closure[start] = frozenset(reached - {start})
        pairs += len(reached)
        if pairs > MOST_IMPLIED:
            raise BadInput(
                f"by their chains the implications are more than {MOST_IMPLIED:,}: "
                "is this the site's export?"
            )
    return Implications(closure, cycles)
