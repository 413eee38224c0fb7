# SPDX-License-Identifier: Apache-2.0
"""Prints primes as it finds them: vivarium run examples/primes.py"""

import itertools


def primes():
    """Yields the primes, smallest first."""
    found = []
    for n in itertools.count(2):
        if all(n % p for p in itertools.takewhile(lambda p: p * p <= n, found)):
            found.append(n)
            yield n


for prime in itertools.islice(primes(), 10):
    print(prime, flush=True)
