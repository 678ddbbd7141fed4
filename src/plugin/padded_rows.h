// Tensors of whose rows, the slices along dimension 0, some pad: programs have sizes that are known when they are compiled, while numbers of rows depend on
// data.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "plugin/built_program.h"

namespace tfvk::plugin {

// The next power of two, so that few numbers of rows make a new program.
int64_t PaddedRows(int64_t rows);

// Whether the programs, which count rows in 32 bits, take so many.
bool AreCountable(int64_t rows);

// The tensor itself where it has PaddedRows rows, else a copy of its rows in one that has. `pattern` fills the other rows; without it they hold anything.
absl::Status PadRows(tensorflow::OpKernelContext* context, const tensorflow::Tensor& rows, tensorflow::Tensor* padded,
                     std::optional<uint32_t> pattern = std::nullopt);

// `rows` rows of a padded tensor, from row `first` on. Shares its memory where little of it is kept in vain.
absl::Status SliceRows(tensorflow::OpKernelContext* context, const tensorflow::Tensor& padded, int64_t first, int64_t rows, tensorflow::Tensor* slice);

// RunBuiltProgram with results that are made here.
using ResultTypes = std::vector<std::pair<tensorflow::DataType, tensorflow::TensorShape>>;
absl::Status RunForResults(tensorflow::OpKernelContext* context, const std::string& name, const std::vector<const tensorflow::Tensor*>& inputs,
                           const ResultTypes& types, const BuildProgram& build, std::vector<tensorflow::Tensor>* results);

// The values of a vector of int64 in device memory. Waits for the device.
std::vector<int64_t> ReadFacts(tensorflow::OpKernelContext* context, const tensorflow::Tensor& facts);

}  // namespace tfvk::plugin
