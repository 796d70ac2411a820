#include "overlays/finn/driver_metadata.hpp"

#include <fmt/ranges.h>

#include <algorithm>

#include "overlays/finn/python_literal.hpp"

namespace fard::finn {
namespace {

constexpr std::int64_t max_elements = std::int64_t{1} << 31;
constexpr std::size_t max_streams = 64;

class Reader {
  public:
    Reader(const Literal::Dictionary& entries, int line, const std::string& where) : entries_(entries), line_(line), where_(where) {}

    tl::unexpected<Error> wrong(int line, const std::string& what) const {
        return fail(Fault::invalid_input, "{}:{}: io_shape_dict: {}", where_, line, what);
    }
    const Literal* find(std::string_view key) const {
        const auto found = entries_.find(key);
        return found == entries_.end() ? nullptr : &found->second;
    }

    // One literal for each stream: a list, or the thing itself where the driver is an old one.
    Result<std::vector<const Literal*>> each(const std::string& key, bool is_tuple) const {
        const auto* entry = find(key);
        if (!entry) return wrong(line_, fmt::format("there is no '{}'", key));
        const auto* list = entry->list();
        const bool single = is_tuple ? list && !list->empty() && list->front().integer() : !list;
        std::vector<const Literal*> out;
        if (single) out.push_back(entry);
        else if (list)
            for (const auto& item : *list) out.push_back(&item);
        if (out.empty() || out.size() > max_streams)
            return wrong(entry->line, fmt::format("'{}' must have 1 to {} entries", key, max_streams));
        return out;
    }

    Result<std::vector<std::int64_t>> shape(const Literal& literal, const std::string& key) const {
        std::vector<std::int64_t> out;
        std::int64_t elements = 1;
        const auto* list = literal.list();
        if (!list || list->empty() || list->size() > 8) return wrong(literal.line, fmt::format("'{}' must hold tuples of extents", key));
        for (const auto& item : *list) {
            const auto* extent = item.integer();
            if (!extent || *extent < 1 || *extent > max_elements / elements)
                return wrong(literal.line, fmt::format("an extent of '{}' is no whole number from 1 on, or their product is too large", key));
            elements *= *extent;
            out.push_back(*extent);
        }
        return out;
    }

    Result<std::vector<DriverStream>> streams(const std::string& letter, const std::string& dma_key, const char* dma) const {
        const auto types = each(letter + "dt", false);
        if (!types) return fail(types.error());
        std::vector<DriverStream> out(types->size());
        for (std::size_t i = 0; i < out.size(); ++i) {
            const auto* name = (*types)[i]->text();
            const auto type = name ? DataType::parse(*name) : Result<DataType>(wrong((*types)[i]->line, "a type is no DataType"));
            if (!type) return wrong((*types)[i]->line, type.error().message);
            out[i].type = *type;
            out[i].line = (*types)[i]->line;
            out[i].dma = fmt::format("{}{}", dma, i);
        }
        const std::pair<const char*, std::vector<std::int64_t> DriverStream::*> shapes[] = {
            {"shape_normal", &DriverStream::normal}, {"shape_folded", &DriverStream::folded}, {"shape_packed", &DriverStream::packed}};
        for (const auto& [suffix, member] : shapes) {
            const auto key = letter + suffix;
            const auto found = each(key, true);
            if (!found) return fail(found.error());
            if (found->size() != out.size())
                return wrong(find(key)->line, fmt::format("'{}' has {} entries, and '{}dt' {}", key, found->size(), letter, out.size()));
            for (std::size_t i = 0; i < out.size(); ++i) {
                auto extents = shape(*(*found)[i], key);
                if (!extents) return fail(extents.error());
                out[i].*member = std::move(*extents);
            }
        }
        if (auto named = name_dmas(dma_key, out); !named) return fail(named.error());
        for (const auto& stream : out)
            if (auto fits = check(stream); !fits) return fail(fits.error());
        return out;
    }

    Result<> count(const std::string& key, std::size_t expected) const {
        const auto* entry = find(key);
        if (!entry) return {};
        const auto* number = entry->integer();
        if (number && *number == static_cast<std::int64_t>(expected)) return {};
        return wrong(entry->line, fmt::format("'{}' is not the {} that it lists", key, expected));
    }

  private:
    Result<> name_dmas(const std::string& key, std::vector<DriverStream>& streams) const {
        if (!find(key)) return {};
        const auto names = each(key, false);
        if (!names) return fail(names.error());
        if (names->size() != streams.size())
            return wrong(find(key)->line, fmt::format("'{}' has {} names for {} tensors", key, names->size(), streams.size()));
        for (std::size_t i = 0; i < streams.size(); ++i) {
            const auto* name = (*names)[i]->text();
            if (!name) return wrong((*names)[i]->line, fmt::format("'{}' must hold names", key));
            streams[i].dma = *name;
            streams[i].line = (*names)[i]->line;
        }
        return {};
    }

    static std::int64_t product(const std::vector<std::int64_t>& shape) {
        std::int64_t elements = 1;
        for (const auto extent : shape) elements *= extent;
        return elements;
    }

    Result<> check(const DriverStream& s) const {
        if (s.normal[0] != 1 || s.folded[0] != 1 || s.packed[0] != 1)
            return wrong(s.line, fmt::format("the leading extents of {} are not 1, which stands for the batch", s.dma));
        if (product(s.normal) != product(s.folded))
            return wrong(s.line, fmt::format("{} has ({}) normally and ({}) folded: not the same number of elements", s.dma,
                                             fmt::join(s.normal, ", "), fmt::join(s.folded, ", ")));
        const auto bytes = (s.folded.back() * s.type.bits() + 7) / 8;
        auto expected = s.folded;
        expected.back() = bytes;
        if (s.packed != expected)
            return wrong(s.line, fmt::format("{} is ({}) packed, and words of {} elements of {} would make it ({})", s.dma,
                                             fmt::join(s.packed, ", "), s.folded.back(), s.type.name(), fmt::join(expected, ", ")));
        return {};
    }

    const Literal::Dictionary& entries_;
    int line_;
    const std::string& where_;
};

Result<> read_weights(const Reader& reader, DriverMetadata& out) {
    if (const auto* count = reader.find("number_of_external_weights")) {
        const auto* number = count->integer();
        if (!number || *number < 0 || *number > static_cast<std::int64_t>(max_streams))
            return reader.wrong(count->line, "'number_of_external_weights' is no small number");
        out.external_weights = *number;
    }
    const auto* shapes = reader.find("external_weights_input_shapes");
    if (!shapes) return {};
    const auto* entries = shapes->dictionary();
    if (!entries) return reader.wrong(shapes->line, "'external_weights_input_shapes' is no dictionary");
    for (const auto& [dma, literal] : *entries) {
        auto shape = reader.shape(literal, "external_weights_input_shapes");
        if (!shape) return fail(shape.error());
        out.weight_inputs[dma] = std::move(*shape);
    }
    return {};
}

}  // namespace

Result<DriverMetadata> read_driver(std::string_view source, const std::string& where) {
    const auto literal = find_literal(source, "io_shape_dict", where);
    if (!literal) return fail(literal.error());
    if (!literal->dictionary())
        return fail(Fault::invalid_input, "{}:{}: io_shape_dict is no dictionary", where, literal->line);
    const Reader reader(*literal->dictionary(), literal->line, where);
    DriverMetadata out;
    auto inputs = reader.streams("i", "input_dma_name", "idma");
    if (!inputs) return fail(inputs.error());
    auto outputs = reader.streams("o", "output_dma_name", "odma");
    if (!outputs) return fail(outputs.error());
    out.inputs = std::move(*inputs);
    out.outputs = std::move(*outputs);
    if (auto right = reader.count("num_inputs", out.inputs.size()); !right) return fail(right.error());
    if (auto right = reader.count("num_outputs", out.outputs.size()); !right) return fail(right.error());
    if (auto read = read_weights(reader, out); !read) return fail(read.error());
    return out;
}

}  // namespace fard::finn
