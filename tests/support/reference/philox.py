"""Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011), vectorised.

The stratified sampler draws one number per (seed, ray_id, segment k): no state, no order.
"""

import numpy as np

_MULTIPLIER = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_KEY_STEP = (0x9E3779B9, 0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)


def philox4x32_10(counter, key):
    """Ten rounds. counter (..., 4) and key (2,), both of 32-bit values; returns (..., 4) uint32."""
    c0, c1, c2, c3 = np.moveaxis(np.asarray(counter, dtype=np.uint64) & _LOW, -1, 0)
    k0, k1 = int(key[0]), int(key[1])
    for _ in range(10):
        product0, product1 = _MULTIPLIER[0] * c0, _MULTIPLIER[1] * c2
        c0, c1, c2, c3 = (
            (product1 >> _32) ^ c1 ^ np.uint64(k0),
            product1 & _LOW,
            (product0 >> _32) ^ c3 ^ np.uint64(k1),
            product0 & _LOW,
        )
        k0, k1 = (k0 + _KEY_STEP[0]) & 0xFFFFFFFF, (k1 + _KEY_STEP[1]) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], axis=-1).astype(np.uint32)


def sample_offset(seed, ray_id, segment):
    """u in [0, 1), a multiple of 2^-24: seed (64-bit int), ray_id (n,) uint64, segment k (n,); returns (n,) float64."""
    ray_id = np.asarray(ray_id).astype(np.uint64)
    segment = np.asarray(segment).astype(np.uint64)
    ray_id, segment = np.broadcast_arrays(ray_id, segment)
    counter = np.stack([ray_id & _LOW, ray_id >> _32, segment & _LOW, np.zeros_like(ray_id)], axis=-1)
    words = philox4x32_10(counter, (seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF))
    return (words[..., 0] >> np.uint32(8)).astype(np.float64) * 2.0**-24
