#include "base/suggest.hpp"

#include <algorithm>
#include <cctype>
#include <cstddef>

namespace fard {
namespace {

std::string folded(std::string_view name) {
    std::string out;
    for (char c : name)
        out += c == '-' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return out;
}

// Edit distance with swaps of neighbours (optimal string alignment), over three rolling rows.
std::size_t distance(const std::string& a, const std::string& b) {
    std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j)
        last[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
            const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
        }
        before.swap(last);
        last.swap(row);
    }
    return last[b.size()];
}

}  // namespace

std::string nearest(std::string_view name, const std::vector<std::string>& candidates) {
    constexpr std::size_t longest = 256;  // a name from outside; the work grows with its length
    if (name.size() > longest) return "";
    const std::string wanted = folded(name);
    std::string best;
    std::size_t best_distance = 0;
    for (const auto& candidate : candidates) {
        if (candidate.size() > longest) continue;
        const std::size_t d = distance(wanted, folded(candidate));
        if (3 * d > std::max(wanted.size(), candidate.size())) continue;
        if (best.empty() || d < best_distance) {
            best = candidate;
            best_distance = d;
        }
    }
    return best;
}

std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates) {
    const std::string found = nearest(name, candidates);
    return found.empty() ? "" : " (did you mean " + found + "?)";
}

}  // namespace fard
