#include "cli/not_numbers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace fard::cli {
namespace {

bool holds_nan(std::span<const std::byte> bytes) {
    for (std::size_t at = 0; at + sizeof(float) <= bytes.size(); at += sizeof(float)) {
        float value = 0;
        std::memcpy(&value, bytes.data() + at, sizeof value);
        if (std::isnan(value)) return true;
    }
    return false;
}

}  // namespace

std::vector<std::span<const std::byte>> bytes_of(const std::vector<Frame>& tensors) {
    std::vector<std::span<const std::byte>> bytes;
    for (const auto& tensor : tensors)
        bytes.push_back(tensor.bytes());
    return bytes;
}

void NotNumbers::look_at(const std::string& where, const std::vector<std::span<const std::byte>>& tensors) {
    bool any = false;
    for (std::size_t i = 0; i < std::min(tensors_.size(), tensors.size()); ++i)
        any = any || (!tensors_[i].type.is_integer() && holds_nan(tensors[i]));
    if (!any) return;
    if (found_++ == 0) first_ = where;
}

std::string NotNumbers::remark() const {
    if (found_ == 0) return "";
    return fmt::format("{} {}{} values that are no numbers (NaN), {}{}", found_, kind_, found_ == 1 ? " holds" : "s hold",
                       found_ == 1 ? "" : "the first ", first_);
}

}  // namespace fard::cli
