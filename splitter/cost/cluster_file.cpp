// CLUSTER.toml.
#include <algorithm>
#include <map>

#include "base/read_file.hpp"
#include "base/suggest.hpp"
#include "overlays/package/toml_table.hpp"
#include "splitter/cost/cluster.hpp"

namespace fard::splitter {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t max_file_bytes = 4 << 20;
constexpr std::size_t max_boards = 4096;

class Reader {
  public:
    Reader(const std::string& where, const FindProfile& profiles, const Fractions& fractions)
        : where_(where), profiles_(profiles), fractions_(fractions) {}

    Result<Cluster> read(const toml::table& table) {
        TableReader reader(table, where_);
        if (auto r = reader.with("board", true, [&](const toml::node& node) { return boards(reader, node); }); !r)
            return fail(r.error());
        if (auto r = client(reader); !r) return fail(r.error());
        if (auto r = board_named(reader, "input_at", "client", cluster_.input_at); !r) return fail(r.error());
        if (auto r = board_named(reader, "output_at", "client", cluster_.output_at); !r) return fail(r.error());
        if (auto r = board_named(reader, "coordinator", {}, cluster_.coordinator); !r) return fail(r.error());
        if (auto r = reader.nothing_else(); !r) return fail(r.error());
        return std::move(cluster_);
    }

  private:
    Result<> boards(TableReader& parent, const toml::node& node) {
        const auto* array = node.as_array();
        if (!array || array->empty() || array->size() > max_boards)
            return parent.wrong(node, fmt::format("there must be 1 to {} tables [[board]]", max_boards));
        for (const auto& item : *array)
            if (auto r = board(parent, item); !r) return r;
        return {};
    }

    Result<> board(TableReader& parent, const toml::node& node) {
        const auto* table = node.as_table();
        if (!table) return parent.wrong(node, "a board must be a table [[board]]");
        TableReader reader(*table, where_);
        std::string name, profile, loaded;
        BoardSettings settings;
        std::int64_t slots = -1;
        if (auto r = reader.text("name", true, name); !r) return r;
        if (auto r = reader.text("profile", true, profile); !r) return r;
        if (auto r = reader.count("slots", false, slots); !r) return r;
        if (auto r = reader.text("loaded", false, loaded); !r) return r;
        if (auto r = rate(reader, settings.mbit_per_s, settings.latency_us); !r) return r;
        if (auto r = reader.nothing_else(); !r) return r;
        if (slots >= 0) settings.slots = static_cast<std::size_t>(slots);
        if (name.empty() || name == "client") return parent.wrong(node, "a board needs a name, and not 'client'");
        if (index(name)) return parent.wrong(node, fmt::format("there are two boards '{}'", name));
        const auto read = profile_of(profile);
        if (!read) return parent.wrong(node, read.error().message);
        auto made = board_of(*read, name, settings, fractions_);
        if (!made) return parent.wrong(node, made.error().message);
        made->loaded = std::move(loaded);
        cluster_.boards.push_back(std::move(*made));
        return {};
    }

    static Result<> rate(TableReader& reader, std::optional<double>& mbit, std::optional<double>& latency) {
        double rate = -1, us = -1;
        if (auto r = reader.number("mbit_per_s", false, rate); !r) return r;
        if (auto r = reader.number("latency_us", false, us); !r) return r;
        if (rate >= 0) mbit = rate;
        if (us >= 0) latency = us;
        return {};
    }

    // Without a section of its own the client stands at the same switch, at the rate of the fastest board.
    Result<> client(TableReader& reader) {
        for (const auto& board : cluster_.boards)
            if (board.way.bytes_per_s > cluster_.client.bytes_per_s) cluster_.client = board.way;
        return reader.with("client", false, [&](const toml::node& node) -> Result<> {
            const auto* table = node.as_table();
            if (!table) return reader.wrong(node, "'client' must be a table");
            TableReader section(*table, where_);
            std::optional<double> mbit, latency;
            if (auto r = rate(section, mbit, latency); !r) return r;
            if (auto r = section.nothing_else(); !r) return r;
            if (!mbit) return reader.wrong(node, "the client's 'mbit_per_s' is missing");
            if (!(*mbit > 0)) return reader.wrong(node, "nothing can reach a client at 0 Mbit/s; mbit_per_s must be above 0");
            cluster_.client = way_at(*mbit, latency ? *latency : cluster_.client.latency_s * 1e6);
            return {};
        });
    }

    // The number of the board that a key names; none where it is left out, or says `nobody`.
    Result<> board_named(TableReader& reader, const char* key, const std::string& nobody, std::optional<std::size_t>& out) {
        return reader.with(key, false, [&](const toml::node& node) -> Result<> {
            const auto name = node.value_exact<std::string>();
            if (!name) return reader.wrong(node, fmt::format("'{}' must be a board's name{}", key, nobody.empty() ? "" : ", or '" + nobody + "'"));
            if (!nobody.empty() && *name == nobody) return {};
            out = index(*name);
            if (out) return {};
            std::vector<std::string> names;
            if (!nobody.empty()) names.push_back(nobody);
            for (const auto& board : cluster_.boards)
                names.push_back(board.name);
            return reader.wrong(node, fmt::format("'{}': there is no board '{}'{}", key, *name, did_you_mean(*name, names)));
        });
    }

    std::optional<std::size_t> index(const std::string& name) const {
        for (std::size_t i = 0; i < cluster_.boards.size(); ++i)
            if (cluster_.boards[i].name == name) return i;
        return std::nullopt;
    }

    Result<BoardProfile> profile_of(const std::string& name) {
        if (const auto found = read_.find(name); found != read_.end()) return found->second;
        auto profile = profiles_(name);
        if (profile) read_.emplace(name, *profile);
        return profile;
    }

    std::string where_;
    const FindProfile& profiles_;
    Fractions fractions_;
    Cluster cluster_;
    std::map<std::string, BoardProfile> read_;
};

}  // namespace

Result<Cluster> parse_cluster(std::string_view toml, const std::string& where, const FindProfile& profiles,
                              const Fractions& fractions) {
    const auto table = parse_toml(toml, where);
    if (!table) return fail(table.error());
    return Reader(where, profiles, fractions).read(*table);
}

Result<Cluster> read_cluster(const fs::path& file, const fs::path& profiles, const Fractions& fractions) {
    const auto text = read_whole_file(file, {.most_bytes = max_file_bytes, .pipes = true});
    if (!text) return fail(text.error());
    const auto in_directory = [&](const std::string& name) { return load_board_profile(profiles, name); };
    return parse_cluster(*text, file.string(), in_directory, fractions);
}

}  // namespace fard::splitter
