#include "cli/not_numbers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace fard::cli {
namespace {

bool holds_nan(const Frame& frame) {
    const auto bytes = frame.bytes();
    for (std::size_t at = 0; at + sizeof(float) <= bytes.size(); at += sizeof(float)) {
        float value = 0;
        std::memcpy(&value, bytes.data() + at, sizeof value);
        if (std::isnan(value)) return true;
    }
    return false;
}

}  // namespace

void NotNumbers::look_at(const Input& input) {
    bool any = false;
    for (std::size_t i = 0; i < std::min(tensors_.size(), input.tensors.size()); ++i)
        any = any || (!tensors_[i].type.is_integer() && holds_nan(input.tensors[i]));
    if (!any) return;
    if (inputs_++ == 0) first_ = input.where;
}

std::string NotNumbers::remark() const {
    if (inputs_ == 0) return "";
    return fmt::format("{} input{} values that are no numbers (NaN), {}{}", inputs_, inputs_ == 1 ? " holds" : "s hold",
                       inputs_ == 1 ? "" : "the first ", first_);
}

}  // namespace fard::cli
