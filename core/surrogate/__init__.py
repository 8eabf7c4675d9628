"""The surrogate: a Gaussian process over architectures, its kernels, and how it is fitted.

`gaussian_process` has the model and its posterior, `fitting` its landmarks and hyper-parameters,
`likelihood` what they maximise; `warp` and `learning_curve` turn the values of trials into the
normal values of full trainings that the model expects.
"""

DEFAULT_KERNEL = "blend"
#: Finished searches, and values of each, that a prior mean needs: fewer may mislead
#: (docs/decisions).
FEWEST_SEARCHES, FEWEST_VALUES = 3, 8
