// Holds docs/protocol.md against the tables in the code.
#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include "runtime/peer/chunk_header.hpp"
#include "runtime/peer/codec.hpp"
#include "runtime/peer/message_parts.hpp"
#include "runtime/peer/messages_board.hpp"
#include "runtime/peer/messages_client.hpp"
#include "runtime/peer/messages_mesh.hpp"

using namespace fard;

namespace {

std::string trimmed(const std::string& text) {
    const auto begin = text.find_first_not_of(" `");
    return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(" `") - begin + 1);
}

// The cells of every table row of the page whose first cell is `accepted`.
template <typename Accepted>
std::vector<std::vector<std::string>> rows_where(Accepted accepted) {
    const char* root = std::getenv("FARD_SOURCE_ROOT");
    std::ifstream page(std::string(root != nullptr ? root : ".") + "/docs/protocol.md");
    REQUIRE_MESSAGE(page.good(), "docs/protocol.md cannot be read; run with FARD_SOURCE_ROOT");
    std::vector<std::vector<std::string>> rows;
    for (std::string line; std::getline(page, line);) {
        if (!line.starts_with("|")) continue;
        std::istringstream text(line.substr(1));
        std::vector<std::string> cells;
        for (std::string cell; std::getline(text, cell, '|');)
            cells.push_back(trimmed(cell));
        if (!cells.empty() && accepted(cells[0])) rows.push_back(std::move(cells));
    }
    return rows;
}

std::string size_text(std::size_t bytes) {
    return bytes % wire::mib == 0 ? fmt::format("{} MiB", bytes / wire::mib)
                                  : fmt::format("{} KiB", bytes / wire::kib);
}

template <typename Part>
std::string fields_text() {
    std::string text;
    std::apply(
        [&](const auto&... fields) { ((text += (text.empty() ? "" : ", ") + std::string(fields.key)), ...); },
        wire::fields_of<Part>());
    return text;
}

}  // namespace

TEST_CASE("docs/protocol.md lists every message with its number, version, cap and fields") {
    std::map<std::string, std::vector<std::string>> documented;
    const auto is_number = [](const std::string& cell) {
        return !cell.empty() && cell.find_first_not_of("0123456789") == std::string::npos;
    };
    for (const auto& row : rows_where(is_number)) {
        if (row.size() == 2) continue;  // of a table of exit codes or descriptors
        REQUIRE_MESSAGE(row.size() == 7, "row ", row[0]);
        CHECK_MESSAGE(documented.emplace(row[0], row).second, "number ", row[0], " stands there twice");
        CHECK_MESSAGE(!row[5].empty(), "who sends ", row[1], " to whom?");
        CHECK_MESSAGE(!row[6].empty(), "what does ", row[1], " mean?");
    }
    auto expected = wire::table_rows();
    expected.push_back({ChunkHeader::type, ChunkHeader::version, ChunkHeader::cap, "CHUNK", "r, e, d, i, s"});
    for (const auto& row : expected) {
        const auto found = documented.find(std::to_string(row.type));
        REQUIRE_MESSAGE(found != documented.end(), row.name, " is missing");
        const auto& cells = found->second;
        CHECK(cells[1] == row.name);
        CHECK_MESSAGE(cells[2] == std::to_string(row.version), row.name);
        CHECK_MESSAGE(cells[3] == size_text(row.cap), row.name);
        CHECK_MESSAGE(cells[4] == row.fields, row.name);
    }
    CHECK(documented.size() == expected.size());
}

TEST_CASE("docs/protocol.md lists the parts that messages share") {
    const std::map<std::string, std::string> expected{
        {"Record", fields_text<wire::Record>()},
        {"Address", fields_text<Address>()},
        {"AllowedKey", fields_text<wire::AllowedKey>()},
        {"Member", fields_text<wire::Member>()},
        {"DeviceState", fields_text<wire::DeviceState>()},
        {"LinkEndpoint", fields_text<wire::LinkEndpoint>()},
        {"PackageWish", fields_text<wire::PackageWish>()},
        {"GatheredPackage", fields_text<wire::GatheredPackage>()},
        {"PartSpec", fields_text<wire::PartSpec>()},
        {"PositionSpec", fields_text<wire::PositionSpec>()},
        {"AppSpec", fields_text<wire::AppSpec>()},
        {"JobKey", fields_text<wire::JobKey>()},
        {"SlotRequest", fields_text<wire::SlotRequest>()},
        {"JobSpec", fields_text<wire::JobSpec>()},
        {"SlotTurns", fields_text<wire::SlotTurns>()},
        {"JobStats", fields_text<wire::JobStats>()},
        {"JobReport", fields_text<wire::JobReport>()},
        {"JobBound", fields_text<wire::JobBound>()},
        {"JobWire", fields_text<wire::JobWire>()},
        {"BoardRow", fields_text<wire::BoardRow>()},
        {"LostBoard", fields_text<wire::LostBoard>()},
        {"RunPlace", fields_text<wire::RunPlace>()},
        {"CheckRow", fields_text<wire::CheckRow>()},
        {"LogLine", fields_text<wire::LogLine>()},
        {"TensorDesc", fields_text<TensorDesc>()},
    };
    std::size_t found = 0;
    for (const auto& row : rows_where([&](const std::string& cell) { return expected.contains(cell); })) {
        ++found;
        CHECK_MESSAGE(row[1] == expected.at(row[0]), row[0]);
    }
    CHECK(found == expected.size());
}
