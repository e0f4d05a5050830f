"""`/api/ab…`: two replies to one request, blind; the vote, and what all votes come to (`client.ab`)."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from client.ab import Ballot, Comparison, WinRate
from client.assistant.persona_text import read_persona
from client.prompts import with_persona
from client.serve.api_chat import asked, keep, settings_of_a_reply
from client.serve.api_errors import ApiError
from client.serve.api_requests import (
    Answer,
    JsonResponse,
    answering,
    body_of,
    changing,
    optional_text,
    reading,
    text_of,
    unless_left,
)
from client.serve.page_services import PageServices
from client.serve.running import ReplyFailedError
from client.vault.errors import UnknownError
from client.vault.votes import VoteOutcome
from shared.conversation import Message, PreferencePair

_BALLOTS: tuple[Ballot, ...] = ("1", "2", "tie")


def ab_routes(services: PageServices) -> list[BaseRoute]:
    """See the module."""

    async def compare(request: Request) -> Response:
        values = await body_of(request, ("conversation", "message"))
        return JsonResponse(await _compared(services, request, values))

    return [
        answering("/api/ab", compare),
        changing("/api/ab/vote", services, _vote, "id", "outcome"),
        reading("/api/ab/rate", services, lambda of, _values: rate_of(of)),
    ]


def rate_of(services: PageServices) -> Answer:
    """What all votes come to, with its meaning."""
    counts = services.vault.votes.counts()
    rate = WinRate.of(counts)
    return {
        "tuned": counts.tuned,
        "base": counts.base,
        "tie": counts.tie,
        "votes": 0 if rate is None else rate.votes,
        "rate": None
        if rate is None
        else {
            "share": f"{rate.share:.0%}",
            "low": f"{rate.low:.0%}",
            "high": f"{rate.high:.0%}",
            "values": [rate.share, rate.low, rate.high],
            "meaning": rate.meaning(from_user=bool(services.assistant.state().personal_weight)),
        },
    }


async def _compared(services: PageServices, request: Request, values: Mapping[str, object]) -> Answer:
    """Both replies, or neither: whoever goes away before stops them."""
    name, said = optional_text(values, "conversation"), text_of(values, "message")
    if not services.assistant.state().is_tuned:
        raise ApiError(
            "There is nothing to compare yet: the assistant has not learned anything, so both replies would come "
            "from the same model.",
            status=409,
        )
    messages = await run_in_threadpool(asked, services, name, said)
    # Read once: it may change while the replies are written, and before the vote.
    persona = await run_in_threadpool(read_persona, services.vault, services.assistant.base)
    put = with_persona(messages, persona.text)
    settings = settings_of_a_reply()  # one seed for both: what differs is what was learned

    async def write(*, tuned: bool) -> str:
        running = await services.runner.start(
            lambda: services.assistant.stream(put, settings, tuned=tuned, persona=False)
        )
        try:
            text = "".join([piece async for piece in running])
        except ReplyFailedError:
            raise ApiError("One of the two replies failed. Nothing was kept; try again.", status=500) from None
        finally:
            running.close()
        if not running.reply.is_whole:
            raise ApiError("The server is stopping.", status=503)
        return text

    async def both() -> tuple[str, str]:
        return await write(tuned=True), await write(tuned=False)

    tuned, base = await unless_left(both(), request.receive)
    if not tuned.strip() or not base.strip():
        raise ApiError("One of the two replies is empty, so there is nothing to compare. Try other words.", status=500)
    made_id, made = services.comparisons.make(name, messages, tuned=tuned, base=base, persona=persona)
    return await run_in_threadpool(_shown, services, made_id, made)


def _shown(services: PageServices, made_id: str, made: Comparison) -> Answer:
    if made.is_tie:
        return {"same": True, **_cast(services, services.comparisons.take(made_id), "tie")}
    return {"same": False, "id": made_id, "replies": made.shown}


def _vote(services: PageServices, values: Mapping[str, object]) -> Answer:
    ballot = next((one for one in _BALLOTS if one == values.get("outcome")), None)
    if ballot is None:
        raise ApiError("“outcome” must be 1, 2 or tie.")
    return _cast(services, services.comparisons.take(text_of(values, "id")), ballot)


def _cast(services: PageServices, one: Comparison, ballot: Ballot) -> Answer:
    """The conversation goes on with the voted reply; the vote is kept, and a pair where one reply was better."""
    vault, outcome, reply = services.vault, one.outcome(ballot), one.voted(ballot)
    with vault.conversations.together():  # a pair without its vote, or half of either, would be found by nobody
        kept = keep(services, one.conversation_id, one.messages, reply)
        name = str(kept["id"])
        pair, why_not = (None, None) if outcome == "tie" else _pair_of(services, name, one, outcome)
        vault.votes.add(name, turn=len(one.messages) - 1, tuned_first=one.tuned_first, outcome=outcome, pair=pair)
    return {
        "conversation": kept,
        "reply": reply,
        "outcome": outcome,
        "tuned": one.tuned_side,
        "pair": pair,
        "no_pair_because": why_not,
        "consent": vault.consents.granted("votes"),
        "votes": rate_of(services),
    }


def _pair_of(services: PageServices, name: str, one: Comparison, outcome: VoteOutcome) -> tuple[int | None, str | None]:
    """(the pair's number, why there is none). It waits until votes may be learned from."""
    vault = services.vault
    if vault.conversations.facts(name).private:
        return None, "the conversation is private, so nothing is learned from it"
    if not _may_be_learned_from(services, one):
        return None, "your persona was other when the replies were written, and rested on what is private or gone now"
    better, worse = (one.tuned, one.base) if outcome == "tuned" else (one.base, one.tuned)
    pair = PreferencePair(
        prompt=one.messages,
        chosen=(Message(role="assistant", content=better),),
        rejected=(Message(role="assistant", content=worse),),
        persona=one.persona.text,
        origin="vote",
    )
    return vault.pairs.add(pair, conversation_ids=[name], persona=one.persona.statements), None


def _may_be_learned_from(services: PageServices, one: Comparison) -> bool:
    """Whether all that the persona rested on is still there, and not private."""
    names = {evidence.conversation_id for statement in one.persona.statements for evidence in statement.evidence}
    try:
        return not any(services.vault.conversations.facts(name).private for name in names)
    except UnknownError:
        return False
