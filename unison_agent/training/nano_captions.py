"""Write nano's scenes as a folder of captioned pictures and clips; it trains nothing.

``python -m unison_agent.training.nano_captions --out runs/captions``; see training/connector_alone.py. No
combination that the benchmark holds out is in it.
"""

import argparse
import json
import random
from pathlib import Path

from unison_agent.media import Image, Video
from unison_agent.scenes import held_out, words, world
from unison_agent.training.captioned import CAPTIONS

FPS = 8.0
NUM_FRAMES = 17


def write(out: Path, *, pictures: int, clips: int, seed: int) -> None:
    """Write so many of each, with the requests that ask for them as captions."""
    out.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    lines: list[str] = []
    while len(lines) < pictures + clips:
        moving = len(lines) >= pictures
        scene = world.random_scene(rng, count=1 if moving else None, moving=moving)
        if held_out.is_held_out(scene):
            continue
        name = f"{len(lines):06d}.{'mp4' if moving else 'png'}"
        if moving:
            clip = Video.from_frames(list(world.draw_clip(scene, NUM_FRAMES)), FPS)
            (out / name).write_bytes(clip.mp4_bytes())
        else:
            (out / name).write_bytes(Image.from_array(world.draw(scene)).png_bytes())
        text = (words.video_request if moving else words.image_request)(rng, scene)
        lines.append(json.dumps({"file": name, "text": text}))
    (out / CAPTIONS).write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Write the folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=6000)
    parser.add_argument("--clips", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    write(args.out, pictures=args.pictures, clips=args.clips, seed=args.seed)


if __name__ == "__main__":
    main()
