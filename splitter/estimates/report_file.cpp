#include "splitter/estimates/report_file.hpp"

#include <charconv>
#include <nlohmann/json.hpp>

#include "splitter/estimates/unit_names.hpp"

namespace fard::splitter {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t most = std::int64_t{1} << 40;
constexpr std::string_view partition = "StreamingDataflowPartition_";

// A count: a number, or one in a string as Vivado HLS's own reports have it. None: it is neither.
std::optional<std::int64_t> count_of(const Json& json) {
    double value = -1;
    if (json.is_number()) {
        value = json.get<double>();
    } else if (json.is_string()) {
        const auto text = json.get<std::string>();
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    }
    if (!(value >= 0 && value <= static_cast<double>(most))) return std::nullopt;
    return static_cast<std::int64_t>(value);
}

// A name of a whole design stands behind the partition that the unit is in.
std::string_view unit_name(std::string_view name) {
    if (!name.starts_with(partition)) return name;
    const auto end = name.find('_', partition.size());
    return end == name.npos ? name : name.substr(end + 1);
}

class Reader {
  public:
    Reader(ReportFile& report, const std::string& where) : report_(report), where_(where) {}

    Result<> read(const Json& json) {
        if (!json.is_object()) return fail(Fault::invalid_input, "{}: a report is one JSON object, with one entry for each unit", where_);
        synthesised_ = json.contains("(top)");
        std::vector<std::string> names;
        for (const auto& [name, value] : json.items())
            names.emplace_back(unit_name(name));
        const auto units = units_of(names, where_);
        if (!units) return fail(units.error());
        for (const auto& [name, value] : json.items()) {
            const auto key = units->find(unit_name(name));
            if (key == units->end()) continue;
            if (auto r = unit(name, value, report_.units[{key->second.kind, key->second.number}]); !r) return r;
        }
        if (units->empty())
            return fail(Fault::invalid_input,
                        "{}: names no unit of FINN's (MVAU_hls_0, ...); is it estimate_layer_resources.json, "
                        "estimate_layer_cycles.json or post_synth_resources.json?",
                        where_);
        return {};
    }

  private:
    Result<> unit(const std::string& name, const Json& value, UnitFigures& figures) const {
        if (!value.is_object()) {
            const auto cycles = count_of(value);
            if (!cycles || *cycles < 1) return wrong(name, "must be cycles, a whole number of at least 1, or an object");
            figures.cycles = cycles;
            return {};
        }
        std::optional<std::int64_t> brams;
        struct Key {
            const char* name;
            std::optional<std::int64_t>* figure;
            std::int64_t factor;
        };
        for (const auto& key : {Key{"LUT", &figures.lut, 1}, Key{"FF", &figures.ff, 1}, Key{"URAM", &figures.uram, 1},
                                Key{"BRAM_18K", &brams, 1}, Key{"BRAM_36K", &brams, 2}, Key{"DSP", &figures.dsp, 1},
                                Key{"DSP48E", &figures.dsp, 1}}) {
            const auto found = value.find(key.name);
            if (found == value.end()) continue;
            const auto count = count_of(*found);
            if (!count) return wrong(name, fmt::format("'{}' must be a count", key.name));
            const bool adds = key.figure == &brams;
            const bool other = key.name == std::string_view("DSP48E") && value.contains("DSP");
            if ((*count == 0 && !synthesised_) || other) continue;
            *key.figure = (adds ? key.figure->value_or(0) : 0) + *count * key.factor;
        }
        if (brams) figures.bram18 = brams;
        return {};
    }

    tl::unexpected<Error> wrong(const std::string& name, const std::string& what) const {
        return fail(Fault::invalid_input, "{}: {}: {}", where_, name, what);
    }

    ReportFile& report_;
    const std::string& where_;
    bool synthesised_ = false;
};

}  // namespace

void UnitFigures::put_into(UnitCost& cost) const {
    const std::optional<std::int64_t> figures[] = {lut, ff, bram18, uram, dsp};
    for (std::size_t i = 0; i < Resources::kinds; ++i)
        cost.need.of[i] = figures[i].value_or(cost.need.of[i]);
    cost.cycles = cycles.value_or(cost.cycles);
}

Result<> add_report(ReportFile& report, std::string_view text, const std::string& where) {
    const auto json = Json::parse(text, nullptr, false);
    if (json.is_discarded()) return fail(Fault::invalid_input, "{}: not a JSON file", where);
    return Reader(report, where).read(json);
}

}  // namespace fard::splitter
