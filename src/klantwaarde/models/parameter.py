"""Parameters that several models have."""

from __future__ import annotations

from klantwaarde.typing import Parameter

R = Parameter("r", 0, (0.3, 1.5), "parameter_pace_alike")
ALPHA = Parameter("alpha", 1, (), "parameter_pace_scale")
"""Of a gamma distribution of purchase rates, which most models have."""
A = Parameter("a", 0, (0.1, 1.0, 20.0), "parameter_leave")
B = Parameter("b", 0, (0.1, 1.0, 5.0, 40.0), "parameter_stay")
"""Of a beta distribution of the chance to leave after a purchase."""

S = Parameter("s", 0, (0.4, 1.5, 20.0), "parameter_loss_alike")
BETA = Parameter("beta", 1, (0.2, 2.0, 40.0), "parameter_loss_scale")
"""Of a gamma distribution of dropout rates."""
P = Parameter("p", 0, (2.0, 8.0), "parameter_spend_within")
Q = Parameter("q", 0, (2.0, 5.0), "parameter_spend_between")
GAMMA = Parameter("gamma", 1, (), "parameter_spend_scale")
"""Of gamma-distributed amounts whose scale differs between customers."""
