// Ops of images, pooling and quantisation for which tf2xla has no kernels, or wrong ones. Each function registers this plugin's with tf2xla, before anything
// asks it for its kernels.
#pragma once

namespace tfvk::plugin {

void RegisterCropAndResizeOps();
void RegisterProjectiveTransformOps();
void RegisterMaxPoolArgmaxOps();
void RegisterDilationOps();
void RegisterImageOps();
void RegisterQuantizeOps();
void RegisterHistogramOps();
// ResizeBicubic and ScaleAndTranslate.
void RegisterResampleOps();
// NonMaxSuppression, all versions; for the device alone, as its sizes depend on the boxes.
void RegisterNonMaxSuppressionOps();

}  // namespace tfvk::plugin
