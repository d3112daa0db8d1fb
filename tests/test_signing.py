"""Content Credentials: put into files, read back by c2pa's own reader, and refused for good reasons."""

import io
import json
import pickle
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import c2pa
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from PIL import Image as Pillow
from typer.testing import CliRunner

from unison_agent import record_files, replay
from unison_agent.adapters import Output
from unison_agent.agent import Unison
from unison_agent.cli.app import app
from unison_agent.custom.finding import find_tools
from unison_agent.errors import MissingDependencyError, OutputError
from unison_agent.media import Image, MediaSet, Video
from unison_agent.packs import load_pack
from unison_agent.planning.planner import Planner
from unison_agent.progress import Progress
from unison_agent.remake import remake
from unison_agent.replay import Record
from unison_agent.result import Artifact, Result, Signer, StepResult
from unison_agent.result.signing import MIME_TYPES, RECORD_LABEL
from unison_agent.router import AdapterTool, Router
from unison_agent.tasks import (
    GrantedCustom,
    GrantedImage,
    GrantedTask,
    GrantedVideo,
    ImageEditing,
    Plan,
    Request,
    TaskCall,
    TextToImage,
    TextToVideo,
)
from unison_agent.testing import EchoAdapter, ScriptedWriter

PEM = serialization.Encoding.PEM
DAY = timedelta(days=1)


def pem(key: Any, password: bytes | None = None) -> bytes:
    how = (
        serialization.NoEncryption()
        if password is None
        else serialization.BestAvailableEncryption(password)
    )
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, how)


def certificate(
    name: str, key: Any, issuer: Any = None, by: Any = None, *, purpose: bool = True, days: int = 30
) -> Any:
    """Return a certificate that `by`, named `issuer`, gave; one of its own where there is none."""
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Tests"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
    now, is_root = datetime.now(UTC), by is None
    signs = [not is_root, False, False, False, False, is_root, is_root, False, False]
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 60 * DAY)
        .not_valid_after(now + days * DAY)
        .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(*signs), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key((by or key).public_key()),
            critical=False,
        )
    )
    if not is_root and purpose:
        purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        made = made.add_extension(purposes, critical=True)
    return made.sign(by or key, hashes.SHA256())


ROOT_KEY = ec.generate_private_key(ec.SECP256R1())
ROOT = certificate("root", ROOT_KEY)


def chain(key: Any, *, purpose: bool = True, days: int = 30) -> bytes:
    own = certificate("leaf", key, ROOT, ROOT_KEY, purpose=purpose, days=days)
    return own.public_bytes(PEM) + ROOT.public_bytes(PEM)


KEY = ec.generate_private_key(ec.SECP256R1())
CHAIN = chain(KEY)


@cache
def signer() -> Signer:
    return Signer(pem(KEY), CHAIN)


def star() -> Image:
    picture = Pillow.new("RGB", (64, 64), (0, 0, 200))
    picture.paste((255, 0, 0), (16, 16, 48, 48))
    return Image.from_pil(picture)


def clip() -> Video:
    return Video.from_frames([star().rgb()] * 9, 8)


COMMON = {"width": 64, "height": 64, "steps": 12, "guidance_scale": 3.0, "seed": 7}
DRAWN = GrantedImage.model_validate(
    {**COMMON, "output": "image", "tool": "nano-image", "num_outputs": 1}
)
MOVED = GrantedVideo.model_validate(
    {**COMMON, "output": "video", "tool": "nano-video", "num_outputs": 1, "num_frames": 9, "fps": 8}
)
DRAW = TextToImage(task="text_to_image", prompt="a red stär")
MOVE = TextToVideo(task="text_to_video", prompt="a red stär")
EDIT = ImageEditing(task="image_editing", prompt="make it blue", source="image_1", target="star")


def result(call: Any, granted: Any, medium: Image | Video) -> Result:
    plan = Plan(request=Request(text="draw a red stär"), steps=(call,))
    record = Record.of(
        plan=plan, granted=(granted,), profile="nano", weights=(), media=MediaSet(), step=1
    )
    step = StepResult(call, granted, (Artifact("step_1", medium, record),))
    return Result(plan, (step,))


def manifest(path: Path) -> dict[str, Any]:
    """Return what c2pa itself reads in a file that is whole."""
    with (
        path.open("rb") as file,
        c2pa.Reader(MIME_TYPES[path.suffix], file) as reader,
    ):
        read = json.loads(reader.json())
    assert read["validation_state"] == "Valid"
    # No reader knows the authority of a test.
    assert [one["code"] for one in read["validation_status"]] == ["signingCredential.untrusted"]
    return read["manifests"][read["active_manifest"]]


def assertions(path: Path) -> dict[str, Any]:
    return {one["label"]: one["data"] for one in manifest(path)["assertions"]}


class Counting(EchoAdapter):
    runs = 0

    def run(
        self,
        call: TaskCall,
        granted: GrantedTask,
        media: MediaSet,
        conditioning: Any,
        progress: Progress,
    ) -> Output:
        Counting.runs += 1
        return super().run(call, granted, media, conditioning, progress)


def echoing(plan: dict[str, object], places: Sequence[str] = ()) -> Unison:
    """Return an agent whose plan is scripted and whose pictures are flat."""
    tools = [AdapterTool(spec, Counting()) for spec in load_pack("nano").tools]
    router = Router(tools, custom=find_tools(places), profile="nano")
    return Unison(Planner(ScriptedWriter(plan)), router)


@pytest.mark.parametrize("suffix", MIME_TYPES)
def test_a_signed_file_says_who_made_it_and_keeps_its_record(suffix: str, tmp_path: Path) -> None:
    is_clip = suffix in (".mp4", ".gif")
    made = result(MOVE, MOVED, clip()) if is_clip else result(DRAW, DRAWN, star())
    path = made.save(tmp_path / f"star{suffix}", sign=signer())
    plain = made.save(tmp_path / f"plain{suffix}")
    assert isinstance(path, Path)
    assert isinstance(plain, Path)
    said = assertions(path)
    (action,) = said["c2pa.actions.v2"]["actions"]
    assert action["action"] == "c2pa.created"
    assert action["digitalSourceType"].endswith("/trainedAlgorithmicMedia")
    assert manifest(path)["signature_info"]["common_name"] == "leaf"
    record = made.outputs[0].record
    assert said[RECORD_LABEL] == {"sha256": replay.digest(record), "schema_version": 1}
    assert record_files.read(path) == record
    loaded, unsigned = Result.load(path), Result.load(plain)
    assert loaded.plan == made.plan
    if isinstance(medium := loaded.outputs[0].medium, Image):
        assert medium.pil.tobytes() == star().pil.tobytes()
    else:
        assert list(medium.frames()) == list(unsigned.video.frames())
    assert pem(KEY) not in path.read_bytes()


@pytest.mark.parametrize("suffix", MIME_TYPES)
def test_a_signed_file_is_made_again(suffix: str, tmp_path: Path) -> None:
    is_clip = suffix in (".mp4", ".gif")
    plan: dict[str, object] = {"task": "text_to_image"}
    if is_clip:
        plan = {"task": "text_to_video", "num_frames": 5}
    made = echoing(plan).run("five red stars", seed=7)
    path = made.save(tmp_path / f"stars{suffix}", sign=signer())
    assert isinstance(path, Path)
    remade = remake(path, agent=echoing(plan))
    assert (remade.match, remade.differences) == ("pixels", ())


def test_an_edit_is_a_composite(tmp_path: Path) -> None:
    made = result(EDIT, DRAWN, star())
    path = made.outputs[0].save(tmp_path / "star.png", sign=signer())
    (action,) = assertions(path)["c2pa.actions.v2"]["actions"]
    assert action["digitalSourceType"].endswith("/compositeWithTrainedAlgorithmicMedia")


def test_the_hash_is_of_the_record_in_the_file(tmp_path: Path) -> None:
    made = result(DRAW, DRAWN, star())
    path = made.save(tmp_path / "star.png", words=False, sign=signer())
    assert isinstance(path, Path)
    record = record_files.read(path)
    assert record is not None
    assert record.wordless
    assert assertions(path)[RECORD_LABEL]["sha256"] == replay.digest(record)
    assert replay.digest(record) != replay.digest(made.outputs[0].record)


def test_a_change_breaks_the_signature(tmp_path: Path) -> None:
    path = result(DRAW, DRAWN, star()).save(tmp_path / "star.png", sign=signer())
    assert isinstance(path, Path)
    path.write_bytes(path.read_bytes().replace(b'"seed":7', b'"seed":8'))
    with c2pa.Reader("image/png", io.BytesIO(path.read_bytes())) as reader:
        read = json.loads(reader.json())
    assert read["validation_state"] == "Invalid"


@pytest.mark.parametrize(
    "make",
    [
        lambda: ec.generate_private_key(ec.SECP384R1()),
        lambda: ec.generate_private_key(ec.SECP521R1()),
        ed25519.Ed25519PrivateKey.generate,
        lambda: rsa.generate_private_key(65537, 2048),
    ],
    ids=["P-384", "P-521", "Ed25519", "RSA"],
)
def test_other_kinds_of_keys_sign(make: Callable[[], Any], tmp_path: Path) -> None:
    key = make()
    path = result(DRAW, DRAWN, star()).save(
        tmp_path / "star.png", sign=Signer(pem(key), chain(key))
    )
    assert isinstance(path, Path)
    assert manifest(path)["signature_info"]["common_name"] == "leaf"


# --- what is refused -----------------------------------------------------------------------------------

OTHER = ec.generate_private_key(ec.SECP256R1())
UNKNOWN = ec.generate_private_key(ec.SECP256K1())
OLD = dsa.generate_private_key(1024)


@pytest.mark.parametrize(
    ("key", "certificates", "said"),
    [
        (pem(OTHER), CHAIN, "not the one of the certificate"),
        (pem(KEY), chain(KEY, days=-3), r"valid from \d{4}-\d\d-\d\d to"),
        (pem(KEY), chain(KEY, purpose=False), "cannot sign"),
        (pem(ROOT_KEY), ROOT.public_bytes(PEM), "cannot sign"),
        (pem(KEY), b"hello", "certificate cannot be used"),
        (b"hello", CHAIN, "private key cannot be used"),
        (pem(KEY, b"secret"), CHAIN, "private key is encrypted"),
        (pem(UNKNOWN), chain(UNKNOWN), "Nothing is signed with"),
        (pem(OLD), chain(OLD), "Nothing is signed with"),
    ],
)
def test_what_cannot_sign_is_refused_at_once(key: bytes, certificates: bytes, said: str) -> None:
    with pytest.raises(OutputError, match=said) as caught:
        Signer(key, certificates)
    assert key.decode()[28:48] not in str(caught.value) or key == b"hello"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"private key cannot be read: No such file.*key\.pem"):
        Signer(tmp_path / "key.pem", CHAIN)
    with pytest.raises(OutputError, match=r"certificate cannot be read"):
        Signer(pem(KEY), str(tmp_path))


@pytest.mark.parametrize("missing", ["c2pa", "cryptography"])
def test_without_the_package_the_extra_is_named(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingDependencyError, match=r"unison-agent\[c2pa\]"):
        Signer(pem(KEY), CHAIN)


def test_only_pictures_and_clips_are_signed(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"\.json cannot be signed"):
        result(DRAW, DRAWN, star()).save(tmp_path / "star.json", sign=signer())
    assert not list(tmp_path.iterdir())


def test_what_a_custom_tool_made_is_not_signed(tmp_path: Path) -> None:
    made = result(DRAW, GrantedCustom(output="custom", tool="crop", num_outputs=1), star())
    with pytest.raises(OutputError, match="What crop makes is not signed"):
        made.save(tmp_path / "star.png", sign=signer())
    assert not list(tmp_path.iterdir())


def test_the_key_is_not_shown_or_pickled() -> None:
    assert repr(signer()) == "Signer('CN=leaf,O=Tests')"
    with pytest.raises(TypeError, match="private key"):
        pickle.dumps(signer())


# --- the command ---------------------------------------------------------------------------------------


def command(
    monkeypatch: pytest.MonkeyPatch, folder: Path, plan: dict[str, object], *arguments: str
) -> Any:
    def scripted(
        profile: str, progress: Progress, places: Sequence[str] = (), also: Sequence[str] = ()
    ) -> Unison:
        del profile, progress, also
        return echoing(plan, places)

    monkeypatch.chdir(folder)
    monkeypatch.setattr("unison_agent.cli.opening.open_unison", scripted)
    (folder / "key.pem").write_bytes(pem(KEY))
    (folder / "chain.pem").write_bytes(CHAIN)
    return CliRunner().invoke(app, ["run", "a star", *arguments], env={"COLUMNS": "120"})


@pytest.mark.parametrize("out", [[], ["-o", "text-to-image.png"]])
def test_run_signs_what_it_saves(
    out: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sign = ["--sign", "key.pem", "chain.pem"]
    done = command(monkeypatch, tmp_path, {"task": "text_to_image"}, *sign, *out, "--json")
    assert done.exit_code == 0, done.output
    assert RECORD_LABEL in assertions(tmp_path / "text-to-image.png")
    assert "PRIVATE" not in done.output
    assert "key.pem" not in done.stdout


@pytest.mark.parametrize(
    ("plan", "arguments", "said"),
    [
        ({"task": "text_to_image"}, ["--sign", "no.pem", "chain.pem"], "cannot be read"),
        ({"task": "text_to_image"}, ["--sign", "chain.pem", "key.pem"], "cannot be used"),
        ({"task": "text_to_image"}, ["--sign", "key.pem", "chain.pem", "-o", "a.txt"], "cannot be"),
        ({"task": "text_understanding"}, ["--sign", "key.pem", "chain.pem"], "makes an answer"),
    ],
)
def test_run_refuses_before_any_work(
    plan: dict[str, object],
    arguments: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    before = Counting.runs
    done = command(monkeypatch, tmp_path, plan, *arguments)
    assert done.exit_code == 1
    assert said in done.output
    assert Counting.runs == before
