// Hand-made Programs on a device: what the compiler makes is tested in tests/compiler, how it is run here.
#include "program/executable.h"

#include <gtest/gtest.h>

#include <numeric>

#include "kernels/map.h"
#include "program/limits.h"
#include "types/error.h"

namespace tfvk::program {
namespace {

using kernels::Emitter;
using kernels::Index;
using kernels::Tensor;
using spirv::Value;

vulkan::Device& TestDevice() {
  static vulkan::Device* const device = [] {
    vulkan::Instance& instance = vulkan::Instance::Get();
    std::vector<int> order = instance.SelectedDevices();
    if (order.empty()) throw std::runtime_error("These tests need a Vulkan device (apt-get install mesa-vulkan-drivers). " + instance.problem());
    return new vulkan::Device(instance, order[0]);
  }();
  return *device;
}

BufferSlice Slice(BufferSlice::Kind kind, int index, Size elements, int64_t offset = 0) { return {kind, index, offset, {{elements}, 4}}; }
BufferSlice Parameter(int i, Size n, int64_t offset = 0) { return Slice(BufferSlice::Kind::kParameter, i, n, offset); }
BufferSlice Output(int i, Size n, int64_t offset = 0) { return Slice(BufferSlice::Kind::kOutput, i, n, offset); }
BufferSlice Temp(int i, Size n, int64_t offset = 0) { return Slice(BufferSlice::Kind::kTemporary, i, n, offset); }
BufferSlice Constant(int i, Size n) { return Slice(BufferSlice::Kind::kConstant, i, n); }

// f32: result = a op b, over n elements.
kernels::Kernel Binary(const std::string& name, Size n, const std::function<Value(Value, Value)>& op) {
  kernels::MapSpec spec;
  spec.name = name;
  spec.shape = {n};
  spec.results = {DType::kF32};
  spec.body = [&, n](Emitter& e, const Index& i) {
    return std::vector<Value>{
        op(e.Read(Tensor{Tensor::Role::kOperand, 0, DType::kF32, {n}}, i), e.Read(Tensor{Tensor::Role::kOperand, 1, DType::kF32, {n}}, i))};
  };
  kernels::KernelSequence sequence = kernels::MakeMap(spec, LimitsOf(TestDevice().plan()));
  EXPECT_EQ(sequence.kernels.size(), 1u);
  return sequence.kernels.at(0);
}

// A launch of a kernel with operands and results, in the order that the kernel's arguments ask for.
Step LaunchStep(const Program& program, int kernel, std::vector<BufferSlice> operands, std::vector<BufferSlice> results, std::string name) {
  Launch launch;
  launch.kernel = kernel;
  launch.name = std::move(name);
  for (const kernels::KernelArgument& a : program.kernels[kernel].arguments) {
    LaunchArgument argument;
    switch (a.kind) {
      case kernels::KernelArgument::Kind::kRead:
        argument.kind = LaunchArgument::Kind::kRead;
        argument.slice = operands.at(a.index);
        break;
      case kernels::KernelArgument::Kind::kSize:
        argument.kind = LaunchArgument::Kind::kSize;
        argument.symbol = a.index;
        break;
      default:
        argument.kind = LaunchArgument::Kind::kWrite;
        argument.slice = results.at(a.index);
    }
    launch.arguments.push_back(argument);
  }
  return {launch};
}

Temporary TemporaryOf(Size n, int64_t offset) { return {{{n}, 4}, offset}; }

class Block256 {
 public:
  explicit Block256(size_t floats, float value = 0) : count_(floats), address_(TestDevice().Allocate(floats * 4)) { Set(std::vector<float>(floats, value)); }
  ~Block256() { TestDevice().Free(address_); }
  void Set(const std::vector<float>& values) { TestDevice().queue().Upload(address_, values.data(), values.size() * 4); }
  std::vector<float> Get() const {
    std::vector<float> values(count_);
    TestDevice().queue().Download(values.data(), address_, count_ * 4);
    TestDevice().queue().Synchronize();
    return values;
  }
  vulkan::Address address() const { return address_; }

 private:
  size_t count_;
  vulkan::Address address_;
};

std::vector<float> Iota(size_t n, float start) {
  std::vector<float> v(n);
  std::iota(v.begin(), v.end(), start);
  return v;
}

// y = x + x + ... through a chain of temporaries, with a constant in between: y = 2^chain * x + c.
Program ChainProgram(int n, int chain, float constant) {
  Program p;
  p.name = "chain";
  p.parameters = {{DType::kF32, {n}, "x"}};
  p.outputs = {{DType::kF32, {n}, "y"}};
  p.aliases = {-1};
  p.kernels = {Binary("add", n, [](Value a, Value b) { return a + b; })};
  std::vector<uint8_t> bytes(n * 4);
  std::vector<float> values(n, constant);
  std::memcpy(bytes.data(), values.data(), bytes.size());
  p.constants = {bytes};
  int64_t stride = (n * 4 + 255) / 256 * 256;
  p.temporaries = {TemporaryOf(n, 0), TemporaryOf(n, stride)};
  p.temporary_bytes = 2 * stride;
  BufferSlice last = Parameter(0, n);
  for (int i = 0; i < chain; ++i) {
    BufferSlice next = Temp(i % 2, n);
    p.steps.push_back(LaunchStep(p, 0, {last, last}, {next}, "double"));
    last = next;
  }
  p.steps.push_back(LaunchStep(p, 0, {last, Constant(0, n)}, {Output(0, n)}, "plus"));
  return p;
}

class Chain : public testing::TestWithParam<int> {};

TEST_P(Chain, GivesTheSameWhetherRecordedOrNot) {
  const int n = 1000, chain = GetParam();
  Executable e(TestDevice(), ChainProgram(n, chain, 0.5f));
  EXPECT_EQ(e.recorded(), chain + 1 >= 12);
  Block256 temporaries(static_cast<size_t>(e.TemporaryBytes() / 4));
  std::vector<std::unique_ptr<Block256>> ys;
  Block256 x(n);
  for (int run = 0; run < 7; ++run) {  // more runs than a recording has slots, none waited for
    x.Set(Iota(n, static_cast<float>(run)));
    ys.push_back(std::make_unique<Block256>(n));
    e.Run({{x.address()}, {ys.back()->address()}, temporaries.address(), {}});
  }
  for (int run = 0; run < 7; ++run) {
    std::vector<float> y = ys[run]->Get();
    for (int i = 0; i < n; ++i) ASSERT_EQ(y[i], std::ldexp(static_cast<float>(run + i), chain) + 0.5f) << run << " " << i;
  }
}
INSTANTIATE_TEST_SUITE_P(Lengths, Chain, testing::Values(0, 1, 5, 11, 40));

TEST(Executable, PublishesSmallOutputsThatAreMadeLongBeforeTheEnd) {
  constexpr int kChain = 40;
  Program p = ChainProgram(1000, kChain, 1);
  p.outputs.push_back({DType::kF32, {2}, "early"});
  p.outputs.push_back({DType::kF32, {2}, "late"});
  p.outputs.push_back({DType::kF32, {1000}, "large"});
  p.aliases = {-1, -1, -1, -1};
  p.kernels.push_back(Binary("add 2", 2, [](Value a, Value b) { return a + b; }));
  p.steps.insert(p.steps.begin() + 4, LaunchStep(p, 1, {Parameter(0, 2), Parameter(0, 2, 8)}, {Output(1, 2)}, "early"));
  p.steps.insert(p.steps.begin() + 5, LaunchStep(p, 0, {Parameter(0, 1000), Parameter(0, 1000)}, {Output(3, 1000)}, "large"));
  p.steps.push_back(LaunchStep(p, 1, {Parameter(0, 2), Parameter(0, 2, 8)}, {Output(2, 2)}, "late"));
  Executable e(TestDevice(), std::move(p));
  ASSERT_TRUE(e.recorded());
  Block256 x(1000), y(1000), early(2), late(2), large(1000), temporaries(static_cast<size_t>(e.TemporaryBytes() / 4));
  vulkan::Queue& q = TestDevice().queue();
  for (int run = 0; run < 3; ++run) {
    x.Set(Iota(1000, static_cast<float>(run)));
    e.Run({{x.address()}, {y.address(), early.address(), late.address(), large.address()}, temporaries.address(), {}});
    float got[2], got_late[2], got_large[2];
    const vulkan::Ticket ticket = q.Download(&got[1], early.address() + 4, 4), end = q.Record();
    q.Download(&got[0], early.address(), 4);
    q.Download(got_late, late.address(), 8);
    q.Download(got_large, large.address(), 8);
    EXPECT_LT(ticket, end);
    EXPECT_EQ(q.counters().early_downloads, static_cast<uint64_t>(2 * run + 2)) << "of this device so far";
    q.Synchronize();
    EXPECT_EQ(got[0], 2 * run + 2);
    EXPECT_EQ(got[1], 2 * run + 4);
    EXPECT_EQ(got_late[0], 2 * run + 2);
    EXPECT_EQ(got_large[1], 2 * run + 2);
  }
}

TEST(Executable, PublishesNoOutputThatACopyOrAFillStillWrites) {
  Program p = ChainProgram(1000, 40, 1);
  p.outputs.push_back({DType::kF32, {2}, "copied"});
  p.outputs.push_back({DType::kF32, {2}, "filled"});
  p.aliases = {-1, -1, -1};
  p.kernels.push_back(Binary("add 2", 2, [](Value a, Value b) { return a + b; }));
  p.steps.insert(p.steps.begin(), {LaunchStep(p, 1, {Parameter(0, 2), Parameter(0, 2)}, {Output(1, 2)}, "first"),
                                   LaunchStep(p, 1, {Parameter(0, 2), Parameter(0, 2)}, {Output(2, 2)}, "second")});
  p.steps.push_back({Copy{Parameter(0, 1, 400), Output(1, 1, 4)}});
  p.steps.push_back({Fill{Output(2, 1), 0}});
  Executable e(TestDevice(), std::move(p));
  ASSERT_TRUE(e.recorded());
  Block256 x(1000), y(1000), copied(2), filled(2), temporaries(static_cast<size_t>(e.TemporaryBytes() / 4));
  x.Set(Iota(1000, 1));
  e.Run({{x.address()}, {y.address(), copied.address(), filled.address()}, temporaries.address(), {}});
  EXPECT_EQ(copied.Get(), (std::vector<float>{2, 101}));
  EXPECT_EQ(filled.Get(), (std::vector<float>{0, 4}));
}

TEST(Executable, RunsAProgramOfNothing) {
  Program p;
  p.name = "empty";
  Executable e(TestDevice(), p);
  EXPECT_EQ(e.TemporaryBytes(), 0);
  e.Run({});
  EXPECT_FALSE(e.recorded());
}

TEST(Executable, RefusesWrongNumbersOfArguments) {
  Executable e(TestDevice(), ChainProgram(4, 1, 1));
  try {
    e.Run({});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(std::string(error.what()).find("0 parameters"), std::string::npos) << error.what();
  }
}

TEST(Executable, RefusesALaunchWithTooFewArguments) {
  Program p = ChainProgram(4, 1, 1);
  std::get<Launch>(p.steps[0].action).arguments.pop_back();
  EXPECT_THROW(Executable(TestDevice(), p), Error);
}

// A long program of copies and fills between launches, at all alignments, recorded or not.
Program CopyFillProgram(int launches, int64_t offset, int64_t bytes) {
  const int n = 64;
  Program p;
  p.name = "copies";
  p.parameters = {{DType::kF32, {n}, "x"}};
  p.outputs = {{DType::kF32, {n}, "y"}, {DType::kU8, {512}, "z"}};
  p.aliases = {-1, -1};
  p.kernels = {Binary("add", n, [](Value a, Value b) { return a + b; })};
  p.temporaries = {TemporaryOf(n, 0), TemporaryOf(n, 256)};
  p.temporary_bytes = 512;
  for (int i = 0; i < launches; ++i) p.steps.push_back(LaunchStep(p, 0, {Parameter(0, n), Parameter(0, n)}, {Temp(0, n)}, "double"));
  p.steps.push_back({Fill{Output(1, 128), 0x04030201u}});
  p.steps.push_back({Copy{Temp(0, n), Temp(1, n)}});
  p.steps.push_back({Copy{Temp(1, n), Output(0, n)}});
  BufferSlice from = Temp(1, 0, 0), to = Output(1, 0, offset);
  from.bytes = to.bytes = {{bytes}, 1};
  p.steps.push_back({Copy{from, to}});
  return p;
}

TEST(Executable, CopiesAndFillsAtAnyAlignment) {
  for (int launches : {1, 20}) {
    for (int64_t offset : {0, 16, 4, 2, 1, 37}) {
      for (int64_t bytes : {256, 64, 4, 7, 1, 0}) {
        Executable e(TestDevice(), CopyFillProgram(launches, offset, bytes));
        EXPECT_EQ(e.recorded(), launches == 20);
        Block256 x(64), y(64, -1), z(128, -1), temporaries(128);
        x.Set(Iota(64, 1));
        e.Run({{x.address()}, {y.address(), z.address()}, temporaries.address(), {}});
        std::vector<float> expected(64), got = z.Get();
        for (int i = 0; i < 64; ++i) expected[i] = 2.0f * static_cast<float>(1 + i);
        ASSERT_EQ(y.Get(), expected);
        std::vector<uint8_t> z_expected(512);
        for (int i = 0; i < 512; ++i) z_expected[i] = static_cast<uint8_t>(1 + i % 4);
        std::memcpy(z_expected.data() + offset, expected.data(), bytes);
        ASSERT_EQ(0, std::memcmp(z_expected.data(), got.data(), 512)) << launches << " " << offset << " " << bytes;
      }
    }
  }
}

TEST(Executable, RunTimeSizes) {
  Size n = Size::Symbol(0);
  Program p;
  p.name = "dynamic";
  p.parameters = {{DType::kF32, {n}, "x"}};
  p.outputs = {{DType::kF32, {n}, "y"}};
  p.aliases = {-1};
  p.symbol_count = 1;
  p.kernels = {Binary("mul", n, [](Value a, Value b) { return a * b; })};
  p.temporaries = {TemporaryOf(n, 0), TemporaryOf(n, 0)};
  p.steps.push_back(LaunchStep(p, 0, {Parameter(0, n), Parameter(0, n)}, {Temp(0, n)}, "square"));
  p.steps.push_back(LaunchStep(p, 0, {Temp(0, n), Parameter(0, n)}, {Temp(1, n)}, "cube"));
  p.steps.push_back(LaunchStep(p, 0, {Temp(0, n), Temp(1, n)}, {Output(0, n)}, "fifth"));
  Executable e(TestDevice(), p);
  EXPECT_FALSE(e.recorded());
  EXPECT_EQ(e.TemporaryBytes({1}), 512);
  EXPECT_EQ(e.TemporaryBytes({65}), 1024);
  for (int64_t count : {0, 1, 3, 64, 1001}) {
    Block256 x(1024), y(1024, -7), temporaries(static_cast<size_t>(e.TemporaryBytes({count}) / 4 + 1));
    x.Set(Iota(1024, 0));
    e.Run({{x.address()}, {y.address()}, temporaries.address(), {count}});
    std::vector<float> got = y.Get();
    for (int i = 0; i < 1024; ++i) {
      float v = static_cast<float>(i), expected = i < count ? (v * v) * (v * v * v) : -7;
      ASSERT_EQ(got[i], expected) << count << " " << i;
    }
  }
}

// while (x[0] < limit[0]) x += step, on one element; the predicate is a byte of a temporary.
Program LoopProgram(std::optional<int64_t> trips, int body_launches) {
  const Size one = 1;
  Program p;
  p.name = "loop";
  p.parameters = {{DType::kF32, {one}, "step"}, {DType::kF32, {one}, "limit"}};
  p.outputs = {{DType::kF32, {one}, "x"}};
  p.aliases = {-1};
  kernels::MapSpec less;
  less.name = "less";
  less.shape = {one};
  less.results = {DType::kBool};
  less.body = [&](Emitter& e, const Index& i) {
    Tensor a{Tensor::Role::kOperand, 0, DType::kF32, {one}}, b{Tensor::Role::kOperand, 1, DType::kF32, {one}};
    return std::vector<Value>{e.Read(a, i) < e.Read(b, i)};
  };
  p.kernels = {Binary("add", one, [](Value a, Value b) { return a + b; }), kernels::MakeMap(less, LimitsOf(TestDevice().plan())).kernels.at(0)};
  p.temporaries = {TemporaryOf(one, 0), TemporaryOf(one, 256)};
  p.temporary_bytes = 512;
  While loop;
  loop.trip_count = trips;
  loop.predicate = Temp(0, one);
  loop.condition.push_back(LaunchStep(p, 1, {Output(0, one), Parameter(1, one)}, {Temp(0, one)}, "less"));
  for (int i = 0; i < body_launches; ++i) {
    loop.body.push_back(LaunchStep(p, 0, {Output(0, one), Parameter(0, one)}, {Temp(1, one)}, "add"));
    loop.body.push_back({Copy{Temp(1, one), Output(0, one)}});
  }
  p.steps.push_back({Fill{Output(0, one), 0}});
  p.steps.push_back({loop});
  return p;
}

float RunLoop(const Program& program, float step, float limit) {
  Executable e(TestDevice(), program);
  Block256 s(1, step), l(1, limit), x(1, 99), temporaries(128);
  e.Run({{s.address(), l.address()}, {x.address()}, temporaries.address(), {}});
  return x.Get()[0];
}

TEST(Executable, LoopsWhileThePredicateHolds) {
  EXPECT_EQ(RunLoop(LoopProgram(std::nullopt, 1), 1, 0), 0);
  EXPECT_EQ(RunLoop(LoopProgram(std::nullopt, 1), 1, 5), 5);
  EXPECT_EQ(RunLoop(LoopProgram(std::nullopt, 1), 2, 5), 6);
  EXPECT_EQ(RunLoop(LoopProgram(std::nullopt, 10), 1, 25), 30);  // a recorded body
}

TEST(Executable, LoopsAKnownNumberOfTimes) {
  EXPECT_EQ(RunLoop(LoopProgram(0, 1), 1, 0), 0);
  EXPECT_EQ(RunLoop(LoopProgram(3, 1), 1, 0), 3);
  EXPECT_EQ(RunLoop(LoopProgram(50, 1), 1, 0), 50);      // unrolled into a recording
  EXPECT_EQ(RunLoop(LoopProgram(3000, 1), 1, 0), 3000);  // too long to unroll
}

TEST(Executable, ChoosesABranch) {
  const Size one = 1;
  for (bool is_bool : {true, false}) {
    Program p;
    p.name = "choice";
    p.parameters = {{is_bool ? DType::kBool : DType::kS32, {one}, "selector"}};
    p.outputs = {{DType::kF32, {one}, "y"}};
    p.aliases = {-1};
    Conditional c;
    c.selector = Parameter(0, one);
    c.selector_is_bool = is_bool;
    for (uint32_t branch = 0; branch < (is_bool ? 2 : 3); ++branch) c.branches.push_back({{Fill{Output(0, one), branch}}});
    p.steps.push_back({c});
    Executable e(TestDevice(), p);
    auto choose = [&](int32_t selector) {
      Block256 s(1), y(1);
      TestDevice().queue().Upload(s.address(), &selector, 4);
      e.Run({{s.address()}, {y.address()}, 0, {}});
      float f = y.Get()[0];
      uint32_t bits;
      std::memcpy(&bits, &f, 4);
      return bits;
    };
    if (is_bool) {
      EXPECT_EQ(choose(1), 0u);
      EXPECT_EQ(choose(0), 1u);
    } else {
      EXPECT_EQ(choose(0), 0u);
      EXPECT_EQ(choose(1), 1u);
      EXPECT_EQ(choose(2), 2u);
      EXPECT_EQ(choose(3), 2u);
      EXPECT_EQ(choose(-1), 2u);
    }
  }
}

TEST(Executable, UpdatesAnAliasedParameterInPlace) {
  const int n = 100;
  Program p;
  p.name = "update";
  p.parameters = {{DType::kF32, {n}, "v"}, {DType::kF32, {n}, "d"}};
  p.outputs = {{DType::kF32, {n}, "v"}};
  p.aliases = {0};
  p.kernels = {Binary("add", n, [](Value a, Value b) { return a + b; })};
  for (int i = 0; i < 20; ++i) p.steps.push_back(LaunchStep(p, 0, {i ? Output(0, n) : Parameter(0, n), Parameter(1, n)}, {Output(0, n)}, "add"));
  Executable e(TestDevice(), p);
  EXPECT_TRUE(e.recorded());
  Block256 v(n, 1), d(n, 0.5f);
  for (int run = 0; run < 5; ++run) e.Run({{v.address(), d.address()}, {v.address()}, 0, {}});
  EXPECT_EQ(v.Get(), std::vector<float>(n, 51));
}

}  // namespace
}  // namespace tfvk::program
