// docs/operators.md lists what the importer's tables have, and nothing else.
#include <doctest/doctest.h>

#include <fstream>
#include <set>
#include <string>

#include "model/operators.hpp"
#include "tests/model/data.hpp"

using namespace fard;

namespace {

using Names = std::set<std::string>;

// What stands in `...` in the second column of the page's table.
Names listed() {
    std::ifstream page(model::test::source_root() / "docs/operators.md");
    Names names;
    for (std::string line; std::getline(page, line);) {
        if (!line.starts_with("| ")) continue;
        const auto first = line.find('|', 1), last = line.find('|', first + 1);
        for (auto at = line.find('`', first); at < last;) {
            const auto end = line.find('`', at + 1);
            names.insert(line.substr(at + 1, end - at - 1));
            at = line.find('`', end + 1);
        }
    }
    return names;
}

Names without(const Names& all, const Names& others) {
    Names rest;
    for (const auto& name : all)
        if (!others.contains(name)) rest.insert(name);
    return rest;
}

}  // namespace

TEST_CASE("the page of operators lists every operator that the importer reads, and no other") {
    const auto supported = model::supported_operators();
    const Names read(supported.begin(), supported.end()), page = listed();
    CHECK(page.size() > 150);
    for (const auto& name : without(read, page)) CHECK_MESSAGE(false, "docs/operators.md does not list ", name);
    for (const auto& name : without(page, read)) CHECK_MESSAGE(false, "no table has ", name, ", which docs/operators.md lists");
}
