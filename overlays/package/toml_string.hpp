// Text as TOML files have it.
#pragma once

#include <string>
#include <string_view>

namespace fard {

std::string toml_string(std::string_view text);  // in quotes, whatever it holds

}  // namespace fard
