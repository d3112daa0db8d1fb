"""Time warm requests of the nano profile, planning included: ``python benchmarks/nano_latency.py``.

Prints the median seconds of a task and where they went. Threads are torch's default unless --threads.
"""

import argparse
import random
import statistics

import torch

from unison_agent import Unison
from unison_agent.media import Image
from unison_agent.scenes import world

REQUESTS = {
    "text_to_image": ("Draw a red star on a blue background, 64 by 64", ()),
    "text_to_video": ("Make a 2 second clip of a yellow circle moving right on purple", ()),
    "image_understanding": ("What color is the star?", ("image",)),
    "text_understanding": ("What is the capital of France?", ()),
}


def main() -> None:
    """Print a line a request."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    thing = world.make_thing(random.Random(0), "star", "red", "large", "center")
    picture = Image.from_array(world.draw(world.Scene("blue", (thing,))))
    unison = Unison.from_pretrained("nano")
    unison.run("a red star")
    print(f"torch {torch.__version__}, {args.threads} threads, median of {args.runs} warm runs")
    for name, (text, kinds) in REQUESTS.items():
        media = [picture] if kinds else []
        timings = [unison.run(text, media=media).timings for _ in range(args.runs)]
        total = statistics.median(t.total_seconds for t in timings)
        middle = min(timings, key=lambda t: abs(t.total_seconds - total))
        print(
            f"{name:22} {total:6.2f} s  plan {middle.plan_seconds:.2f}  encode {middle.encode_seconds:.2f}"
            f"  denoise {middle.denoise_seconds:.2f}  decode {middle.decode_seconds:.2f}"
            f"  answer {middle.answer_seconds:.2f}"
        )


if __name__ == "__main__":
    main()
