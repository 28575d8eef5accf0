"""How librdkafka's clients reach Kafka, and why they could not."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from headrace.errors import ConfigError, Transient
from headrace.security.kafka import KafkaSecurity, from_environment

#: How long one question may take before what the connections said is looked at.
LOOK_S = 1.0
#: Refusals that come again: librdkafka itself goes on trying, and tells only who asks.
REFUSED = {
    KafkaError._AUTHENTICATION: "Kafka refused the credentials",
    KafkaError._SSL: "no TLS connection to Kafka",
}


class Link:
    """The settings of a client, and the errors of its connections.

    Each client has its own; the environment is read when the Link is made.
    """

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self.security = from_environment()
        self._errors: deque[KafkaError] = deque(maxlen=16)

    def settings(self) -> dict[str, Any]:
        """What every client of librdkafka begins with."""
        return {
            "bootstrap.servers": self.bootstrap,
            "error_cb": self._errors.append,
            **settings(self.security),
        }

    def metadata(self, client: Any, timeout_s: float, topic: str | None = None) -> Any:
        """``list_topics`` of a client with these settings.

        Raises ConfigError as soon as Kafka refuses the credentials or TLS fails, Transient when
        nobody answers in time.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                return client.list_topics(topic, timeout=min(LOOK_S, timeout_s))
            except KafkaException as error:
                client.poll(0)
                self.raise_refusal()
                if time.monotonic() >= deadline:
                    raise Transient(
                        f"Kafka at {self.bootstrap} does not answer: {error}"
                    ) from error

    def raise_refusal(self) -> None:
        """Raise ConfigError if a connection was refused; the client must have been polled."""
        for error in self._errors:
            if error.code() in REFUSED:
                raise ConfigError(
                    f"HEADRACE_KAFKA_*: {REFUSED[error.code()]} ({self.security.protocol}, "
                    f"{self.security.mechanism or 'no SASL'}, {self.security.principal}): "
                    f"{error.str()}"
                )
        self._errors.clear()


def settings(security: KafkaSecurity) -> dict[str, Any]:
    """librdkafka's names for it."""
    found: dict[str, Any] = {"security.protocol": security.protocol}
    if security.tls is not None:
        tls = security.tls
        found |= {
            "ssl.ca.location": str(tls.ca) if tls.ca else None,
            "ssl.certificate.location": str(tls.certificate) if tls.certificate else None,
            "ssl.key.location": str(tls.key) if tls.key else None,
            "ssl.key.password": tls.key_password.reveal() if tls.key_password else None,
        }
    if security.mechanism is not None:
        found["sasl.mechanism"] = security.mechanism
    if security.user is not None:
        found["sasl.username"] = security.user.name
        found["sasl.password"] = security.user.password.reveal()
    if security.tokens is not None:
        source = security.tokens
        found |= {
            "sasl.oauthbearer.method": "oidc",
            "sasl.oauthbearer.token.endpoint.url": source.url,
            "sasl.oauthbearer.client.id": source.client_id,
            "sasl.oauthbearer.client.secret": source.client_secret.reveal(),
            "sasl.oauthbearer.scope": source.scope or None,
            # The same authority as for Kafka.
            "https.ca.location": found.get("ssl.ca.location"),
        }
    return {name: value for name, value in found.items() if value is not None}
