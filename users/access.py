"""How the talkers of a run get in: the dialect's recipe, what the scenario and the options change in it, and what the environment holds."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from protocol import TOKENS, Dialect, Grant, Recipe, Request, Reuse, filled, variables
from protocol.access import KEY as OWN_KEY
from protocol.access import WS_SCHEMES, names
from scenarios import Scenario, ScenarioError
from scenarios.access import SECRET, SECRET_IN_BODY

TOKEN, KEY, NONE = "token", "key", "none"
AUTHS = (TOKEN, KEY, NONE)
"""How talkers get in: by what a recipe gives them, by the API key itself, or by nothing."""

_HTTP_SCHEMES = {"ws": "http", "wss": "https", "http": "http", "https": "https"}


@dataclass(frozen=True, slots=True)
class Mint:
    """Where tokens and session URLs come from. `base_url`: scheme, host and port; `path`: what is asked for there; `place`: the recipe's
    URL as it may be shown; `timeout_s`: limit of a whole request; `values`: what the environment holds for the recipe's names."""

    recipe: Recipe = field(repr=False)
    request: Request
    base_url: str
    path: str = field(repr=False)
    place: str
    tls: ssl.SSLContext
    timeout_s: float
    values: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def secrets(self) -> dict[str, str]:
        """The environment variables that headers are made of, and parameters and fields that are called like a secret; and what they
        hold."""
        sent = set[str]().union(*(_secrets_in(where, text) for where, text in self.recipe.texts()))
        return {name: value for name, value in self.values.items() if name in sent - {OWN_KEY}}


def secret_parameters(url: str) -> tuple[str, ...]:
    """The values of a URL's parameters that are called like a secret."""
    return tuple(value for name, value in parse_qsl(urlsplit(url).query) if SECRET.fullmatch(name))


def _secrets_in(where: str, text: str) -> set[str]:
    """The names in a recipe's text that stand for secrets."""
    if where in ("url", "session_url"):
        return set[str]().union(*map(names, secret_parameters(text)))
    told = "headers." in where or SECRET_IN_BODY.fullmatch(where.rpartition(".")[2])
    return names(text) if told else set()


def recipe_of(scenario: Scenario, dialect: Dialect, asked: Recipe | None, token_path: str) -> Recipe | None:
    """The recipe of a run. `asked`: the dialect's; `token_path`: another URL for it, "" for its own. None: there is none. Raises
    ScenarioError."""
    given = scenario.access.given
    if token_path:
        given["url"] = _token_path(token_path)
    if not given:
        return asked
    if asked is None and "url" not in given:
        raise ScenarioError(f"{scenario.place('access')}: access.url is missing: the dialect {dialect.name} asks nobody by itself")
    try:
        return _over(asked or TOKENS, given)
    except ValueError as error:
        raise _refused(scenario, error) from None


def way_in(asked: str, recipe: Recipe | None, key_named: bool, dialect: Dialect) -> str:
    """How talkers get in: as `asked`, else by the recipe, else by the key where its variable was named, else by nothing. Raises
    ScenarioError where that is not possible."""
    if asked not in ("", *AUTHS):
        raise ScenarioError(f"--auth {asked!r}: there are {', '.join(AUTHS)}")
    if asked == TOKEN and recipe is None:
        raise ScenarioError(
            f"--auth token: the dialect {dialect.name} asks nobody for one: say whom with --token-path or the scenario's access, "
            "or get in with --auth key or none"
        )
    return asked or (TOKEN if recipe is not None else KEY if key_named else NONE)


def read_key(auth: str, variable: str, dialect: Dialect) -> str | None:
    """The API key, from the environment variable that was named, else with `--auth key` from the dialect's own; None where none is wanted:
    a key that happens to be in the environment is not sent to whatever host is tested. Raises ScenarioError."""
    if auth == NONE:
        return None
    variable = variable or ((dialect.key_variable or "") if auth == KEY else "")
    if not variable:
        if auth == KEY:
            raise ScenarioError("--auth key: name the environment variable that holds the API key: --api-key-env")
        return None
    key = os.environ.get(variable) or None
    if key is None:
        raise ScenarioError(f"--auth {auth}: set the environment variable {variable} to the API key (or name another: --api-key-env)")
    try:
        dialect.headers(key)
    except ValueError as error:
        raise ScenarioError(f"the API key in {variable}: {error}") from None
    return key


def make_mint(scenario: Scenario, recipe: Recipe, host: str, tls: ssl.SSLContext, key: str | None) -> Mint:
    """The recipe made ready to be used. Raises ScenarioError for a variable that is not set, and for what cannot be sent."""
    values = {} if key is None else {OWN_KEY: key}
    needed = variables(recipe)
    for name in needed.keys() | set().union(*(names(text) for _, text in recipe.texts())):
        if name != OWN_KEY and os.environ.get(name):
            values[name] = os.environ[name]
    for name, where in needed.items():
        if name not in values:
            missing = (
                f"set the environment variable {name}" if name != OWN_KEY else "name the API key's environment variable: --api-key-env"
            )
            raise ScenarioError(f"{scenario.place('access', *where.split('.'))}: access.{where} needs ${{{name}}}: {missing}")
    try:
        request = filled(recipe, values)
    except ValueError as error:
        raise _refused(scenario, error) from None
    try:
        parts = urlsplit(below(host, request.url, _HTTP_SCHEMES) if request.url.startswith("/") else request.url)
        fine = bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
    except ValueError:  # whose text shows a part of it
        fine = False
    if not fine:
        raise _refused(scenario, ValueError("url: it is none that can be called"))
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    place = recipe.url.partition("?")[0]
    return Mint(recipe, request, f"{parts.scheme}://{parts.netloc}", path, place, tls, scenario.limits.setup_s, values)


def below(host: str, path: str, schemes: Mapping[str, str]) -> str:
    """A path below the host, whose own parameters are left out, with the scheme that `schemes` has for the host's."""
    scheme, _, place = host.partition("?")[0].rstrip("/").partition("://")
    return f"{schemes.get(scheme.lower(), scheme)}://{place}{path}"


def door(grant: Grant, dialect: Dialect, host: str, model: str | None) -> tuple[str, dict[str, str]]:
    """Where a session is opened with this grant, and with which headers. Both may hold secrets."""
    if grant.url is None:
        url = dialect.endpoint(host, model)
    else:
        url = below(host, grant.url, WS_SCHEMES) if grant.url.startswith("/") else grant.url
    headers = dialect.headers(grant.token if grant.headers is None else None)
    return url, {**headers, **(grant.headers or {})}


def _refused(scenario: Scenario, error: ValueError) -> ScenarioError:
    """A recipe's error, which begins with its key."""
    return ScenarioError(f"{scenario.place('access', *str(error).partition(':')[0].split('.'))}: access.{error}")


def _token_path(path: str) -> str:
    parts = urlsplit(path)
    if parts.scheme in ("http", "https") and parts.hostname:
        if "@" in parts.netloc:
            raise ScenarioError("--token-path holds a user name or password, which run files would show: use --api-key-env instead")
        return path
    if "://" in path:
        raise ScenarioError(f"--token-path {path}: a path such as /rt-token, or a URL that begins with http:// or https://")
    return "/" + path.lstrip("/")


def _over(recipe: Recipe, given: dict[str, Any]) -> Recipe:
    """The recipe with these keys of the scenario's in place of its own. Raises ValueError."""
    changed = dict(given)
    if "headers" in given:
        told = {name.lower() for name in given["headers"]}
        kept = {name: text for name, text in recipe.headers.items() if name.lower() not in told}
        changed["headers"] = {**kept, **{name: text for name, text in given["headers"].items() if text}}
    if "body" in given:
        changed["body"] = _merged(recipe.body, given["body"])
    if "reuse" in given:
        changed["reuse"] = Reuse(given["reuse"])
    return replace(recipe, **changed)


def _merged(base: Mapping[str, Any], nearer: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings key by key, all else as a whole."""
    made = dict(base)
    for name, value in nearer.items():
        below_it = made.get(name)
        made[name] = _merged(below_it, value) if isinstance(below_it, Mapping) and isinstance(value, Mapping) else value
    return made
