"""Results of calls as the messages that an API takes them in; it runs nothing and sends nothing.

An image goes along the way each API has for it. No API takes a video in a tool's result: its first frame goes
along instead, and the words say so beside its handle.
"""

import base64
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

import PIL.Image

from unison_agent.functions.results import CallResult
from unison_agent.media import Image, Medium

Message = dict[str, Any]
_LONGEST_SIDE = 1536
_MOST_PICTURES = 8


def chat_messages(results: Sequence[CallResult]) -> list[Message]:
    """Return the messages for OpenAI's Chat Completions.

    There is one of the tool for each call, which holds words alone, then one of the user with all pictures.
    """
    told: list[Message] = [
        {"role": "tool", "tool_call_id": one.call_id, "content": in_words(one)} for one in results
    ]
    content: list[Message] = []
    for result in results:
        for handle, png in pictures(result):
            content.append({"type": "text", "text": f"{handle}, made by {result.name}:"})
            content.append({"type": "image_url", "image_url": {"url": _data_uri(png)}})
    return [*told, {"role": "user", "content": content}] if content else told


def responses_items(results: Iterable[CallResult]) -> list[Message]:
    """Return the input items for OpenAI's Responses."""
    items: list[Message] = []
    for result in results:
        output: list[Message] = [{"type": "input_text", "text": in_words(result)}]
        output += [
            {"type": "input_image", "image_url": _data_uri(png), "detail": "auto"}
            for _, png in pictures(result)
        ]
        items.append({"type": "function_call_output", "call_id": result.call_id, "output": output})
    return items


def anthropic_messages(results: Iterable[CallResult]) -> list[Message]:
    """Return the message for Anthropic's Messages; none where there was no call."""
    blocks: list[Message] = []
    for result in results:
        content: list[Message] = [{"type": "text", "text": in_words(result)}]
        content += [
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/png", "data": _base64(png)},
            }
            for _, png in pictures(result)
        ]
        block: Message = {"type": "tool_result", "tool_use_id": result.call_id}
        blocks.append({**block, "content": content, "is_error": not result.ok})
    return [{"role": "user", "content": blocks}] if blocks else []


def gemini_contents(results: Iterable[CallResult], *, as_bytes: bool) -> list[Message]:
    """Return the content for Gemini; none where there was no call.

    Args:
        results: Of the calls, in order.
        as_bytes: Pictures as bytes, as the SDK takes them, instead of base64, as the wire has them.
    """
    parts: list[Message] = []
    shown: list[Message] = []
    for result in results:
        response = json.loads(in_words(result))
        answer: Message = {"name": result.name, "response": response}
        if result.call_id is not None:
            answer = {"id": result.call_id, **answer}
        parts.append({"function_response": answer})
        for _, png in pictures(result):
            data = png if as_bytes else _base64(png)
            shown.append({"inline_data": {"mime_type": "image/png", "data": data}})
    return [{"role": "user", "parts": [*parts, *shown]}] if parts else []


def in_words(result: CallResult) -> str:
    """Return what the calling model reads."""
    report = result.to_dict()
    handles = [one.handle for one in result.artifacts]
    if handles:
        pictured = [one.handle for one in result.artifacts if one.kind == "video"]
        words = f"Use {', '.join(handles)} to name what was made in later calls."
        if pictured:
            words += f" Of {', '.join(pictured)} only the first frame is shown."
        report["how_to_go_on"] = words
    return json.dumps(report, ensure_ascii=False)


def pictures(result: CallResult) -> list[tuple[str, bytes]]:
    """Return each output's handle with a PNG of it, or of its first frame; large ones are made smaller."""
    return [(handle, _png(one)) for handle, one in list(result.media.items())[:_MOST_PICTURES]]


def _png(medium: Medium) -> bytes:
    picture = medium.pil if isinstance(medium, Image) else medium.sample(1)[0]
    if max(picture.size) > _LONGEST_SIDE:
        picture = picture.copy()
        picture.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE), PIL.Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{_base64(png)}"
