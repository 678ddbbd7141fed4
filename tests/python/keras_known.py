"""What of Keras does not run on the device, by name, with the reason: a test fails for what is missing here, and for what is here without need."""

# In compiled functions sizes have to be known before the values are: XLA has none that depend on values.
SIZES = "the result's size depends on values, which compiled functions cannot have"
UNCOMPILED_OPS = {}
# The first op without a kernel on the device, in the eager call or in the function.
CPU_OPS = {}
UNCOMPILED_LAYERS = {}
CPU_LAYERS = {}
UNCOMPILED_OBJECTS = {}
CPU_OBJECTS = {}
