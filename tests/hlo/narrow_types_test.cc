// What cannot stand in an HLO file of modules/: parameters of 4 bits, which have rubbish beside them, and instructions that are refused.
#include <gtest/gtest.h>

#include <string>

#include "hlo/evaluate.h"
#include "hlo/import.h"
#include "hlo/module.h"
#include "hlo/passes.h"
#include "types/error.h"

namespace tfvk::hlo {
namespace {

TEST(NarrowTypes, OfSmallIntegersInBytesOnlyTheLowHalfCounts) {
  const ModulePtr module = CloneWithoutNarrowTypes(*ModuleFromText(R"(HloModule m
ENTRY main {
  x = s4[5] parameter(0)
  y = u4[5] parameter(1)
  wide = s32[5] convert(x)
  unsigned_wide = s32[5] convert(y)
  seven = s4[] constant(7)
  sevens = s4[5] broadcast(seven), dimensions={}
  same = pred[5] compare(x, sevens), direction=EQ
  ROOT r = (s4[5], u4[5], s32[5], s32[5], pred[5]) tuple(x, y, wide, unsigned_wide, same)
})"));
  const std::vector<uint8_t> x = {0x07, 0xf7, 0x3f, 0xf8, 0x08}, y = {0x0f, 0xf0, 0x18, 0xff, 0x07};
  const auto results = Evaluate(*module, {{x.data(), 5}, {y.data(), 5}});
  ASSERT_EQ(results.size(), 5u);
  const int32_t small[] = {7, 7, -1, -8, -8}, natural[] = {15, 0, 8, 15, 7};
  const uint8_t same[] = {1, 1, 0, 0, 0};
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(results[0].bytes[i] & 15, x[i] & 15) << i;
    EXPECT_EQ(results[1].bytes[i] & 15, y[i] & 15) << i;
    EXPECT_EQ(reinterpret_cast<const int32_t*>(results[2].bytes.data())[i], small[i]) << i;
    EXPECT_EQ(reinterpret_cast<const int32_t*>(results[3].bytes.data())[i], natural[i]) << i;
    EXPECT_EQ(results[4].bytes[i], same[i]) << i;
  }
  const Signature signature = SignatureOf(*module);
  EXPECT_EQ(signature.parameters[0].dtype, DType::kS8);
  EXPECT_EQ(signature.parameters[1].dtype, DType::kU8);
}

TEST(NarrowTypes, VariablesOfThemKeepTheirMemory) {
  const ModulePtr module = CloneWithoutNarrowTypes(*ModuleFromText(R"(HloModule m, input_output_alias={ {0}: (0, {}, must-alias) }
ENTRY main {
  x = s4[5] parameter(0)
  negative = s4[5] negate(x)
  ROOT r = (s4[5]) tuple(negative)
})"));
  RunPasses(*module);
  EXPECT_EQ(Import(*module)->aliases, std::vector<int>{0});
}

void ExpectRefused(const std::string& body, const std::string& words) {
  try {
    CloneWithoutNarrowTypes(*ModuleFromText("HloModule m\nENTRY main {\n" + body + "\n}"));
    FAIL() << "no error of " << body;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnimplemented) << error.what();
    EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
  }
}

TEST(NarrowTypes, NamesWhatItDoesNotComputeWithThem) {
  ExpectRefused("  x = s4[3] parameter(0)\n  ROOT y = s4[3] popcnt(x), metadata={op_name=\"model/bits\"}",
                "popcnt of integers of 4 bits is not supported, in y (model/bits)");
  ExpectRefused("  x = u4[3,3] parameter(0)\n  ROOT y = s32[3,3] dot(x, x), lhs_contracting_dims={1}, rhs_contracting_dims={0}", "dot of integers of 4 bits");
  ExpectRefused("  x = (s4[3], s32[]) parameter(0)\n  ROOT y = s4[3] get-tuple-element(x), index=0", "parameter of integers of 4 bits");
  ExpectRefused("  x = f8e4m3fn[3] parameter(0)\n  ROOT y = f8e4m3fn[3] negate(x)", "negate of floats of 8 bits is not supported, in y");
}

}  // namespace
}  // namespace tfvk::hlo
