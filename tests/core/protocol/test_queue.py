"""The Celery settings that both ends share."""

import pytest
from celery import Celery

from core.protocol.queue import KEY_PREFIX, QUEUE, celery_config


@pytest.mark.parametrize(
    ("url", "kombu"),
    [
        ("unix:///run/valkey.sock", "redis+socket:///run/valkey.sock"),
        ("valkey://host:6379/1", "redis://host:6379/1"),
        ("valkeys://host:6379", "rediss://host:6379"),
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("rediss://user:secret@host/0", "rediss://user:secret@host/0"),
    ],
)
def test_addresses_are_given_in_the_spelling_of_kombu(url, kombu):
    assert celery_config(url)["broker_url"] == kombu


def test_an_order_is_acknowledged_early_and_never_retried_by_the_sender():
    config = celery_config("redis://host")
    assert config["task_acks_late"] is False
    assert config["task_publish_retry"] is False
    assert config["broker_transport_options"]["ack_emulation"] is False
    assert config["result_backend"] is None


def test_only_json_is_read():
    """A pickle in the broker would run code in every worker."""
    config = celery_config("redis://host")
    assert config["accept_content"] == ["json"]
    assert config["task_serializer"] == "json"


def test_a_server_can_be_shared_as_every_key_has_a_prefix():
    options = celery_config("redis://host")["broker_transport_options"]
    assert options["global_keyprefix"] == KEY_PREFIX


def test_celery_takes_all_settings():
    app = Celery()
    app.conf.update(celery_config("redis://host"))
    assert app.conf.task_default_queue == QUEUE
    assert app.conf.worker_prefetch_multiplier == 1
