// Operators that put elements elsewhere: slices, gathers, transpositions and choices.
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

#include "model/domains.hpp"
#include "model/lower.hpp"

namespace fard::model {
namespace {

using List = std::vector<std::int64_t>;

List counted(std::int64_t count) {
    List list(static_cast<std::size_t>(count));
    std::iota(list.begin(), list.end(), 0);
    return list;
}

void lower_split(Lowering& to) {
    const auto x = to.in(0);
    const auto shape = to.shape(x);
    const auto axis = to.axis(to.attributes.integer("axis", 0), shape.size());
    auto sizes = to.list(1, "split");
    if (to.failed()) return;
    const auto parts = static_cast<std::int64_t>(to.node().outputs.size());
    const auto extent = shape[axis];
    if (sizes.empty()) {  // the last one may be smaller
        const auto each = (extent + parts - 1) / parts;
        for (std::int64_t i = 0; i < parts; ++i)
            sizes.push_back(std::min(each, extent - i * each));
    }
    const bool fits = static_cast<std::int64_t>(sizes.size()) == parts && *std::ranges::min_element(sizes) > 0 &&
                      std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0}) == extent;
    if (!fits)
        return to.refuse(Fault::invalid_input,
                         fmt::format("splits {} elements along dimension {} in {} parts of {}", extent, axis, parts,
                                     fmt::join(sizes, ", ")));
    std::int64_t begin = 0;
    for (std::size_t i = 0; i < sizes.size(); begin += sizes[i], ++i)
        to.make("Slice", {x, to.integers({begin}), to.integers({begin + sizes[i]}), to.integers({static_cast<std::int64_t>(axis)})},
                {}, "", i);
}

// Copies of x along each dimension, as gathers: `indices` of those that have some.
void gather_each(Lowering& to, std::string x, const std::vector<List>& indices) {
    for (std::size_t axis = 0; axis < indices.size(); ++axis)
        if (!indices[axis].empty())
            x = to.put("Gather", {x, to.integers(indices[axis])}, {{"axis", static_cast<std::int64_t>(axis)}});
    to.make("Identity", {x});
}

void lower_tile(Lowering& to) {
    const auto shape = to.shape(to.in(0));
    const auto repeats = to.list(1, "repeats");
    if (to.failed()) return;
    if (repeats.size() != shape.size() || std::ranges::any_of(repeats, [](auto each) { return each < 1 || each > 1 << 26; }))
        return to.refuse(Fault::invalid_input, fmt::format("repeats {} by {}", shown(shape), fmt::join(repeats, "x")));
    std::vector<List> indices(shape.size());
    for (std::size_t i = 0; i < shape.size(); ++i) {
        if (repeats[i] == 1) continue;
        if (!to.may_make(repeats[i] * shape[i])) return;
        indices[i] = counted(shape[i] * repeats[i]);
        for (auto& each : indices[i])
            each %= shape[i];
    }
    gather_each(to, to.in(0), indices);
}

void lower_expand(Lowering& to) {
    auto shape = to.shape(to.in(0));
    const auto wanted = to.list(1, "shape");
    if (to.failed()) return;
    const auto rank = std::max(shape.size(), wanted.size());
    const bool lifted = shape.size() < rank;
    shape.insert(shape.begin(), rank - shape.size(), 1);
    std::vector<List> indices(rank);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        const auto at = rank - wanted.size() + i;
        if (wanted[i] == 1 || wanted[i] == shape[at]) continue;
        if (shape[at] != 1 || wanted[i] < 1 || wanted[i] > 1 << 26)
            return to.refuse(Fault::invalid_input, fmt::format("expands {} to {}", shown(shape), fmt::join(wanted, "x")));
        if (!to.may_make(wanted[i])) return;
        indices[at] = List(static_cast<std::size_t>(wanted[i]), 0);
    }
    gather_each(to, lifted ? to.reshaped(to.in(0), shape) : to.in(0), indices);
}

// The blocks of channels become those of pixels, or the other way round.
void lower_depth_to_space(Lowering& to) {
    const auto s = to.shape(to.in(0));
    const auto block = to.attributes.integer("blocksize", 0);
    const bool rows_first = to.attributes.text("mode", "DCR") != "CRD";
    if (to.failed()) return;
    if (s.size() != 4 || block < 1 || block > 1 << 12 || s[1] % (block * block) != 0)
        return to.refuse(Fault::invalid_input, fmt::format("has blocks of {} for {}", block, shown(s)));
    const auto rest = s[1] / (block * block);
    const auto split = rows_first ? Shape{s[0], block, block, rest, s[2], s[3]} : Shape{s[0], rest, block, block, s[2], s[3]};
    const auto order = rows_first ? List{0, 3, 4, 1, 5, 2} : List{0, 1, 4, 2, 5, 3};
    const auto turned = to.put("Transpose", {to.reshaped(to.in(0), split)}, {{"perm", order}});
    to.make("Reshape", {turned, to.integers({s[0], rest, s[2] * block, s[3] * block})});
}

void lower_space_to_depth(Lowering& to) {
    const auto s = to.shape(to.in(0));
    const auto block = to.attributes.integer("blocksize", 0);
    if (to.failed()) return;
    if (s.size() != 4 || block < 1 || block > 1 << 12 || s[2] % block != 0 || s[3] % block != 0)
        return to.refuse(Fault::invalid_input, fmt::format("has blocks of {} for {}", block, shown(s)));
    const auto split = to.reshaped(to.in(0), {s[0], s[1], s[2] / block, block, s[3] / block, block});
    const auto turned = to.put("Transpose", {split}, {{"perm", List{0, 3, 5, 1, 2, 4}}});
    to.make("Reshape", {turned, to.integers({s[0], s[1] * block * block, s[2] / block, s[3] / block})});
}

// Elements of x by their places in it, one after the other.
void gather_flat(Lowering& to, const Shape& rows, const List& places, const Shape& result) {
    const auto picked = to.put("Gather", {to.reshaped(to.in(0), rows), to.integers(places)});
    to.make("Reshape", {picked, to.integers(result)});
}

std::optional<List> constant_indices(Lowering& to) {
    const auto values = to.values(to.in(1));
    if (to.failed()) return std::nullopt;
    if (!to.is_constant(to.in(1))) {
        to.refuse(Fault::unsupported, "has indices '" + to.in(1) + "' that are computed; fard takes constants, and computed ones in Gather alone");
        return std::nullopt;
    }
    return List(values.begin(), values.end());
}

void lower_gather_elements(Lowering& to) {
    const auto shape = to.shape(to.in(0)), wanted = to.shape(to.in(1));
    const auto axis = to.axis(to.attributes.integer("axis", 0), shape.size());
    const auto indices = constant_indices(to);
    if (!indices) return;
    if (wanted.size() != shape.size() || !to.may_make(static_cast<std::int64_t>(indices->size())))
        return to.refuse(Fault::invalid_input, "has indices of " + shown(wanted) + " for " + shown(shape));
    List places;
    for (std::size_t at = 0; at < indices->size(); ++at) {
        std::int64_t place = 0, stride = 1, rest = static_cast<std::int64_t>(at);
        for (std::size_t i = shape.size(); i-- > 0; rest /= wanted[i], stride *= shape[i]) {
            auto index = i == axis ? (*indices)[at] : rest % wanted[i];
            if (i == axis && index < 0) index += shape[i];
            if (index < 0 || index >= shape[i])
                return to.refuse(Fault::invalid_input, fmt::format("reads element {} of {}", index, shape[i]));
            place += index * stride;
        }
        places.push_back(place);
    }
    gather_flat(to, {static_cast<std::int64_t>(elements(shape))}, places, wanted);
}

void lower_gather_nd(Lowering& to) {
    const auto shape = to.shape(to.in(0)), wanted = to.shape(to.in(1));
    const auto batch = to.attributes.integer("batch_dims", 0);
    const auto indices = constant_indices(to);
    if (!indices) return;
    const auto shared = static_cast<std::size_t>(std::max<std::int64_t>(batch, 0));
    const auto depth = wanted.empty() ? 0 : static_cast<std::size_t>(wanted.back());
    if (batch < 0 || depth < 1 || shared >= wanted.size() || shared + depth > shape.size() ||
        !std::equal(shape.begin(), shape.begin() + batch, wanted.begin()) ||
        !to.may_make(static_cast<std::int64_t>(indices->size())))
        return to.refuse(Fault::invalid_input, "has indices of " + shown(wanted) + " for " + shown(shape));
    const auto tuples = indices->size() / depth;
    const auto batches = elements(Shape(shape.begin(), shape.begin() + batch)), in_batch = tuples / batches;
    List places;
    for (std::size_t at = 0; at < tuples; ++at) {
        auto place = static_cast<std::int64_t>(at / in_batch);
        for (std::size_t i = 0; i < depth; ++i) {
            const auto extent = shape[shared + i];
            auto index = (*indices)[at * depth + i];
            if (index < 0) index += extent;
            if (index < 0 || index >= extent)
                return to.refuse(Fault::invalid_input, fmt::format("reads element {} of {}", index, extent));
            place = place * extent + index;
        }
        places.push_back(place);
    }
    const Shape rest(shape.begin() + batch + static_cast<std::ptrdiff_t>(depth), shape.end());
    Shape rows{static_cast<std::int64_t>(elements(shape) / elements(rest))}, result(wanted.begin(), wanted.end() - 1);
    rows.insert(rows.end(), rest.begin(), rest.end());
    result.insert(result.end(), rest.begin(), rest.end());
    gather_flat(to, rows, places, result);
}

// One of the two triangles of each matrix; nothing but 0 beyond it.
void lower_trilu(Lowering& to) {
    const auto shape = to.shape(to.in(0));
    const bool upper = to.attributes.integer("upper", 1) != 0;
    const auto shift = to.has(1) ? to.list(1, "k") : List{0};
    if (to.failed()) return;
    if (shape.size() < 2 || shift.size() != 1)
        return to.refuse(Fault::invalid_input, fmt::format("takes a triangle of {}", shown(shape)));
    const auto rows = shape[shape.size() - 2], columns = shape.back();
    if (!to.may_make(rows * columns)) return;
    RawTensor mask{"", "BOOL", {rows, columns}, {}};
    for (std::int64_t row = 0; row < rows; ++row)
        for (std::int64_t column = 0; column < columns; ++column)
            mask.add(upper ? column - row >= shift[0] : column - row <= shift[0]);
    to.make("Where", {to.constant(std::move(mask)), to.in(0), to.number_like(to.in(0), 0)});
}

// Where a list of numbers stands along `axis` of a tensor of `rank` dimensions.
std::string along(Lowering& to, const std::string& like, std::int64_t count, std::size_t axis, std::size_t rank) {
    Shape shape(rank, 1);
    shape[axis] = count;
    if (!to.may_make(count)) return like;
    RawTensor list{"", to.declared(like), shape, {}};
    for (std::int64_t i = 0; i < count; ++i)
        list.declared == "FLOAT32" ? list.values.floats.push_back(static_cast<float>(i)) : list.add(i);
    return to.constant(std::move(list));
}

// 1 at the largest element, 0 elsewhere.
void lower_hardmax(Lowering& to) {
    auto x = to.in(0);
    const auto shape = to.shape(x);
    const bool flattened = to.opset() < 13;
    auto axis = to.axis(to.attributes.integer("axis", flattened ? 1 : -1), shape.size());
    if (to.failed()) return;
    auto extents = shape;
    if (flattened) {
        const auto begin = shape.begin() + static_cast<std::ptrdiff_t>(axis);
        extents = {static_cast<std::int64_t>(elements(Shape(shape.begin(), begin))),
                   static_cast<std::int64_t>(elements(Shape(begin, shape.end())))};
        x = to.reshaped(x, extents), axis = 1;
    }
    const auto best = to.put("ArgMax", {x}, {{"axis", static_cast<std::int64_t>(axis)}});
    const auto found = to.put("Equal", {best, along(to, best, extents[axis], axis, extents.size())});
    const auto ones = to.put("Cast", {found}, {{"to", std::int64_t{1}}});
    to.make("Reshape", {ones, to.integers(shape)});
}

void lower_one_hot(Lowering& to) {
    const auto shape = to.shape(to.in(0));
    const auto axis = to.axis(to.attributes.integer("axis", -1), shape.size() + 1);
    const auto depth = to.values(to.in(1));
    if (to.failed()) return;
    if (depth.size() != 1 || !(depth[0] >= 1 && depth[0] <= 1 << 20) || to.shape(to.in(2)) != Shape{2})
        return to.refuse(Fault::unsupported, "needs a constant depth and a list of two values");
    const auto count = static_cast<std::int64_t>(depth[0]);
    auto indices = to.in(0);
    if (to.declared(indices) != "INT64") indices = to.cast(indices, 7);
    indices = to.put("Mod", {indices, to.number_like(indices, static_cast<double>(count))});
    indices = to.put("Unsqueeze", {indices, to.integers({static_cast<std::int64_t>(axis)})});
    const auto found = to.put("Equal", {indices, along(to, indices, count, axis, shape.size() + 1)});
    const auto off = to.put("Gather", {to.in(2), to.integers({0})}), on = to.put("Gather", {to.in(2), to.integers({1})});
    to.make("Where", {found, on, off});
}

// Any number of operands, one after the other.
void lower_fold(Lowering& to, std::string_view op) {
    auto result = to.in(0);
    for (std::size_t i = 1; i + 1 < to.operands(); ++i)
        result = to.put(op, {result, to.in(i)});
    to.operands() == 1 ? to.make("Identity", {result}) : to.make(op, {result, to.in(to.operands() - 1)});
}
void lower_max(Lowering& to) { lower_fold(to, to.node().op); }
void lower_sum(Lowering& to) { lower_fold(to, "Add"); }
void lower_mean(Lowering& to) {
    auto sum = to.in(0);
    for (std::size_t i = 1; i < to.operands(); ++i)
        sum = to.put("Add", {sum, to.in(i)});
    to.make("Div", {sum, to.number(static_cast<double>(to.operands()))});
}
bool not_two(const RawNode& node, const std::vector<const Tensor*>&, std::int64_t) { return node.inputs.size() != 2; }

// To BOOL: whether it is not 0. Half precision is computed as FLOAT32, rounded where it is cast.
void lower_cast(Lowering& to) {
    const auto target = to.attributes.integer("to", 0);
    const auto x = to.in(0);
    if (target == 9)
        return to.make("Not", {to.put("Equal", {x, to.number_like(x, 0)})});
    const auto fractions = to.declared(x) == "FLOAT32" ? x : to.cast(x, 1);
    if (target == 11) return to.make("Identity", {fractions});
    to.make(target == 10 ? "ToFloat16" : "ToBfloat16", {fractions}, {}, own_domain);
}
bool casts_to_truth_or_half(const RawNode& node, const std::vector<const Tensor*>&, std::int64_t) {
    const auto target = AttributeReader(node).integer("to", 0);
    return target == 9 || target == 10 || target == 11 || target == 16;
}

void lower_cast_like(Lowering& to) {
    const auto type = to.declared(to.in(1));
    constexpr std::pair<std::string_view, std::int64_t> types[] = {{"FLOAT32", 1}, {"UINT8", 2}, {"INT8", 3},
                                                                   {"UINT16", 4},  {"INT16", 5}, {"INT32", 6},
                                                                   {"INT64", 7},   {"BOOL", 9}};
    for (const auto& [name, number] : types)
        if (name == type) return to.make("Cast", {to.in(0)}, {{"to", number}});
    to.refuse(Fault::unsupported, "casts to " + type);
}

// Bounds that are computed.
void lower_clip(Lowering& to) {
    auto x = to.in(0);
    if (to.has(1)) x = to.put("Max", {x, to.in(1)});
    if (to.has(2)) x = to.put("Min", {x, to.in(2)});
    to.make("Identity", {x});
}
bool has_computed_operand(const RawNode&, const std::vector<const Tensor*>& operands, std::int64_t) {
    return std::any_of(operands.begin() + 1, operands.end(),
                       [](const Tensor* each) { return each != nullptr && !each->is_constant(); });
}

}  // namespace

const std::vector<LoweredRow>& lowered_moves() {
    constexpr std::size_t many = 1 << 16;
    static const std::vector<LoweredRow> rows{
        {"", "Cast", 1, 1, lower_cast, "saturate to", casts_to_truth_or_half},
        {"", "CastLike", 2, 2, lower_cast_like, "saturate"},
        {"", "Clip", 1, 3, lower_clip, "", has_computed_operand},
        {"", "DepthToSpace", 1, 1, lower_depth_to_space, "blocksize mode"},
        {"", "Expand", 2, 2, lower_expand},
        {"", "GatherElements", 2, 2, lower_gather_elements, "axis"},
        {"", "GatherND", 2, 2, lower_gather_nd, "batch_dims"},
        {"", "Hardmax", 1, 1, lower_hardmax, "axis"},
        {"", "Max", 1, many, lower_max, "", not_two},
        {"", "Mean", 1, many, lower_mean},
        {"", "Min", 1, many, lower_max, "", not_two},
        {"", "OneHot", 3, 3, lower_one_hot, "axis"},
        {"", "SpaceToDepth", 1, 1, lower_space_to_depth, "blocksize"},
        {"", "Split", 1, 2, lower_split, "axis num_outputs split"},
        {"", "Sum", 1, many, lower_sum},
        {"", "Tile", 2, 2, lower_tile},
        {"", "Trilu", 1, 2, lower_trilu, "upper"},
    };
    return rows;
}

}  // namespace fard::model
