"""python -m assistant: serves the reference assistant, alone or for the run of a command.

    python -m assistant --profile demo --seed 1 --truth truth.jsonl
    python -m assistant --port 0 -- locust --headless --users 20

The command finds the assistant's address in LOCUST_HOST and DOUBLETALK_HOST, gets SIGINT and SIGTERM passed on, and its exit
code becomes ours. Exit code 2: something given cannot be used; one line on stderr says what.
"""

from __future__ import annotations

import argparse
import gc
import os
import ssl
import sys
from collections.abc import Callable
from typing import NoReturn

import uvloop

from assistant.hub import Hub
from assistant.profile import ProfileError, load_profile, profile_names
from assistant.server import Address, BindError, Server, allow_many_connections, bind, make_server, serve
from assistant.settings import RATE
from assistant.supervisor import Supervisor
from assistant.truth import TruthLog
from audio import Corpus, CorpusError, load_corpus


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(_refuse(f"{message} (see --help)"))


def parser() -> argparse.ArgumentParser:
    options = Parser(prog="python -m assistant", description="The reference voice assistant: a load-test target with known truth.")
    options.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0: all")
    options.add_argument("--port", type=int, default=8000, help="0: any free port")
    options.add_argument("--profile", default="demo", help=f"{', '.join(profile_names())}, or a YAML file")
    options.add_argument("--seed", type=int, default=1, help="of everything that is drawn: same seed, same behaviour")
    options.add_argument("--truth", metavar="FILE", help="write what really happened, as JSON Lines")
    options.add_argument("--corpus", metavar="DIR", help="clips that talkers may say, where not the built-in ones")
    options.add_argument("--api-key-env", metavar="VAR", help="environment variable with an API key to accept as well")
    options.add_argument("--tls-cert", metavar="FILE", help="serve https and wss with this certificate chain (PEM)")
    options.add_argument("--tls-key", metavar="FILE", help="its private key (PEM)")
    return options


def main(arguments: list[str]) -> int:
    command: list[str] = []
    if "--" in arguments:
        split = arguments.index("--")
        arguments, command = arguments[:split], arguments[split + 1 :]
        if not command:
            return _refuse("after -- a command is expected")
    options = parser().parse_args(arguments)
    api_key = None
    if options.api_key_env is not None and not (api_key := os.environ.get(options.api_key_env)):
        return _refuse(f"--api-key-env: the environment variable {options.api_key_env} is not set")
    if (options.tls_cert is None) != (options.tls_key is None):
        return _refuse("--tls-cert and --tls-key belong together")
    try:
        profile = load_profile(options.profile)
        corpus = load_corpus(options.corpus, rate=RATE)
        sock = bind(options.host, options.port)
    except (ProfileError, CorpusError, BindError) as error:
        return _refuse(str(error))
    try:
        truth = TruthLog(options.truth, seed=options.seed, profile=profile.model_dump(mode="json", exclude_none=True))
    except OSError as error:
        return _refuse(f"--truth: cannot write {options.truth}: {error.strerror}")
    address = Address(options.host, sock.getsockname()[1], tls=options.tls_cert is not None)

    def at_rate(rate: int) -> Corpus:
        return load_corpus(options.corpus, rate=rate)

    def ready() -> None:
        print(f"assistant listening on {address.url}, profile {profile.name}, seed {options.seed}", flush=True)

    def served(hub: Hub, on_ready: Callable[[], None]) -> Server:
        server = make_server(hub, on_ready, tls_cert=options.tls_cert, tls_key=options.tls_key)
        server.config.load()
        return server

    def serve_a_life(lives: int, start_ns: int | None, listens: Callable[[], None]) -> int:
        try:
            own = bind(options.host, address.port)
        except BindError as error:
            return _refuse(str(error))
        hub = Hub(profile, options.seed, corpus, truth, api_key=api_key, lives=lives, at_rate=at_rate)
        return uvloop.run(serve(served(hub, listens), hub, own, address, [], start_ns=start_ns))

    hub = Hub(profile, options.seed, corpus, truth, api_key=api_key, at_rate=at_rate)
    try:
        server = served(hub, ready)
    except (ssl.SSLError, OSError) as error:
        return _refuse(f"--tls-cert, --tls-key: cannot be used: {error.strerror or error}")
    allow_many_connections()
    gc.freeze()  # corpus and libraries stay: a full collection over them would stall every session for tens of ms
    if profile.outages:
        return Supervisor(profile.outages, serve_a_life, truth, address, ready).run(command)
    return uvloop.run(serve(server, hub, sock, address, command))


def _refuse(text: str) -> int:
    print(f"assistant: {text}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
