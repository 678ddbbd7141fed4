#include "plugin/window_scan.h"

#include <algorithm>

#include "plugin/table_rows.h"
#include "tensorflow/core/framework/kernel_shape_util.h"
#include "xla/hlo/builder/lib/constants.h"
#include "xla/hlo/builder/lib/loops.h"

namespace tfvk::plugin {
namespace {

using xla::XlaOp;

// Up to so many positions are written out one by one, which can be computed in one launch; more are a loop.
constexpr int64_t kMostUnrolled = 49;

absl::Status PlaceSide(Windows::Side& side, tensorflow::Padding padding) {
  const int64_t reach = (side.window - 1) * side.rate + 1;
  return tensorflow::GetWindowedOutputSize(side.input, reach, 1, side.stride, padding, &side.output, &side.padding);
}

XlaOp IndexOf(XlaOp position, const Windows& windows, const Windows::Side& side, int64_t dimension) {
  const XlaOp start = IndexAlong(position.builder(), xla::S32, windows.Output(), dimension) * Constant(position, static_cast<double>(side.stride));
  return start + (position * Constant(position, static_cast<double>(side.rate)) - Constant(position, static_cast<double>(side.padding)));
}

class Scan {
 public:
  Scan(XlaOp image, const XlaOp* offset, bool first_always, const Windows& windows)
      : windows_(windows), first_always_(first_always), offset_(offset != nullptr ? *offset : XlaOp()), padded_(Padded(image, windows)) {}

  Maxima Start() const {
    xla::XlaBuilder* builder = padded_.builder();
    const xla::PrimitiveType type = builder->GetShape(padded_).value().element_type();
    return {xla::Broadcast(xla::MinFiniteValue(builder, type), windows_.Output()), xla::Broadcast(xla::ConstantR0<int32_t>(builder, -1), windows_.Output())};
  }

  Maxima Step(const Maxima& before, XlaOp padded, XlaOp offset, XlaOp i, XlaOp j) const {
    const XlaOp row = windows_.RowOf(i), column = windows_.ColumnOf(j);
    XlaOp value = ElementsAt(padded, i, j);
    if (offset_.valid()) {
      const XlaOp one = xla::DynamicSlice(offset, {i, j, xla::ZerosLike(i)}, {1, 1, windows_.depth});
      value = xla::Add(value, xla::Reshape(one, {windows_.depth}), {3});
    }
    XlaOp taken = xla::Gt(value, before.value);
    if (first_always_) taken = xla::Or(taken, xla::Lt(before.position, xla::ZerosLike(before.position)));
    taken = xla::And(taken, xla::And(Within(row, windows_.rows), Within(column, windows_.columns)));
    const XlaOp position = i * Constant(i, static_cast<double>(windows_.columns.window)) + j;
    return {xla::Select(taken, value, before.value), xla::Select(taken, Spread(position, windows_.Output(), {}), before.position)};
  }

  XlaOp padded() const { return padded_; }

 private:
  static XlaOp Within(XlaOp index, const Windows::Side& side) {
    return xla::And(xla::Ge(index, xla::ZerosLike(index)), xla::Lt(index, Constant(index, static_cast<double>(side.input))));
  }

  // How many elements all windows together reach over.
  static int64_t Reach(const Windows::Side& side) { return (side.output - 1) * side.stride + 1 + (side.window - 1) * side.rate; }

  static XlaOp Padded(XlaOp image, const Windows& windows) {
    xla::PaddingConfig config = xla::MakeNoPaddingConfig(4);
    for (const int64_t dimension : {1, 2}) {
      const Windows::Side& side = dimension == 1 ? windows.rows : windows.columns;
      config.mutable_dimensions(dimension)->set_edge_padding_low(side.padding);
      config.mutable_dimensions(dimension)->set_edge_padding_high(std::max<int64_t>(0, Reach(side) - side.padding - side.input));
    }
    return xla::Pad(image, xla::Zero(image.builder(), image.builder()->GetShape(image).value().element_type()), config);
  }

  XlaOp ElementsAt(XlaOp padded, XlaOp i, XlaOp j) const {
    const Windows::Side &rows = windows_.rows, &columns = windows_.columns;
    const int64_t height = (rows.output - 1) * rows.stride + 1, width = (columns.output - 1) * columns.stride + 1;
    const XlaOp zero = xla::ZerosLike(i);
    const XlaOp down = i * Constant(i, static_cast<double>(rows.rate)), right = j * Constant(j, static_cast<double>(columns.rate));
    const XlaOp block = xla::DynamicSlice(padded, {zero, down, right, zero}, {windows_.batch, height, width, windows_.depth});
    return xla::Slice(block, {0, 0, 0, 0}, {windows_.batch, height, width, windows_.depth}, {1, rows.stride, columns.stride, 1});
  }

  const Windows windows_;
  const bool first_always_;
  const XlaOp offset_, padded_;
};

}  // namespace

absl::Status Windows::Place(tensorflow::Padding padding_type) {
  if (const absl::Status status = PlaceSide(rows, padding_type); !status.ok()) return status;
  return PlaceSide(columns, padding_type);
}

XlaOp Windows::RowOf(XlaOp i) const { return IndexOf(i, *this, rows, 1); }
XlaOp Windows::ColumnOf(XlaOp j) const { return IndexOf(j, *this, columns, 2); }

absl::StatusOr<Maxima> FindMaxima(XlaOp image, const XlaOp* offset, bool first_always, const Windows& windows) {
  const Scan scan(image, offset, first_always, windows);
  const int64_t positions = windows.rows.window * windows.columns.window;
  Maxima maxima = scan.Start();
  xla::XlaBuilder* builder = image.builder();
  if (positions <= kMostUnrolled) {
    for (int64_t k = 0; k < positions; ++k) {
      const auto index = [&](int64_t value) { return xla::ConstantR0<int32_t>(builder, static_cast<int32_t>(value)); };
      maxima = scan.Step(maxima, scan.padded(), offset != nullptr ? *offset : XlaOp(), index(k / windows.columns.window), index(k % windows.columns.window));
    }
    return maxima;
  }
  std::vector<XlaOp> state = {maxima.value, maxima.position, scan.padded()};
  if (offset != nullptr) state.push_back(*offset);
  const auto step = [&](XlaOp k, absl::Span<const XlaOp> values, xla::XlaBuilder*) -> absl::StatusOr<std::vector<XlaOp>> {
    const XlaOp width = Constant(k, static_cast<double>(windows.columns.window));
    const Maxima next = scan.Step({values[0], values[1]}, values[2], values.size() > 3 ? values[3] : XlaOp(), xla::Div(k, width), xla::Rem(k, width));
    std::vector<XlaOp> result(values.begin(), values.end());
    result[0] = next.value;
    result[1] = next.position;
    return result;
  };
  TF_ASSIGN_OR_RETURN(const std::vector<XlaOp> last, xla::ForEachIndex(positions, xla::S32, step, state, "windows", builder));
  return Maxima{last[0], last[1]};
}

}  // namespace tfvk::plugin
