"""The "model": a transform that any implementation can be held to, number by number."""

import numpy as np
from numpy.typing import NDArray


class Model:
    """Computes in float64."""

    dtype: type[np.floating] = np.float64

    def transform(self, values: list[float]) -> list[float]:
        """Return `x * 2 + 0.1` for each value, in order."""
        return self._numbers(self._scores(values))

    def infer(self, values: list[float], *, top_k: int, temperature: float) -> list[float]:
        """Return the `top_k` largest of `(x * 2 + 0.1) / temperature`, largest first.

        Values only, no positions: rounding may swap two neighbours that are nearly equal, but
        it cannot move the k-th largest value by more than the rounding itself. So float32 and
        float64 agree within tolerance whatever the ties are.
        """
        scores = self._scores(values) / self.dtype(temperature)
        return self._numbers(np.sort(scores)[::-1][:top_k])

    def _scores(self, values: list[float]) -> NDArray[np.floating]:
        scores: NDArray[np.floating] = np.asarray(values, dtype=self.dtype)
        scores *= self.dtype(2)
        scores += self.dtype(0.1)
        return scores

    def _numbers(self, scores: NDArray[np.floating]) -> list[float]:
        numbers: list[float] = scores.astype(np.float64).tolist()
        return numbers
