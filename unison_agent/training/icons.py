"""Draw the sprite sheet of unison_agent/scenes from the Noto icon set; it knows nothing of scenes.

``python -m unison_agent.training.icons <icons.json>`` where the file is that of the npm package
``@iconify-json/noto`` 1.2.9 (Noto Emoji, Apache-2.0, copyright Google).
"""

import argparse
import io
import json
from pathlib import Path

from PIL import Image

from unison_agent.scenes import sprites

# Our one-word name of each icon -> its key in the set.
KEYS = {
    "dog": "dog-face",
    "cat": "cat-face",
    "pig": "pig-face",
    "apple": "red-apple",
    "car": "automobile",
    "boat": "sailboat",
    "flower": "sunflower",
    "ball": "soccer-ball",
    "tree": "deciduous-tree",
}


def draw_sheet(icons_json: Path) -> Image.Image:
    """Return the sheet: `sprites.ICONS` in reading order, SIDE pixels a cell, RGBA."""
    import resvg_py

    icons = json.loads(icons_json.read_text(encoding="utf-8"))["icons"]
    rows = -(-len(sprites.ICONS) // sprites.COLUMNS)
    sheet = Image.new("RGBA", (sprites.COLUMNS * sprites.SIDE, rows * sprites.SIDE))
    for index, name in enumerate(sprites.ICONS):
        body = icons[KEYS.get(name, name)]["body"]
        svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 128 128">{body}</svg>'
        png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=sprites.SIDE))
        place = (index % sprites.COLUMNS * sprites.SIDE, index // sprites.COLUMNS * sprites.SIDE)
        sheet.paste(Image.open(io.BytesIO(png)).convert("RGBA"), place)
    return sheet


def main() -> None:
    """Write the sheet where the scenes read it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("icons_json", type=Path)
    draw_sheet(parser.parse_args().icons_json).save(sprites.SHEET, optimize=True)


if __name__ == "__main__":
    main()
