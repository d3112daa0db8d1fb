"""What every test runs under: no network through the hub, one thread, steady property tests."""

import os

from hypothesis import settings

# Read by the libraries when they are first imported, so they are set before any test module is.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", DO_NOT_TRACK="1")
os.environ.update(HAYSTACK_TELEMETRY_ENABLED="False")

settings.register_profile("steady", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("steady")
