"""What of Keras does not run on the device, by name, with the reason: a test fails for what is missing here, and for what is here without need."""

# In compiled functions sizes have to be known before the values are: XLA has none that depend on values.
_SIZES = "the result's size depends on values, which compiled functions cannot have"
_NO_HLO = "TensorFlow's op has no kernel for compiled functions"
UNCOMPILED_OPS = {
    **dict.fromkeys(["ops.nonzero", "ops.unique", "ops.histogram"], _SIZES),
    **dict.fromkeys(["ops.ctc_decode", "ops.det", "ops.eig"], _NO_HLO),
}
# The first op without a kernel on the device, in a call alone; where a name has several calls, in those that have it.
CPU_OPS = {
    "ops.cholesky": "CheckNumerics",
    "ops.ctc_decode": "CTCGreedyDecoder",
    "ops.det": "MatrixDeterminant",
    "ops.eig": "Eig",
}
CPU_OPS_IN_FUNCTIONS = {}
# Keras's own code cannot be traced, on no device.
NOT_IN_GRAPHS = {
    "ops.bartlett": "Keras asks a tensor for a Python bool",
    "ops.corrcoef": "Keras asks a tensor for a Python bool",
    "ops.digitize": "Keras makes a list of a tensor",
}
UNCOMPILED_LAYERS = {}
CPU_LAYERS = {}
UNCOMPILED_OBJECTS = {}
CPU_OBJECTS = {}
