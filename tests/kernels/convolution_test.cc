#include "kernels/convolution.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "device_fixture.h"
#include "kernels/convolution_geometry.h"
#include "kernels/gemm_tiles.h"
#include "kernels/host_tensor.h"
#include "kernels/plan_choice.h"

namespace tfvk::kernels {
namespace {

using spirv::Value;
using testing::Buffer;
using testing::Decode;
using testing::Device;
using testing::Encode;

using Sizes = std::vector<int64_t>;

int64_t Product(const Sizes& sizes) {
  int64_t n = 1;
  for (int64_t s : sizes) n *= s;
  return n;
}

Shape ShapeOf(const Sizes& sizes) { return Shape(sizes.begin(), sizes.end()); }

// A convolution with its data; `labels` as HLO writes dim_labels: "b01f_01io->b01f".
struct Case {
  std::string labels = "b01f_01io->b01f";
  Sizes input, kernel;
  std::vector<ConvolutionWindow> window;  // sizes are taken from the kernel
  int64_t feature_groups = 1, batch_groups = 1;
  DType dtype = DType::kF32;
  DType result = DType::kF32;
  bool symbolic_batch = false;

  std::string Text() const {
    std::string text = fmt::format("{} {} groups {} batch groups {}", labels, Name(dtype), feature_groups, batch_groups);
    for (int64_t s : input) text += fmt::format(" {}", s);
    text += " *";
    for (int64_t s : kernel) text += fmt::format(" {}", s);
    for (const ConvolutionWindow& w : window) {
      text += fmt::format(" [s{} p{},{} bd{} wd{}{}]", w.stride, w.pad_low, w.pad_high, w.base_dilation, w.window_dilation, w.reversal ? " r" : "");
    }
    return text;
  }
};

struct Parsed {
  ConvolutionSpec spec;
  Sizes output;
};

int64_t Find(const std::string& text, char what) { return static_cast<int64_t>(text.find(what)); }

Parsed Parse(const Case& c) {
  const size_t underscore = c.labels.find('_'), arrow = c.labels.find("->");
  const std::string in = c.labels.substr(0, underscore), ker = c.labels.substr(underscore + 1, arrow - underscore - 1), out = c.labels.substr(arrow + 2);
  Parsed p;
  ConvolutionSpec& s = p.spec;
  s.name = "convolution";
  s.input = {Tensor::Role::kOperand, 0, c.dtype, ShapeOf(c.input)};
  s.kernel = {Tensor::Role::kOperand, 1, c.dtype, ShapeOf(c.kernel)};
  s.input_batch = Find(in, 'b'), s.input_feature = Find(in, 'f');
  s.kernel_input_feature = Find(ker, 'i'), s.kernel_output_feature = Find(ker, 'o');
  s.output_batch = Find(out, 'b'), s.output_feature = Find(out, 'f');
  s.window = c.window;
  p.output.resize(out.size());
  for (size_t i = 0; i < c.window.size(); ++i) {
    const char digit = static_cast<char>('0' + i);
    s.input_spatial.push_back(Find(in, digit));
    s.kernel_spatial.push_back(Find(ker, digit));
    s.output_spatial.push_back(Find(out, digit));
    ConvolutionWindow& w = s.window[i];
    w.size = c.kernel[s.kernel_spatial[i]];
    const int64_t size = c.input[s.input_spatial[i]];
    const int64_t padded = (size == 0 ? 0 : (size - 1) * w.base_dilation + 1) + w.pad_low + w.pad_high,
                  reach = w.size == 0 ? 0 : (w.size - 1) * w.window_dilation + 1;
    p.output[s.output_spatial[i]] = padded < reach ? 0 : (padded - reach) / w.stride + 1;
  }
  p.output[s.output_batch] = c.input[s.input_batch] / c.batch_groups;
  p.output[s.output_feature] = c.kernel[s.kernel_output_feature];
  s.output = ShapeOf(p.output);
  s.feature_groups = c.feature_groups;
  s.batch_groups = c.batch_groups;
  s.accumulator = IsFloat(c.dtype) && c.dtype != DType::kF64 ? DType::kF32 : ComputeType(c.dtype);
  s.results = {c.result};
  if (c.symbolic_batch) {
    s.input.shape[s.input_batch] = Size::Symbol(0);
    s.output[s.output_batch] = Size::Symbol(0);
  }
  return p;
}

// Row-major counter; false after the last.
bool Next(Sizes* at, const Sizes& sizes) {
  for (size_t i = sizes.size(); i-- > 0;) {
    if (++(*at)[i] < sizes[i]) return true;
    (*at)[i] = 0;
  }
  return false;
}

int64_t Linear(const Sizes& at, const Sizes& sizes) {
  int64_t linear = 0;
  for (size_t i = 0; i < sizes.size(); ++i) linear = linear * sizes[i] + at[i];
  return linear;
}

// XLA's definition, element by element.
double OutputElement(const Case& c, const ConvolutionSpec& s, const Sizes& output, const Sizes& at, const std::vector<double>& input,
                     const std::vector<double>& kernel) {
  const int64_t features = c.kernel[s.kernel_input_feature], outputs = output[s.output_feature];
  const int64_t feature_group = at[s.output_feature] / (outputs / c.feature_groups), batch_group = at[s.output_feature] / (outputs / c.batch_groups);
  Sizes taps;
  for (const ConvolutionWindow& w : s.window) taps.push_back(w.size);
  double sum = 0;
  if (Product(taps) == 0) return 0;
  Sizes tap(taps.size());
  do {
    Sizes in(c.input.size()), ker(c.kernel.size());
    bool inside = true;
    for (size_t i = 0; i < taps.size(); ++i) {
      const ConvolutionWindow& w = s.window[i];
      const int64_t coordinate = at[s.output_spatial[i]] * w.stride + tap[i] * w.window_dilation - w.pad_low;
      inside = inside && coordinate >= 0 && coordinate % w.base_dilation == 0 && coordinate / w.base_dilation < c.input[s.input_spatial[i]];
      in[s.input_spatial[i]] = coordinate / w.base_dilation;
      ker[s.kernel_spatial[i]] = w.reversal ? w.size - 1 - tap[i] : tap[i];
    }
    if (!inside) continue;
    in[s.input_batch] = batch_group * output[s.output_batch] + at[s.output_batch];
    ker[s.kernel_output_feature] = at[s.output_feature];
    for (int64_t f = 0; f < features; ++f) {
      in[s.input_feature] = feature_group * features + f;
      ker[s.kernel_input_feature] = f;
      sum += input[Linear(in, c.input)] * kernel[Linear(ker, c.kernel)];
    }
  } while (Next(&tap, taps));
  return sum;
}

std::vector<double> Reference(const Case& c, const Parsed& p, const std::vector<double>& input, const std::vector<double>& kernel) {
  std::vector<double> result;
  if (Product(p.output) == 0) return result;
  Sizes at(p.output.size());
  do result.push_back(OutputElement(c, p.spec, p.output, at, input, kernel));
  while (Next(&at, p.output));
  return result;
}

std::vector<double> Compute(const Case& c, const Parsed& p, const KernelSequence& kernels, const std::vector<double>& input,
                            const std::vector<double>& kernel) {
  Device& device = Device::Get();
  const Buffer result = device.Allocate(static_cast<size_t>(Product(p.output)) * ByteSize(c.result));
  device.Run(kernels, {device.Upload(Encode(c.dtype, input)), device.Upload(Encode(c.dtype, kernel))}, {result}, {p.output[p.spec.output_batch]});
  return Decode(c.result, device.Download<uint8_t>(result));
}

void ExpectExact(const Case& c) {
  SCOPED_TRACE(c.Text());
  const Parsed p = Parse(c);
  const std::vector<double> input = testing::WholeNumbers(c.dtype, static_cast<size_t>(Product(c.input)), 1);
  const std::vector<double> kernel = testing::WholeNumbers(c.dtype, static_cast<size_t>(Product(c.kernel)), 2);
  ASSERT_EQ(Compute(c, p, MakeConvolution(p.spec, Device::Get().limits()), input, kernel), Reference(c, p, input, kernel));
}

ConvolutionWindow Window(int64_t stride, int64_t low, int64_t high, int64_t base_dilation = 1, int64_t window_dilation = 1, bool reversal = false) {
  return {1, stride, low, high, base_dilation, window_dilation, reversal};
}

TEST(Convolution, ForwardOfImages) {
  for (const int64_t channels : {1, 3, 4, 16}) {
    for (const int64_t outputs : {1, 6, 32}) {
      for (const int64_t stride : {1, 2}) {
        ExpectExact({"b01f_01io->b01f", {2, 9, 10, channels}, {3, 3, channels, outputs}, {Window(stride, 1, 1), Window(stride, 0, 1)}});
      }
    }
  }
  ExpectExact({"b01f_01io->b01f", {3, 8, 8, 12}, {1, 1, 12, 20}, {Window(1, 0, 0), Window(1, 0, 0)}});
  ExpectExact({"b01f_01io->b01f", {3, 8, 8, 12}, {1, 1, 12, 20}, {Window(2, 0, 0), Window(2, 0, 0)}});
  ExpectExact({"b01f_01io->b01f", {1, 20, 20, 3}, {7, 7, 3, 8}, {Window(2, 2, 3), Window(2, 2, 3)}});
}

TEST(Convolution, Dilations) {
  ExpectExact({"b01f_01io->b01f", {2, 12, 11, 5}, {3, 2, 5, 6}, {Window(1, 2, 2, 1, 2), Window(1, 0, 3, 1, 3)}});
  ExpectExact({"b01f_01io->b01f", {2, 5, 6, 5}, {3, 3, 5, 6}, {Window(1, 2, 2, 2), Window(1, 1, 1, 3)}});
  ExpectExact({"b01f_01io->b01f", {2, 5, 6, 4}, {3, 4, 4, 8}, {Window(2, 2, 2, 3, 2), Window(3, 1, 1, 2, 3)}});
  ExpectExact({"b01f_01io->b01f", {2, 5, 6, 4}, {3, 4, 4, 8}, {Window(2, 2, 2, 4, 2), Window(4, 1, 1, 6, 4)}});
  ExpectExact({"b01f_01io->b01f", {1, 4, 4, 4}, {1, 1, 4, 4}, {Window(1, 0, 1, 2), Window(1, 0, 1, 2)}});  // phases that meet no tap at all
}

TEST(Convolution, NegativePaddingAndReversal) {
  ExpectExact({"b01f_01io->b01f", {2, 9, 9, 4}, {3, 3, 4, 4}, {Window(1, -2, 1), Window(1, 1, -3)}});
  ExpectExact({"b01f_01io->b01f", {2, 9, 9, 4}, {3, 2, 4, 4}, {Window(1, 1, 1, 1, 1, true), Window(2, 0, 0, 1, 1, true)}});
  ExpectExact({"b01f_01io->b01f", {2, 5, 5, 4}, {3, 2, 4, 4}, {Window(1, -1, 1, 2, 1, true), Window(1, 0, -1, 2, 1, true)}});
}

TEST(Convolution, InputGradient) {
  for (const int64_t stride : {1, 2, 3}) {
    for (const int64_t size : {8, 9}) {
      ExpectExact({"b01f_01oi->b01f", {2, size, size, 8}, {3, 3, 12, 8}, {Window(1, 1, 2, stride, 1, true), Window(1, 2, 1, stride, 1, true)}});
      ExpectExact(
          {"b01f_01oi->b01f", {2, size, size, 8}, {1, 1, 12, 8}, {Window(1, 0, stride - 1, stride, 1, true), Window(1, 0, stride - 1, stride, 1, true)}});
    }
  }
  ExpectExact({"b01f_01oi->b01f", {1, 10, 10, 16}, {7, 7, 3, 16}, {Window(1, 4, 4, 2, 1, true), Window(1, 4, 4, 2, 1, true)}});
}

TEST(Convolution, FilterGradient) {
  for (const int64_t stride : {1, 2}) {
    for (const int64_t channels : {3, 8}) {
      // dy: 2 x 10 x 10 x 12 as the kernel, dilated by the forward stride
      const int64_t size = (10 - 1) * stride + 3;
      ExpectExact({"f01b_i01o->01bf", {2, size, size, channels}, {2, 10, 10, 12}, {Window(1, 0, 0, 1, stride), Window(1, 0, 0, 1, stride)}});
      ExpectExact({"f01b_i01o->01bf", {2, size - 2, size - 2, channels}, {2, 10, 10, 12}, {Window(1, 1, 1, 1, stride), Window(1, 1, 1, 1, stride)}});
    }
  }
  // few results, a long sum
  ExpectExact({"f01b_i01o->01bf", {8, 30, 30, 4}, {8, 30, 30, 4}, {Window(1, 1, 1), Window(1, 1, 1)}});
}

TEST(Convolution, FeatureGroups) {
  for (const int64_t groups : {2, 3}) {
    ExpectExact({"b01f_01io->b01f", {2, 7, 8, 12}, {3, 3, 12 / groups, 24}, {Window(1, 1, 1), Window(2, 1, 1)}, groups});
    ExpectExact({"b01f_01io->b01f", {2, 7, 8, 12}, {2, 2, 12 / groups, 6 * groups}, {Window(1, 1, 1, 2), Window(1, 1, 1, 3)}, groups});
  }
}

TEST(Convolution, Depthwise) {
  for (const int64_t channels : {3, 8, 32}) {
    for (const int64_t multiplier : {1, 2, 4}) {
      for (const int64_t stride : {1, 2}) {
        ExpectExact({"b01f_01io->b01f", {2, 9, 8, channels}, {3, 3, 1, channels * multiplier}, {Window(stride, 1, 1), Window(stride, 0, 1)}, channels});
      }
    }
    // input gradient
    ExpectExact({"b01f_01io->b01f", {2, 5, 6, channels}, {3, 3, 1, channels}, {Window(1, 1, 2, 2, 1, true), Window(1, 2, 1, 2, 1, true)}, channels});
    // window dilation
    ExpectExact({"b01f_01io->b01f", {2, 9, 9, channels}, {3, 3, 1, channels}, {Window(1, 2, 2, 1, 2), Window(1, 2, 2, 1, 2)}, channels});
  }
}

TEST(Convolution, WithoutSpace) {
  const ConvolutionWindow one = Window(1, 0, 0);
  ExpectExact({"b01f_01io->b01f", {3, 9, 8, 12}, {1, 1, 12, 20}, {one, one}});
  ExpectExact({"b01f_01oi->b01f", {3, 9, 8, 12}, {1, 1, 20, 12}, {one, one}});
  ExpectExact({"b01f_oi01->b01f", {3, 9, 8, 12}, {7, 12, 1, 1}, {one, one}});
  ExpectExact({"01bf_01io->01bf", {3, 9, 8, 12}, {1, 1, 12, 20}, {one, one}});
  ExpectExact({"f01b_i01o->01bf", {3, 9, 8, 12}, {3, 9, 8, 20}, {one, one}});
  ExpectExact({"f01b_i01o->fb01", {3, 9, 8, 12}, {3, 9, 8, 20}, {one, one}});
  ExpectExact({"f0b_i0o->0bf", {3, 50, 12}, {3, 50, 8}, {one}});
  // not such convolutions, though they look like them
  ExpectExact({"b01f_01io->10bf", {3, 9, 8, 12}, {1, 1, 12, 20}, {one, one}});
  ExpectExact({"f01b_i10o->01bf", {3, 9, 9, 12}, {3, 9, 9, 20}, {one, one}});
  ExpectExact({"b01f_01io->b01f", {3, 9, 8, 12}, {9, 8, 12, 20}, {one, one}});
}

TEST(Convolution, DepthwiseTiles) {
  // large enough for every tile, with results beyond the edges
  ExpectExact({"b01f_01io->b01f", {4, 61, 63, 32}, {3, 3, 1, 32}, {Window(1, 1, 1), Window(1, 1, 1)}, 32});
  ExpectExact({"b01f_01oi->b01f", {4, 31, 32, 32}, {3, 3, 32, 1}, {Window(1, 1, 2, 2, 1, true), Window(1, 2, 1, 2, 1, true)}, 32});
  ExpectExact({"b01f_01io->b01f", {2, 40, 41, 6}, {5, 5, 1, 6}, {Window(1, 2, 2), Window(2, 2, 2)}, 6});
  ExpectExact({"b01f_01io->b01f", {1, 12, 12, 8}, {7, 7, 1, 8}, {Window(1, 3, 3), Window(1, 3, 3)}, 8});
  ExpectExact({"b01f_01io->b01f", {1, 12, 12, 8}, {8, 7, 1, 8}, {Window(1, 3, 3), Window(1, 3, 3)}, 8});  // more than it writes out
  ExpectExact({"b0f_0io->b0f", {3, 50, 12}, {5, 1, 12}, {Window(1, 2, 2, 1, 2)}, 12});
  ExpectExact({"0bf_io0->b0f", {50, 3, 12}, {1, 12, 5}, {Window(1, 2, 2)}, 12});  // the filter's channels do not lie side by side
}

TEST(Convolution, DepthwiseFilterGradient) {
  for (const int64_t size : {7, 8, 10, 11}) {
    for (const int64_t channels : {6, 32, 200}) {
      ExpectExact({"f01b_i01o->01bf", {5, size, size, channels}, {5, size, size, channels}, {Window(1, 1, 1), Window(1, 1, 1)}, 1, channels});
    }
    ExpectExact({"f01b_i01o->01bf", {3, 2 * size, 2 * size, 8}, {3, size, size, 8}, {Window(1, 0, 1, 1, 2), Window(1, 1, 0, 1, 2)}, 1, 8});
  }
  ExpectExact({"f01b_i01o->01bf", {2, 12, 12, 8}, {2, 12, 12, 8}, {Window(1, 3, 3), Window(1, 3, 3)}, 1, 8});
  ExpectExact({"f01b_i01o->01bf", {2, 24, 24, 8}, {2, 12, 12, 8}, {Window(2, 1, 1), Window(2, 1, 1)}, 1, 8});
  ExpectExact({"f0b_i0o->0bf", {3, 50, 12}, {3, 50, 12}, {Window(1, 2, 2)}, 1, 12});
  Case half{"f01b_i01o->01bf", {3, 8, 8, 8}, {3, 8, 8, 8}, {Window(1, 1, 1), Window(1, 1, 1)}, 1, 8};
  half.dtype = DType::kBF16;
  if (Device::Get().limits().storage_16bit) ExpectExact(half);
}

TEST(Convolution, BatchGroups) {
  // the gradient of a depthwise filter, as XLA writes it
  for (const int64_t channels : {2, 8, 20}) {
    for (const int64_t stride : {1, 2}) {
      const int64_t size = (6 - 1) * stride + 3;
      ExpectExact({"f01b_i01o->01bf", {3, size, size, channels}, {3, 6, 6, channels}, {Window(1, 0, 0, 1, stride), Window(1, 0, 0, 1, stride)}, 1, channels});
      ExpectExact(
          {"f01b_i01o->01bf", {3, size - 1, size, channels}, {3, 6, 6, channels * 2}, {Window(1, 0, 1, 1, stride), Window(1, 0, 0, 1, stride)}, 1, channels});
    }
  }
  ExpectExact({"b01f_01io->b01f", {6, 5, 5, 4}, {2, 2, 4, 9}, {Window(1, 0, 0), Window(1, 1, 0)}, 1, 3});
  ExpectExact({"f01b_i01o->01bf", {16, 28, 28, 8}, {16, 28, 28, 8}, {Window(1, 1, 1), Window(1, 1, 1)}, 1, 8});
}

TEST(Convolution, OneAndThreeDimensions) {
  ExpectExact({"b0f_0io->b0f", {3, 30, 8}, {5, 8, 12}, {Window(2, 2, 2)}});
  ExpectExact({"b0f_0io->b0f", {3, 30, 1}, {5, 1, 12}, {Window(1, 0, 4, 1, 2)}});
  ExpectExact({"b012f_012io->b012f", {2, 5, 6, 7, 3}, {2, 3, 3, 3, 8}, {Window(1, 0, 1), Window(2, 1, 1), Window(1, 1, 1)}});
  ExpectExact(
      {"b012f_012oi->b012f", {1, 3, 4, 3, 8}, {3, 3, 3, 5, 8}, {Window(1, 1, 2, 2, 1, true), Window(1, 2, 2, 2, 1, true), Window(1, 1, 1, 1, 1, true)}});
  ExpectExact({"f012b_i012o->012bf", {2, 5, 5, 5, 3}, {2, 4, 4, 4, 6}, {Window(1, 0, 0), Window(1, 0, 0), Window(1, 0, 0)}});
  ExpectExact({"bf_io->bf", {9, 12}, {12, 20}, {}});
}

TEST(Convolution, LayoutsOfAllOperands) {
  ExpectExact({"bf01_oi01->bf01", {2, 8, 9, 12}, {16, 8, 3, 3}, {Window(1, 1, 1), Window(1, 1, 1)}});
  ExpectExact({"bf01_oi01->bf01", {2, 8, 9, 11}, {16, 8, 3, 3}, {Window(2, 1, 1), Window(2, 1, 1)}});
  ExpectExact({"bf01_io01->bf01", {2, 16, 9, 12}, {16, 8, 3, 3}, {Window(1, 1, 2, 2, 1, true), Window(1, 1, 1, 2, 1, true)}});
  ExpectExact({"fb01_io01->fb01", {6, 2, 10, 10}, {6, 16, 8, 8}, {Window(1, 0, 0), Window(1, 0, 0)}});
  ExpectExact({"01bf_o01i->0b1f", {9, 8, 4, 8}, {16, 3, 3, 8}, {Window(1, 1, 1), Window(1, 1, 1)}});
  ExpectExact({"b01f_o10i->f01b", {4, 9, 8, 8}, {16, 3, 2, 8}, {Window(1, 1, 1), Window(1, 1, 1)}});
  ExpectExact({"bf01_oi01->b01f", {4, 9, 8, 8}, {16, 9, 3, 2}, {Window(1, 1, 1), Window(1, 1, 1)}});
  ExpectExact({"bf01_oi01->bf01", {2, 12, 9, 12}, {24, 1, 3, 3}, {Window(1, 1, 1), Window(1, 1, 1)}, 12});
}

TEST(Convolution, DTypes) {
  for (DType t : {DType::kS8, DType::kU8, DType::kS32, DType::kS64, DType::kF16, DType::kBF16, DType::kF64}) {
    const DeviceLimits& limits = Device::Get().limits();
    if ((BitSize(t) == 8 && !limits.storage_8bit) || (BitSize(t) == 16 && !limits.storage_16bit) || (t == DType::kF64 && !limits.float64)) {
      std::printf("%s is not supported by %s\n", std::string(Name(t)).c_str(), Device::Get().name().c_str());
      continue;
    }
    Case c{"b01f_01io->b01f", {2, 9, 10, 8}, {3, 3, 8, 24}, {Window(1, 1, 1), Window(2, 1, 1)}};
    c.dtype = t;
    c.result = IsFloat(t) && t != DType::kF64 ? DType::kF32 : ComputeType(t);
    ExpectExact(c);
    c.kernel = {3, 3, 1, 16};
    c.feature_groups = 8;
    ExpectExact(c);
  }
}

TEST(Convolution, BatchKnownAtLaunch) {
  for (const int64_t batch : {0, 1, 5}) {
    Case c{"b01f_01io->b01f", {batch, 9, 10, 8}, {3, 3, 8, 24}, {Window(1, 1, 1), Window(2, 1, 1)}};
    c.symbolic_batch = true;
    ExpectExact(c);
    c.kernel = {3, 3, 1, 8};
    c.feature_groups = 8;
    ExpectExact(c);
    Case gradient{"b01f_01oi->b01f", {batch, 8, 8, 8}, {3, 3, 12, 8}, {Window(1, 1, 2, 2, 1, true), Window(1, 2, 1, 2, 1, true)}};
    gradient.symbolic_batch = true;
    ExpectExact(gradient);
  }
}

TEST(Convolution, EmptyOperands) {
  ExpectExact({"b01f_01io->b01f", {0, 9, 9, 4}, {3, 3, 4, 4}, {Window(1, 1, 1), Window(1, 1, 1)}});
  ExpectExact({"b01f_01io->b01f", {2, 9, 9, 0}, {3, 3, 0, 4}, {Window(1, 1, 1), Window(1, 1, 1)}});
  ExpectExact({"b01f_01io->b01f", {2, 9, 9, 4}, {3, 3, 4, 0}, {Window(1, 1, 1), Window(1, 1, 1)}});
  ExpectExact({"b01f_01io->b01f", {2, 0, 9, 4}, {3, 3, 4, 5}, {Window(1, 2, 2), Window(1, 1, 1)}});
  ExpectExact({"b01f_01io->b01f", {2, 2, 2, 4}, {3, 3, 4, 5}, {Window(1, 0, 0), Window(1, 0, 0)}});
}

TEST(Convolution, EveryPlan) {
  size_t turn = 0;
  for (const Case& c : {Case{"b01f_01io->b01f", {2, 12, 13, 8}, {3, 3, 8, 40}, {Window(1, 1, 1), Window(1, 1, 1)}},
                        Case{"b01f_01oi->b01f", {2, 7, 7, 16}, {3, 3, 20, 16}, {Window(1, 1, 2, 2, 1, true), Window(1, 2, 1, 2, 1, true)}},
                        Case{"f01b_i01o->01bf", {4, 12, 12, 12}, {4, 12, 12, 20}, {Window(1, 1, 1), Window(1, 1, 1)}}}) {
    const Parsed p = Parse(c);
    const std::vector<double> input = testing::WholeNumbers(c.dtype, static_cast<size_t>(Product(c.input)), 1);
    const std::vector<double> kernel = testing::WholeNumbers(c.dtype, static_cast<size_t>(Product(c.kernel)), 2);
    const std::vector<double> expected = Reference(c, p, input, kernel);
    const Contraction contraction = ContractionOf(p.spec);
    std::vector<GemmPlan> plans = GemmPlans(contraction, Device::Get().limits());
    plans.erase(std::remove_if(plans.begin(), plans.end(), [](const GemmPlan& plan) { return plan.splits > 3; }), plans.end());
    for (const GemmPlan& plan : testing::PlansToTry(plans, Device::Get().limits(), turn++)) {
      SCOPED_TRACE(c.Text() + " " + plan.Name());
      ASSERT_EQ(Compute(c, p, MakeContraction(contraction, plan, Device::Get().limits()), input, kernel), expected);
    }
  }
}

TEST(Convolution, FusedProducersAndEpilogue) {
  const Case c{"b01f_01io->b01f", {2, 9, 10, 8}, {3, 3, 8, 24}, {Window(1, 1, 1), Window(2, 1, 1)}};
  Parsed p = Parse(c);
  const std::vector<double> input = testing::WholeNumbers(c.dtype, static_cast<size_t>(Product(c.input)), 1);
  const std::vector<double> kernel = testing::WholeNumbers(c.dtype, static_cast<size_t>(Product(c.kernel)), 2);
  std::vector<double> shifted = input, doubled = kernel;
  for (double& v : shifted) v += 1;
  for (double& v : doubled) v *= 2;
  std::vector<double> expected = Reference(c, p, shifted, doubled), expected_double;
  for (size_t i = 0; i < expected.size(); ++i) {
    expected[i] += static_cast<double>(i % 24);
    expected_double.push_back(2 * expected[i]);
  }
  p.spec.input_body = [t = p.spec.input](Emitter& e, const Index& at) -> std::vector<Value> { return {e.Read(t, at) + 1.0}; };
  p.spec.kernel_body = [t = p.spec.kernel](Emitter& e, const Index& at) -> std::vector<Value> { return {e.Read(t, at) * 2.0}; };
  p.spec.results = {DType::kF32, DType::kF32};
  p.spec.epilogue = [](Emitter& e, const Index& at, const std::vector<Value>& sum) -> std::vector<Value> {
    const Value v = sum[0] + e.b().Convert(at[3], DType::kF32);
    return {v, v * 2.0};
  };
  Device& device = Device::Get();
  const size_t bytes = static_cast<size_t>(Product(p.output)) * 4;
  const Buffer first = device.Allocate(bytes), second = device.Allocate(bytes);
  device.Run(MakeConvolution(p.spec, device.limits()), {device.Upload(Encode(c.dtype, input)), device.Upload(Encode(c.dtype, kernel))}, {first, second});
  EXPECT_EQ(Decode(DType::kF32, device.Download<uint8_t>(first)), expected);
  EXPECT_EQ(Decode(DType::kF32, device.Download<uint8_t>(second)), expected_double);
}

// An epilogue sees the output's own index, in every family of kernels, and what it reads beside the sums is that index's.
TEST(Convolution, EpilogueAtItsIndex) {
  const ConvolutionWindow one = Window(1, 0, 0), three = Window(1, 1, 1);
  for (const Case& c :
       {Case{"b01f_01io->b01f", {2, 9, 10, 8}, {3, 3, 8, 24}, {three, three}}, Case{"b01f_01io->b01f", {2, 9, 10, 8}, {1, 1, 8, 24}, {one, one}},
        Case{"b01f_01io->b01f", {2, 9, 10, 6}, {1, 1, 6, 7}, {one, one}}, Case{"f01b_i01o->01bf", {2, 9, 10, 8}, {2, 9, 10, 12}, {one, one}},
        Case{"b01f_01io->b01f", {2, 9, 10, 8}, {3, 3, 1, 8}, {three, three}, 8}, Case{"f01b_i01o->01bf", {2, 9, 10, 8}, {2, 9, 10, 8}, {three, three}, 1, 8},
        Case{"b01f_01oi->b01f", {2, 5, 5, 8}, {3, 3, 12, 8}, {Window(1, 1, 2, 2, 1, true), Window(1, 2, 1, 2, 1, true)}}}) {
    SCOPED_TRACE(c.Text());
    Parsed p = Parse(c);
    const std::vector<double> input = testing::WholeNumbers(c.dtype, static_cast<size_t>(Product(c.input)), 1);
    const std::vector<double> kernel = testing::WholeNumbers(c.dtype, static_cast<size_t>(Product(c.kernel)), 2);
    const std::vector<double> whole = testing::WholeNumbers(DType::kF32, static_cast<size_t>(Product(p.output)), 3);
    const std::vector<double> channel = testing::WholeNumbers(DType::kF32, static_cast<size_t>(p.output.back()), 4);
    std::vector<double> expected = Reference(c, p, input, kernel);
    Sizes at(p.output.size());
    for (size_t i = 0; i < expected.size(); ++i, Next(&at, p.output)) {
      expected[i] += whole[i] + channel[static_cast<size_t>(at.back())] + static_cast<double>(at[0] + 10 * at[1] + 100 * at[2] + 1000 * at[3]);
    }
    const Tensor beside{Tensor::Role::kOperand, 2, DType::kF32, p.spec.output}, row{Tensor::Role::kOperand, 3, DType::kF32, {p.spec.output.back()}};
    p.spec.epilogue = [&](Emitter& e, const Index& i, const std::vector<Value>& sum) -> std::vector<Value> {
      const Value place = i[0] + i[1] * 10 + i[2] * 100 + i[3] * 1000;
      return {sum[0] + e.Read(beside, i) + e.Read(row, {i[3]}) + e.b().Convert(place, DType::kF32)};
    };
    Device& device = Device::Get();
    const Buffer result = device.Allocate(static_cast<size_t>(Product(p.output)) * 4);
    device.Run(MakeConvolution(p.spec, device.limits()),
               {device.Upload(Encode(c.dtype, input)), device.Upload(Encode(c.dtype, kernel)), device.Upload(Encode(DType::kF32, whole)),
                device.Upload(Encode(DType::kF32, channel))},
               {result});
    EXPECT_EQ(Decode(DType::kF32, device.Download<uint8_t>(result)), expected);
  }
}

TEST(ConvolutionGeometry, HolesOfTheBaseAreNotVisited) {
  // the input gradient of a 3-wide window with stride 2: even positions meet one tap, odd ones two, or the other way around
  const PhasedDimension d = MakePhasedDimension({3, 1, 1, 2, 2, 1, true}, 8, 16);
  EXPECT_EQ(d.phases, 2);
  EXPECT_EQ(d.taps[0] + d.taps[1], 3);
  EXPECT_EQ(d.input_step, 1);
  EXPECT_EQ(d.tap_step, 1);
  EXPECT_EQ(d.kernel_step, 2);
}

}  // namespace
}  // namespace tfvk::kernels
