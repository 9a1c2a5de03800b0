"""The official client library's event types as strict validators: required fields, types and enumerations are checked.

The library's own unions are not discriminated for pydantic (and its connections do not validate at all), so they are
rebuilt here with the discriminator in place.
"""

from typing import Annotated, Any, Union, get_args

import openai.types.beta.realtime as beta
import openai.types.realtime as ga
from pydantic import Field, TypeAdapter


def members(union: Any) -> tuple[type, ...]:
    """The models of `Annotated[Union[...], ...]`."""
    return get_args(get_args(union)[0])


def strict(union: Any) -> TypeAdapter:
    return TypeAdapter(Annotated[Union[members(union)], Field(discriminator="type")])  # noqa: UP007


def _types(union: Any) -> frozenset[str]:
    """The values of `type` in a union."""
    return frozenset(get_args(model.model_fields["type"].annotation)[0] for model in members(union))


GA_CLIENT, GA_SERVER = strict(ga.RealtimeClientEvent), strict(ga.RealtimeServerEvent)
BETA_CLIENT, BETA_SERVER = strict(beta.RealtimeClientEvent), strict(beta.RealtimeServerEvent)
GA_SERVER_TYPES, BETA_SERVER_TYPES = _types(ga.RealtimeServerEvent), _types(beta.RealtimeServerEvent)
