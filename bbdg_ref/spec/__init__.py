"""The executable specification: the whole method in plain NumPy and the standard library.

Whoever ports the method reads this folder alone, in this order: `domain`, `exact`, `projection`,
`explanation`, `density`, `pruning`, `estimators`, `weights`, `conv2d`, `linear`, `batchnorm`, `activation`,
`pooling`, `shortcut`, `loss`, `adam`. One concept a file, the formula beside the line that computes it, the
backward function below the forward one. Arguments are not checked here: the public functions do that.
"""
