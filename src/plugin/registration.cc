// What TensorFlow calls to have the plugin's kernels registered.
#include "plugin/added_types.h"
#include "plugin/box_proposals.h"
#include "plugin/container_ops.h"
#include "plugin/ctc_loss.h"
#include "plugin/door_functions.h"
#include "plugin/door_ops.h"
#include "plugin/eager_ops.h"
#include "plugin/element_types.h"
#include "plugin/hash_bucket.h"
#include "plugin/image_ops.h"
#include "plugin/launch.h"
#include "plugin/mathematics_ops.h"
#include "plugin/op_rules.h"
#include "plugin/placement_counter.h"
#include "plugin/platform.h"
#include "plugin/random_ops.h"
#include "plugin/recurrent_ops.h"
#include "plugin/segment_hlo.h"
#include "plugin/sized_kernel.h"
#include "plugin/small_integer_ops.h"
#include "plugin/sparse_ops.h"
#include "plugin/statistics.h"
#include "plugin/status.h"
#include "plugin/sync_device_op.h"
#include "plugin/transposes.h"
#include "plugin/variable_ops.h"
#include "plugin/variable_reference_ops.h"
#include "tensorflow/compiler/tf2xla/tf2xla_util.h"
#include "tensorflow/compiler/tf2xla/xla_op_registry.h"
#include "xla/tsl/platform/logging.h"

namespace tfvk::plugin {

namespace {

// What a complex number is made of; a real one's own type.
tensorflow::DataType PartType(tensorflow::DataType type) {
  if (type == tensorflow::DT_COMPLEX64) return tensorflow::DT_FLOAT;
  return type == tensorflow::DT_COMPLEX128 ? tensorflow::DT_DOUBLE : type;
}

}  // namespace

TypeSet DeviceTypes() {
  TypeSet types;
  for (const tensorflow::DataType type : tensorflow::kGpuAllTypes) {
    const std::optional<DType> dtype = DTypeOf(PartType(type));
    if (dtype && ActiveBackend()->Supports(*dtype)) types.insert(type);
  }
  return types;
}

namespace {

absl::Status RegisterKernels() {
  // Before anything asks tf2xla for its kernels: they are made for the backends known then.
  tensorflow::XlaOpRegistry::RegisterBackend(kXlaBackend, tensorflow::kGpuAllTypes, [](tensorflow::KernelDef*) { return true; });
  RegisterCudnnRnnOps();
  RegisterCudnnRnnParamsOps();
  RegisterLstmBlockOps();
  RegisterGruBlockOps();
  RegisterCropAndResizeOps();
  RegisterProjectiveTransformOps();
  RegisterMaxPoolArgmaxOps();
  RegisterDilationOps();
  RegisterImageOps();
  RegisterQuantizeOps();
  RegisterHistogramOps();
  RegisterResampleOps();
  RegisterSparseOptimizerOps();
  RegisterVariableOps();
  RegisterLuOps();
  RegisterSpecialFunctionOps();
  RegisterNormAndFourierOps();
  RegisterOlderOps();
  RegisterDebugSummaryOps();
  RegisterRandomGammaOps();
  RegisterSparseSegmentOps();
  RegisterSparseMatMulOp();
  RegisterHashBucketOps();
  RegisterBoxProposalsOps();
  RegisterCtcLossOps();
  AddRetypedOps();
  AddMatrixTypes();
  AddTridiagonalTypes();
  AddMaxPoolGradGradTypes();
  AddImagePatchTypes();
  AddFusedConvolutionTypes();
  AddNarrowCasts();
  AddStridedAssigns();
  AddTransposes();
  AddErfc();
  RegisterFunctionDoor();
  const KnownKernels known = KnownKernels::Query();
  RegisterRandomOps(known);
  RegisterSizedOps();
  RegisterOpDoor(known);
  RegisterReferenceOps();
  RegisterCheckNumericsOps();
  RegisterNonMaxSuppressionOps();
  RegisterContainerOps(known);
  RegisterSyncDeviceOp();
  RegisterTensorArrayOps();
  RegisterParallelConcatOps();
  RegisterInplaceOps();
  RegisterSmallIntegerOps();
  RegisterCudnnRnnParamsSize(DeviceTypes());
  RegisterPlacementCounter();
  RunEagerOpsByTheirKernels();
  StartStatistics();
  return absl::OkStatus();
}

}  // namespace
}  // namespace tfvk::plugin

extern "C" void TF_InitKernel() {
  if (tfvk::plugin::ActiveBackend() == nullptr) return;
  const absl::Status status = tfvk::plugin::Guarded(tfvk::plugin::RegisterKernels);
  if (!status.ok()) LOG(ERROR) << "tensorflow-vulkan: kernels are missing: " << status;
}
