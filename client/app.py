"""The client as a Flower `ClientApp`: it answers a roll call, requests to train, and stages of secure aggregation.

Nothing that goes wrong on a device travels as text: Flower would put an exception's message on the wire, and a message
can quote a person. Every failure is answered with a code of `shared.messages.ReplyStatus`; the device's own log gets
the exception's type.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from client.device import DeclinedError, Device, DeviceError, device_number, open_installed_device
from client.packing import UnsupportedArchitectureError
from client.training import ModelPasses, NonFiniteTrainingError, PairCache
from client.update import answer
from shared.adapter import AdaptedModel, attach_adapter
from shared.adapter_spec import AdapterConfig, AdapterError
from shared.language_model import LanguageModelError, ModelConfig, load_language_model
from shared.messages import ReplyStatus, RollCallReply, TrainReply, TrainRequest
from shared.privacy.clipping import NonFiniteUpdateError
from shared.records import MessageError
from shared.secagg_messages import StageReply, StageRequest

_LOG = logging.getLogger(__name__)
_DEVICES_REMEMBERED = 256

_STATUSES: tuple[tuple[tuple[type[Exception], ...], ReplyStatus], ...] = (
    ((MessageError,), "bad-request"),
    ((DeviceError,), "unreadable-pairs"),
    ((LanguageModelError, AdapterError, UnsupportedArchitectureError), "unsupported-model"),
    ((NonFiniteTrainingError, NonFiniteUpdateError), "not-finite"),
)


class WrongModelError(RuntimeError):
    """The device's base model or adapter is not the server's."""


def build_client_app(open_device: Callable[[Context], Device], *, passes: ModelPasses | None = None) -> ClientApp:
    """A ClientApp over whatever `open_device` finds for a context. It is called once for each request to train.

    Args:
        passes: see `client.training.train_locally`.
    """
    built = ClientApp()

    @built.query("roll_call")
    def roll_call(message: Message, context: Context) -> Message:
        return Message(RollCallReply(device=device_number(context)).to_record(), reply_to=message)

    @built.train()
    def train(message: Message, context: Context) -> Message:
        return Message(_reply(message, context, open_device, passes).to_record(), reply_to=message)

    @built.query("secure_aggregation")
    def secure_aggregation(message: Message, context: Context) -> Message:
        return Message(_stage_reply(message, context, open_device).to_record(), reply_to=message)

    return built


def _stage_reply(message: Message, context: Context, open_device: Callable[[Context], Device]) -> StageReply:
    digest = ""
    try:
        request = StageRequest.from_record(message.content)
        digest = request.digest()
        if request.device != device_number(context):
            raise MessageError("stage.device: another device was asked")
        said = open_device(context).sessions().answer(request)
        return StageReply(status="answered", request_digest=digest, body=said)
    except DeclinedError as error:
        _LOG.warning("this device says nothing at a stage of secure aggregation: %s", error)
        return StageReply(status="declined", request_digest=digest)
    except MessageError:
        _LOG.warning("this device was asked for no stage of secure aggregation that it knows")
        return StageReply(status="bad-request", request_digest=digest)
    except Exception as error:  # whatever it is, only a code may leave
        _LOG.warning("this device says nothing at a stage of secure aggregation (%s)", type(error).__name__)
        return StageReply(status="failed", request_digest=digest)


def _reply(
    message: Message, context: Context, open_device: Callable[[Context], Device], passes: ModelPasses | None
) -> TrainReply:
    digest = ""
    try:
        request = TrainRequest.from_record(message.content)
        digest = request.digest()
        if request.device != device_number(context):
            raise MessageError("request.device: another device was asked")
        device = open_device(context)
        gate = device.gate()
        gate.check(request)
        adapted = _adapted_model(request.plan.model, request.plan.adapter)
        _check_model(adapted, request)
        said_before = gate.admit(request)
        if said_before is not None:
            return said_before
        _keep_shared(request, device)
        cache = _pair_cache(context.node_id)
        reply = answer(request, device=device, adapted=adapted, cache=cache, passes=passes)
        return gate.keep(request, reply)
    except DeclinedError as error:
        _LOG.warning("this device declines a request: %s", error)
        return TrainReply(status="declined", request_digest=digest)
    except Exception as error:  # whatever it is, only a code may leave
        status = _status(error)
        _LOG.warning("this device does not answer a request: %s (%s)", status, type(error).__name__)
        return TrainReply(status=status, request_digest=digest)


def _keep_shared(request: TrainRequest, device: Device) -> None:
    try:
        device.keep_shared(request)
    except DeviceError as error:  # its user goes without the newest adapter; the round does not depend on that
        _LOG.warning("%s", error)


def _check_model(adapted: AdaptedModel, request: TrainRequest) -> None:
    spec = adapted.spec
    if spec.base_fingerprint != request.base_fingerprint or spec.digest() != request.spec_digest:
        raise WrongModelError("the base model or the adapter is not the one the server named")
    if request.vector.shape != (spec.state_dimension,):
        raise MessageError("shared: not as many numbers as the adapter has")


def _status(error: Exception) -> ReplyStatus:
    if isinstance(error, WrongModelError):
        return "wrong-model"
    for kinds, status in _STATUSES:
        if isinstance(error, kinds):
            return status
    return "failed"


# Kept by the process and not by the app: Flower's simulation runtime unpickles the app anew for every message.
@lru_cache(maxsize=1)
def _adapted_model(model: ModelConfig, adapter: AdapterConfig) -> AdaptedModel:
    return attach_adapter(load_language_model(model), adapter)


_pair_caches: OrderedDict[int, PairCache] = OrderedDict()


def _pair_cache(node_id: int) -> PairCache:
    # One a device, so that what is evicted never splits a device's pairs: a pass would then have other neighbours.
    cache = _pair_caches.pop(node_id, None) or PairCache()
    _pair_caches[node_id] = cache
    while len(_pair_caches) > _DEVICES_REMEMBERED:
        _pair_caches.popitem(last=False)
    return cache


app = build_client_app(open_installed_device)
