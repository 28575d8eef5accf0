"""Private data from a producer to the sinks, looked at, and forgotten, as a user does it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import clickhouse_connect
import httpx
import pytest
import redis
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from headrace import endpoints
from headrace import stack as services
from headrace.probes import Address
from headrace.schema import Encoder, Registry
from headrace.stack.state import free_ports
from headrace.workers import Workers
from tests.cli.test_commands import Shell, wait
from tests.private import project
from tests.private.project import TOPIC, event

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]
#: In every private value of these tests, and nowhere else.
CANARY = "canary-5d1e"


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    root = tmp_path_factory.mktemp("customers")
    project.write(root)
    shell = Shell(root, root / ".headrace")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADRACE_HOME", str(root / ".headrace"))
        with services.running(root):
            shell("apply")
            shell("keys", "init")
            yield shell


def private(person: str, number: int = 0) -> dict[str, object]:
    clear = {"email": f"{CANARY}@example.com", "phone": CANARY, "device": CANARY}
    return {**event(person, number, **clear), "photo": "Y2FuYXJ5LTVkMWU="}


def records(kafka: str, topic: str) -> list[Message]:
    """Every record of a topic."""
    settings = {"bootstrap.servers": kafka, "group.id": "t", "enable.partition.eof": True}
    consumer = Consumer(settings)
    consumer.assign([TopicPartition(topic, p, 0) for p in range(2)])
    found: list[Message] = []
    ended = 0
    while ended < 2:
        message = consumer.poll(10)
        assert message is not None
        if message.error() is None:
            found.append(message)
        else:
            ended += 1
    consumer.close()
    return found


def log(kafka: str, topic: str) -> bytes:
    """The values of a topic's records, one after the other."""
    return b"".join(message.value() or b"" for message in records(kafka, topic))


@contextmanager
def running(shell: Shell) -> Iterator[Path]:
    written = shell.root / "worker.log"
    workers = Workers(shell.root, 1, log_file=written)
    workers.start()
    try:
        yield written
    finally:
        workers.stop()


def test_nothing_shows_a_private_value_and_forgetting_leaves_nothing(shell: Shell):
    lines = [json.dumps(private(p, n)) for p in ("ann", "bob") for n in range(3)]
    wrong = [
        json.dumps({**private("ann"), "email": {"is": CANARY}}),
        json.dumps({**private("ann"), "photo": f"not base64: {CANARY}"}),
        json.dumps({k: v for k, v in private("ann").items() if k != "user_id"}),
        json.dumps(CANARY),
    ]
    said = shell("produce", TOPIC, "--json", stdin="\n".join([*lines, *wrong]), code=1)
    said += shell.err
    assert json.loads(said.splitlines()[0]) | {"positions": 0} == {
        "sent": 6, "failed": 4, "positions": 0,
    }  # fmt: skip
    where = endpoints.load(shell.root)
    clickhouse = clickhouse_connect.get_client(dsn=where.clickhouse, database="customers")
    store = redis.Redis.from_url(where.redis, decode_responses=True)

    def rows() -> list[tuple[str, ...]]:
        select = "SELECT user_id, email, phone, photo, device FROM customers"
        return list(clickhouse.query(select).result_rows)

    with running(shell) as written:
        wait(lambda: len(rows()) == 6)
        tapped = shell("tap", TOPIC, "--from-beginning", "--limit", "6")
        revealed = shell("tap", TOPIC, "--from-beginning", "--limit", "6", "--reveal")
        said += tapped + shell.err + repr(rows())
        looked = json.loads(shell("audit", "list", "--act", "key.use", "--json"))
        assert [entry["outcome"] for entry in looked] == ["intended", "done"]
        assert {entry["subject"] for entry in looked} == {TOPIC}
        assert looked[1]["details"] == {"persons": "2"}
        said += repr(looked)
        assert tapped.count('"<private>"') == 6 * 3
        assert [json.loads(line)["phone"] for line in revealed.splitlines()] == [CANARY] * 6
        held = log(where.kafka, TOPIC)
        assert held.count(b"hrx1:") == 6 * 3
        assert len({row[4] for row in rows()}) == 1
        assert rows()[0][4].startswith("hrp1:")
        assert store.exists("cu:{0}:person:ann", "cu:{1}:person:ann") == 1

        shell("forget", "ann", code=1)  # nobody says yes
        report = json.loads(shell("forget", "ann", "--yes", "--json"))
        said += shell.err
        assert report["forgotten"]
        assert report["key_destroyed"]
        searched = {item["where"]: item["searched"] for item in report["searched"]}
        assert searched[f"kafka {TOPIC}"] == 6
        assert searched["redis order"] == 6  # three orders in two partitions
        assert {row[0] for row in rows()} == {"bob"}
        keys = list(store.scan_iter("cu:*"))
        assert not [key for key in keys if "ann" in key]
        assert sum("bob" in key for key in keys) == 4
        shown = shell("tap", TOPIC, "--from-beginning", "--limit", "6", "--reveal").splitlines()
        told = {(e["user_id"], e["email"]) for e in map(json.loads, shown)}
        assert told == {("ann", "<unreadable>"), ("bob", f"{CANARY}@example.com")}

        shell("produce", TOPIC, stdin=json.dumps(private("ann", 9)), code=1)
        assert "the person was forgotten" in shell.err
        again = shell("forget", "ann", "--yes")
        said += again + shell.err
        assert "There was no key (any more); forgotten" in again
    said += written.read_text() + held.decode(errors="replace")
    assert CANARY not in said
    assert "Y2FuYXJ5LTVkMWU=" not in said


def send_clear(shell: Shell, person: str, cut: int = 0) -> None:
    """As a producer does that does not encrypt; without its last ``cut`` bytes."""
    encoder = Encoder(Registry.load(shell.root), "customers")
    producer = Producer({"bootstrap.servers": endpoints.load(shell.root).kafka})
    value = encoder.encode(private(person))
    producer.produce(TOPIC, value[: len(value) - cut], person.encode())
    assert producer.flush(10) == 0


def test_clear_text_of_another_producer_reaches_no_store_and_no_dead_letter(shell: Shell):
    where = endpoints.load(shell.root)
    clickhouse = clickhouse_connect.get_client(dsn=where.clickhouse, database="customers")
    letters = f"{TOPIC}.dlq"

    with running(shell) as written:
        send_clear(shell, "zoe")
        wait(lambda: b"zoe" in log(where.kafka, letters))
        shell("produce", TOPIC, stdin=json.dumps(private("zed")))
        select = "SELECT user_id FROM customers"
        wait(lambda: ("zed",) in clickhouse.query(select).result_rows)
        assert ("zoe",) not in clickhouse.query(select).result_rows
        said = shell("dlq", "list", TOPIC, "--json")
        places = [f"{p}:{o}" for p in range(2) for o in range(2)]
        shown = [_shown(shell, place) for place in places]
    said += "".join(shown) + written.read_text() + log(where.kafka, letters).decode("latin-1")
    assert CANARY not in said
    assert "Y2FuYXJ5LTVkMWU=" not in said
    assert any('"<private>"' in text and "order-of-zoe-0" in text for text in shown)
    report = json.loads(shell("forget", "zoe", "--yes", "--wait", "0", "--json", code=1))
    left = {item["where"]: item["left"] for item in report["searched"]}
    assert left[f"kafka {letters}"] == 0
    assert left[f"kafka {TOPIC}"] == 3  # the producer's own record, until retention takes it


def _shown(shell: Shell, place: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "headrace.cli.main", "dlq", "show", TOPIC, place],
        cwd=shell.root, env=shell.env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout


def test_clear_text_that_another_producer_sent_is_found_and_told(shell: Shell):
    send_clear(shell, "eve")
    report = json.loads(shell("forget", "eve", "--yes", "--wait", "0", "--json", code=1))
    left = {item["where"]: item["left"] for item in report["searched"]}
    assert left[f"kafka {TOPIC}"] == 3
    assert left["kafka"] == 1  # no worker runs
    assert not report["forgotten"]


@contextmanager
def serving(shell: Shell, log_format: str) -> Iterator[tuple[httpx.Client, Path]]:
    """A ``headrace serve`` that says all it can, and where it says it."""
    written = shell.root / f"serve-{log_format}.log"
    with written.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "headrace.cli.main", "serve", "--port", "0",
             "--log-level", "debug", "--log-format", log_format],
            cwd=shell.root, env=shell.env, stdout=subprocess.PIPE, stderr=output, text=True,
        )  # fmt: skip
    assert process.stdout is not None
    try:
        url = process.stdout.readline().removeprefix("Serving on ").strip()
        with httpx.Client(base_url=url, timeout=60) as http:
            yield http, written
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


def test_whatever_observes_the_pipeline_shows_no_private_value(shell: Shell):
    """Logs, dead letters, metrics, states, samples, traces: after good, clear and broken events."""
    where = endpoints.load(shell.root)
    store = redis.Redis.from_url(where.redis, decode_responses=True)
    wrong = [
        {**private("kim"), "email": {"is": CANARY}},
        {**private("kim"), "photo": CANARY},
        {**private("kim"), "at": "noon", "email": [CANARY]},
    ]
    said: dict[str, str] = {}
    (port,) = free_ports(1)
    written = shell.root / "observed.log"
    at = Address("127.0.0.1", port)
    workers = Workers(shell.root, 1, "debug", written, watched_at=at, log_format="json")
    with serving(shell, "text") as text, serving(shell, "json") as lines:
        workers.start()
        try:
            send_clear(shell, "kai")
            send_clear(shell, "kai", cut=3)
            for log_format, (http, _) in {"text": text, "json": lines}.items():
                taken = http.post(f"/v1/events/{TOPIC}", json=[private("kim"), *wrong])
                assert (taken.json()["accepted"], taken.json()["rejected"]) == (1, 3)
                said[f"{log_format} intake"] = taken.text
                wait(lambda asked=http: {"private", "decode"} <= _last_steps(asked))
                for path in ("/v1/pipeline", "/metrics", "/v1/catalog",
                             f"/v1/topics/{TOPIC}/sample", "/v1/events/kim/trace"):  # fmt: skip
                    said[f"{log_format} {path}"] = http.get(path).text
            said["metrics of a worker"] = httpx.get(f"http://{at}/metrics").text
            states = list(store.scan_iter("cu:worker:*"))
            assert states
            said["states"] = json.dumps([store.get(key) for key in states])
        finally:
            workers.stop()
        said["text log"], said["json log"] = text[1].read_text(), lines[1].read_text()
    said["worker's log"] = written.read_text()
    said["tap"] = shell("tap", TOPIC, "--last", "20", "--limit", "3") + shell.err
    said["dlq list"] = shell("dlq", "list")
    said["audit"] = shell("audit", "list", "--json")
    shown = set()
    for one in records(where.kafka, f"{TOPIC}.dlq"):
        place, headers = f"{one.partition()}:{one.offset()}", dict(one.headers() or [])
        said[f"headers {place}"], step = repr(headers), headers["headrace.step"]
        if step == b"private":  # of what can't be decoded nobody can tell the fields
            said[f"letter {place}"] = repr((one.key(), one.value()))
        if step not in shown:
            said[f"dlq show {place}"] = shell("dlq", "show", TOPIC, place)
            shown.add(step)
    assert shown >= {b"private", b"decode"}
    for name in ("worker's log", "text log", "json log", "metrics of a worker", "tap"):
        assert len(said[name]) > 100, name
    assert {n for n, told in said.items() if CANARY in told or "Y2FuYXJ5LTVkMWU=" in told} == set()


def _last_steps(http: httpx.Client) -> set[str]:
    seen = http.get("/v1/pipeline").raise_for_status().json()
    return {error["step"] for error in seen["agents"]["keep"]["last_errors"]}


def test_keys_are_checked_and_missing_ones_told(shell: Shell, tmp_path: Path):
    shell("keys", "check", code=1)
    assert "appendfsync is 'everysec'" in shell.err
    shell("keys", "init", code=2)
    assert "exists already" in shell.err
    other = {"HEADRACE_MASTER_KEY": "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="}
    shell("produce", TOPIC, stdin=json.dumps(private("bob")), code=2, **other)
    assert "HEADRACE_MASTER_KEY does not open 'secret'" in shell.err


def test_forgetting_needs_a_topic_that_says_whose_records_are(shell: Shell, tmp_path: Path):
    from tests.topology.test_load import ROOT

    for name in ("schemas", "topology.yaml"):
        (tmp_path / name).symlink_to(ROOT / name)
    done = subprocess.run(
        [sys.executable, "-m", "headrace.cli.main", "forget", "ann"],
        cwd=tmp_path, env=shell.env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "none declares person" in done.stderr
