"""The same security for aiokafka's clients, and in the form that Faust takes."""

from __future__ import annotations

import ssl
import time
from typing import Any

import aiohttp
from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaConnectionError
from faust.auth import OAuthCredentials, SASLCredentials, SSLCredentials
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth
from faust.types.auth import CredentialsT

from headrace.security.kafka import KafkaSecurity, TokenSource

TIMEOUT = aiohttp.ClientTimeout(total=10.0)
#: A token is asked for again when this part of its life has passed, as librdkafka does.
RENEW = 0.8


class TokenProvider(AbstractTokenProvider):  # type: ignore[misc]
    """Fetches tokens by OAuth 2's client credentials grant and keeps each while it is fresh."""

    def __init__(self, source: TokenSource, context: ssl.SSLContext | None) -> None:
        """``context`` serves for an https token URL, too: the same authority as for Kafka."""
        self._source = source
        self._context = context
        self._token = ""
        self._renew_at = 0.0

    async def token(self) -> str:
        """A token for a new connection; raises KafkaConnectionError, which aiokafka retries."""
        if time.monotonic() >= self._renew_at:
            asked = time.monotonic()
            try:
                answer = await self._ask()
                self._token = str(answer["access_token"])
                self._renew_at = asked + RENEW * float(answer.get("expires_in", 0))
            except (aiohttp.ClientError, TimeoutError, KeyError, ValueError) as error:
                what = "no access_token" if isinstance(error, KeyError) else repr(error)
                raise KafkaConnectionError(f"no token from {self._source.url}: {what}") from error
        return self._token

    async def _ask(self) -> dict[str, Any]:
        form = {"grant_type": "client_credentials"}
        if self._source.scope:
            form["scope"] = self._source.scope
        # A session each time: the worker's two event loops share this, and it is asked rarely.
        async with (
            aiohttp.ClientSession(timeout=TIMEOUT, raise_for_status=True) as session,
            session.post(
                self._source.url,
                data=form,
                auth=aiohttp.BasicAuth(self._source.client_id, self._source.client_secret.reveal()),
                ssl=self._context or True,
            ) as answer,
        ):
            found: dict[str, Any] = await answer.json()
            return found


def for_faust(security: KafkaSecurity) -> CredentialsT | None:
    """The setting ``broker_credentials``; None for plaintext."""
    context = security.tls.context() if security.tls else None
    if security.tokens is not None:
        provider = TokenProvider(security.tokens, context)
        return OAuthCredentials(oauth_cb=provider, ssl_context=context)
    if security.user is not None:
        return SASLCredentials(
            username=security.user.name,
            password=security.user.password.reveal(),
            mechanism=security.mechanism,
            ssl_context=context,
        )
    return None if context is None else SSLCredentials(context)


def for_aiokafka(security: KafkaSecurity) -> dict[str, Any]:
    """Keyword arguments of aiokafka's own clients: what Faust makes of its credentials."""
    found: dict[str, Any] = credentials_to_aiokafka_auth(for_faust(security))
    return found
