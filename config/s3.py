"""A private bucket of any S3 as a Django storage (extra ``s3``)."""

from typing import Any

from botocore.config import Config


def private_bucket(*, bucket: str, endpoint_url: str, region: str, access_key: str, secret_key: str) -> dict[str, Any]:
    """The STORAGES entry: no ACLs, signed addresses only, and short timeouts, as a request's transaction is open meanwhile.

    With an endpoint of its own (MinIO and others) the bucket is part of the path, without one it is part of the host.
    """
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path" if endpoint_url else "virtual"},
        connect_timeout=3,
        read_timeout=10,
        retries={"total_max_attempts": 2},
    )
    return {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": bucket,
            "endpoint_url": endpoint_url or None,
            "region_name": region or None,
            "access_key": access_key or None,
            "secret_key": secret_key or None,
            "client_config": config,
            "default_acl": None,
            "querystring_auth": True,
            "file_overwrite": True,  # keys are new every time; looking first would only cost a request
        },
    }
