// A graph optimizer for the sake of its switches: TensorFlow's remapper and layout optimizer make, for any device of type GPU, ops that only cuDNN has
// (_FusedConv2D, NCHW convolutions).
#include <cstdlib>
#include <cstring>

#include "plugin/platform.h"
#include "tensorflow/c/experimental/grappler/grappler.h"
#include "tensorflow/c/tf_status.h"

namespace {

// Gives the graph back as it is.
void Optimize(void*, const TF_Buffer* graph, const TF_GrapplerItem*, TF_Buffer* result, TF_Status* status) {
  void* copy = std::malloc(graph->length);
  if (copy == nullptr) {
    TF_SetStatus(status, TF_RESOURCE_EXHAUSTED, "[graph options] no host memory for a copy of the graph");
    return;
  }
  std::memcpy(copy, graph->data, graph->length);
  result->data = copy;
  result->length = graph->length;
  result->data_deallocator = [](void* data, size_t) { std::free(data); };
  TF_SetStatus(status, TF_OK, "");
}

}  // namespace

extern "C" void TF_InitGraph(TP_OptimizerRegistrationParams* params, TF_Status* status) {
  params->struct_size = TP_OPTIMIZER_REGISTRATION_PARAMS_STRUCT_SIZE;
  params->device_type = tfvk::plugin::DeviceType();
  params->optimizer_configs->struct_size = TP_OPTIMIZER_CONFIGS_STRUCT_SIZE;
  params->optimizer_configs->remapping = TF_TriState_Off;
  params->optimizer_configs->layout_optimizer = TF_TriState_Off;
  params->optimizer->struct_size = TP_OPTIMIZER_STRUCT_SIZE;
  params->optimizer->create_func = []() -> void* { return nullptr; };
  params->optimizer->optimize_func = Optimize;
  params->optimizer->destroy_func = [](void*) {};
  TF_SetStatus(status, TF_OK, "");
}
