// Which units the names in a file of FINN's are of.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "model/layers/finn_units.hpp"

namespace fard::splitter {

// Whether a name is of a unit in RTL; none where it does not say.
std::optional<bool> language_of(std::string_view name);

// The units that are named, each by its kind and number among all of its kind; what is no unit's name is left out. `names` are all of
// a file, in its order. FINN numbers each language by itself, so where a kind is there in both the place in the file counts: FINN
// writes units in the network's order. Errors: invalid_input (a kind in both languages, of which some are left out or out of order).
Result<std::map<std::string, model::FinnKey, std::less<>>> units_of(std::span<const std::string> names, const std::string& where);

}  // namespace fard::splitter
