"""A conversation that an export keeps as a tree: its main line, and what branches say of preferences.

**When a branch is evidence.** Only where the *later* of two branches is the one the conversation went on with. Somebody
who asks for another reply was not served by the first; by going on from the second they accepted it. That a
conversation stands on the *earlier* branch says less: they may have gone back to read it, and exports do not tell. Nor
does a reply on which the conversation ends, since both may have failed; nor replies that were shown side by side, of
which neither is the later. An edited message is evidence of the wording that its writer preferred, with the replies
that each brought, once the later wording was answered.

Walks are loops, not recursion: a tree may be 20,000 deep. Parents decide what hangs where; lists of children only order
siblings. A parent that is missing makes its child a root.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from client.importers.imported import Branch, SkippedBranch, SkippedMessage, refuse
from shared.conversation import Message


@dataclass(frozen=True, kw_only=True, repr=False)
class TreeNode:
    """One node.

    Attributes:
        parent: another node's id; None at a root.
        children: others' ids, in the order in which they were made.
        said: the message; why it is skipped; None for a node that only holds the tree together.
        time: when it was made, in seconds; None where the export does not say.
        beside: whether it was shown at once with its siblings, for the user to compare.
        lane: which of several models wrote it that were asked at once; None where that is not said. Siblings in
            different lanes were shown side by side, those of one lane one after the other.
    """

    parent: str | None
    children: Sequence[str]
    said: Message | SkippedMessage | None
    time: float | None = None
    beside: bool = False
    lane: float | None = None

    def __repr__(self) -> str:
        return f"TreeNode({len(self.children)} children)"


@dataclass(frozen=True, kw_only=True, repr=False)
class MainLine:
    """The branch that the conversation stands on, from the root, as `ImportedConversation` has it."""

    messages: tuple[Message, ...]
    branches: tuple[Branch, ...]
    skipped: Mapping[SkippedMessage, int]
    skipped_branches: Mapping[SkippedBranch, int]

    def __repr__(self) -> str:
        return f"MainLine({len(self.messages)} messages, {len(self.branches)} branches)"


def main_line(nodes: Mapping[str, TreeNode], current: object) -> MainLine:
    """The line from the root to `current`; where that is no node, to the leaf that is newest.

    Time and memory grow with the number of nodes.

    Raises:
        MalformedConversationError: there are no nodes, or the line runs in a ring.
    """
    tree = _Tree(nodes)
    line = tree.line_to(current if isinstance(current, str) and current in nodes else tree.newest_leaf())
    messages: list[Message] = []
    before: list[int] = []  # how many messages come before each node
    skipped: Counter[SkippedMessage] = Counter()
    for name in line:
        before.append(len(messages))
        what = nodes[name].said
        if isinstance(what, Message):
            messages.append(what)
        elif what is not None:
            skipped[what] += 1
    branches: list[Branch] = []
    skipped_branches: Counter[SkippedBranch] = Counter()
    next_user = _next_user(messages)
    for name, at in zip(line, before, strict=True):
        siblings = tree.siblings(name)
        if len(siblings) < 2:
            continue
        own = siblings.index(name)
        for rank, sibling in enumerate(siblings):
            if rank == own:
                continue
            found = _compare(
                messages,
                at,
                next_user,
                tuple(_one_turn(tree.messages_from(sibling))),
                later=_is_later(nodes[name], nodes[sibling], by_rank=own > rank),
                beside=_were_beside(nodes[name], nodes[sibling]),
            )
            if isinstance(found, Branch):
                branches.append(found)
            else:
                skipped_branches[found] += 1
    return MainLine(
        messages=tuple(messages),
        branches=tuple(branches),
        skipped=dict(skipped),
        skipped_branches=dict(skipped_branches),
    )


def _compare(
    messages: Sequence[Message],
    at: int,
    next_user: Sequence[int],
    left: tuple[Message, ...],
    *,
    later: bool,
    beside: bool,
) -> Branch | SkippedBranch:
    """What the branch that begins at `messages[at]` says against `left`."""
    if beside:
        return "shown side by side"
    if at >= len(messages) or not left or messages[at].role != left[0].role:
        return "nothing to compare"
    edited = left[0].role == "user"
    end = next_user[at + 1] if edited else next_user[at]
    if edited and not any(message.role == "assistant" for message in messages[at:end]):
        return "nothing to compare"
    if not edited and (left[0].role != "assistant" or at == 0 or messages[at - 1].role != "user"):
        return "nothing to compare"
    if not later:
        return "the earlier one was kept"
    if not edited and end == len(messages):
        return "the conversation ended with the reply kept"
    if end - at == len(left) and all(ours == theirs for ours, theirs in zip(messages[at:end], left, strict=True)):
        return "the same text"
    return Branch(at=at, kept=end - at, left=left, kind="edited" if edited else "regenerated")


def _is_later(kept: TreeNode, left: TreeNode, *, by_rank: bool) -> bool:
    if kept.time is None or left.time is None or kept.time == left.time:
        return by_rank
    return kept.time > left.time


def _were_beside(kept: TreeNode, left: TreeNode) -> bool:
    lanes = {kept.lane, left.lane} - {None}
    return kept.beside or left.beside or len(lanes) == 2


def _next_user(messages: Sequence[Message]) -> list[int]:
    """For each place, and the one after the last, where the user speaks next, there or after."""
    found = [len(messages)] * (len(messages) + 1)
    for place in range(len(messages) - 1, -1, -1):
        found[place] = place if messages[place].role == "user" else found[place + 1]
    return found


def _one_turn(messages: Iterator[Message]) -> Iterator[Message]:
    """The first message and what follows it, up to the user's next."""
    for place, message in enumerate(messages):
        if place and message.role == "user":
            return
        yield message


class _Tree:
    """Who hangs where, by parents, with siblings in the order in which they were made."""

    def __init__(self, nodes: Mapping[str, TreeNode]) -> None:
        self._nodes = nodes
        self._parents: dict[str, str | None] = {name: node.parent for name, node in nodes.items()}
        order: dict[str, int] = {}
        for name, node in nodes.items():
            for rank, child in enumerate(node.children):
                order.setdefault(child, rank)
                if child != name and child in nodes and self._parents[child] is None:
                    self._parents[child] = name
        self._children: dict[str | None, list[str]] = {}
        for name, parent in self._parents.items():
            self._children.setdefault(parent, []).append(name)
        for siblings in self._children.values():
            if len(siblings) > 1:
                siblings.sort(key=lambda name: order.get(name, len(order)))  # stable: else the export's order

    def siblings(self, name: str) -> Sequence[str]:
        """The children of its parent, itself among them. Those of a missing parent are siblings too."""
        return self._children[self._parents[name]]

    def line_to(self, leaf: str) -> list[str]:
        """From the root. Raises: MalformedConversationError: there is no root, because it runs in a ring."""
        line: list[str] = []
        seen: set[str] = set()
        name: str | None = leaf
        while name is not None and name in self._nodes:
            if name in seen:
                refuse("its messages' tree runs in a ring")
            seen.add(name)
            line.append(name)
            name = self._parents[name]
        return line[::-1]

    def newest_leaf(self) -> str:
        """The last one where times are missing or equal. Raises: MalformedConversationError: no leaf, so no tree."""
        newest: tuple[float, str] | None = None
        for name, node in self._nodes.items():
            time = float("-inf") if node.time is None else node.time
            if name not in self._children and (newest is None or time >= newest[0]):
                newest = time, name
        if newest is None:
            refuse("its messages' tree runs in a ring" if self._nodes else "without its messages")
        return newest[1]

    def messages_from(self, name: str) -> Iterator[Message]:
        """Down the newest children. It ends: from beside a line that has a root, no ring can be reached."""
        at: str | None = name
        while at is not None:
            what = self._nodes[at].said
            if isinstance(what, Message):
                yield what
            children = self._children.get(at)
            at = children[-1] if children else None
