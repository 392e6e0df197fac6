"""The caches that a site can keep its sessions in, as the environment names them."""

import os

BACKENDS = {
    "redis": "django.core.cache.backends.redis.RedisCache",
    "redis-cluster": "conf.cluster.RedisClusterCache",
    "django-redis": "django_redis.cache.RedisCache",
    "memcached": "django.core.cache.backends.memcached.PyMemcacheCache",
}
SERIALIZERS = {"pickle": "PickleSerializer", "json": "JSONSerializer", "msgpack": "MSGPackSerializer"}
COMPRESSORS = {
    "identity": "IdentityCompressor",
    "zlib": "ZlibCompressor",
    "gzip": "GzipCompressor",
    "lzma": "LzmaCompressor",
    "lz4": "Lz4Compressor",
    "zstd": "ZStdCompressor",
}


def default():
    kind = os.environ["SITE_CACHE"]
    chosen = {
        "BACKEND": BACKENDS[kind],
        "LOCATION": os.environ["SITE_CACHE_LOCATION"],
        "KEY_PREFIX": os.environ.get("SITE_CACHE_KEY_PREFIX", ""),
        "VERSION": int(os.environ.get("SITE_CACHE_VERSION", "1")),
        "KEY_FUNCTION": os.environ.get("SITE_CACHE_KEY_FUNCTION"),
    }
    if kind == "django-redis":
        serializer = os.environ.get("SITE_CACHE_SERIALIZER", "pickle")
        compressor = os.environ.get("SITE_CACHE_COMPRESSOR", "identity")
        chosen["OPTIONS"] = {
            "SERIALIZER": f"django_redis.serializers.{serializer}.{SERIALIZERS[serializer]}",
            "COMPRESSOR": f"django_redis.compressors.{compressor}.{COMPRESSORS[compressor]}",
        }
    return chosen


def tenant_key(key, prefix, version):
    """A KEY_FUNCTION of a site's own."""
    return f"tenant/{prefix}/v{version}/{key}"
