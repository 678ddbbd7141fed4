// Elementwise kernels: reads and writes of every dtype, vectors and their tails, broadcasts, run-time sizes.
#include "kernels/map.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "device_fixture.h"
#include "types/error.h"

namespace tfvk::kernels {
namespace {

using spirv::Value;
using testing::Buffer;
using testing::Device;

Tensor Operand(int index, DType dtype, Shape shape) { return {Tensor::Role::kOperand, index, dtype, std::move(shape)}; }

// Writes operand 0 to result 0, byte for byte.
void CheckCopy(DType dtype, int64_t count, bool contiguous) {
  Device& device = Device::Get();
  std::mt19937 random(7);
  std::vector<uint8_t> bytes(static_cast<size_t>(count) * ByteSize(dtype));
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(dtype == DType::kBool ? random() % 2 : random() % 120);
  MapSpec spec;
  spec.name = "copy";
  spec.shape = {count};
  spec.results = {dtype};
  spec.contiguous = contiguous;
  Tensor x = Operand(0, dtype, spec.shape);
  spec.body = [&](Emitter& e, const Index& i) -> std::vector<Value> { return {e.Read(x, i)}; };
  auto limits = device.limits();
  limits.compute_units = 1;  // so that small shapes are unrolled, too
  Buffer in = device.Upload(bytes), out = device.Allocate(bytes.size());
  device.Run(MakeMap(spec, limits), {in}, {out});
  EXPECT_EQ(device.Download<uint8_t>(out), bytes) << Name(dtype) << " x " << count;
}

TEST(Map, CopiesEveryDType) {
  for (int t = 0; t < kDTypeCount; ++t) {
    for (int64_t count : {int64_t{0}, int64_t{1}, int64_t{63}, int64_t{1000}}) CheckCopy(static_cast<DType>(t), count, false);
    for (int64_t count : {int64_t{4096}, int64_t{4097}, int64_t{5003}}) CheckCopy(static_cast<DType>(t), count, true);
  }
}

TEST(Map, EmptyShapesLaunchNothing) {
  MapSpec spec;
  spec.shape = {3, 0, 5};
  spec.results = {DType::kF32};
  spec.body = [](Emitter& e, const Index&) -> std::vector<Value> { return {e.b().F32(1)}; };
  EXPECT_TRUE(MakeMap(spec, Device::Get().limits()).kernels.empty());
}

// x[rows, columns] + bias[columns], and the row's number.
void CheckBias(Shape shape, int64_t rows, int64_t columns, const std::vector<int64_t>& symbols) {
  Device& device = Device::Get();
  std::vector<float> x(static_cast<size_t>(rows * columns)), bias(static_cast<size_t>(columns));
  for (size_t k = 0; k < x.size(); ++k) x[k] = static_cast<float>(k % 1013);
  for (size_t k = 0; k < bias.size(); ++k) bias[k] = static_cast<float>(k) * 0.5f;
  MapSpec spec;
  spec.name = "bias";
  spec.shape = shape;
  spec.results = {DType::kF32, DType::kS32};
  spec.contiguous = true;
  spec.body = [&](Emitter& e, const Index& i) -> std::vector<Value> {
    Value sum = e.Read(Operand(0, DType::kF32, shape), i) + e.Read(Operand(1, DType::kF32, {shape[1]}), {i[1]});
    return {sum, e.b().Convert(i[0], DType::kS32)};
  };
  auto limits = device.limits();
  limits.compute_units = 1;
  Buffer bx = device.Upload(x), bb = device.Upload(bias), sum = device.Allocate(x.size() * 4), row = device.Allocate(x.size() * 4);
  device.Run(MakeMap(spec, limits), {bx, bb}, {sum, row}, symbols);
  auto sums = device.Download<float>(sum);
  auto rows_read = device.Download<int32_t>(row);
  for (size_t k = 0; k < x.size(); ++k) {
    ASSERT_EQ(sums[k], x[k] + bias[k % bias.size()]) << k;
    ASSERT_EQ(rows_read[k], static_cast<int32_t>(k / bias.size())) << k;
  }
}

TEST(Map, BroadcastsAlongRows) {
  CheckBias({100, 64}, 100, 64, {});
  CheckBias({101, 63}, 101, 63, {});
  CheckBias({7, 4096}, 7, 4096, {});
}

TEST(Map, RunTimeSizes) {
  CheckBias({Size::Symbol(0), 64}, 50, 64, {50});
  CheckBias({Size::Symbol(1), Size::Symbol(0)}, 33, 77, {77, 33});
  CheckBias({Size::Symbol(0), Size::Symbol(1)}, 0, 5, {0, 5});
  CheckBias({3, Size::Symbol(0)}, 3, 1, {1});
}

TEST(Map, TransposesAndReadsInBranches) {
  Device& device = Device::Get();
  const int64_t n = 48, m = 96;
  std::vector<float> x(static_cast<size_t>(n * m));
  for (size_t k = 0; k < x.size(); ++k) x[k] = static_cast<float>(k);
  MapSpec spec;
  spec.name = "transpose_or_zero";
  spec.shape = {m, n};
  spec.results = {DType::kF32};
  spec.contiguous = true;
  spec.body = [&](Emitter& e, const Index& i) -> std::vector<Value> {
    spirv::Variable v = e.b().Declare(e.b().F32(0));
    e.b().If(i[0] > 2, [&] { v.Set(e.Read(Operand(0, DType::kF32, {n, m}), {i[1], i[0]})); });
    // The same reads after the branch, where its values are out of reach.
    Value again = e.Read(Operand(0, DType::kF32, {m, n}), i);
    return {v.Get() + again};
  };
  auto limits = device.limits();
  limits.compute_units = 1;
  Buffer in = device.Upload(x), out = device.Allocate(x.size() * 4);
  device.Run(MakeMap(spec, limits), {in}, {out});
  auto y = device.Download<float>(out);
  for (int64_t r = 0; r < m; ++r) {
    for (int64_t c = 0; c < n; ++c) ASSERT_EQ(y[static_cast<size_t>(r * n + c)], (r > 2 ? static_cast<float>(c * m + r) : 0) + static_cast<float>(r * n + c));
  }
}

TEST(Map, ReshapesShareLinearIndices) {
  Device& device = Device::Get();
  std::vector<float> x(12288);
  for (size_t k = 0; k < x.size(); ++k) x[k] = static_cast<float>(k);
  MapSpec spec;
  spec.name = "reshape";
  spec.shape = {96, 128};
  spec.results = {DType::kF32};
  spec.contiguous = true;
  spec.body = [&](Emitter& e, const Index& i) -> std::vector<Value> {
    Shape other = {12, 1, 1024};
    return {e.Read(Operand(0, DType::kF32, other), e.Delinearize(other, e.Linearize({96, 128}, i)))};
  };
  auto limits = device.limits();
  limits.compute_units = 1;
  Buffer in = device.Upload(x), out = device.Allocate(x.size() * 4);
  device.Run(MakeMap(spec, limits), {in}, {out});
  EXPECT_EQ(device.Download<float>(out), x);
}

TEST(Map, RoundsToNarrowFloats) {
  Device& device = Device::Get();
  std::vector<float> x = {0,       -0.0f,          1,       1.00048828125f, 65519.99f, 65520,     1e-8f, 5.9604645e-8f, 2.98023224e-8f, 2.9802326e-8f,
                          6.1e-5f, 1.00146484375f, -1e-30f, 3.4e38f,        INFINITY,  -INFINITY, NAN,   0.1f,          1.00390625f,    1.01171875f};
  MapSpec spec;
  spec.name = "narrow";
  spec.shape = {static_cast<int64_t>(x.size())};
  spec.results = {DType::kF16, DType::kBF16};
  spec.body = [&](Emitter& e, const Index& i) -> std::vector<Value> {
    Value v = e.Read(Operand(0, DType::kF32, {static_cast<int64_t>(x.size())}), i);
    return {v, v};
  };
  std::vector<uint16_t> half = {0x0000, 0x8000, 0x3c00, 0x3c00, 0x7bff, 0x7c00, 0x0000, 0x0001, 0x0000, 0x0001,
                                0x03ff, 0x3c02, 0x8000, 0x7c00, 0x7c00, 0xfc00, 0x7e00, 0x2e66, 0x3c04, 0x3c0c};
  std::vector<uint16_t> brain = {0x0000, 0x8000, 0x3f80, 0x3f80, 0x4780, 0x4780, 0x322c, 0x3380, 0x3300, 0x3300,
                                 0x3880, 0x3f80, 0x8da2, 0x7f80, 0x7f80, 0xff80, 0x7fc0, 0x3dcd, 0x3f80, 0x3f82};
  for (bool native : {false, true}) {
    auto limits = device.limits();
    if (native && !limits.round_to_even_f16) continue;
    limits.round_to_even_f16 = native;
    Buffer in = device.Upload(x), h = device.Allocate(x.size() * 2), b = device.Allocate(x.size() * 2);
    device.Run(MakeMap(spec, limits), {in}, {h, b});
    auto got_half = device.Download<uint16_t>(h), got_brain = device.Download<uint16_t>(b);
    for (size_t k = 0; k < x.size(); ++k) {
      if (std::isnan(x[k])) {
        EXPECT_GT(got_half[k] & 0x7fff, 0x7c00);
        EXPECT_GT(got_brain[k] & 0x7fff, 0x7f80);
      } else {
        EXPECT_EQ(got_half[k], half[k]) << x[k] << " native " << native;
        EXPECT_EQ(got_brain[k], brain[k]) << x[k];
      }
    }
  }
}

TEST(Map, SaysWhatTheDeviceLacks) {
  DeviceLimits limits = Device::Get().limits();
  limits.storage_16bit = limits.float64 = false;
  for (DType dtype : {DType::kBF16, DType::kF64}) {
    MapSpec spec;
    spec.shape = {8};
    spec.results = {dtype};
    spec.body = [&](Emitter& e, const Index& i) -> std::vector<Value> { return {e.Read(Operand(0, dtype, {8}), i)}; };
    try {
      MakeMap(spec, limits);
      FAIL() << "no error for " << Name(dtype);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUnimplemented);
    }
  }
}

}  // namespace
}  // namespace tfvk::kernels
