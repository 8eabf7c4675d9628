"""A search whose storage is a bucket, on a server that is killed and started again meanwhile."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from s3fs import S3FileSystem

from netmorph.embedded import EmbeddedPostgres, EmbeddedValkey
from tests.bucket import BUCKET, KEYS, LastingBucket
from tests.faults.proxy import Proxy
from tests.running_service import RunningService

pytestmark = pytest.mark.slow


class ServiceOnBucket(RunningService):
    """A service with its blobs in a bucket."""

    def __init__(self, directory: Path, servers: Path) -> None:
        super().__init__(
            directory, EmbeddedPostgres(servers, durable=False), EmbeddedValkey(servers)
        )
        self.bucket = LastingBucket(directory)
        self.bucket.start()
        self.proxy = Proxy(self.bucket.port)
        address = f"http://127.0.0.1:{self.proxy.port}"
        for variables in self.environment.values():
            variables |= KEYS | {
                "AWS_ENDPOINT_URL": address,
                "NETMORPH_STORAGE_URL": f"s3://{BUCKET}/blobs",
                "NETMORPH_CHECKPOINT_SECONDS": "1",
            }
        self._files = S3FileSystem(
            key=KEYS["AWS_ACCESS_KEY_ID"],
            secret=KEYS["AWS_SECRET_ACCESS_KEY"],
            endpoint_url=address,
            use_listings_cache=False,
            skip_instance_cache=True,
        )

    def start_bucket(self) -> None:
        """Start the server again, which has another port behind the proxy."""
        self.bucket.start()
        self.proxy.server = self.bucket.port

    def stored(self, key: str) -> bytes:
        """The bytes of an object in the bucket."""
        return bytes(self._files.cat_file(f"{BUCKET}/blobs/{key}"))

    def checkpoints(self) -> list[str]:
        """The names of the checkpoints in the bucket."""
        found = self._files.find(f"{BUCKET}/blobs/checkpoints")
        return sorted(path.rpartition("/")[2] for path in found)

    def close(self) -> None:
        """End everything."""
        super().close()
        self.proxy.close()
        self.bucket.kill()


@pytest.fixture
def service(servers_directory: Path, tmp_path: Path) -> Iterator[ServiceOnBucket]:
    service = ServiceOnBucket(tmp_path, servers_directory / f"bucket-{uuid4().hex[:8]}")
    yield service
    service.close()


def test_a_search_outlasts_the_server_of_its_bucket(service: ServiceOnBucket) -> None:
    """It is killed in the middle of a training, and its objects come back with it."""
    service.start_api()
    service.start_worker()
    search_id = service.search(budget={"trials": 4})
    service.wait_for_trial(search_id, 1)
    service.bucket.kill()
    service.wait_until(
        lambda: service.get(search_id)["reason"].startswith("waits for storage: "), 400
    )
    assert service.status(search_id) == "running"
    service.start_bucket()

    found = service.wait_until_completed(search_id, 600)

    assert sum(found["trial_counts"].values()) == 4
    assert found["final"]["test_metric"] > 0.3
    assert service.rows("SELECT DISTINCT attempt FROM trials") == [(1,)]
    export = service.http.get(f"/v1/searches/{search_id}/export")
    assert export.status_code == 200
    assert zipfile.ZipFile(io.BytesIO(export.content)).testzip() is None
    service.audit_at_rest()
