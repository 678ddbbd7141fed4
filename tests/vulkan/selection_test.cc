#include <gtest/gtest.h>

#include "vulkan/device_selection.h"

namespace tfvk::vulkan {
namespace {

struct Machine {
  std::vector<DeviceSnapshot> snapshots;
  std::vector<DevicePlan> plans;

  Machine& Add(const std::string& name, DeviceType type, char uuid, bool usable = true) {
    DeviceSnapshot s;
    s.name = name;
    s.type = type;
    s.device_uuid = std::string(32, uuid);
    DevicePlan p;
    p.usable = usable;
    if (!usable) p.reasons = {"It is too old."};
    snapshots.push_back(s);
    plans.push_back(p);
    return *this;
  }
  DeviceSelection Select(std::optional<std::string> visible = std::nullopt) const { return SelectDevices(snapshots, plans, visible); }
  std::vector<int> Order(std::optional<std::string> visible = std::nullopt) const { return Select(visible).order; }
};

Machine Laptop() {
  return Machine()
      .Add("llvmpipe (LLVM 15)", DeviceType::kCpu, '0')
      .Add("Intel(R) Arc(tm) Graphics", DeviceType::kIntegrated, '1')
      .Add("NVIDIA GeForce RTX 4070", DeviceType::kDiscrete, 'a')
      .Add("AMD Radeon RX 7900", DeviceType::kDiscrete, 'b')
      .Add("Intel HD 4600", DeviceType::kIntegrated, '4', false);
}

TEST(Selection, GpusBestFirstWithoutSoftwareDevices) { EXPECT_EQ(Laptop().Order(), (std::vector<int>{2, 3, 1})); }

TEST(Selection, SoftwareDevicesWhereThereIsNothingElse) {
  EXPECT_EQ(Machine().Add("llvmpipe", DeviceType::kCpu, '0').Order(), std::vector<int>{0});
  EXPECT_EQ(Machine().Add("llvmpipe", DeviceType::kCpu, '0').Add("old", DeviceType::kDiscrete, '1', false).Order(), std::vector<int>{0});
  EXPECT_TRUE(Machine().Order().empty());
}

TEST(Selection, ByIndexIntoTheFullOrder) {
  EXPECT_EQ(Laptop().Order("0"), std::vector<int>{2});
  EXPECT_EQ(Laptop().Order("2,0"), (std::vector<int>{1, 2}));
  EXPECT_EQ(Laptop().Order("3"), std::vector<int>{0});  // the software device is last
  EXPECT_EQ(Laptop().Order(" 1 , 1 "), std::vector<int>{3});
}

TEST(Selection, ByNameInAnyCase) {
  EXPECT_EQ(Laptop().Order("radeon"), std::vector<int>{3});
  EXPECT_EQ(Laptop().Order("LLVMPIPE,geforce"), (std::vector<int>{0, 2}));
  EXPECT_EQ(Laptop().Order("r"), (std::vector<int>{2, 3, 1}));  // all that match, in order
}

TEST(Selection, ByUuid) {
  EXPECT_EQ(Laptop().Order(std::string(32, 'b')), std::vector<int>{3});
  EXPECT_EQ(Laptop().Order("AAAAAAAA-AAAA-AAAA-AAAA-AAAAAAAAAAAA"), std::vector<int>{2});
}

TEST(Selection, NothingOnRequest) {
  EXPECT_TRUE(Laptop().Order("").empty());
  EXPECT_TRUE(Laptop().Order("-1").empty());
  EXPECT_EQ(Laptop().Order("1,-1,0"), std::vector<int>{3});
}

TEST(Selection, SaysWhatItCannotDo) {
  DeviceSelection s = Laptop().Select("7,Matrox,HD 4600,0");
  EXPECT_EQ(s.order, std::vector<int>{2});
  ASSERT_EQ(s.messages.size(), 3u);
  EXPECT_NE(s.messages[0].find("\"7\""), std::string::npos);
  EXPECT_NE(s.messages[1].find("Matrox"), std::string::npos);
  EXPECT_NE(s.messages[2].find("It is too old."), std::string::npos);
}

}  // namespace
}  // namespace tfvk::vulkan
