// FINN's folding files: JSON, one object for each unit, by its name. And the file that says how each unit is written.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "overlays/package/hardware.hpp"
#include "splitter/estimates/hardware.hpp"

namespace fard::splitter {

// Units by kind and running number; the language that a name says is a part of how the unit is built.
struct FoldingFile {
    std::map<std::pair<model::FinnKind, int>, UnitFolding> units;
    bool early = false;  // names of before 2022 (StreamingFCLayer_Batch_0)
    std::vector<std::string> ignored;  // names of kinds that are estimated otherwise or not at all: FIFOs, converters
};

// Errors: invalid_input, with the place in the text or the unit and its key.
Result<FoldingFile> parse_folding(std::string_view json, const std::string& where);

// What FINN calls a unit, and how it is to be built.
using NamedFolding = std::pair<std::string, UnitFolding>;
std::string folding_json(const std::vector<NamedFolding>& units);
// The languages of the same units, which must be all of a network's in its order, under the names that they have before FINN
// specializes them (MVAU_0). Early units have no language.
std::string specialization_json(const std::vector<NamedFolding>& units);
UnitFoldings unit_foldings(const std::vector<NamedFolding>& units);  // the same as a manifest has it

}  // namespace fard::splitter
