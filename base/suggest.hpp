// "Did you mean ...?" for every place where people type a name: keys of TOML files, options, tensors,
// subcommands.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fard {

// The candidate that `name` most likely meant: the smallest edit distance (insert, delete, replace, swap of
// neighbours; case and '-' against '_' are free), if that is at most a third of the longer name; "" if none
// is near. Of equally near ones the first wins.
std::string nearest(std::string_view name, const std::vector<std::string>& candidates);

// " (did you mean CANDIDATE?)", or "" if none is near: to be appended to an error message.
std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace fard
