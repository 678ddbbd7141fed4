"""Why test_gradients.py has no case of a differentiable op, or takes no finite differences of a case."""

ELSEWHERE = {
    "test_functions.py and test_older_graphs.py": "Enter Exit LoopCond Merge NextIteration Switch RefEnter RefExit RefIdentity RefMerge RefNextIteration RefSwitch",
    "test_recurrent.py": "CudnnRNN CudnnRNNV2 CudnnRNNV3",
    "test_tensor_arrays.py": "TensorArrayConcat TensorArrayConcatV2 TensorArrayConcatV3 TensorArrayGather TensorArrayGatherV2 TensorArrayGatherV3 TensorArrayRead "
    "TensorArrayReadV2 TensorArrayReadV3 TensorArrayScatter TensorArrayScatterV2 TensorArrayScatterV3 TensorArraySplit TensorArraySplitV2 TensorArraySplitV3 "
    "TensorArrayWrite TensorArrayWriteV2 TensorArrayWriteV3",
    "test_csr.py": "SparseMatrixAdd SparseMatrixSoftmax",
    "op_cases_control_flow.py, whose cases take the gradient themselves": "ResourceGather ResourceGatherNd",
}
NO_CASE = {
    **{op: f"in {file}" for file, ops in ELSEWHERE.items() for op in ops.split()},
    **dict.fromkeys("ArgMax ArgMin Ceil Floor Rint Round TruncateDiv".split(), "the registered gradient is none or zero"),
    **dict.fromkeys("OptionalFromValue OptionalGetValue RaggedTensorFromVariant EagerPyFunc _EagerConst".split(), "of objects, not of numbers"),
    **dict.fromkeys("DebugGradientIdentity DebugIdentityV2 PlaceholderWithDefault".split(), "the identity"),
    **dict.fromkeys("XlaSharding XlaSpmdFullToShardShape XlaSpmdShardToFullShape".split(), "the identity on one device"),
    "SparseMatrixMul": "its gradient is an error",
    "BatchNormWithGlobalNormalization": "only graphs of before 2015 may hold it",
    "QuantizeAndDequantize": "only graphs of before 2016 may hold it",
    "QuantizeAndDequantizeV4Grad": "the function that TensorFlow registers takes one gradient, and the op has three results",
    "RandomGamma": "its numbers come from TensorFlow's CPU kernel, and its gradient is RandomGammaGrad, which has a case",
    "StatelessRandomGammaV3": "the gradient is that of StatelessRandomGammaV2",
}

# Patterns of names of cases. The gradients are TensorFlow's own, and test_ops.py compares them with the CPU's.
NO_DIFFERENCES = {
    r"Cholesky.*": "the gradient is that of symmetric changes, of which differences see one half",
    r"SquaredDifference of complex numbers|TridiagonalSolve \d+": "TensorFlow's gradient lacks a conjugate",
    r".*FakeQuant.*|QuantizeAndDequantize.*|.*straight-through.*": "the gradient passes straight through the steps",
    r"StatelessRandomGamma.*|StatelessParameterizedTruncatedNormal.*": "the gradient is of the accepted draw, differences see other draws",
    r"Matrix(Set)?Diag(Part)?V2's gradient": "TensorFlow's gradient aligns the diagonals as the third version of the op does",
    r"BlockLSTMV2's gradient": "TensorFlow's gradient calls the op of the first version, whose gates have another order",
    r"Dilation2D.*": "equal maxima: the gradient goes to one of them",
    r"segment_(max|min) .*": "equal maxima share the gradient",
    r"ImageProjectiveTransform.*": "the gradient is the image moved back, which is near to the derivative",
}
