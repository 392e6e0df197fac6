"""Django's own Redis cache, with each key sent to the node of a Redis Cluster that owns it."""

from functools import cache

from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from redis.cluster import RedisCluster


@cache
def connected(address):
    return RedisCluster.from_url(address)


class ClusterClient(RedisCacheClient):
    def get_client(self, key=None, *, write=False):
        return connected(self._servers[0])


class RedisClusterCache(RedisCache):
    def __init__(self, server, params):
        super().__init__(server, params)
        self._class = ClusterClient
