"""The parts of nano's training in their order; it only finds the part that is asked for.

``python -m unison_agent.training.nano <part> [options]``; every part resumes where it stopped and uses
CUDA when there is one where that pays. ``<part> --help`` tells its options.

    vision      the vision tower, against the language model's word embeddings
    planner     the planning LoRA
    answers     the LoRA for questions about pictures and clips
    states      hidden states of the training requests, one pool a task
    connector   the connector's start, without the transformer
    generator   transformer and connector together, on all nine generation tasks
    export      finished runs -> unison_agent/nano
"""

import sys
from importlib import import_module
from typing import Literal, get_args

Part = Literal["vision", "planner", "answers", "states", "connector", "generator", "export"]


def main() -> None:
    """Run one part with the rest of the command line."""
    part = sys.argv[1] if len(sys.argv) > 1 else ""
    if part not in get_args(Part):
        sys.exit(f"{__doc__}\nGot {part!r}; expected one of {', '.join(get_args(Part))}.")
    sys.argv = [f"{sys.argv[0]} {part}", *sys.argv[2:]]
    import_module(f"unison_agent.training.{part}").main()


if __name__ == "__main__":
    main()
