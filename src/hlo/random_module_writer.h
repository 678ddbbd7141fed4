// The inside of random_module.h: the module under construction.
#pragma once

#include <cstdint>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace tfvk::hlo {

using Dimensions = std::vector<int64_t>;

struct RandomValue {
  std::string name, type;  // "x7", "f32"
  Dimensions shape;
  bool exact = true;     // no rounding has touched it
  int roundings = 0;     // in a row, at most
  double magnitude = 4;  // a bound of most elements, of floats and complex numbers
  bool parameter = false;
};

inline bool IsFloatType(const std::string& type) { return type == "f16" || type == "bf16" || type == "f32" || type == "f64"; }
inline bool IsComplexType(const std::string& type) { return type == "c64"; }
inline bool IsIntegerType(const std::string& type) { return type[0] == 's' || type[0] == 'u'; }
int BitsOf(const std::string& type);
int64_t CountOf(const Dimensions& shape);
std::string Braces(const Dimensions& numbers);             // "{1,2}"
std::string Times(const std::vector<std::string>& parts);  // "1x2"

class RandomModuleWriter {
 public:
  explicit RandomModuleWriter(uint64_t seed) : random_(seed) {}
  std::string Write(uint64_t seed);

 private:
  // ---- Choices ----
  int64_t Below(int64_t n) { return static_cast<int64_t>(random_() % static_cast<uint64_t>(n)); }
  int64_t Between(int64_t low, int64_t high) { return low + Below(high - low + 1); }
  bool OneIn(int64_t n) { return Below(n) == 0; }
  template <class T>
  const T& Pick(const std::vector<T>& choices) {
    return choices[static_cast<size_t>(Below(static_cast<int64_t>(choices.size())))];
  }
  const RandomValue& Any();
  // A value that `accepts` takes, late ones preferred; null when there is none.
  template <class Accepts>
  const RandomValue* Find(Accepts accepts) {
    for (int attempt = 0; attempt < 12; ++attempt) {
      const RandomValue& value = Any();
      if (accepts(value)) return &value;
    }
    return nullptr;
  }
  Dimensions Shape(int64_t most_elements);
  Dimensions Permutation(int64_t n);
  std::string Type();

  // ---- Lines ----
  // Adds `type[shape] text` and returns the value; roundings and magnitude are as given.
  RandomValue Add(const std::string& type, const Dimensions& shape, const std::string& text, bool exact, int roundings, double magnitude);
  RandomValue Move(const RandomValue& from, const Dimensions& shape, const std::string& text);  // elements as they were
  RandomValue Constant(const std::string& type, double value);
  RandomValue Spread(const RandomValue& scalar, const Dimensions& shape);
  // A fresh array, by iota or constant or of a value of the same shape.
  RandomValue Source(const std::string& type, const Dimensions& shape);
  RandomValue Same(const RandomValue& like);
  RandomValue Small(RandomValue x);   // integers, their remainders of 4
  RandomValue Finite(RandomValue x);  // 1 for infinities and NaN
  RandomValue Indices(const Dimensions& shape, int64_t limit);
  // tanh where elements may have become large.
  void Tame(RandomValue value);
  bool MayRound(const RandomValue& value, int more = 1) const;
  // Whether a total order may look at the value: which NaN a function gives, and which zero is the smaller one, is free.
  bool TotalOrderHolds(const RandomValue& value) const { return !special_ || value.parameter; }
  // The name of a computation of two scalars.
  std::string Combiner(const std::string& operation, const std::string& type);
  std::string PickCombiner(const RandomValue& value, bool* rounds);
  // The constant that an operation of this type leaves alone.
  RandomValue Identity(const std::string& operation, const std::string& type);
  RandomValue Lowest(const std::string& type);

  std::string Aliases(const std::vector<RandomValue>& outputs, int64_t parameters);

  // ---- Instructions; each adds nothing where the value does not suit ----
  void AddUnary();
  void AddBinary();
  void AddCompare();
  void AddSelect();
  void AddClamp();
  void AddConvert();
  void AddBitcast();
  void AddComplex();
  void AddBroadcast();
  void AddReshape();
  void AddTranspose();
  void AddSlice();
  void AddPad();
  void AddConcatenate();
  void AddReverse();
  void AddDynamicSlice();
  void AddDynamicUpdateSlice();
  void AddGather();
  void AddScatter();
  void AddReduce();
  void AddTotals();
  // Reduces these dimensions away; false where the sum would lose too much.
  bool Reduce(const RandomValue& x, const std::string& operation, bool rounds, const Dimensions& dims);
  void AddArgMax();
  void AddReduceWindow();
  void AddSelectAndScatter();
  void AddSort();
  void AddDot();
  void AddConvolution();
  void AddReducePrecision();
  void AddMap();
  void AddFourier();
  void AddWhile();
  void AddConditional();

  std::mt19937_64 random_;
  std::vector<RandomValue> values_;
  std::set<std::string> combiners_;
  std::string computations_, lines_;
  bool special_ = false;     // NaN, infinities and extremes among the inputs, and no rounding at all
  bool infinities_ = false;  // among the constants
  int next_ = 0;
};

}  // namespace tfvk::hlo
