// SyncDevice, behind tf.test.experimental.sync_devices: TensorFlow's kernel asks StreamExecutor, which does not wait for all work (stream_executor.cc).
#pragma once

namespace tfvk::plugin {

void RegisterSyncDeviceOp();

}  // namespace tfvk::plugin
