"""Why test_gradients.py has no case of a differentiable op, or takes no finite differences of one."""

ELSEWHERE = {
    "test_functions.py": "Case If StatelessCase StatelessIf StatelessWhile While",
    "test_older_graphs.py and test_functions.py": "Enter Exit LoopCond Merge NextIteration Switch RefEnter RefExit RefIdentity RefMerge RefNextIteration RefSwitch",
    "test_recurrent.py": "CudnnRNN CudnnRNNV2 CudnnRNNV3",
    "test_tensor_arrays.py": "TensorArrayConcat TensorArrayConcatV2 TensorArrayConcatV3 TensorArrayGather TensorArrayGatherV2 TensorArrayGatherV3 TensorArrayRead "
    "TensorArrayReadV2 TensorArrayReadV3 TensorArrayScatter TensorArrayScatterV2 TensorArrayScatterV3 TensorArraySplit TensorArraySplitV2 TensorArraySplitV3 "
    "TensorArrayWrite TensorArrayWriteV2 TensorArrayWriteV3",
    "test_tensor_lists.py": "TensorListConcat TensorListConcatV2 TensorListFromTensor TensorListGather TensorListGetItem TensorListPopBack TensorListPushBack "
    "TensorListResize TensorListScatter TensorListScatterIntoExistingList TensorListScatterV2 TensorListSetItem TensorListSplit TensorListStack",
    "test_variables.py": "ReadVariableOp ResourceGather ResourceGatherNd",
}
NO_CASE = {
    **{op: f"in {file}" for file, ops in ELSEWHERE.items() for op in ops.split()},
    **dict.fromkeys("ArgMax ArgMin Ceil Floor Rint Round TruncateDiv".split(), "the registered gradient is none or zero"),
    **dict.fromkeys("OptionalFromValue OptionalGetValue RaggedTensorFromVariant EagerPyFunc _EagerConst".split(), "of objects, not of numbers"),
    **dict.fromkeys("DebugGradientIdentity DebugIdentityV2 PlaceholderWithDefault".split(), "the identity"),
    **dict.fromkeys("XlaSharding XlaSpmdFullToShardShape XlaSpmdShardToFullShape".split(), "the identity on one device"),
    "PreventGradient": "its gradient is an error",
    "BatchNormWithGlobalNormalization": "only graphs of before 2015 may hold it",
    "RandomGamma": "its numbers come from TensorFlow's CPU kernel, and its gradient is RandomGammaGrad, which has a case",
    "StatelessParameterizedTruncatedNormal": "its gradient is not written for all of its inputs",
    "StatelessRandomGammaV3": "StatelessRandomGammaV2's gradient is the same",
}
NO_DIFFERENCES = {}
