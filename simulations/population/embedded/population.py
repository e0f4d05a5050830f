"""The embedded population: devices of simulated users, each with preference pairs from their own conversations."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from shared.conversation import Message, PreferencePair
from simulations.population.embedded.conversations import conversations
from simulations.population.embedded.grammar import plan_reply, word_reply
from simulations.population.embedded.style import assistant_style
from simulations.population.embedded.topics import ask, topics
from simulations.population.embedded.users import Split, User, make_user

CANDIDATES = 8


@dataclass(frozen=True, kw_only=True)
class EmbeddedPopulation:
    """Users of one split. Holds four numbers; any user is made on demand, in any process, always the same.

    Half of a user's pairs are rewrites (the revised reply over the one the user was dissatisfied with) and half are
    rewards (for requests the user did not comment on: the best over the worst of eight logged candidates, by fit to
    the user's true preference). Personas are the true ones.
    """

    seed: int
    users: int
    pairs_per_user: int = 10
    split: Split = "train"

    @property
    def name(self) -> str:
        return "embedded"

    def __len__(self) -> int:
        return self.users

    def user(self, index: int) -> User:
        """User `index`."""
        if not 0 <= index < self.users:
            raise IndexError(f"the population has {self.users} users")
        return make_user(self.seed, self.split, index)

    def pairs(self, index: int) -> tuple[PreferencePair, ...]:
        """The user's training pairs: rewrites first, then rewards."""
        user = self.user(index)
        rewrites = (self.pairs_per_user + 1) // 2
        found = [*_rewrites(user, rewrites), *_rewards(user, self.pairs_per_user - rewrites)]
        return tuple(found)

    def questions(self, index: int, n: int) -> tuple[tuple[Message, ...], ...]:
        """`n` requests the user has never made: held-out topics of the user's interests, in held-out wordings."""
        user = self.user(index)
        rng = Random(f"tacit questions {user.identity}")
        pool = [topic for domain in user.interests for topic in topics(held_out=True, domain=domain)]
        if n > len(pool):
            raise ValueError(f"a user has {len(pool)} held-out topics")
        return tuple((Message(role="user", content=ask(topic, rng, held_out=True)),) for topic in rng.sample(pool, n))


def _rewrites(user: User, n: int) -> list[PreferencePair]:
    pairs: list[PreferencePair] = []
    if n == 0:
        return pairs
    for exchange in conversations(user):
        if exchange.revision is not None:
            pairs.append(_pair(user, exchange.question, exchange.revision, exchange.reply))
            if len(pairs) == n:
                break
    return pairs


def _rewards(user: User, n: int) -> list[PreferencePair]:
    rng = Random(f"tacit rewards {user.identity}")
    pairs: list[PreferencePair] = []
    while len(pairs) < n:
        topic = rng.choice(topics(held_out=False, domain=rng.choice(user.interests)))
        question = ask(topic, rng)
        styles = [assistant_style(rng) for _ in range(CANDIDATES)]
        plan = plan_reply(topic, rng)  # candidates say the same: what is preferred is the style, not the advice
        candidates = [(len(style.differing(user.style)), word_reply(plan, style)) for style in styles]
        best, worst = min(candidates, key=_misses), max(candidates, key=_misses)
        if best[0] < worst[0]:
            pairs.append(_pair(user, question, best[1], worst[1], origin_reward=True))
    return pairs


def _misses(candidate: tuple[int, str]) -> int:
    return candidate[0]


def _pair(user: User, question: str, chosen: str, rejected: str, *, origin_reward: bool = False) -> PreferencePair:
    return PreferencePair(
        prompt=(Message(role="user", content=question),),
        chosen=(Message(role="assistant", content=chosen),),
        rejected=(Message(role="assistant", content=rejected),),
        persona=user.persona,
        origin="reward" if origin_reward else "rewrite",
    )
