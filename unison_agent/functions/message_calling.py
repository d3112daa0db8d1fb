"""FunctionCalling: whole messages of other models answered, in the form of each API; it makes no pictures itself."""

from collections.abc import Collection, Mapping, Sequence

from unison_agent.errors import RequestError
from unison_agent.functions import messages, replies
from unison_agent.functions.calling import Calling, Message
from unison_agent.functions.incoming import NOTHING_FROM_OUTSIDE, MediaPolicy
from unison_agent.functions.messages import ToolCall
from unison_agent.functions.results import CallResult
from unison_agent.media import MediaSet, MediaSource


class FunctionCalling(Calling):
    """Tools as schemas, and the calls of other models: what `Unison` and its sessions have in common."""

    def call_openai(
        self,
        message: object,
        *,
        media: "Sequence[MediaSource] | MediaSet" = (),
        policy: MediaPolicy = NOTHING_FROM_OUTSIDE,
        skip: Collection[str] = (),
    ) -> list[Message]:
        """Carry out the tool calls of an assistant message of OpenAI's Chat Completions.

        Args:
            message: ``response.choices[0].message``, or the same as a dict.
            media: What the user attached.
            policy: Which media may be named besides.
            skip: Names of tools that are not ours; you answer these calls.

        Returns:
            The messages to append after it: one of the tool for each call, and one of the user with the
            pictures, because a tool's message holds words only. Empty where nothing was called.

        Raises:
            RequestError: It is no such message.
        """
        return replies.chat_messages(
            self._called_all(messages.calls_of_chat(message), media, policy, skip)
        )

    def call_openai_responses(
        self,
        items: object,
        *,
        media: "Sequence[MediaSource] | MediaSet" = (),
        policy: MediaPolicy = NOTHING_FROM_OUTSIDE,
        skip: Collection[str] = (),
    ) -> list[Message]:
        """Carry out the function calls among ``response.output`` of OpenAI's Responses; see `call_openai`.

        Returns:
            The ``function_call_output`` items to append, with the pictures inside.

        Raises:
            RequestError: They are no such items.
        """
        return replies.responses_items(
            self._called_all(messages.calls_of_responses(items), media, policy, skip)
        )

    def call_anthropic(
        self,
        message: object,
        *,
        media: "Sequence[MediaSource] | MediaSet" = (),
        policy: MediaPolicy = NOTHING_FROM_OUTSIDE,
        skip: Collection[str] = (),
    ) -> list[Message]:
        """Carry out the tool uses of an assistant message of Anthropic's Messages; see `call_openai`.

        Returns:
            The one message to append, with a ``tool_result`` for each call and the pictures inside.

        Raises:
            RequestError: It is no such message.
        """
        return replies.anthropic_messages(
            self._called_all(messages.calls_of_anthropic(message), media, policy, skip)
        )

    def call_gemini(
        self,
        content: object,
        *,
        media: "Sequence[MediaSource] | MediaSet" = (),
        policy: MediaPolicy = NOTHING_FROM_OUTSIDE,
        skip: Collection[str] = (),
    ) -> list[Message]:
        """Carry out the function calls of a content of Gemini; see `call_openai`.

        Returns:
            The one content to append: a ``function_response`` for each call, then the pictures as
            ``inline_data``: bytes after an object of the SDK, base64 after a dict.

        Raises:
            RequestError: It is no such content.
        """
        results = self._called_all(messages.calls_of_gemini(content), media, policy, skip)
        return replies.gemini_contents(results, as_bytes=not isinstance(content, Mapping))

    def _called_all(
        self,
        calls: Sequence[ToolCall],
        media: "Sequence[MediaSource] | MediaSet",
        policy: MediaPolicy,
        skip: Collection[str],
    ) -> list[CallResult]:
        if isinstance(skip, str):
            raise RequestError("skip must be a sequence of names.", hint="Write skip=[...].")
        attached = MediaSet.of(media) if calls else MediaSet()
        return [
            self.call(one.name, one.arguments, media=attached, policy=policy, call_id=one.call_id)
            for one in calls
            if one.name not in skip
        ]
