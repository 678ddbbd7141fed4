"""What of Keras does not run on the device, by name, with the reason: a test fails for what is missing here, and for what is here without need."""

# In compiled functions sizes have to be known before the values are: XLA has none that depend on values.
_SIZES = "the result's size depends on values, which compiled functions cannot have"
_NO_HLO = "TensorFlow's op has no kernel for compiled functions"
UNCOMPILED_OPS = {
    **dict.fromkeys(["ops.nonzero", "ops.unique", "ops.histogram", "ops.where[1]", "ops.nanmedian", "ops.nanpercentile", "ops.nanquantile"], _SIZES),
    **dict.fromkeys(["ops.ctc_decode", "ops.eig"], _NO_HLO),
    "ops.inner": "the result's shape comes out of ops whose values XLA bounds but does not know",
}
# The first op without a kernel on the device, in a call alone; [1] is the second call of a name.
CPU_OPS = {
    "ops.ctc_decode": "CTCGreedyDecoder",
    "ops.eig": "Eig",
}
# The plugin counts only what is placed on the CPU beside ops of the device; this stands alone in its function.
_ALONE_IN_THEIR_FUNCTIONS = {"ops.eig"}
# The same in a function that the plugin does not compile as a whole.
CPU_OPS_IN_FUNCTIONS = {name: op for name, op in CPU_OPS.items() if name not in _ALONE_IN_THEIR_FUNCTIONS}
# Keras's own code cannot be traced, on no device.
NOT_IN_GRAPHS = {
    "ops.bartlett": "Keras asks a tensor for a Python bool",
    "ops.corrcoef": "Keras asks a tensor for a Python bool",
    "ops.digitize": "Keras makes a list of a tensor",
    "ops.isin": "Keras asks a tensor for a Python bool",
    "ops.kron": "Keras asks a tensor for a Python int",
}
UNCOMPILED_LAYERS = dict.fromkeys(["layers.Equalization", "layers.RandAugment", "layers.RandomElasticTransform"], _SIZES)
CPU_LAYERS = {
    "layers.IntegerLookup": "HashTableV2",
}
UNCOMPILED_OBJECTS = {}
CPU_OBJECTS = {"optimizers.Adafactor": "VarHandleOp"}
