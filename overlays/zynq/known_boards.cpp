#include "overlays/zynq/known_boards.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

namespace fard::zynq {
namespace {

// By what their device trees are compatible with, as Linux has them.
constexpr std::pair<std::string_view, std::string_view> known_boards[] = {
    {"avnet,zynq-zed", "xc7z020clg484-1"},          {"xlnx,zynq-zed", "xc7z020clg484-1"},
    {"digilent,zynq-zybo", "xc7z010clg400-1"},      {"xlnx,zynq-zc702", "xc7z020clg484-1"},
    {"xlnx,zynq-zc706", "xc7z045ffg900-2"},         {"xlnx,zynqmp-zcu102", "xczu9eg-ffvb1156-2-e"},
    {"xlnx,zynqmp-zcu104", "xczu7ev-ffvc1156-2-e"}, {"avnet,ultra96", "xczu3eg-sbva484-1-e"},
    {"xlnx,zynqmp-sk-kv260-rev1", "xck26-sfvc784-2LV-c"}, {"xlnx,zynqmp-sk-kv260", "xck26-sfvc784-2LV-c"},
};

}  // namespace

// The names are one behind the other, the most particular one first, each with a NUL.
FoundBoard find_board(Host& host, const Roots& roots) {
    FoundBoard found;
    found.names = host.read(roots.sys / "firmware/devicetree/base/compatible").value_or("");
    for (std::string_view rest = found.names; !rest.empty() && found.part.empty();) {
        const auto name = rest.substr(0, rest.find('\0'));
        const auto* known = std::ranges::find(known_boards, name, [](const auto& row) { return row.first; });
        if (known != std::end(known_boards)) found.part = known->second;
        rest.remove_prefix(std::min(rest.size(), name.size() + 1));
    }
    std::ranges::replace(found.names, '\0', ' ');
    return found;
}

}  // namespace fard::zynq
