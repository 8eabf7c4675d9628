"""The embedded servers: they start, answer, stop, and recover from a launcher that was killed."""

import psycopg
import redis


def test_the_database_answers(empty_database_url: str) -> None:
    address = empty_database_url.replace("+psycopg", "")
    with psycopg.connect(address) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_the_broker_answers(broker_url: str) -> None:
    with redis.Redis.from_url(broker_url) as client:
        assert client.ping()
        assert client.dbsize() == 0
