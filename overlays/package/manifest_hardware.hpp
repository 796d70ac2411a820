// [[hardware]] of a manifest, both ways. Internal to manifest.cpp.
#pragma once

#include "overlays/package/package.hpp"
#include "overlays/package/toml_table.hpp"

namespace fard {

// lut, ff, bram18, uram, dsp: those that are given.
Result<> read_resources(TableReader& reader, std::map<std::string, std::int64_t>& out);
Result<> read_shape(const TableReader& reader, std::string_view key, const toml::node& node, std::vector<std::int64_t>& out);

// All of [[hardware]], held against the rest of the manifest, which is read already.
Result<> read_hardware(TableReader& reader, Manifest& manifest);
void append_hardware(std::string& out, const Hardware& hardware);

}  // namespace fard
