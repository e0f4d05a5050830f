"""ChatGPT's exports: the main line, what is skipped by name, and what branches say."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.importers.chatgpt import parse
from client.importers.imported import ImportedConversation, MalformedConversationError
from tests.client.importers.exports import (
    JSON,
    MARKER,
    branching_chatgpt,
    chatgpt,
    node,
    plain_chatgpt,
    say,
    texts,
)


def told(record: JSON) -> list[tuple[str, list[str], list[str], list[str]]]:
    return [(one.kind, texts(one.prompt), texts(one.kept), texts(one.left)) for one in parse(record).choices()]


def test_the_main_line_is_read_from_the_current_node_up() -> None:
    imported = parse(branching_chatgpt())

    said = imported.conversation
    assert said.conversation_id == "chatgpt:tree"
    assert said.started == datetime.fromtimestamp(1700000000.25, UTC)
    assert texts(said.messages) == ["second wording", "reply three", "thanks, and now", "well"]
    assert [message.role for message in said.messages] == ["user", "assistant"] * 2


def test_regenerated_and_edited_branches_are_evidence() -> None:
    assert told(branching_chatgpt()) == [
        ("edited", [], ["second wording", "reply three"], ["first wording", "reply to the first"]),
        ("regenerated", ["second wording"], ["reply three"], ["reply one"]),
        ("regenerated", ["second wording"], ["reply three"], ["reply two"]),
    ]


def test_going_back_to_an_earlier_reply_is_evidence_only_against_still_earlier_ones() -> None:
    record = branching_chatgpt()
    mapping = record["mapping"]
    assert isinstance(mapping, dict)
    mapping["b3"]["children"], mapping["b2"]["children"], mapping["q3"]["parent"] = [], ["q3"], "b2"

    imported = parse(record)

    assert [texts(one.left) for one in imported.choices() if one.kind == "regenerated"] == [["reply one"]]
    assert imported.skipped_branches == {"the earlier one was kept": 1}


def test_a_reply_that_the_conversation_ends_with_was_not_accepted() -> None:
    imported = parse({**branching_chatgpt(), "current_node": "b3"})

    assert [branch.kind for branch in imported.branches] == ["edited"]
    assert imported.skipped_branches == {"the conversation ended with the reply kept": 2}


def test_without_times_the_order_of_children_says_which_is_later() -> None:
    record = branching_chatgpt()
    mapping = record["mapping"]
    assert isinstance(mapping, dict)
    for one in mapping.values():
        if one["message"] is not None:
            one["message"]["create_time"] = None

    assert len(told(record)) == 3
    mapping["q2"]["children"] = ["b3", "b1", "b2"]
    assert [kind for kind, *_ in told(record)] == ["edited"]


def test_times_beat_the_order_of_children() -> None:
    record = branching_chatgpt()
    mapping = record["mapping"]
    assert isinstance(mapping, dict)
    mapping["q2"]["children"] = ["b3", "b1", "b2"]

    assert len(told(record)) == 3


def test_the_same_reply_again_and_replies_side_by_side_are_no_evidence() -> None:
    record = branching_chatgpt()
    mapping = record["mapping"]
    assert isinstance(mapping, dict)
    mapping["b1"]["message"]["content"] = mapping["b3"]["message"]["content"]
    mapping["b2"]["message"]["metadata"] = {"paragen_variants_info": {"num_variants_in_stream": 2}}

    imported = parse(record)

    assert [branch.kind for branch in imported.branches] == ["edited"]
    assert imported.skipped_branches == {"the same text": 1, "shown side by side": 1}


def test_replies_behind_tools_are_compared_as_said() -> None:
    """user - call - tool's answer - reply, regenerated with another call."""
    record = chatgpt(
        [
            node("root", None, ["q"]),
            node("q", "root", ["x1", "y1"], text="look it up", time=1),
            node("x1", "q", ["x2"], role="assistant", text="search()", recipient="browser", time=2),
            node("x2", "x1", ["x3"], role="tool", text="pages", time=3),
            node("x3", "x2", [], role="assistant", text="found nothing", time=4),
            node("y1", "q", ["y2"], role="assistant", text="search()", recipient="browser", time=5),
            node("y2", "y1", ["y3"], role="tool", text="pages", time=6),
            node("y3", "y2", ["r"], role="assistant", text="found it", time=7),
            node("r", "y3", [], text="great", time=8),
        ],
        current="r",
    )

    assert told(record) == [("regenerated", ["look it up"], ["found it"], ["found nothing"])]
    assert parse(record).skipped == {"a call of a tool": 1, "a tool's message": 1}


def test_what_was_not_said_is_skipped_by_name() -> None:
    image: JSON = {"content_type": "image_asset_pointer", "asset_pointer": "file-service://x"}
    spoken: JSON = {"content_type": "audio_transcription", "text": say("spoken")}
    lines: list[JSON] = [
        {"role": "system", "text": "instructions"},
        {"text": "hidden", "metadata": {"is_visually_hidden_from_conversation": True}},
        {"content": {"content_type": "user_editable_context", "user_profile": say("x")}},
        {"content": {"content_type": "multimodal_text", "parts": [image]}},
        {"content": {"content_type": "multimodal_text", "parts": [image, say("what is this?")]}},
        {"content": {"content_type": "multimodal_text", "parts": [spoken, {"content_type": "audio_asset_pointer"}]}},
        {"role": "assistant", "content": {"content_type": "thoughts", "thoughts": [say("hm")]}},
        {"role": "assistant", "content": {"content_type": "code", "text": say("print()")}},
        {"role": "assistant", "content": {"content_type": "text", "parts": [""]}},
        {"role": "assistant", "content": {"content_type": "text", "text": say("a bird")}},
        {"role": "critic", "text": "x"},
    ]
    nodes = [node("root", None, ["n0"])]
    for place, line in enumerate(lines):
        parent = f"n{place - 1}" if place else "root"
        nodes.append(node(f"n{place}", parent, [f"n{place + 1}"], time=place, **line))  # type: ignore[arg-type]

    imported = parse(chatgpt(nodes, current=f"n{len(lines) - 1}"))

    assert texts(imported.conversation.messages) == ["what is this?", "spoken", "a bird"]
    assert imported.skipped == {
        "the service's own system message": 1,
        "hidden": 1,
        "thoughts, code or other content that is not said": 3,
        "an image, sound or file without text": 1,
        "empty": 1,
        "of a role that is not user, assistant or system": 1,
    }


@pytest.mark.parametrize("current", ["gone", None, 7, ["x"]])
def test_without_a_current_node_the_newest_leaf_counts(current: object) -> None:
    assert texts(parse({**branching_chatgpt(), "current_node": current}).conversation.messages)[-1] == "well"


def test_a_missing_parent_begins_the_conversation() -> None:
    record = plain_chatgpt(turns=4)
    mapping = record["mapping"]
    assert isinstance(mapping, dict)
    del mapping["m0"]

    assert texts(parse(record).conversation.messages) == ["words 1", "words 2", "words 3"]


def test_a_ring_ends_with_its_name() -> None:
    record = plain_chatgpt(turns=4)
    mapping = record["mapping"]
    assert isinstance(mapping, dict)
    mapping["m0"]["parent"] = "m3"

    with pytest.raises(MalformedConversationError, match="ring"):
        parse(record)
    for one in mapping.values():
        one["parent"] = one["id"]
    with pytest.raises(MalformedConversationError, match="ring"):
        parse({**record, "current_node": None})


def test_a_tree_20000_deep_with_a_branch_at_every_turn_is_read() -> None:
    nodes = [node("root", None, ["m0"])]
    for place in range(20_000):
        role = "assistant" if place % 2 else "user"
        children = [f"x{place + 1}", f"m{place + 1}"] if role == "user" else [f"m{place + 1}"]
        parent = f"m{place - 1}" if place else "root"
        nodes.append(node(f"m{place}", parent, children, role=role, text=str(place), time=place))
        if role == "assistant":
            nodes.append(node(f"x{place}", parent, [], role=role, text=f"other {place}", time=place - 0.5))

    imported = parse(chatgpt(nodes, current="m19999"))

    assert len(imported.conversation.messages) == 20_000
    assert len(imported.branches) == 9_999  # the last reply was not gone on from
    assert imported.skipped_branches == {"the conversation ended with the reply kept": 1}


@pytest.mark.parametrize(
    "broken",
    [
        {"mapping": None},
        {"mapping": []},
        {"mapping": {"a": 7}},
        {"mapping": {"a": {}}},
        {"mapping": {"a": {"message": {"author": 7, "content": 7, "metadata": 7}, "parent": 7, "children": 7}}},
        {"mapping": {"a": {"message": {"author": {"role": ["user"]}, "content": {"content_type": ["x"]}}}}},
    ],
)
def test_what_is_no_conversation_is_refused_without_quoting_it(broken: JSON) -> None:
    with pytest.raises(MalformedConversationError) as raised:
        parse({**plain_chatgpt(), **broken})
    assert MARKER not in str(raised.value)


@pytest.mark.parametrize("time", [None, "yesterday", float("nan"), float("inf"), 10**400, -5, True, 1e300])
def test_a_time_that_is_none_gives_way_to_the_messages(time: object) -> None:
    record = {**plain_chatgpt(), "create_time": time}

    assert parse(record).conversation.started == datetime.fromtimestamp(1700000000, UTC)


def test_an_id_that_is_not_plain_is_not_repeated() -> None:
    names = {parse(plain_chatgpt(name=name)).conversation.conversation_id for name in (say("a b"), "\ud800", "x" * 999)}

    assert len(names) == 3
    assert all(name.startswith("chatgpt:id-sha256-") and MARKER not in name for name in names)


def test_half_a_surrogate_pair_becomes_a_replacement_character() -> None:
    record = plain_chatgpt(words="a\ud83d \U0001f600 \ud83d\ude00é")

    said = parse(record).conversation.messages[0].content

    assert said.startswith("a\ufffd \U0001f600 ")
    said.encode("utf-8")


_NAMES = st.sampled_from("abcdefg")


@given(
    st.dictionaries(
        _NAMES,
        st.tuples(st.none() | _NAMES, st.lists(_NAMES, max_size=4), st.sampled_from(["user", "assistant", "tool"])),
    ),
    st.none() | _NAMES,
)
def test_any_graph_gives_a_conversation_or_a_reason(
    graph: dict[str, tuple[str | None, list[str], str]], current: str | None
) -> None:
    nodes = [node(name, parent, children, role=role, text=name) for name, (parent, children, role) in graph.items()]
    imported: ImportedConversation | None = None
    try:
        imported = parse(chatgpt(nodes, current=current))
    except MalformedConversationError:
        return
    for choice in imported.choices():
        assert choice.prompt + choice.kept == imported.conversation.messages[: len(choice.prompt + choice.kept)]
        assert choice.left != choice.kept
        assert choice.kept
        assert choice.left[0].role == choice.kept[0].role == ("user" if choice.kind == "edited" else "assistant")
    assert MARKER not in repr(imported) + repr(imported.branches) + repr(list(imported.choices()))
