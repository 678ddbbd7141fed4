// Ops of recurrent networks for which tf2xla has no kernels. Each function registers this plugin's with tf2xla, before anything asks it for its kernels.
#pragma once

#include "plugin/element_types.h"

namespace tfvk::plugin {

void RegisterCudnnRnnOps();
void RegisterLstmBlockOps();
void RegisterGruBlockOps();

// The ops that convert the networks' weights. The one that tells their number has a kernel of the host, for the device's floating-point types.
void RegisterCudnnRnnParamsOps();
void RegisterCudnnRnnParamsSize(const TypeSet& device_types);

}  // namespace tfvk::plugin
