"""The inner loops of an equivariant convolution, compiled by numba at their first use (seconds, then kept on disk).

All three go over atoms, their directed pairs, the paths of the tensor product and the components of features; channels
are the innermost, contiguous index. Nothing of the size (pairs, features) is stored, which is what makes them fast.
"""
# Importing numba takes 0.3 s: only ``equivariant_sum`` imports this module. Shapes are those of ``equivariant_sum``.
# Loops run over slices, not over sums of indices: those could be negative for all that the compiler knows, and it would
# not vectorise them.

from __future__ import annotations

import numpy as np
from numba import njit

_fast = njit(cache=True, nogil=True, error_model="numpy", fastmath=True)


@_fast
def summed(features, weights, kernels, starts, sources, pairs, paths, out):  # type: ignore[no-untyped-def]
    """Write the sum over neighbours of feature times weight times kernel into ``out``."""
    product = np.empty(features.shape[1], np.float32)
    for atom in range(len(starts) - 1):
        for edge in range(starts[atom], starts[atom + 1]):
            feature, weight, kernel = features[sources[edge]], weights[pairs[edge]], kernels[edge]
            for path in range(len(paths)):
                channels, inner, outer, f0, w0, k0, o0 = paths[path]
                w, p = weight[w0 : w0 + channels], product[:channels]
                for m in range(inner):
                    f = feature[f0 + m * channels : f0 + (m + 1) * channels]
                    for c in range(channels):
                        p[c] = f[c] * w[c]
                    for o in range(outer):
                        k = kernel[k0 + m * outer + o]
                        r = out[atom, o0 + o * channels : o0 + (o + 1) * channels]
                        for c in range(channels):
                            r[c] += k * p[c]


@_fast
def slopes(  # type: ignore[no-untyped-def]
    features, weights, kernels, given, starts, sources, pairs, paths, of_features, of_weights, of_kernels
):
    """Add the gradients of ``(given * summed).sum()`` by features, weights and kernels to the last three arguments."""
    product, back = np.empty(features.shape[1], np.float32), np.empty(features.shape[1], np.float32)
    for atom in range(len(starts) - 1):
        for edge in range(starts[atom], starts[atom + 1]):
            source, pair = sources[edge], pairs[edge]
            for path in range(len(paths)):
                channels, inner, outer, f0, w0, k0, o0 = paths[path]
                w, to_w = weights[pair, w0 : w0 + channels], of_weights[pair, w0 : w0 + channels]
                p, b = product[:channels], back[:channels]
                for m in range(inner):
                    f1, f2 = f0 + m * channels, f0 + (m + 1) * channels
                    f, to_f = features[source, f1:f2], of_features[source, f1:f2]
                    for c in range(channels):
                        p[c] = f[c] * w[c]
                        b[c] = 0.0
                    for o in range(outer):
                        place = k0 + m * outer + o
                        k, total = kernels[edge, place], np.float32(0.0)
                        g = given[atom, o0 + o * channels : o0 + (o + 1) * channels]
                        for c in range(channels):
                            b[c] += k * g[c]
                            total += p[c] * g[c]
                        of_kernels[edge, place] += total
                    for c in range(channels):
                        to_f[c] += w[c] * b[c]
                        to_w[c] += f[c] * b[c]


@_fast
def slopes_of_slopes(  # type: ignore[no-untyped-def]
    features, weights, kernels, given, by_features, by_weights, by_kernels, starts, sources, pairs, paths,
    of_features, of_weights, of_kernels, of_given,
):  # fmt: skip
    """Add the gradients of ``sum(by_x * slopes_x)`` over the three x by all four inputs to the last four arguments."""
    product, moved, back, bent = np.empty((4, features.shape[1]), np.float32)
    for atom in range(len(starts) - 1):
        for edge in range(starts[atom], starts[atom + 1]):
            source, pair = sources[edge], pairs[edge]
            for path in range(len(paths)):
                channels, inner, outer, f0, w0, k0, o0 = paths[path]
                w, by_w = weights[pair, w0 : w0 + channels], by_weights[pair, w0 : w0 + channels]
                to_w = of_weights[pair, w0 : w0 + channels]
                p, q, b, d = product[:channels], moved[:channels], back[:channels], bent[:channels]
                for m in range(inner):
                    f1, f2 = f0 + m * channels, f0 + (m + 1) * channels
                    f, by_f, to_f = features[source, f1:f2], by_features[source, f1:f2], of_features[source, f1:f2]
                    for c in range(channels):
                        p[c] = f[c] * w[c]
                        q[c] = by_f[c] * w[c] + f[c] * by_w[c]
                        b[c] = 0.0
                        d[c] = 0.0
                    for o in range(outer):
                        place = k0 + m * outer + o
                        k, h, total = kernels[edge, place], by_kernels[edge, place], np.float32(0.0)
                        o1, o2 = o0 + o * channels, o0 + (o + 1) * channels
                        g, to_g = given[atom, o1:o2], of_given[atom, o1:o2]
                        for c in range(channels):
                            b[c] += k * g[c]
                            d[c] += h * g[c]
                            total += q[c] * g[c]
                            to_g[c] += k * q[c] + h * p[c]
                        of_kernels[edge, place] += total
                    for c in range(channels):
                        to_f[c] += by_w[c] * b[c] + w[c] * d[c]
                        to_w[c] += by_f[c] * b[c] + f[c] * d[c]
