"""Which combinations of name, colour, place, size and ground are kept for measuring; draws nothing.

One in ten, by hash, so that the list needs no file and never changes:
``python -m unison_agent.scenes.held_out`` prints it.
"""

import hashlib
import itertools
import sys

from unison_agent.scenes import sprites, world
from unison_agent.scenes.world import Scene

_KEPT = 26  # of the 256 values of the first byte


def combination(name: str, color: str | None, place: str, size: str, background: str) -> str:
    """Return the combination in one line, e.g. "star red left small on blue"."""
    return " ".join((name, color or "-", place, size, "on", background))


def is_combination_held_out(line: str) -> bool:
    """Whether scenes with this combination are never trained on."""
    return hashlib.sha256(line.encode()).digest()[0] < _KEPT


def is_held_out(scene: Scene) -> bool:
    """Whether any thing of the scene is a combination that is held out."""
    return any(
        is_combination_held_out(combination(t.name, t.color, t.place, t.size, scene.background))
        for t in scene.things
    )


def combinations() -> list[str]:
    """Return all combinations of one thing; shapes never have the colour of the ground."""
    looks = [(name, color) for name in sprites.SHAPES for color in sprites.COLORS]
    looks += [(name, None) for name in sprites.ICONS]
    return [
        combination(name, color, place, size, ground)
        for (name, color), place, size, ground in itertools.product(
            looks, world.OFFSETS, sprites.SIZES, sprites.COLORS
        )
        if color != ground
    ]


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in combinations() if is_combination_held_out(line))
