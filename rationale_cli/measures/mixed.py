"""A mixed model of a model's answers by people's, fitted by statsmodels where it is installed."""

from __future__ import annotations

import warnings

import numpy as np

from ..errors import InputError
from .alignment_results import Mixed
from .estimates import defined
from .intervals import quantile
from .weighted import Floats

FORMULA = "answer ~ 1 + response + (1 + response | person)"


def mixed(answers: Floats, people: Floats, level: float = 0.95) -> Mixed:
    """Answers n on responses n×P, both as z-scores over all pairs, people as groups; linear, by REML.

    pseudo_r is sign(β)·√R² with R² = var_fit/(var_fit + var_res), the fit with its effects of each person.
    Undefined where either does not vary. Raises ``InputError`` where statsmodels is not installed.
    """
    try:
        from statsmodels.regression.mixed_linear_model import MixedLM
    except ImportError as error:
        raise InputError(
            "Expected statsmodels for a mixed model but it is not installed.",
            next_step="pip install 'rationale[mixed]', or do without: the pooled pseudo-r needs nothing",
        ) from error
    known = np.isfinite(people) & np.isfinite(answers)[:, None]
    response, person = people[known], np.nonzero(known)[1]
    answer = np.broadcast_to(answers[:, None], people.shape)[known]
    if not len(answer) or np.ptp(answer) == 0 or np.ptp(response) == 0:
        return Mixed(None, None, None, None, False, FORMULA)
    answer, response = ((one - one.mean()) / one.std() for one in (answer, response))
    design = np.stack([np.ones(len(response)), response], axis=1)
    with warnings.catch_warnings():
        # A person's effects may well be nothing: that the fit lies on the border is told by ``converged``.
        warnings.simplefilter("ignore")
        fit = MixedLM(answer, design, groups=person, exog_re=design).fit()
    slope, error_of_slope = float(fit.fe_params[1]), float(fit.bse_fe[1])
    explained, left = float(np.var(fit.fittedvalues)), float(np.var(answer - fit.fittedvalues))
    reach = quantile(level) * error_of_slope
    return Mixed(
        defined(slope),
        defined(slope - reach),
        defined(slope + reach),
        defined(np.sign(slope) * np.sqrt(explained / (explained + left))),
        bool(fit.converged),
        FORMULA,
    )
