"""Where pipelines run when nothing is said; it knows no pipelines."""


def default_device() -> str:
    """Return ``"cuda"`` when there is one, else ``"cpu"``."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
