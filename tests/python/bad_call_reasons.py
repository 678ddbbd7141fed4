"""What test_bad_calls.py lets pass, and why. The keys are patterns of `Op: what is changed`."""

# TensorFlow's CPU kernels do not look at these and end the process, or write where they must not. The device must give results or an error all the same.
ENDS_THE_PROCESS = (
    r"(Block)?(LSTM|GRU).*",
    r"AvgPoolGrad: input 1: .*",
    r"I?RFFT.*: input 1: zeros",
    r"FakeQuantWithMinMaxVarsPerChannel: input 0: a scalar",
    r"QuantizeAndDequantizeV3: input [12]: two rows",
    r"XlaEinsum: .*",
    r"XlaDynamicSlice: .*",
    r"XlaSvd: .*",
    r"MaxPoolGradWithArgmax: input 2: (too large|negative) numbers",
    r"_FusedConv2D: input [15]: no rows",
)

# The device gives results where the CPU has an error.
GPU_RULE = "indices are data on the device: as on CUDA, what is out of range reads zeros or is left out"
GIVES_RESULTS = {
    r"(Gather|GatherV2|GatherNd|ScatterNd|TensorScatter\w+|SparseSegment\w+|CropAndResize\w*|UnsortedSegment\w+): .*": GPU_RULE,
    r"(SparseSoftmaxCrossEntropyWithLogits|ReverseSequence|SparseToDense|Bincount|DenseBincount): .*": GPU_RULE,
    r"(TruncateDiv|TruncateMod): input 1: .*": "divisors are data on the device: as on CUDA, a quotient by zero is a number",
    r"(TanhGrad|SigmoidGrad): input [01]: a scalar": "a scalar is broadcast",
    r"ScatterNdNonAliasingAdd: input 1: .*": GPU_RULE,
    r"ScatterNdNonAliasingAdd: input 2: a scalar": "a scalar is broadcast",
    r"_FusedConv2D: num_args .*": "there are as many as come in",
    r"FakeQuantWithMinMaxArgsGradient: input [01]: a scalar": "a scalar is broadcast",
    r"MatrixBandPart: input [12]: too large numbers": "tf2xla takes a band wider than the matrix for the whole matrix",
    r"(MaxPool|AvgPool)\w*: (input 2: too large numbers|strides larger|ksize larger)": "one window is left, whatever the size of the batch's",
    r"AvgPool3DGrad: input 1: .*": "tf2xla's gradient takes its shape from the gradient that comes in",
    r"FusedBatchNorm\w*: input [34]: .*": "in training the mean and the variance that come in are not looked at",
    r"QuantizeAndDequantizeV3: input (0: a scalar|3: .*)": "tf2xla's op knows no axis, and its number of bits is data",
    r"Reverse: input 0: no rows": "of nothing nothing is left",
    r"MaxPoolWithArgmax: input 0: no rows": "of nothing nothing is left",
    r"StatelessRandomGammaV3: input [23]: .*": "the length of the counter is that of the algorithm's",
}

# TensorFlow's shape function, which its graphs ask as well, sees the call before a kernel does.
SHAPE_FUNCTION = "the shape function's error, as in a graph"

# The device gives an error where the CPU has results.
OLDER_FORM = "TensorFlow's kernels still take a vector of one for a number, and any shape for a vector, as before 1.0; in its graphs they are errors"
GIVES_ERRORS = {
    r"(Sum|Prod|Mean|Max|Min|All|Any|EuclideanNorm|MatrixDiagPartV[23]): input [12]: a dimension more": OLDER_FORM,
    r"(Range|Concat|SplitV|(MaxPool|AvgPool)\w*): input [0-4]: a dimension more": OLDER_FORM,
    r"QuantizeAndDequantizeV[234]: input [12]: (a dimension more|two rows)": OLDER_FORM,
    r"(Reverse|ReverseV2|DiagPart): input 0: a scalar": SHAPE_FUNCTION,
    r"FusedBatchNorm(V[23])?: input 0: a dimension more": SHAPE_FUNCTION,
    r"Extract(Image|Volume)Patches: (ksizes|strides|rates) longer": SHAPE_FUNCTION,
    r"Conv3DBackpropInputV2: input 1: no rows": "XLA has no convolution over windows of nothing",
    r"_FusedConv2D: input [1-5]: (no rows|a row more|a column less)": "the CPU's kernel does not look whether the arguments fit the channels",
    r"AvgPoolGrad: input 0: .*": "tf2xla's gradient looks whether the shape fits what comes in",
    r"ResizeBilinearGrad: input [01]: .*": "the CPU's kernel does not look whether the image fits the gradient, and reads behind the end of one",
    r"DynamicStitch: input [01]: .*": "the CPU leaves rows that no index names undefined",
    r"Bincount: input [02]: a dimension more": "the CPU takes weights of another shape",
    r"DenseBincount: input 2: a dimension more": "the CPU takes weights of another shape",
    r"(TanhGrad|SigmoidGrad): input [01]: a dimension more": "the CPU takes as many complex numbers in another shape",
    r"StatelessRandomGammaV3: input 2: a column less": "the length of the counter is that of the algorithm's",
}

# An error of another class.
OTHER_CLASS = {
    r"(MaxPool|AvgPool)\w*: .*": SHAPE_FUNCTION,
    r"(Conv2D|Dilation2D|ExtractImagePatches|ExtractVolumePatches): (strides|dilations|rates) .*": SHAPE_FUNCTION,
    r"Conv2DBackpropInput: input 1: no rows": "the CPU's library for matrix products has an internal error",
    r"(RGBToHSV|HSVToRGB): input 0: a column less": SHAPE_FUNCTION,
    r"(Conv: groups|_FusedConv2D: strides) .*": SHAPE_FUNCTION,
}

# The same class in other words, beside those of the shape functions, which name the op and its inputs' shapes.
BRIDGE = "the words of TensorFlow's kernel for compiled functions (tf2xla)"
HOT = "the words of TensorFlow's broadcasts, which all elementwise ops of the device share"
OTHER_WORDS = {
    r"(TanhGrad|SigmoidGrad|BroadcastTo): .*": HOT,
    r"(Range|Select|BiasAdd|Slice|PadV2|ReverseSequence|Roll|EnsureShape|Transpose|ConjugateTranspose|Split): .*": BRIDGE,
    r"(MatrixBandPart|MatrixDiagV[23]|BatchMatMul|Einsum|LowerBound|UpperBound): .*": BRIDGE,
    r"(UnsortedSegment\w+|SparseToDense|TensorScatter\w+|Bincount|DenseBincount|DynamicStitch): .*": BRIDGE,
    r"(Conv\w*|MaxPool\w*|AvgPool\w*|FusedBatchNormGrad\w*|LRN|LRNGrad|Resize\w+|DataFormatVecPermute|FakeQuant\w+): .*": BRIDGE,
    r"StatelessRandomGammaV3: .*": "both say that the counter is too short",
    r"_FusedConv2D: input [2-5]: .*": "both say that the argument is no vector; the CPU's kernel names it",
}
