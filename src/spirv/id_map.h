// A small open-addressing map from what an id stands for to the id: modules have some dozens of types and constants and are made in microseconds.
#pragma once

#include <cstdint>
#include <vector>

namespace tfvk::spirv {

class IdMap {
 public:
  struct Key {
    uint64_t high = 0, low = 0;
    friend constexpr bool operator==(const Key& a, const Key& b) { return a.high == b.high && a.low == b.low; }
  };

  // The id of `key`, 0 when there is none.
  uint32_t Find(const Key& key) const {
    for (size_t i = Slot(key);; i = (i + 1) & (entries_.size() - 1)) {
      if (entries_[i].id == 0 || entries_[i].key == key) return entries_[i].id;
    }
  }

  // Adds a key that is not there; `id` is not 0. Returns `id`.
  uint32_t Insert(const Key& key, uint32_t id) {
    if (++count_ * 2 > entries_.size()) Grow();
    Place({key, id});
    return id;
  }

 private:
  struct Entry {
    Key key;
    uint32_t id = 0;
  };
  size_t Slot(const Key& key) const {
    uint64_t hash = (key.low ^ key.high * 0x9e3779b97f4a7c15u) * 0xd6e8feb86659fd93u;
    return (hash >> 32) & (entries_.size() - 1);
  }
  void Place(const Entry& entry) {
    size_t i = Slot(entry.key);
    while (entries_[i].id != 0) i = (i + 1) & (entries_.size() - 1);
    entries_[i] = entry;
  }
  void Grow() {
    std::vector<Entry> old(entries_.size() * 2);
    old.swap(entries_);
    for (const Entry& entry : old) {
      if (entry.id != 0) Place(entry);
    }
  }

  std::vector<Entry> entries_ = std::vector<Entry>(128);
  size_t count_ = 0;
};

}  // namespace tfvk::spirv
