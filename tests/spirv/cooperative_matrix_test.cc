// Modules with cooperative matrices: all are validated; those whose shapes the device has are run.
#include <cstdint>
#include <string>

#include "kernels/host_tensor.h"
#include "spirv/kernel_runner.h"

namespace tfvk::spirv::testing {
namespace {

using kernels::MatrixShape;
using tfvk::testing::Decode;
using tfvk::testing::Encode;
using tfvk::testing::WholeNumbers;
using Kind = KernelArgument::Kind;

constexpr uint32_t kSteps = 3;  // matrices along k

// A product of m x (3 k) by (3 k) x n, plus c.
struct Variant {
  bool through_shared = false;  // operands are staged and the result leaves by shared memory
  bool column_major = false;    // the right-hand side and c in memory
  int shared_lanes = 1;         // of the staged left-hand side's array
};

std::string NameOf(const MatrixShape& s) {
  return "matrix_" + std::to_string(s.m) + "x" + std::to_string(s.n) + "x" + std::to_string(s.k) + "_" + std::string(Name(s.a)) + "_" + std::string(Name(s.c));
}
uint32_t SubgroupSize() { return std::max(Device::Get().limits().subgroup_size, 4u); }

BuilderOptions MatrixOptions(const std::string& name) {
  BuilderOptions options;
  options.name = name;
  options.workgroup = {SubgroupSize(), 1, 1};
  options.vulkan_memory_model = true;
  options.spirv_version = 0x00010600;
  return options;
}
kernels::KernelSequence MatrixSequence(Builder& b, std::vector<KernelArgument> arguments) {
  auto sequence = Sequence(b, std::move(arguments), 1);
  if (Device::Get().limits().subgroup_size_control) sequence.kernels[0].required_subgroup_size = SubgroupSize();
  return sequence;
}

// Copies a rows x columns block, whose rows are `stride` elements apart from element `begin`, to shared memory.
void Stage(Builder& b, Pointer from, Value begin, uint32_t stride, uint32_t rows, uint32_t columns, Shared to) {
  const auto lanes = static_cast<uint32_t>(to.lanes);
  b.For(b.LocalLinearId(), b.U32(rows * columns / lanes), b.U32(SubgroupSize()), [&](Value i) {
    const Value element = i * lanes;
    b.Store(to, i, b.Load(from, begin + element / columns * stride + element % columns, to.lanes));
  });
}

kernels::KernelSequence Product(const MatrixShape& s, const Variant& v) {
  Builder b(MatrixOptions(NameOf(s)));
  const MatrixType left_type{s.a, s.m, s.k, MatrixUse::kA}, right_type{s.b, s.k, s.n, MatrixUse::kB}, sum_type{s.c, s.m, s.n, MatrixUse::kAccumulator};
  const uint32_t depth = s.k * kSteps;
  const Pointer left = b.Global(b.Argument(0), s.a), right = b.Global(b.Argument(1), s.b), addend = b.Global(b.Argument(2), s.c),
                out = b.Global(b.Argument(3), s.c);
  Shared left_block, right_block, sum_block;
  if (v.through_shared) {
    left_block = b.SharedArray(s.a, s.m * s.k / static_cast<uint32_t>(v.shared_lanes), v.shared_lanes);
    right_block = b.SharedArray(s.b, s.k * s.n);
    sum_block = b.SharedArray(s.c, s.m * s.n);
  }
  const Id sums = b.DeclareMatrix(sum_type);
  b.SetMatrix(sums, b.MatrixLoad(sum_type, addend, b.U32(0), b.U32(v.column_major ? s.m : s.n), v.column_major, 4));
  b.For(kSteps, [&](Value step) {
    Matrix x, y;
    const Value right_begin = step * (v.column_major ? s.k : s.k * s.n);
    if (v.through_shared) {
      Stage(b, left, step * s.k, depth, s.m, s.k, left_block);
      if (v.column_major) {
        Stage(b, right, right_begin, depth, s.n, s.k, right_block);
      } else {
        Stage(b, right, right_begin, s.n, s.k, s.n, right_block);
      }
      b.Barrier();
      x = b.MatrixLoad(left_type, left_block, b.U32(0), b.U32(s.k / static_cast<uint32_t>(v.shared_lanes)), false);
      y = b.MatrixLoad(right_type, right_block, b.U32(0), b.U32(v.column_major ? s.k : s.n), v.column_major);
    } else {
      x = b.MatrixLoad(left_type, left, step * s.k, b.U32(depth), false);
      y = b.MatrixLoad(right_type, right, right_begin, b.U32(v.column_major ? depth : s.n), v.column_major);
    }
    b.SetMatrix(sums, b.MatrixMultiplyAdd(x, y, b.GetMatrix(sums, sum_type)));
    if (v.through_shared) b.Barrier();
  });
  if (v.through_shared) {
    b.MatrixStore(b.GetMatrix(sums, sum_type), sum_block, b.U32(0), b.U32(s.n), false);
    b.Barrier();
    b.For(b.LocalLinearId(), b.U32(s.m * s.n), b.U32(SubgroupSize()), [&](Value i) { b.Store(out, i, b.Load(sum_block, i)); });
  } else {
    b.MatrixStore(b.GetMatrix(sums, sum_type), out, b.U32(0), b.U32(s.n), false, 4);
  }
  return MatrixSequence(b, {{Kind::kRead, 0}, {Kind::kRead, 1}, {Kind::kRead, 2}, {Kind::kWrite, 0}});
}

std::vector<Variant> Variants() { return {{false, false, 1}, {false, true, 1}, {true, false, 1}, {true, true, 1}, {true, false, 4}}; }

// Shapes of GPUs, with every component type.
std::vector<MatrixShape> CommonShapes() {
  std::vector<MatrixShape> shapes;
  using D = DType;
  for (const auto& [operand, sum] : std::vector<std::pair<D, D>>{
           {D::kF16, D::kF32}, {D::kF16, D::kF16}, {D::kBF16, D::kF32}, {D::kBF16, D::kBF16}, {D::kS8, D::kS32}, {D::kU8, D::kU32}, {D::kF32, D::kF32}}) {
    shapes.push_back({16, 16, 16, operand, operand, sum, sum});
    shapes.push_back({8, 16, 32, operand, operand, sum, sum});
  }
  return shapes;
}

Matrix ConvertThrough(Builder& b, Matrix m, const std::vector<DType>& dtypes) {
  for (const DType t : dtypes) m = b.MatrixConvert(m, t);
  return m;
}

TEST(CooperativeMatrices, ModulesAreValid) {
  for (const MatrixShape& shape : CommonShapes()) {
    for (const Variant& v : Variants()) EXPECT_EQ(Validate(Product(shape, v).kernels[0].module), "");
  }
}

TEST(CooperativeMatrices, ConversionsAreValid) {
  using D = DType;
  Builder b(MatrixOptions("matrix_conversions"));
  for (const auto& dtypes : std::vector<std::vector<D>>{{D::kF32, D::kF16, D::kF32},
                                                        {D::kF32, D::kBF16, D::kF32},
                                                        {D::kS32, D::kF32, D::kS32, D::kU32, D::kF32, D::kU32},
                                                        {D::kS8, D::kS32, D::kS8},
                                                        {D::kU8, D::kU32, D::kU8},
                                                        {D::kS32, D::kF16},
                                                        {D::kF32, D::kF32}}) {
    const MatrixType type{dtypes[0], 16, 16, MatrixUse::kAccumulator};
    const Matrix m = b.MatrixLoad(type, b.Global(b.Argument(0), dtypes[0]), b.U32(0), b.U32(16), false);
    const Matrix converted = ConvertThrough(b, m, dtypes);
    EXPECT_EQ(converted.type.dtype, dtypes.back());
    b.MatrixStore(converted, b.Global(b.Argument(1), dtypes.back()), b.U32(0), b.U32(16), true);
  }
  for (const D t : {D::kF16, D::kF32, D::kS32, D::kU8}) {
    const MatrixType type{t, 16, 16, MatrixUse::kAccumulator};
    b.MatrixStore(b.MatrixConstant(type, 2), b.Global(b.Argument(1), t), b.U32(0), b.U32(16), false);
  }
  b.MatrixStore(b.MatrixConstant({D::kBF16, 16, 16, MatrixUse::kAccumulator}, 0), b.Global(b.Argument(1), D::kBF16), b.U32(0), b.U32(16), false);
  EXPECT_ANY_THROW(b.MatrixConstant({D::kBF16, 16, 16, MatrixUse::kAccumulator}, 1));
  EXPECT_EQ(Validate(b.Finish()), "");
}

// ---- On devices that have them ----

#define TFVK_NEED_MATRICES() \
  if (Device::Get().limits().matrices.empty()) GTEST_SKIP() << Device::Get().name() << " has no cooperative matrices"

TEST(CooperativeMatrices, Products) {
  TFVK_NEED_MATRICES();
  Device& device = Device::Get();
  for (const MatrixShape& s : device.limits().matrices) {
    if (s.c != s.result) continue;
    const uint32_t depth = s.k * kSteps;
    const auto x = WholeNumbers(s.a, s.m * depth, 1), y = WholeNumbers(s.b, depth * s.n, 2), c = WholeNumbers(s.c, s.m * s.n, 3);
    for (const Variant& v : Variants()) {
      std::vector<double> expected(s.m * s.n);
      for (uint32_t i = 0; i < s.m; ++i) {
        for (uint32_t j = 0; j < s.n; ++j) {
          double sum = v.column_major ? c[j * s.m + i] : c[i * s.n + j];
          for (uint32_t k = 0; k < depth; ++k) sum += x[i * depth + k] * (v.column_major ? y[j * depth + k] : y[k * s.n + j]);
          expected[i * s.n + j] = sum;
        }
      }
      const Buffer out = device.Allocate(expected.size() * ByteSize(s.c));
      device.Run(Product(s, v), {device.Upload(Encode(s.a, x)), device.Upload(Encode(s.b, y)), device.Upload(Encode(s.c, c))}, {out});
      EXPECT_EQ(Decode(s.c, device.Download<uint8_t>(out)), expected)
          << NameOf(s) << (v.through_shared ? " through shared memory" : "") << (v.column_major ? " by columns" : "") << " lanes " << v.shared_lanes;
    }
  }
}

// Accumulators filled with a number, and those of the smallest shape converted on their way.
TEST(CooperativeMatrices, ConstantsAndConversions) {
  TFVK_NEED_MATRICES();
  Device& device = Device::Get();
  for (const MatrixShape& s : device.limits().matrices) {
    Builder b(MatrixOptions("matrix_constants"));
    const MatrixType type{s.c, s.m, s.n, MatrixUse::kAccumulator};
    const Pointer out = b.Global(b.Argument(0), s.c);
    for (uint32_t k = 0; k < 3; ++k) {
      if (s.c == DType::kBF16 && k > 0) continue;
      b.MatrixStore(b.MatrixConstant(type, k), out, b.U32(k * s.m * s.n), b.U32(s.n), false);
    }
    const Buffer buffer = device.Upload(Encode(s.c, std::vector<double>(3 * s.m * s.n, 77)));
    device.Run(MatrixSequence(b, {{Kind::kWrite, 0}}), {}, {buffer});
    const auto values = Decode(s.c, device.Download<uint8_t>(buffer));
    for (size_t i = 0; i < values.size(); ++i)
      EXPECT_EQ(values[i], s.c == DType::kBF16 && i >= s.m * s.n ? 77.0 : static_cast<double>(i / (s.m * s.n))) << NameOf(s);
  }
}

bool HasAccumulator(DType t, const MatrixShape& like) {
  for (const MatrixShape& s : Device::Get().limits().matrices) {
    if (s.c == t && s.m == like.m && s.n == like.n) return true;
  }
  return false;
}
TEST(CooperativeMatrices, ConversionsOfAccumulators) {
  TFVK_NEED_MATRICES();
  Device& device = Device::Get();
  int conversions = 0;
  for (const MatrixShape& s : device.limits().matrices) {
    for (const DType to : {DType::kF16, DType::kBF16, DType::kF32, DType::kS32, DType::kU32}) {
      if (to == s.c || !HasAccumulator(to, s)) continue;
      Builder b(MatrixOptions("matrix_convert"));
      const Matrix m = b.MatrixLoad({s.c, s.m, s.n, MatrixUse::kAccumulator}, b.Global(b.Argument(0), s.c), b.U32(0), b.U32(s.n), false);
      b.MatrixStore(b.MatrixConvert(m, to), b.Global(b.Argument(1), to), b.U32(0), b.U32(s.n), false);
      std::vector<double> values(s.m * s.n);
      for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i % 60) + (IsFloat(s.c) && IsFloat(to) ? 0.25 : 0);
      const Buffer out = device.Allocate(values.size() * ByteSize(to));
      device.Run(MatrixSequence(b, {{Kind::kRead, 0}, {Kind::kWrite, 0}}), {device.Upload(Encode(s.c, values))}, {out});
      EXPECT_EQ(Decode(to, device.Download<uint8_t>(out)), values) << Name(s.c) << " to " << Name(to);
      ++conversions;
    }
  }
  if (conversions == 0) GTEST_SKIP() << device.name() << " has accumulators of one dtype a shape";
}

}  // namespace
}  // namespace tfvk::spirv::testing
